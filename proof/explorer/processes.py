"""Ordinary Python functions run as processes whose every call to the outside is a point where they can be left waiting.

A process is deterministic: the answers it got so far decide where it stands. So its executions form a tree. A node is
the process after a certain list of answers, and holds the call that it waits in. The code of a node runs once; visiting
the node again costs nothing. A process that has to go on from an old node is run again from its beginning with the same
answers, and has to make the same calls.

Two nodes in which the code stands alike are one node (see `standpoint.py`), even if their answers differed.

A process may have threads (a heartbeat beside the work); they take turns at the same points and die together.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError
from greenlet import GreenletExit, getcurrent, greenlet

from proof.explorer.standpoint import Incomparable, Standpoint

LIVE_AT_MOST: Final = 4000
"""How many processes are kept standing at a node, ready to go on without running again."""


class Killed(GreenletExit):
    """The process is dead: `except Exception` does not see this, and no call it still attempts reaches anything."""


class Nondeterministic(Exception):
    """A process made another call than it did before with the same answers, so nothing that was explored is
    reliable."""


class Request:
    """What a thread waits for. Equal requests are one object."""

    __slots__ = ("body", "key", "number", "operation", "where")
    _interned: dict[Hashable, "Request"] = {}

    where: str
    operation: str
    body: Any
    number: int
    key: Hashable

    @classmethod
    def of(cls, where: str, operation: str, body: Any = None) -> "Request":
        """The one request of `operation` with `body`, which must not change any more."""
        key = (where, operation, repr(body))
        interned = cls._interned.get(key)
        if interned is None:
            interned = cls()
            interned.where, interned.operation, interned.body, interned.key = where, operation, body, key
            interned.number = len(cls._interned)
            cls._interned[key] = interned
        return interned

    def __repr__(self) -> str:
        return f"{self.where}:{self.operation}"


class Answer:
    """What a thread gets: a value or an error. Equal answers are one object; every taker gets a copy of its own."""

    __slots__ = ("_stored", "error", "number", "shown")
    _interned: dict[Hashable, "Answer"] = {}

    number: int
    error: bool
    shown: str
    _stored: bytes | Callable[[], BaseException]

    @classmethod
    def value(cls, value: Any) -> "Answer":
        """The answer `value`."""
        key = ("value", repr(value))
        interned = cls._interned.get(key)
        if interned is None:
            interned = cls._new(key, error=False, shown="ok")
            interned._stored = pickle.dumps(value)
        return interned

    @classmethod
    def raised(cls, error: Exception) -> "Answer":
        """The error `error`, made anew for each taker."""
        if isinstance(error, ClientError):
            response, operation = pickle.dumps(error.response), error.operation_name
            key: Hashable = ("client error", operation, repr(error.response))
            shown = error.response["Error"]["Code"]

            def make() -> BaseException:
                return ClientError(pickle.loads(response), operation)

        else:
            kind, arguments = type(error), error.__reduce__()
            key, shown = ("error", kind, repr(error)), kind.__name__

            def make() -> BaseException:
                rebuilt = arguments[0](*arguments[1])  # type: ignore[operator]
                assert isinstance(rebuilt, BaseException)
                return rebuilt

        interned = cls._interned.get(key)
        if interned is None:
            interned = cls._new(key, error=True, shown=shown)
            interned._stored = make
        return interned

    @classmethod
    def _new(cls, key: Hashable, *, error: bool, shown: str) -> "Answer":
        answer = cls()
        answer.number, answer.error, answer.shown = len(cls._interned), error, shown
        cls._interned[key] = answer
        return answer

    def take(self) -> Any:
        """A copy of the value; raises a copy of the error."""
        if isinstance(self._stored, bytes):
            return pickle.loads(self._stored)
        raise self._stored()


JOIN = Request.of("thread", "join")
PARKED = Request.of("choice", "parked")


class _Thread:
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
        self.threads: list[_Thread | None] = []
        self._hub = getcurrent()
        main = _Thread(self, greenlet(program, self._hub), None)
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
        thread = _Thread(self, greenlet(lambda answer: self._run(loop, answer), self._hub), PARKED)
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


class Node:
    """A process after certain answers: what it waits for, or how it ended."""

    __slots__ = ("event", "finished", "number", "offers", "parent", "pending", "process", "result", "root", "steps")

    event: tuple[int, Answer, int] | None
    finished: bool
    number: int
    offers: dict[int, tuple[str, ...]]
    parent: "Node | None"
    pending: tuple[Request | None, ...]
    process: Process | None
    result: Any
    root: "tuple[str, Callable[[], Any], int]"
    steps: dict[tuple[int, int, int], "Step"]


class Step(NamedTuple):
    """Where an answer leads, and what the process reported on the way."""

    node: Node
    notes: tuple[Hashable, ...]


class Forest:
    """Every process ever run, by its beginning and its answers."""

    def __init__(self, ambient: tuple[object, ...] | None = None) -> None:
        """`ambient`: what all processes share and none changes. None keeps nodes apart that only stand alike."""
        self.nodes: list[Node] = []
        self._roots: dict[Hashable, Step] = {}
        self._live: OrderedDict[int, Node] = OrderedDict()
        self._standing: dict[Hashable, Node] = {}
        self._standpoint = (
            None if ambient is None else Standpoint((*ambient, self), (Process, _Thread, Request, Answer))
        )
        self.ran = self.reran = self.merged = self.tried = self.incomparable = 0

    def begin(self, name: str, key: Hashable, program: Callable[[], Any], now: int) -> Step:
        """The process that `program` is at its beginning. `key` and `now` must determine all that it does."""
        step = self._roots.get((name, key, now))
        if step is None:
            process = Process(name, program, now)
            step = self._roots[name, key, now] = self._stands(process, None, None, (name, program, now))
            self.ran += 1
        return step

    def go_on(self, node: Node, thread: int, answer: Answer, now: int) -> Step:
        """Where the process stands once its thread has this answer."""
        key = (thread, answer.number, now)
        step = node.steps.get(key)
        if step is None:
            process = self._at(node)
            process.go_on(thread, answer, now)
            self.ran += 1
            step = node.steps[key] = self._stands(process, node, (thread, answer, now), node.root)
        return step

    def _stands(
        self,
        process: Process,
        parent: Node | None,
        event: tuple[int, Answer, int] | None,
        root: tuple[str, Callable[[], Any], int],
    ) -> Step:
        notes = tuple(process.notes)
        standpoint = self._where(process)
        alike = self._standing.get(standpoint)
        if alike is not None:
            self.merged += 1
            self._reuse(process, alike)
            return Step(alike, notes)
        node = Node()
        node.number = len(self.nodes)
        node.parent, node.event, node.root = parent, event, root
        node.steps = {}
        node.pending = process.pending()
        node.offers = dict(process.offers)
        node.finished, node.result = process.finished, process.result
        node.process = None
        self.nodes.append(node)
        if standpoint is not None:
            self._standing[standpoint] = node
        if not process.finished:
            self._keep(node, process)
        return Step(node, notes)

    def _where(self, process: Process) -> Hashable:
        """All that decides how the process goes on; None if that cannot be compared."""
        if process.finished:
            return (process.name, "ended", process.result)
        if self._standpoint is None:
            return None
        try:
            threads = tuple(
                None
                if thread is None
                else (thread.pending and thread.pending.number, self._standpoint.of(thread.greenlet))
                for thread in process.threads
            )
        except Incomparable:
            self.incomparable += 1
            return None
        return (process.name, process.ids, process.mark, tuple(sorted(process.offers.items())), threads)

    def _reuse(self, process: Process, alike: Node) -> None:
        """Put the process where one like it is missing, or try it out."""
        at: Node | None = alike
        if alike.process is not None or alike.finished:
            at = self._try(process, alike)
        if at is None or at.finished or at.process is not None:
            process.kill()
        else:
            self._keep(at, process)

    def _try(self, process: Process, alike: Node) -> Node | None:
        """Have two that stand alike hear the same, and see that they then ask the same; returns where they are then."""
        first = [step for step in alike.steps.values() if step.node.event is not None and step.node.parent is alike]
        if not first:
            return None
        step = first[self.merged % len(first)]
        assert step.node.event is not None
        self.tried += 1
        process.go_on(*step.node.event)
        if process.pending() != step.node.pending:
            raise Nondeterministic(f"{process.name} stands alike and asks {process.pending()}, not {step.node.pending}")
        return step.node

    def _keep(self, node: Node, process: Process) -> None:
        node.process = process
        self._live[node.number] = node
        if len(self._live) > LIVE_AT_MOST:
            _, oldest = self._live.popitem(last=False)
            assert oldest.process is not None
            oldest.process.kill()
            oldest.process = None

    def _at(self, node: Node) -> Process:
        """A process standing at `node`; it is the caller's, the node no longer holds it."""
        if node.process is not None:
            process, node.process = node.process, None
            del self._live[node.number]
            return process
        path: list[Node] = []
        at: Node | None = node
        while at is not None:
            path.append(at)
            at = at.parent
        path.reverse()
        name, program, now = node.root
        process = Process(name, program, now)
        self.reran += 1
        self._same(process, path[0])
        for each in path[1:]:
            assert each.event is not None
            process.go_on(*each.event)
            self._same(process, each)
        return process

    def _same(self, process: Process, node: Node) -> None:
        if process.pending() != node.pending:
            raise Nondeterministic(f"{process.name} asked {process.pending()}, earlier {node.pending}")

    def close(self) -> None:
        """End every process that still stands."""
        for node in self._live.values():
            if node.process is not None:
                node.process.kill()
                node.process = None
        self._live.clear()
