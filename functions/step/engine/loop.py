"""An event loop that stays, on a thread of its own.

It stays because a model client keeps its connections in the loop it was first used in. It has its own thread so that
whoever waits for a turn can stop waiting: a tool that blocks the loop, or swallows its cancellation, can't be stopped,
but it can be left behind.
"""

import asyncio
import atexit
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from threading import Lock, Thread
from threading import enumerate as enumerate_threads
from types import FrameType
from typing import Any, TypeVar

from outlive.worker import FEW

T = TypeVar("T")

TURN = "turn"
OFTEN_LEFT = frozenset({TURN, "AnyIO worker thread"})
"""Names of threads that end with their step: the loop's, and those in which the library runs a `def` tool."""
MOMENT = 0.5
"""Seconds within which a thread that is through has ended."""


def left_behind() -> int:
    """How many threads of steps that are over still run: tools that could not be stopped.

    To be asked between two steps. Up to a few, one that is about to end may be counted.
    """
    frames = sys._current_frames()  # noqa: SLF001
    found = [thread for thread in enumerate_threads() if thread.name in OFTEN_LEFT or _is_busy(thread, frames)]
    if len(found) <= FEW:  # not worth a wait for those that are about to end
        return len(found)
    until = time.monotonic() + MOMENT
    for thread in found:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(thread.is_alive() for thread in found)


def _is_busy(thread: Thread, frames: dict[int, FrameType]) -> bool:
    """Whether it is one of `asyncio.to_thread` that has not come back: those that wait for work stand in `_worker`."""
    frame = frames.get(thread.ident or 0)
    return thread.name.startswith("asyncio_") and frame is not None and frame.f_code.co_name != "_worker"


class OwnLoop:
    """Runs one coroutine at a time. A loop that is still busy when the next one comes is left behind for a fresh one.

    `generation` counts the loops: what was made in an older one must not be used in a newer one.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._runner: asyncio.Runner | None = None
        self._work: Future[Any] | None = None
        self._lock = Lock()
        atexit.register(self.close)

    def ready(self) -> int:
        """Leave a loop that is still busy behind. Returns the generation of the one the next `start` will use."""
        with self._lock:
            if self._work is not None and not self._work.done():
                self._runner = None
                self.generation += 1
            self._work = None
            return self.generation

    def start(
        self, work: Callable[[], Coroutine[Any, Any, T]], over: "Callable[[Future[T]], None] | None" = None
    ) -> "Future[T]":
        """Run `work()` in the loop. The future is done when it has ended, and never cancelled.

        `over` is called with the future then, before a loop that the work ended is closed. A caller that adds its own
        callback to the future may come later than that.
        """
        self.ready()
        runner = self._runner = self._runner or asyncio.Runner()
        future: Future[T] = Future()
        if over is not None:
            future.add_done_callback(over)
        self._work = future

        def run() -> None:
            try:
                result = runner.run(work())
            except (SystemExit, KeyboardInterrupt) as error:
                # A task raised it, and the loop stopped where it was: the work is not over, and must never go on.
                self._settle(runner, partial(future.set_exception, error), leave=True)
            except BaseException as error:
                self._settle(runner, partial(future.set_exception, error))
            else:
                self._settle(runner, partial(future.set_result, result))

        Thread(target=run, name=TURN, daemon=True).start()
        return future

    def _settle(self, runner: asyncio.Runner, settle: Callable[[], None], *, leave: bool = False) -> None:
        # Together, or a loop that is left behind just now would be closed by nobody.
        with self._lock:
            if leave and runner is self._runner:
                self._runner = None
                self.generation += 1
            left_behind = runner is not self._runner
            settle()
        if left_behind:
            runner.close()

    def close(self) -> None:
        """Close the loop, unless something is still running in it."""
        self.ready()
        if self._runner is not None:
            self._runner.close()
            self._runner = None
