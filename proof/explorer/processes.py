"""Ordinary Python functions run as processes whose every call to the outside is a point where they can be left waiting.

A process may have threads (a heartbeat beside the work); they take turns at the same points and die together."""

from collections.abc import Callable, Hashable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from proof.explorer.calls import Answer, Request


class Killed(GreenletExit):
    """The process is dead: `except Exception` does not see this, and no call it still attempts reaches anything."""


JOIN = Request.of("thread", "join")
PARKED = Request.of("choice", "parked")


class Thread:
    __slots__ = ("greenlet", "main", "pending", "process")

    def __init__(self, process: "Process", main: greenlet, pending: Request | None) -> None:
        self.process = process
        self.main = main
        self.greenlet = main
        self.pending = pending


class Process:
    """A program under way.

    `now` is its clock, `notes` what it reported since it was last left waiting, `offers` the choices of a thread that waits
    for one, `mark` the part of its state that no frame shows, and `covers` the steps its message stands for.
    """

    def __init__(self, name: str, program: Callable[[], Any], now: int) -> None:
        self.name = name
        self.now = now
        self.notes: list[Hashable] = []
        self.offers: dict[int, tuple[str, ...]] = {}
        self.mark: Hashable = None
        self.covers = (0, 0)
        self.ids = 0
        self.dead = False
        self.result: Any = None
        self.finished = False
        self.threads: list[Thread | None] = []
        self._hub = getcurrent()
        main = Thread(self, greenlet(program, self._hub), None)
        self.threads.append(main)
        self._switch(0, ())

    def go_on(self, thread: int, answer: Answer, now: int) -> None:
        """Give `answer` to the thread and run until every thread waits again, or the process has ended."""
        self.now = now
        self.notes = []
        self._switch(thread, (answer,))

    def pending(self) -> tuple[Request | None, ...]:
        """What each thread waits for; None where it has ended."""
        return tuple(None if thread is None else thread.pending for thread in self.threads)

    def kill(self) -> None:
        """End the process here and now; what its `finally` blocks still ask reaches nothing."""
        self.dead = True
        for thread in self.threads:
            if thread is not None and thread.greenlet:
                self._enter(thread.greenlet.throw, Killed)

    # -- called by the program, from inside --

    def ask(self, request: Request) -> Any:
        """Wait for the answer to `request`."""
        if self.dead:
            raise Killed
        answer = self._hub.switch(request)
        if self.dead:
            raise Killed
        return answer.take()

    def spawn(self, loop: Callable[[], None]) -> int:
        """Start a thread that parks at once; returns its number."""
        thread = Thread(self, greenlet(lambda answer: self._run(loop, answer), self._hub), PARKED)
        self.threads.append(thread)
        return len(self.threads) - 1

    def join(self, number: int) -> None:
        """Wait until the thread is parked again, then end it."""
        if self.dead:
            raise Killed
        self._hub.switch(JOIN)
        if self.dead:
            raise Killed

    def park(self) -> Any:
        """The choice that the thread gets next."""
        return self.ask(PARKED)

    # -- the hub's side --

    def _run(self, loop: Callable[[Any], None], answer: Answer) -> None:
        loop(answer.take())

    def _enter(self, way: Callable[..., Any], *arguments: Any) -> Any:
        """Go into a thread by `way`, as the process that is running."""
        global _running
        before, _running = _running, self
        try:
            return way(*arguments)
        finally:
            _running = before

    def _switch(self, number: int, arguments: tuple[Any, ...]) -> None:
        while True:
            thread = self.threads[number]
            assert thread is not None
            yielded = self._enter(thread.greenlet.switch, *arguments)
            if thread.greenlet.dead:
                self.threads[number] = None
                if number == 0:
                    self.result, self.finished = yielded, True
                    return
            else:
                thread.pending = yielded
            main = self.threads[0]
            assert main is not None
            if main.pending is not JOIN:
                return
            beside = [each for each in self.threads[1:] if each is not None]
            if any(each.pending is not PARKED for each in beside):
                return
            for each in beside:
                if each.greenlet:
                    self._enter(each.greenlet.throw, Killed)
            del self.threads[1:]
            number, arguments = 0, (None,)


_running: Process | None = None


def running() -> Process:
    """The process whose code runs right now."""
    assert _running is not None, "no process is running"
    return _running
