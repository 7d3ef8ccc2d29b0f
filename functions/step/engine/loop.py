"""An event loop that is reused from step to step, on a thread of its own.

It is reused because a model client holds its connections in the loop in which it was first used. It has its own thread so
that the caller can stop waiting for a step: a tool that blocks the loop or swallows its cancellation cannot be stopped,
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

LOOP_THREAD = "turn"
THREADS_OF_A_STEP = frozenset({LOOP_THREAD, "AnyIO worker thread"})
"""Names of threads that end with their step: the loop's, and those in which the library runs a `def` tool."""
ENDING_S = 0.5
"""Within this time a thread whose work is done has ended."""


def left_behind() -> int:
    """How many threads of finished steps still run, because their tools could not be stopped.

    Call it between two steps. A count of up to `FEW` may include threads that are about to end.
    """
    frames = sys._current_frames()  # noqa: SLF001
    threads = [each for each in enumerate_threads() if each.name in THREADS_OF_A_STEP or _is_busy(each, frames)]
    if len(threads) <= FEW:  # so few do no harm: no need to wait for those that are about to end
        return len(threads)
    until = time.monotonic() + ENDING_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(thread.is_alive() for thread in threads)


def _is_busy(thread: Thread, frames: dict[int, FrameType]) -> bool:
    """True for a thread of `asyncio.to_thread` whose function has not returned. One that waits for work is in `_worker`."""
    frame = frames.get(thread.ident or 0)
    return thread.name.startswith("asyncio_") and frame is not None and frame.f_code.co_name != "_worker"


class OwnLoop:
    """Runs one coroutine at a time. If the loop is still busy when the next one starts, a new loop replaces it.

    `generation` counts the loops. Objects that were made in an older loop must not be used in a newer one.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._runner: asyncio.Runner | None = None
        self._work: Future[Any] | None = None
        self._lock = Lock()
        atexit.register(self.close)

    def ready(self) -> int:
        """Leave a busy loop behind. Returns the generation of the loop that the next `start` will use."""
        with self._lock:
            if self._work is not None and not self._work.done():
                self._runner = None
                self.generation += 1
            self._work = None
            return self.generation

    def start(
        self, work: Callable[[], Coroutine[Any, Any, T]], over: "Callable[[Future[T]], None] | None" = None
    ) -> "Future[T]":
        """Run `work()` in the loop. The future is done when the work has ended, and it is never cancelled.

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
                # A task raised it and stopped the loop. The work is unfinished and must never continue.
                self._settle(runner, partial(future.set_exception, error), leave=True)
            except BaseException as error:
                self._settle(runner, partial(future.set_exception, error))
            else:
                self._settle(runner, partial(future.set_result, result))

        Thread(target=run, name=LOOP_THREAD, daemon=True).start()
        return future

    def _settle(self, runner: asyncio.Runner, settle: Callable[[], None], *, leave: bool = False) -> None:
        # Under one lock: a loop that is left behind at this moment has to be closed here.
        with self._lock:
            if leave and runner is self._runner:
                self._runner = None
                self.generation += 1
            left_behind = runner is not self._runner
            settle()
        if left_behind:
            runner.close()

    def close(self) -> None:
        """Close the loop, unless it is still busy."""
        self.ready()
        if self._runner is not None:
            self._runner.close()
            self._runner = None
