"""A worker process that a tool has exhausted, and the runs that it would have got next."""

import json
from typing import Any

import pytest

from outlive.step_end import NO_ANSWER
from proof.stacks.deployed import Stack, until

from .own_agent import with_tools
from .runs import begin, ended, outcome
from .test_crashes import LEASE, own_stack

TOOLS = """
import os
import re
import resource
import threading

KEPT = []

def hold() -> str:
    "Keep the interpreter's lock for longer than anybody waits."
    return str(re.match(r"(a+)+$", "a" * 64 + "b"))

def open_all() -> str:
    "Leave no file descriptor to others."
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    while True:
        try:
            KEPT.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            return "opened"

def close_all() -> str:
    "Close what others have open."
    os.closerange(3, 4096)
    return "closed"

def start_threads() -> str:
    "Leave threads that never end."
    for _ in range(8):
        threading.Thread(target=threading.Event().wait, name="AnyIO worker thread", daemon=True).start()
    return "started"
"""
NAMES = ("hold", "open_all", "close_all", "start_threads")


def retired(own: Stack) -> int:
    """How many workers have ended themselves."""
    return own.log.count('"worker_retired"')


def claims(own: Stack, run: dict[str, Any]) -> int:
    """How often a worker took the run's first step: once, and again where a busy machine let a lease expire."""
    lines = (line[line.find("{") :] for line in own.log.splitlines() if run["id"] in line and '"move"' in line)
    moves = [json.loads(line) for line in lines]
    return sum(move["move"] in {"claim", "reclaim"} and move["step"] == 0 for move in moves)


@pytest.mark.together(long=True)
def test_a_worker_that_a_tool_has_used_up_ends_and_fails_no_other_run(stack):
    """[20] [22] [24] [48] A process that a tool has exhausted ends itself, and the runs of other workspaces succeed."""
    with own_stack(expected='"worker_retired"', **LEASE, STEP_ATTEMPTS="2") as own:
        # A process whose files are closed does not hear that its tool has ended: the time limit of the call ends it.
        with_tools(own, TOOLS, *NAMES, timeout=10)
        a_process_with_threads_left_behind_ends_itself_and_the_run_goes_on(own)
        for tool in ("open_all", "close_all"):
            a_process_without_files_fails_nobody_elses_run(own, tool)
        a_process_whose_lock_is_held_ends_with_its_time(own)


def a_process_with_threads_left_behind_ends_itself_and_the_run_goes_on(own: Stack) -> None:
    """[20] The run continues in a new process."""
    before = retired(own)
    run = begin(own, {"text": "one ", "tools": [["start_threads", {}]]}, {"text": "two"})
    used = until(own.workers)
    done = ended(own, run)
    assert (outcome(done["run"]), done["message"]["content"]) == (("succeeded", "stop", None), "one two")
    until(lambda: set(own.workers()) & set(used), lambda left: not left)
    until(own.queued, lambda left: left == 0)
    assert before < retired(own) <= before + claims(own, run)


def a_process_without_files_fails_nobody_elses_run(own: Stack, tool: str) -> None:
    """[22] [48] The run whose tool does that in each attempt fails after its attempts, or succeeds."""
    before = retired(own)
    run = begin(own, {"text": "one ", "tools": [[tool, {}]]})
    token = own.token("other")
    others = [begin(own, {"text": f"{n}"}, token=token) for n in range(5)]
    for n, other in enumerate(others):
        done = ended(own, other, workspace="other", token=token)
        assert (outcome(done["run"]), done["message"]["content"]) == (("succeeded", "stop", None), f"{n}")
    assert outcome(ended(own, run)["run"])[2] in (None, "step_attempts")
    until(own.queued, lambda left: left == 0)
    assert before < retired(own) <= before + claims(own, run)


def a_process_whose_lock_is_held_ends_with_its_time(own: Stack) -> None:
    """[20] [22] [24] A process in which no Python code runs any more still ends before the platform's limit. The run fails after
    its attempts, with the reason."""
    client = own.client("lambda")
    client.update_function_configuration(FunctionName=own.outputs["StepFunction"], Timeout=8)
    run = begin(own, {"text": "never kept ", "tools": [["hold", {}]]})
    done = ended(own, run)
    assert outcome(done["run"]) == ("failed", "error", "step_attempts")
    assert done["run"]["error"]["message"].endswith(f"last: {NO_ANSWER}")
    until(own.queued, lambda left: left == 0)
    assert "timed out after" not in own.log, "the platform had to end it"
    after = begin(own, {"text": "better"})
    assert outcome(ended(own, after)["run"]) == ("succeeded", "stop", None)
