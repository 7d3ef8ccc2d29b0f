"""The worker's process: whether it can execute another step, and when it must end.

A process is exhausted when it can't start a thread, has no file descriptor or no memory left, or if a library
closed a descriptor that is not its own. The run is not at fault: it is released, another worker takes it, and this process
ends. If it stayed, it would fail every step at once, be free again, and receive ever more messages.
"""

import atexit
import errno
import faulthandler
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from outlive.agent import AgentError

EXHAUSTED = "worker_exhausted"
"""The code of a step that broke off because its process was exhausted."""

SHORTAGES = frozenset({errno.EBADF, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
NO_THREAD = frozenset({"can't start new thread", "unable to start watchdog thread"})
STARTERS = frozenset({"multiprocessing", "subprocess"})
"""Modules in which EAGAIN means that no process could be started; elsewhere it means that a socket has no data yet."""

FILES_OF_A_STEP = 16
"""File descriptors that a step may need at the same time."""
FEW = 4
"""Threads that may be left behind before a process ends itself."""
SHORTEST = 0.1
NOWHERE = Path("/dev/null")


def exhausted(error: BaseException | AgentError, *, of_a_tool: bool = False) -> bool:
    """Whether `error`, or what caused it, shows that this process is exhausted.

    A tool that asks for more memory than there is fails by its own doing: with `of_a_tool`, MemoryError does not count.
    """
    if isinstance(error, AgentError):
        return error.code == EXHAUSTED
    return any(_shows_it(one, of_a_tool=of_a_tool) for one in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and all that led to it."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        before = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if before is not None:
            waiting.append(before)


def _shows_it(error: BaseException, *, of_a_tool: bool) -> bool:
    if isinstance(error, MemoryError):
        return not of_a_tool
    if isinstance(error, RuntimeError):
        return str(error) in NO_THREAD
    if isinstance(error, BlockingIOError):
        return _starts_a_process(error)
    # Errors of name resolution are OSErrors too, with numbers of their own.
    return isinstance(error, OSError) and error.errno in SHORTAGES and type(error).__name__ != "gaierror"


def _starts_a_process(error: BaseException) -> bool:
    """Whether `error` came up where a process was to be started."""
    frame = error.__traceback__
    while frame is not None:
        if str(frame.tb_frame.f_globals.get("__name__")).partition(".")[0] in STARTERS:
            return True
        frame = frame.tb_next
    return False


@dataclass(slots=True)
class Wear:
    """Records the first sign that this process is exhausted."""

    cause: str | None = None

    def saw(self, error: BaseException | AgentError) -> bool:
        """Whether `error` shows it; then it is remembered."""
        shows_it = exhausted(error)
        if shows_it and self.cause is None:
            self.cause = error.message if isinstance(error, AgentError) else f"{type(error).__name__}: {error}"
        return shows_it

    def look(self, left_behind: int) -> str | None:
        """Why this process must end, None if it can do another step. `left_behind` counts threads that earlier steps left."""
        if left_behind > FEW:
            self.cause = self.cause or f"{left_behind} threads were left behind by steps that had to end"
        try:
            _try_what_a_step_needs()
        except (OSError, RuntimeError, MemoryError) as error:
            self.saw(error)
        return self.cause


def _try_what_a_step_needs() -> None:
    thread = threading.Thread(target=int, name="probe", daemon=True)
    thread.start()
    thread.join()
    with ExitStack() as files:
        for _ in range(FILES_OF_A_STEP):
            files.enter_context(NOWHERE.open("rb", buffering=0))


_SINK = NOWHERE.open("wb", buffering=0)
atexit.register(_SINK.close)


@contextmanager
def gone_within(seconds: float) -> Iterator[None]:
    """This process is gone in `seconds` unless the block has ended, even where no line of Python can run any more.

    A thread of the interpreter's own ends it, and that thread needs no interpreter lock. It is never left waiting when
    the block has ended: a sandbox that was frozen would end with the next message it is given.
    """
    try:
        # It would also write down where every thread stands; that is nothing for a log.
        faulthandler.dump_traceback_later(max(seconds, SHORTEST), exit=True, file=_SINK)
    except RuntimeError:
        # No thread can be started: the step will find that out and let go.
        yield
        return
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
