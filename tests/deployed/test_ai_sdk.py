"""The AI SDK's own packages, `ai` and `@ai-sdk/react`, against the deployed template: in node, in a page of React.

What each case promises stands in tests/ai_sdk/cases.mjs. Both major versions that are in use play all of them.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import PATIENCE, ROOT, Stack

MAJORS = ("7", "6")
NODE = shutil.which("node")
CASES = (
    *("start", "start with the SDK's own transport", "reload", "second tab", "stop", "stop of the SDK only hangs up"),
    *("error", "tools", "busy", "lost answer", "broken connections", "expired token", "what can't be done"),
)
LONG = ("longer than a window",)
SECONDS = 2 * PATIENCE


def missing(major: str) -> str:
    """What is not here that a case needs; empty if all is."""
    if NODE is None:
        return "node is not here"
    if not (ROOT / ".envs" / f"ai-sdk-{major}" / ".done").exists():
        return f"version {major} of the AI SDK is not here; make .envs/ai-sdk-{major}/.done gets it through npm"
    return ""


@contextmanager
def play(stack: Stack, major: str, case: str, stream: str = "") -> Iterator[subprocess.Popen[str]]:
    """The case, begun, in a folder that is its own: others are played meanwhile."""
    packages = ROOT / ".envs" / f"ai-sdk-{major}"
    # Beside the packages, where node looks for them, and as npm would install the client.
    with tempfile.TemporaryDirectory(prefix="proof-", dir=packages) as folder:
        shutil.copytree(ROOT / "tests" / "ai_sdk", folder, dirs_exist_ok=True)
        shutil.copytree(ROOT / "clients" / "js", Path(folder) / "outlive-chat", ignore=shutil.ignore_patterns("test"))
        said = {
            "OUTLIVE_API": stack.url,
            "OUTLIVE_TOKEN": stack.token(),
            "OUTLIVE_STREAM": stream,
            "OUTLIVE_RELEASES": str(stack.releases),
        }
        with subprocess.Popen(
            [str(NODE), Path(folder) / "cases.mjs", case], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], **said},
        ) as played:  # fmt: skip
            try:
                yield played
            finally:
                played.kill()


def outcome(played: subprocess.Popen[str]) -> None:
    """Wait for the end of the case; fails with what it says."""
    out, err = played.communicate(timeout=SECONDS)
    lines = out.splitlines()
    said: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if not said.get("ok"):
        pytest.fail(f"{said.get('error', 'it said nothing')}\n{err[-2000:]}")
    assert not err.strip(), err


def check(stack: Stack, major: str, case: str) -> None:
    """Play the case and see how it ends."""
    if reason := missing(major):
        pytest.skip(reason)
    with play(stack, major, case) as played:
        outcome(played)


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
        # A line, or nothing when it has ended; why it did, its outcome tells.
        if '"kill"' in played.stdout.readline():
            assert stack.kill_workers()
            played.stdin.write("killed\n")
            played.stdin.flush()
        outcome(played)


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
