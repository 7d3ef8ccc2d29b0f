"""An event loop that stays, on a thread of its own.

It stays because a model client keeps its connections in the loop it was first used in. It has its own thread so that
whoever waits for a turn can stop waiting: a tool that blocks the loop, or swallows its cancellation, can't be stopped,
but it can be left behind.
"""

import asyncio
import atexit
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


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

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> "Future[T]":
        """Run `work()` in the loop. The future is done when it has ended, and never cancelled."""
        self.ready()
        runner = self._runner = self._runner or asyncio.Runner()
        future: Future[T] = Future()
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

        Thread(target=run, name="turn", daemon=True).start()
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
