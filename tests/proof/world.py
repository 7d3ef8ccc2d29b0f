"""A table, a queue, a clock and the processes at work on them, as one immutable value; and all that can happen next.

Everything in a world is hashable and small: a table is a number, a process is the number of the node where it stands. What
can happen next is a list of choices with a label each, the same for the same world, so a list of labels is a script that
anyone can play again.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from . import memory_queue
from .memory_queue import SECOND, Letter, MemoryQueue
from .memory_table import MemoryTable
from .processes import PARKED, Answer, Forest, Node, Request
from .refusals import conflict, throttled, timed_out

READS = frozenset({"GetItem", "BatchGetItem", "Query"})
FAULTS = ("crash", "lost", "refused", "message", "time")
"""The kinds: a process dies; an answer is lost though the call took effect; a call is refused or unanswered without effect;
a message comes once more or never; time passes unseen (a paused worker, a late clock)."""

TIMED_OUT = Answer.raised(timed_out())
DONE = Answer.value({})


class World(NamedTuple):
    """One instant. `alive` pairs names of processes with nodes, `results` names with what they ended with."""

    table: int
    queue: memory_queue.State
    clock: int
    todo: tuple[str, ...]
    alive: tuple[tuple[str, int], ...]
    results: tuple[tuple[str, Hashable], ...]
    jumps: int
    serial: int
    faults: int
    ghost: Hashable


class Event(NamedTuple):
    """What happened between two worlds. `actor` is None for time and mail; `thread` and so on for a call answered."""

    label: str
    actor: str | None
    request: Request | None
    answer: Answer | None
    node: Node | None
    notes: tuple[Hashable, ...]


class Scene(Protocol):
    """What is staged: who acts, on what, and what must hold."""

    name: str
    visibility: int
    workers: int
    jumps: tuple[int, ...]
    passing: tuple[int, ...]

    def actors(self) -> tuple[str, ...]:
        """The processes that begin once each, whenever they like."""

    def program(self, actor: str) -> Callable[[], Hashable]:
        """What such a process does; its result is remembered."""

    def worker(self, name: str, letter: Letter) -> Callable[[], Hashable]:
        """What a worker does with a message; true if it is to be acknowledged."""

    def watch(self, stage: "Stage", before: World, event: Event, after: World) -> tuple[Hashable, list[str]]:
        """The ghost of the world after, and every promise this event broke."""

    def matters(self, stage: "Stage", world: World, passing: int) -> bool:
        """Whether anything is different once so much time has passed."""

    def finish(self, stage: "Stage", world: World) -> list[str]:
        """Every promise broken by a world in which nothing can happen any more of itself."""


@dataclass(slots=True)
class Stage:
    """Where scenes are played: it knows every table and every process met so far."""

    table: MemoryTable
    forest: Forest
    tables: list[Any] = field(default_factory=list)
    _numbers: dict[tuple[int, ...], int] = field(default_factory=dict)
    _calls: dict[tuple[int, int], tuple[Answer, int]] = field(default_factory=dict)
    calls: int = 0

    def number(self) -> int:
        """The number of the table as it stands."""
        digest = self.table.digest()
        found = self._numbers.get(digest)
        if found is None:
            found = self._numbers[digest] = len(self.tables)
            self.tables.append(self.table.state.rows)
        return found

    def ask_table(self, table: int, request: Request) -> tuple[Answer, int]:
        """What the table answers, and which table it then is."""
        known = self._calls.get((table, request.number))
        if known is None:
            self.calls += 1
            self.table.state = self.table.state._replace(rows=self.tables[table], tokens={})
            try:
                answer = Answer.value(self.table.call(request.operation, request.body))
            except ClientError as error:
                answer = Answer.raised(error)
            known = self._calls[table, request.number] = answer, self.number()
        return known

    def ask_queue(self, queue: memory_queue.State, now: int, request: Request) -> tuple[Answer, memory_queue.State]:
        """What the queue answers, and what it then holds."""
        box = MemoryQueue(lambda: now)
        box.state = queue
        try:
            answer = Answer.value(box.call(request.operation, request.body))
        except ClientError as error:
            answer = Answer.raised(error)
        return answer, box.state


def moved(queue: memory_queue.State, now: int, change: Callable[[MemoryQueue], object]) -> memory_queue.State:
    """The queue after `change`."""
    box = MemoryQueue(lambda: now)
    box.state = queue
    change(box)
    return box.state


@dataclass(slots=True)
class Play:
    """One scene on a stage, with faults of the kinds allowed."""

    stage: Stage
    scene: Scene
    kinds: frozenset[str]

    def opening(self, table: int, faults: int, ghost: Hashable, clock: int) -> World:
        """The world before anything has happened."""
        return World(table, memory_queue.State(), clock, self.scene.actors(), (), (), 0, 0, faults, ghost)

    def next(self, world: World) -> list[tuple[Event, World]]:
        """All that can happen, time that has to pass included. Ghosts are still those of `world`.

        A process about to ask the queue or to hear from its model goes first, and nobody else is offered: that and what
        others do don't touch each other, so every order has a twin in which it went first, with the same end. (Time and
        mail faults do touch messages in flight; while there can be any, of the queue's calls only sends go first.)
        """
        first = self._first(world)
        if first is not None:
            happening = list(self._calls_of(world, *first))
            return happening + (list(self._faults_of(world, *first)) if world.faults else [])
        happening = list(self._normal(world))
        if not happening and (waited := self._wait(world)) is not None:
            happening.append(waited)
        happening += self._jumps(world)
        if world.faults:
            happening += self._faults(world)
        return happening

    def over(self, world: World) -> bool:
        """True if nothing more happens of itself: everybody has ended and the queue is empty."""
        return not world.todo and not world.alive and not world.queue.letters

    # -- without faults --

    def _standing(self, world: World) -> Iterator[tuple[str, Node, World]]:
        """Everybody who could do something: name, where it stands, and the world as it is once it has begun."""
        nodes = self.stage.forest.nodes
        for name, number in world.alive:
            yield name, nodes[number], world
        for name in world.todo:
            node = self.stage.forest.begin(name, (self.scene.name, name), self.scene.program(name), world.clock).node
            alive = tuple(sorted((*world.alive, (name, node.number))))
            yield name, node, world._replace(todo=tuple(each for each in world.todo if each != name), alive=alive)
        if sum(name.startswith("w") and name[1:].isdigit() for name, _ in world.alive) < self.scene.workers:
            for letter in world.queue.letters:
                if letter.visible_at <= world.clock:
                    yield self._delivered(world, letter)

    def _delivered(self, world: World, letter: Letter) -> tuple[str, Node, World]:
        queue = moved(world.queue, world.clock, lambda box: box.deliver(letter.number, self.scene.visibility))
        (received,) = (each for each in queue.letters if each.number == letter.number)
        name = f"w{world.serial + 1}"
        key = (self.scene.name, received.body, received.receipt)
        node = self.stage.forest.begin(name, key, self.scene.worker(name, received), world.clock).node
        alive = tuple(sorted((*world.alive, (name, node.number))))
        return name, node, world._replace(queue=queue, alive=alive, serial=world.serial + 1)

    def _first(self, world: World) -> tuple[str, Node, World] | None:
        nodes = self.stage.forest.nodes
        settled = world.jumps == len(self.scene.jumps) and not (world.faults and self.kinds & {"message", "time"})
        for name, number in world.alive:
            node = nodes[number]
            request = node.pending[0]
            alone = len(node.pending) == 1 or not (any(node.pending[2:]) or node.offers.get(1))
            if request is None or not alone or (len(node.pending) > 1 and not parked(node.pending[1])):
                continue
            if request.where == "choice" or (
                request.where == "queue" and (settled or request.operation == "SendMessage")
            ):
                return name, node, world
        return None

    def _normal(self, world: World) -> Iterator[tuple[Event, World]]:
        for name, node, begun in self._standing(world):
            yield from self._calls_of(world, name, node, begun)

    def _calls_of(self, world: World, name: str, node: Node, begun: World) -> Iterator[tuple[Event, World]]:
        label = self._label(world, begun, name)
        for thread, request in enumerate(node.pending):
            if request is None or request.where == "thread":
                continue
            if request.where == "choice":
                for option in node.offers.get(thread, ()):
                    yield self._answered(begun, name, node, thread, Answer.value(option), f"{label} {option}")
            else:
                answer, after = self._effect(begun, request)
                yield self._answered(after, name, node, thread, answer, self._threaded(label, thread))

    def _label(self, world: World, begun: World, name: str) -> str:
        if begun.serial == world.serial:
            return name
        ((letter,)) = [
            after.number
            for before, after in zip(world.queue.letters, begun.queue.letters, strict=True)
            if before != after
        ]
        return f"{name}<-{letter}"

    def _threaded(self, label: str, thread: int) -> str:
        return label if thread == 0 else f"{label}'"

    def _effect(self, world: World, request: Request) -> tuple[Answer, World]:
        if request.where == "table":
            answer, table = self.stage.ask_table(world.table, request)
            return answer, world._replace(table=table)
        answer, queue = self.stage.ask_queue(world.queue, world.clock, request)
        return answer, world._replace(queue=self.kept(queue, world.faults))

    def kept(self, queue: memory_queue.State, faults: int) -> memory_queue.State:
        """The queue without what can't come back in this play, so that worlds which only differ in that are one."""
        return queue if faults and "message" in self.kinds else queue._replace(gone=())

    def _answered(
        self, world: World, name: str, node: Node, thread: int, answer: Answer, label: str
    ) -> tuple[Event, World]:
        """`name` gets its answer and goes on to its next question, or to its end."""
        request = node.pending[thread]
        child, notes = self.stage.forest.go_on(node, thread, answer, world.clock)
        event = Event(label, name, request, answer, child, notes)
        if not child.finished:
            alive = tuple((each, child.number if each == name else number) for each, number in world.alive)
            return event, world._replace(alive=alive)
        return event, self._gone(world, name, child.result)

    def _gone(self, world: World, name: str, result: Hashable) -> World:
        alive = tuple(pair for pair in world.alive if pair[0] != name)
        results = world.results
        if name in self.scene.actors():
            results = tuple(sorted((*results, (name, result)), key=repr))
        return world._replace(alive=alive, results=results)

    def _wait(self, world: World) -> tuple[Event, World] | None:
        """Nobody can go on: time passes until the next message comes back."""
        if not world.queue.letters:
            return None
        clock = min(letter.visible_at for letter in world.queue.letters)
        return Event("wait", None, None, None, None, ()), world._replace(clock=max(clock, world.clock))

    def _jumps(self, world: World) -> Iterator[tuple[Event, World]]:
        if world.jumps < len(self.scene.jumps):
            passed = self.scene.jumps[world.jumps]
            event = Event(f"+{passed // SECOND}s", None, None, None, None, ())
            yield event, world._replace(clock=world.clock + passed, jumps=world.jumps + 1)

    # -- faults --

    def _faults(self, world: World) -> Iterator[tuple[Event, World]]:
        less = world._replace(faults=world.faults - 1)
        if "message" in self.kinds:
            yield from self._mail_faults(less)
        if "time" in self.kinds:
            for passed in self.scene.passing:
                if not self.scene.matters(self.stage, less, passed):
                    continue
                event = Event(f"!+{passed // SECOND}s", None, None, None, None, ())
                yield event, less._replace(clock=less.clock + passed)
        for name, node, begun in self._standing(world):
            yield from self._faults_of(world, name, node, begun)

    def _faults_of(self, world: World, name: str, node: Node, begun: World) -> Iterator[tuple[Event, World]]:
        label = self._label(world, begun, name)
        begun = begun._replace(faults=world.faults - 1)
        # Who has not begun can't die; a delivered message can take its worker with it.
        if "crash" in self.kinds and name not in world.todo:
            event = Event(f"{label} !crash", name, None, None, None, (("crash",),))
            yield event, self._gone(begun, name, "crashed")
        for thread, request in enumerate(node.pending):
            if request is not None and request.where not in ("thread", "choice"):
                yield from self._call_faults(begun, name, node, thread, self._threaded(label, thread))

    def _call_faults(
        self, world: World, name: str, node: Node, thread: int, label: str
    ) -> Iterator[tuple[Event, World]]:
        request = node.pending[thread]
        assert request is not None
        reading = request.operation in READS
        if "crash" in self.kinds:
            answer, after = self._effect(world, request)
            event, ended = self._answered(after, name, node, thread, answer, f"{label} !crash-after")
            # Elsewhere the same as dying before the next call.
            if event.node is not None and event.node.finished:
                yield event._replace(notes=(("crash",),)), self._gone(after, name, "crashed")
        if "lost" in self.kinds and not reading:
            answer, after = self._effect(world, request)
            # A refusal without effect that nobody hears of is an unanswered call; the other kind has that.
            if not answer.error:
                yield self._answered(after, name, node, thread, TIMED_OUT, f"{label} !lost")
                again, twice = (
                    (DONE, after) if request.operation == "TransactWriteItems" else self._effect(after, request)
                )
                yield self._answered(twice, name, node, thread, again, f"{label} !retried")
        if "refused" in self.kinds:
            yield self._answered(world, name, node, thread, TIMED_OUT, f"{label} !timeout")
            busy = Answer.raised(throttled(request.operation))
            yield self._answered(world, name, node, thread, busy, f"{label} !throttled")
            if not reading and request.where == "table":
                actions = len(request.body.get("TransactItems", ())) or 1
                held = Answer.raised(conflict(request.operation, actions))
                yield self._answered(world, name, node, thread, held, f"{label} !conflict")

    def _mail_faults(self, world: World) -> Iterator[tuple[Event, World]]:
        for letter in world.queue.letters:
            lost = moved(world.queue, world.clock, lambda box, n=letter.number: box.lose(n))  # type: ignore[misc]
            event = Event(f"!lose {letter.number}", None, None, None, None, ())
            yield event, world._replace(queue=self.kept(lost, world.faults))
        hidden = [letter for letter in world.queue.letters if letter.visible_at > world.clock]
        for letter in [*hidden, *world.queue.gone]:
            again = moved(world.queue, world.clock, lambda box, n=letter.number: box.again(n))  # type: ignore[misc]
            event = Event(f"!again {letter.number}", None, None, None, None, ())
            yield event, world._replace(queue=self.kept(again, world.faults))


def parked(request: Request | None) -> bool:
    """True for a thread with nothing under way."""
    return request is PARKED
