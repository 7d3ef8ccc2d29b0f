"""Telling a process that is exhausted from a run that fails, and ending one that does not answer."""

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError

from engine import loop
from engine.errors import ToolBroke, agent_error
from outlive import worker
from outlive.agent import AgentError
from outlive.errors import StoreUnanswered
from outlive.worker import EXHAUSTED, FEW, Wear, exhausted, gone_within

ROOT = Path(__file__).parents[2]


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def raised(error: Callable[[], Any]) -> BaseException:
    try:
        error()
    except BaseException as exception:
        return exception
    raise AssertionError


def met_while_handling(error: BaseException) -> BaseException:
    def fail() -> None:
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError:
            raise error  # noqa: B904

    return raised(fail)


def no_process() -> None:
    def fork(*_: Any) -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "_fork_exec", fork)
        subprocess.Popen(["true"])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        RuntimeError("unable to start watchdog thread"),
        *(OSError(number, os.strerror(number)) for number in (errno.EMFILE, errno.ENFILE, errno.EBADF, errno.ENOMEM)),
        MemoryError(),
        caused(StoreUnanswered("EndpointConnectionError"), OSError(errno.EMFILE, "")),
        met_while_handling(EndpointConnectionError(endpoint_url="http://table")),
        met_while_handling(HTTPClientError(error="bad")),
        ExceptionGroup("all failed", [ValueError(), OSError(errno.EBADF, "")]),
        caused(ConnectionError("all attempts failed"), ExceptionGroup("", [OSError(errno.EMFILE, "")])),
        AgentError("transient", EXHAUSTED, "no thread"),
    ],
    ids=repr,
)
def test_an_exhausted_process_is_distinguished_from_a_failed_run(error: BaseException | AgentError) -> None:
    """[22] However deep it stands in what was made of it."""
    wear = Wear()
    assert exhausted(error)
    assert wear.saw(error)
    assert wear.look(0) == wear.cause
    assert wear.cause is not None


def test_a_process_that_cant_be_started_is_trouble_of_the_process() -> None:
    """[22] EAGAIN says so there, and of a socket that there is nothing to read."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        nothing_to_read = raised(lambda: ours.recv(1))
    assert isinstance(nothing_to_read, BlockingIOError)
    assert not exhausted(nothing_to_read)
    assert exhausted(raised(no_process))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start the car"),
        OSError(errno.ENOENT, "no such file"),
        ConnectionResetError(errno.ECONNRESET, ""),
        socket.gaierror(errno.EBADF, "a number of its own"),
        ValueError(),
        caused(ValueError(), KeyError()),
        AgentError("transient", "model_connection", "refused"),
    ],
    ids=repr,
)
def test_other_trouble_wears_no_process_out(error: BaseException | AgentError) -> None:
    wear = Wear()
    assert not wear.saw(error)
    assert wear.look(FEW) is None


def test_an_error_that_leads_to_itself_is_read_once() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert not exhausted(first)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (RuntimeError("can't start new thread"), "transient", EXHAUSTED),
        (MemoryError(), "transient", EXHAUSTED),
        (ToolBroke("clock", "1", RuntimeError("can't start new thread")), "transient", EXHAUSTED),
        (ToolBroke("clock", "1", OSError(errno.EMFILE, "")), "transient", EXHAUSTED),
        (ToolBroke("clock", "1", MemoryError()), "permanent", "tool_failed"),
        (ToolBroke("clock", "1", caused(ValueError(), MemoryError())), "permanent", "tool_failed"),
    ],
)
def test_a_step_in_an_exhausted_process_is_tried_again(error: BaseException, kind: str, code: str) -> None:
    """[22] Only a tool that asks for more memory than there is fails by its own doing."""
    made = agent_error(error)
    assert (made.kind, made.code) == (kind, code)


def test_more_than_a_few_threads_left_behind_wear_a_process_out() -> None:
    assert Wear().look(FEW) is None
    assert Wear().look(FEW + 1) == f"{FEW + 1} threads were left behind by steps that had to end"


def test_threads_left_behind_are_counted_until_they_end() -> None:
    before, release = loop.left_behind(), threading.Event()
    threads = [
        threading.Thread(target=release.wait, args=(600,), name=name)
        for name in (loop.LOOP_THREAD, "AnyIO worker thread", "asyncio_0", "asyncio_1", "asyncio_2", "an owner's")
    ]
    for thread in threads:
        thread.start()
    assert loop.left_behind() == before + 5
    release.set()
    for thread in threads:
        thread.join()
    assert loop.left_behind() == before


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "shared")}, capture_output=True, text=True,
        check=False, timeout=180,
    )  # fmt: skip


HOLDS = 'import re; re.match(r"(a+)+$", "a" * 64 + "b")'


def test_a_process_whose_lock_is_held_is_gone_when_its_time_is_up() -> None:
    """[24] It says nothing: where each thread stands is nothing for a log."""
    done = in_a_process(f"from outlive.worker import gone_within\nwith gone_within(0.5):\n {HOLDS}")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_process_that_is_through_in_time_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """[24] Also where the step raised: nothing is left armed for the next message."""
    armed: list[float] = []
    watchdog = SimpleNamespace(
        dump_traceback_later=lambda seconds, **_: armed.append(seconds), cancel_dump_traceback_later=armed.clear
    )
    monkeypatch.setattr(worker, "faulthandler", watchdog)
    with gone_within(2):
        assert armed == [2]
    assert armed == []
    with suppress(ValueError), gone_within(2):
        raise ValueError
    assert armed == []


def test_a_process_without_files_or_threads_is_seen_before_the_next_step() -> None:
    files = (
        "import os, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "from outlive.worker import Wear\n"
        "assert Wear().look(0) is None\n"
        "while True:\n try: os.open('/dev/null', 0)\n except OSError: break\n"
        "print(Wear().look(0))"
    )
    assert "Too many open files" in in_a_process(files).stdout
    threads = (
        "import threading\n"
        "from outlive.worker import Wear, gone_within\n"
        "assert Wear().look(0) is None\n"
        'def fail(*_, **__): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = fail\n"
        "print(Wear().look(0))"
    )
    assert in_a_process(threads).stdout == "RuntimeError: can't start new thread\n"
