"""The AI SDK's own packages, `ai` and `@ai-sdk/react`, against the deployed template: in node, in a page of React.

What each case promises stands in tests/ai_sdk/cases.mjs. Both major versions that are in use play all of them.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, Any

import pytest

from .conftest import ROOT, Stack, until

MAJORS = ("7", "6")
NODE = shutil.which("node")
CASES = (
    *("start", "start with the SDK's own transport", "reload", "second tab", "stop", "stop of the SDK only hangs up"),
    *("error", "tools", "busy", "lost answer", "broken connections", "expired token", "what can't be done"),
)
LONG = ("longer than a window",)
SECONDS = 150


def missing(major: str) -> str:
    """What is not here that a case needs; empty if all is."""
    if NODE is None:
        return "node is not here"
    if not (ROOT / ".envs" / f"ai-sdk-{major}" / ".done").exists():
        return f"version {major} of the AI SDK is not here; make .envs/ai-sdk-{major}/.done gets it through npm"
    return ""


def play(stack: Stack, major: str, case: str, stream: str = "") -> subprocess.Popen[str]:
    """The case, begun."""
    env = ROOT / ".envs" / f"ai-sdk-{major}"
    proof = env / f"proof-{os.getpid()}"
    # Beside the packages, where node looks for them, and as npm would install the client.
    if not proof.exists():
        shutil.copytree(ROOT / "tests" / "ai_sdk", proof)
        shutil.copytree(ROOT / "clients" / "js", proof / "outlive-chat", ignore=shutil.ignore_patterns("test"))
    said = {"OUTLIVE_API": stack.url, "OUTLIVE_TOKEN": stack.token(), "OUTLIVE_STREAM": stream}
    return subprocess.Popen(
        [str(NODE), proof / "cases.mjs", case], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={"PATH": os.environ["PATH"], **said},
    )  # fmt: skip


def outcome(played: subprocess.Popen[str]) -> None:
    """Wait for the end of the case; fails with what it says."""
    try:
        out, err = played.communicate(timeout=SECONDS)
    finally:
        played.kill()
    lines = out.splitlines()
    said: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if not said.get("ok"):
        pytest.fail(f"{said.get('error', 'it said nothing')}\n{err[-2000:]}")
    assert not err.strip(), err


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> Any:
    yield
    for folder in (ROOT / ".envs").glob(f"ai-sdk-*/proof-{os.getpid()}"):
        shutil.rmtree(folder)


def check(stack: Stack, major: str, case: str) -> None:
    """Play the case and see how it ends."""
    if reason := missing(major):
        pytest.skip(reason)
    outcome(play(stack, major, case))


@pytest.mark.together
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("major", MAJORS)
def test_use_chat(stack: Stack, major: str, case: str) -> None:
    """useChat shows what is stored, once, and nothing is thrown."""
    check(stack, major, case)


@pytest.mark.together(long=True)
@pytest.mark.parametrize("case", LONG)
@pytest.mark.parametrize("major", MAJORS)
def test_use_chat_for_longer_than_the_gateway_waits(stack: Stack, major: str, case: str) -> None:
    """A run that is longer than a window is one answer all the same."""
    check(stack, major, case)


@pytest.mark.parametrize("major", MAJORS)
def test_use_chat_while_the_worker_is_killed(stack: Stack, major: str) -> None:
    """What the dead worker had said does not stay."""
    if reason := missing(major):
        pytest.skip(reason)
    with play(stack, major, "killed") as played:
        assert played.stdout is not None
        assert played.stdin is not None
        if json.loads(line(played.stdout)).get("now") == "kill":
            assert stack.kill_workers()
            played.stdin.write("killed\n")
            played.stdin.flush()
        outcome(played)


def line(out: IO[str]) -> str:
    """What it says next."""
    return until(out.readline, seconds=SECONDS)


def test_every_case_is_played() -> None:
    """The cases here are those of the file."""
    if reason := missing(MAJORS[0]):
        pytest.skip(reason)
    source = (ROOT / "tests" / "ai_sdk" / "cases.mjs").read_text()
    known = [name.removesuffix("() {").removeprefix("async ").strip('"') for name in _methods(source)]
    assert sorted(known) == sorted([*CASES, *LONG, "killed"])


def _methods(source: str) -> list[str]:
    body = source[source.index("const cases = {") :]
    return [text.strip() for text in body.splitlines() if text.startswith("  async ") and text.endswith("() {")]


def test_the_lock_files_name_no_registry() -> None:
    """Which registry the packages come from is the user's own business."""
    for major in MAJORS:
        lock = json.loads(Path(ROOT / "requirements" / f"ai-sdk-{major}" / "package-lock.json").read_text())
        assert not [name for name, package in lock["packages"].items() if "resolved" in package]
        assert lock["packages"]["node_modules/ai"]["version"].startswith(f"{major}.")
