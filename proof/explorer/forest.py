"""Every process that was ever run, as a tree.

A process is deterministic: the answers it got so far decide where it stands. So its executions form a tree. A node is
the process after a certain list of answers, and holds the call that it waits in. The code of a node runs once; visiting
the node again costs nothing. A process that has to go on from an old node is run again from its beginning with the same
answers, and has to make the same calls.

Two nodes in which the code stands alike are one node (see `standpoint.py`), even if their answers differed."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple

from proof.explorer.calls import Answer, Request
from proof.explorer.processes import Process, Thread
from proof.explorer.standpoint import Incomparable, Standpoint

LIVE_AT_MOST: Final = 4000
"""How many processes are kept standing at a node, ready to go on without running again."""


class Nondeterministic(Exception):
    """A process made another call than it did before with the same answers, so nothing that was explored is
    reliable."""


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
        self._standpoint = None if ambient is None else Standpoint((*ambient, self), (Process, Thread, Request, Answer))
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
