"""The AI SDK's own packages, `ai` and `@ai-sdk/react`, against the deployed template: in node, in a page of React.

What each case promises stands in tests/ai_sdk/cases.mjs. Both major versions that are in use play all of them.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from proof.stacks.deployed import PATIENCE, ROOT, Stack

from .own_agent import with_agent
from .test_crashes import own_stack

MAJORS = ("7", "6")
NODE = shutil.which("node")
CASES = (
    *(
        "longer than a window",
        "start",
        "start with the SDK's own transport",
        "reload",
        "files",
        "second tab",
        "stop",
        "stop of the SDK only hangs up",
    ),
    *("error", "tools", "busy", "lost answer", "broken connections", "expired token", "what can't be done"),
    *("calls that are complete when a window ends", "stop between two steps", "approve", "deny", "question"),
    *("two approvals, one by one", "an approval and a question", "reload while waiting", "approved elsewhere"),
    *("a second tab decides otherwise", "a message in place of a decision", "stop while waiting"),
    "lost answer of the answers",
    *("a message while an answer streams", "a message that steers", "a message of another tab waits for its turn"),
)
SECONDS = 2 * PATIENCE


def missing(major: str) -> str:
    """What is missing for the cases; empty if nothing is."""
    if NODE is None:
        return "node is not here"
    if not (ROOT / ".envs" / f"ai-sdk-{major}" / ".done").exists():
        return f"version {major} of the AI SDK is not here; make .envs/ai-sdk-{major}/.done gets it through npm"
    return ""


@contextmanager
def play(stack: Stack, major: str, *cases: str, stream: str = "") -> Iterator[subprocess.Popen[str]]:
    """The cases, begun, in a folder that is theirs alone."""
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
            [str(NODE), Path(folder) / "cases.mjs", *cases], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], **said},
        ) as played:  # fmt: skip
            try:
                yield played
            finally:
                played.kill()


Results = dict[tuple[str, str], str]
"""What is wrong with the case of a major version; empty if nothing is."""


def outcomes(played: subprocess.Popen[str], major: str, *cases: str) -> Results:
    """How each of the cases ended, once all have."""
    out, err = played.communicate(timeout=SECONDS)
    lines = [json.loads(line) for line in out.splitlines()]
    ended = {line["case"]: line for line in lines if "case" in line}
    threw = [line["error"] for line in lines if "case" not in line and "error" in line]
    return {
        (major, case): "\n".join([*threw, ended.get(case, {"error": "it did not end"}).get("error", ""), err]).strip()
        for case in cases
    }


def play_all(stack: Stack, request: pytest.FixtureRequest, stream: str = "") -> Results:
    """Play every case that a test of this file asks for, all of a major version in one node: most of a case is
    waiting."""
    wanted: dict[str, list[str]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.path == request.path and request.fixturename in item.fixturenames:
            major, case = item.callspec.params["major"], item.callspec.params["case"]
            if not missing(major):
                wanted.setdefault(major, []).append(case)
    return play_both(stack, {major: sorted(cases, key=CASES.index) for major, cases in wanted.items()}, stream=stream)


def play_both(stack: Stack, wanted: dict[str, Sequence[str]], stream: str = "") -> Results:
    """How the cases of each major version ended; the versions are played at the same time."""
    results: Results = {}
    with ExitStack() as plays:
        begun = {
            major: plays.enter_context(play(stack, major, *cases, stream=stream)) for major, cases in wanted.items()
        }
        # A thread reads the output of each, so that none waits for another's turn.
        with ThreadPoolExecutor() as pool:
            read = [pool.submit(outcomes, played, major, *wanted[major]) for major, played in begun.items()]
        for one in read:
            results |= one.result()
    return results


@pytest.fixture(scope="module")
def results(stack: Stack, request: pytest.FixtureRequest) -> Results:
    """Of every case."""
    return play_all(stack, request)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("major", MAJORS)
def test_use_chat(results: Results, major: str, case: str) -> None:
    """useChat shows what is stored, once, and nothing is thrown; a run that is longer than a window is one answer."""
    if reason := missing(major):
        pytest.skip(reason)
    assert results[major, case] == ""


TYPED = """
from dataclasses import dataclass

from agents.tools import clock


@dataclass
class City:
    name: str
    people: int


agent = Agent(output_type=City, deps_type=StepDeps, tools=[clock])
"""


def test_use_chat_shows_a_structured_output() -> None:
    """`data-output` is the last part of the answer, with both versions, and what is stored."""
    if reason := missing("7") or missing("6"):
        pytest.skip(reason)
    case = "structured output"
    with own_stack() as own:
        with_agent(own, TYPED)
        assert play_both(own, dict.fromkeys(MAJORS, (case,))) == {(major, case): "" for major in MAJORS}


WITH_PAY = ("slow approved tool", "client tool", "asked again")
PAY = """
import os
import time
from pathlib import Path

from pydantic_ai import ApprovalRequired, ExternalToolset, RunContext, ToolDefinition


def pay(ctx: RunContext[StepDeps], amount: int) -> str:
    if amount > 100 and not (ctx.tool_call_metadata or {}).get("again"):
        raise ApprovalRequired(metadata={"again": True})
    while not Path(os.environ["OFFLINE_RELEASES"], ctx.deps.chat_id).exists():
        time.sleep(0.05)
    return f"Paid {amount}."


locate = ToolDefinition(name="locate", description="Where the user is.")

agent = Agent(
    deps_type=StepDeps, tools=[Tool(pay, timeout=200, requires_approval=True)], toolsets=[ExternalToolset([locate])]
)
"""
"""`pay` works until its chat is released, and asks about a large amount twice."""


def test_use_chat_answers_other_tools() -> None:
    """[78] Tools of the client, a tool that asks twice, and one that takes longer than a window of a plain client."""
    if reason := missing("7") or missing("6"):
        pytest.skip(reason)
    with own_stack() as own:
        with_agent(own, PAY)
        results = play_both(own, dict.fromkeys(MAJORS, WITH_PAY))
    assert results == {(major, case): "" for major in MAJORS for case in WITH_PAY}


@pytest.fixture(scope="module")
def killed(stack: Stack) -> Results:
    """Of the case whose worker is killed: all major versions wait for it, and one kill is for all."""
    results: Results = {}
    with ExitStack() as plays:
        begun = {major: plays.enter_context(play(stack, major, "killed")) for major in MAJORS if not missing(major)}
        # A line, or nothing when it has ended; why it did, its outcome tells.
        waiting = [played for played in begun.values() if played.stdout and '"kill"' in played.stdout.readline()]
        assert not waiting or stack.kill_workers()
        for played in waiting:
            assert played.stdin is not None
            played.stdin.write("killed\n")
            played.stdin.flush()
        for major, played in begun.items():
            results |= outcomes(played, major, "killed")
    return results


@pytest.mark.parametrize("major", MAJORS)
def test_use_chat_while_the_worker_is_killed(killed: Results, major: str) -> None:
    """The text of the killed worker does not stay on the page."""
    if reason := missing(major):
        pytest.skip(reason)
    assert killed[major, "killed"] == ""


def test_every_case_is_played() -> None:
    """The cases here are those of the file."""
    if reason := missing(MAJORS[0]):
        pytest.skip(reason)
    sources = [(ROOT / "tests" / "ai_sdk" / name).read_text() for name in ("cases.mjs", "waiting.mjs", "busy.mjs")]
    methods = [*_methods(sources[0], "const cases = {"), *_methods(sources[1], "export const waiting = {")]
    methods += _methods(sources[2], "export const busyChat = {")
    known = [name.removesuffix("() {").removeprefix("async ").strip('"') for name in methods]
    assert sorted(known) == sorted([*CASES, *WITH_PAY, "killed", "structured output"])


def _methods(source: str, beginning: str) -> list[str]:
    body = source[source.index(beginning) :]
    return [text.strip() for text in body.splitlines() if text.startswith("  async ") and text.endswith("() {")]


def test_the_lock_files_name_no_registry() -> None:
    """The packages can come from any registry that the user's npm is set to."""
    for file in (ROOT / "requirements").glob("*/package-lock.json"):
        lock = json.loads(file.read_text())
        assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    for major in MAJORS:
        lock = json.loads(Path(ROOT / "requirements" / f"ai-sdk-{major}" / "package-lock.json").read_text())
        assert lock["packages"]["node_modules/ai"]["version"].startswith(f"{major}.")
