"""What becomes of a worker that is no good any more, and of the runs it would have been given."""

import pytest

from .conftest import Stack, until
from .own_agent import with_tools
from .runs import begin, ended, new_chat, outcome
from .test_crashes import LEASE, own_stack

HOLD = """
import re

def hold() -> str:
    "Keep the interpreter's lock for longer than anybody waits."
    return str(re.match(r"(a+)+$", "a" * 64 + "b"))
"""
LOSE_FILES = """
import os
import resource
import threading

KEPT = []

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


def retired(own: Stack) -> int:
    """How many workers have ended themselves."""
    return own.log.count('"worker_retired"')


@pytest.mark.together(long=True)
def test_a_tool_that_keeps_the_interpreters_lock_has_its_process_ended_with_its_time(stack):
    """[20] [22] Nothing of Python's runs in that process any more: another worker tries, and the run says what is known."""
    with own_stack(**LEASE, STEP_ATTEMPTS="2") as own:
        with_tools(own, HOLD, "hold", timeout=8)
        run = begin(own, {"text": "kept ", "tools": [["hold", {}]]})
        held = until(own.workers)
        done = ended(own, run)
        assert outcome(done["run"]) == ("failed", "error", "step_attempts")
        assert done["run"]["error"]["message"].endswith(
            "last: the worker did not answer: it died, or a tool kept it from answering"
        )
        until(lambda: set(own.workers()) & set(held), lambda left: not left)
        until(own.queued, lambda left: left == 0)
        assert "timed out after" not in own.log, "the process ended by itself"
        after = begin(own, {"text": "better"})
        assert outcome(ended(own, after)["run"]) == ("succeeded", "stop", None)


@pytest.mark.together(long=True)
@pytest.mark.parametrize("tool", ["open_all", "start_threads"])
def test_a_worker_that_a_tool_has_used_up_ends_itself_and_the_run_goes_on(stack, tool):
    """[20] In a process that is new."""
    with own_stack(**LEASE) as own:
        with_tools(own, LOSE_FILES, tool, timeout=60)
        run = begin(own, {"text": "one ", "tools": [[tool, {}]]}, {"text": "two"})
        used = until(own.workers)
        done = ended(own, run)
        assert (outcome(done["run"]), done["message"]["content"]) == (("succeeded", "stop", None), "one two")
        assert not set(own.workers()) & set(used)
        assert retired(own) == 1
        until(own.queued, lambda left: left == 0)


@pytest.mark.together(long=True)
def test_a_worker_whose_files_a_tool_has_closed_fails_nobody_elses_run(stack):
    """[20] [48] The run whose tool does that each time is given up after its attempts."""
    with own_stack(**LEASE, STEP_ATTEMPTS="2") as own:
        with_tools(own, LOSE_FILES, "close_all", timeout=60)
        run = begin(own, {"text": "one ", "tools": [["close_all", {}]]})
        others = [begin(own, {"text": f"{n}"}, chat=new_chat(), token=own.token("other")) for n in range(8)]
        for n, other in enumerate(others):
            done = ended(own, other, workspace="other", token=own.token("other"))
            assert (outcome(done["run"]), done["message"]["content"]) == (("succeeded", "stop", None), f"{n}")
        assert outcome(ended(own, run)["run"])[0] in ("failed", "succeeded")
        until(own.queued, lambda left: left == 0)
