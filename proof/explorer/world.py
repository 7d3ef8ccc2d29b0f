"""A table, a queue, a clock and the processes at work on them, as one immutable value; and all that can happen next.

Everything in a world is hashable and small: a table is a number, a process is the number of the node where it stands. What
can happen next is a list of choices with a label each, the same for the same world, so a list of labels is a script that
anyone can play again.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from proof.dynamodb.memory_table import MemoryTable
from proof.dynamodb.refusals import conflict, throttled, timed_out
from proof.explorer.processes import PARKED, Answer, Forest, Node, Request
from proof.sqs import memory_queue
from proof.sqs.memory_queue import SECOND, Letter, MemoryQueue

READS = frozenset({"GetItem", "BatchGetItem", "Query"})
FAULTS = ("crash", "lost", "late", "refused", "message", "time", "blank")
"""The kinds: a process dies; an answer is lost though the call took effect; a write, or a copy of it, takes effect at any
later time; a call is refused or unanswered without effect; a message comes once more or never; time passes unseen (a paused
worker, a late clock); a read of one item answers that there is none, though there is."""

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
    late: tuple[tuple[str, Request], ...]
    """Writes that are still on their way to the table, each with the name of the process that sent it."""
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

    def twin(self, actor: str) -> str | None:
        """Somebody who does the very same and begins first: in every other order they only change names."""

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
    """Where scenes are played: it keeps every table and every process that was reached so far."""

    table: MemoryTable
    forest: Forest
    tables: list[Any] = field(default_factory=list)
    _numbers: dict[tuple[int, ...], int] = field(default_factory=dict)
    _calls: dict[tuple[int, int], tuple[Answer, int]] = field(default_factory=dict)
    calls: int = 0

    def number(self) -> int:
        """The number of the table as it stands."""
        digest = self.table.digest()
        numbered = self._numbers.get(digest)
        if numbered is None:
            numbered = self._numbers[digest] = len(self.tables)
            self.tables.append(self.table.state.rows)
        return numbered

    def ask_table(self, table: int, request: Request) -> tuple[Answer, int]:
        """What the table answers, and which table it then is."""
        cached = self._calls.get((table, request.number))
        if cached is None:
            self.calls += 1
            self.table.state = self.table.state._replace(rows=self.tables[table], tokens={})
            try:
                answer = Answer.value(self.table.call(request.operation, request.body))
            except ClientError as error:
                answer = Answer.raised(error)
            cached = self._calls[table, request.number] = answer, self.number()
        return cached

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


Choice = tuple[str, Callable[[], tuple[Event, World]]]
"""Something that can happen: its label, and how to have it happen."""


@dataclass(slots=True)
class Play:
    """One scene on a stage, with faults of the kinds allowed."""

    stage: Stage
    scene: Scene
    kinds: frozenset[str]

    def opening(self, table: int, faults: int, ghost: Hashable, clock: int) -> World:
        """The world before anything has happened."""
        return World(table, memory_queue.State(), clock, self.scene.actors(), (), (), 0, 0, (), faults, ghost)

    def choices(self, world: World) -> list[Choice]:
        """All that can happen, time that has to pass included. Ghosts are still those of `world`.

        A process about to ask the queue or to hear from its model goes first, and no other process is offered: that and what
        others do don't touch each other, so every order has a twin in which it went first, with the same end. (Time and
        mail faults do touch messages in flight; while there can be any, of the queue's calls only sends go first.)
        """
        first = self._first(world)
        if first is not None:
            offered = list(self._calls_of(world, *first))
            return offered + (list(self._faults_of(world, *first)) if world.faults else [])
        offered = list(self._normal(world))
        if not offered and world.queue.letters:
            offered.append(("wait", lambda: self._waited(world)))
        offered += self._jumps(world)
        offered += self._landings(world)
        if world.faults:
            offered += self._faults(world)
        return offered

    def over(self, world: World) -> bool:
        """True if nothing happens any more without a fault: every process has ended and the queue is empty."""
        return not world.todo and not world.alive and not world.queue.letters

    def cut(self, queue: memory_queue.State, faults: int) -> memory_queue.State:
        """The queue without what can't come back in this play, so that worlds which only differ in that are one."""
        return queue if faults and "message" in self.kinds else queue._replace(gone=())

    # -- without faults --

    def _first(self, world: World) -> tuple[str, Node, World] | None:
        nodes = self.stage.forest.nodes
        calm = world.jumps == len(self.scene.jumps) and not (world.faults and self.kinds & {"message", "time"})
        for name, number in world.alive:
            node = nodes[number]
            request = node.pending[0]
            if request is None or any(
                not parked(each) or node.offers.get(n) for n, each in enumerate(node.pending[1:], 1)
            ):
                continue
            if request.where == "choice" or (request.where == "queue" and (calm or request.operation == "SendMessage")):
                return name, node, world
        return None

    def _standing(self, world: World) -> Iterator[tuple[str, Node, World]]:
        """Everybody who could do something: name, where it stands, and the world as it is once it has begun."""
        nodes = self.stage.forest.nodes
        for name, number in world.alive:
            yield name, nodes[number], world
        for name in world.todo:
            if self.scene.twin(name) in world.todo:
                continue
            program = self.scene.program(name)
            node = self.stage.forest.begin(name, (self.scene.name, name), program, world.clock).node
            alive = tuple(sorted((*world.alive, (name, node.number))))
            yield name, node, world._replace(todo=tuple(each for each in world.todo if each != name), alive=alive)
        if sum(name[0] == "w" and name[1:].isdigit() for name, _ in world.alive) < self.scene.workers:
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

    def _normal(self, world: World) -> Iterator[Choice]:
        for name, node, begun in self._standing(world):
            yield from self._calls_of(world, name, node, begun)

    def _calls_of(self, world: World, name: str, node: Node, begun: World) -> Iterator[Choice]:
        label = _label(world, begun, name)
        for thread, request in enumerate(node.pending):
            if request is None or request.where == "thread":
                continue
            if request.where == "choice":
                for option in node.offers.get(thread, ()):
                    yield self._answered(begun, name, node, thread, Answer.value(option), f"{label} {option}")
            else:
                answer, after = self._effect(begun, request)
                yield self._answered(after, name, node, thread, answer, _threaded(label, thread))

    def _effect(self, world: World, request: Request) -> tuple[Answer, World]:
        if request.where == "table":
            answer, table = self.stage.ask_table(world.table, request)
            return answer, world._replace(table=table)
        answer, queue = self.stage.ask_queue(world.queue, world.clock, request)
        return answer, world._replace(queue=self.cut(queue, world.faults))

    def _answered(self, world: World, name: str, node: Node, thread: int, answer: Answer, label: str) -> Choice:
        """`name` gets its answer and goes on to its next question, or to its end."""

        def happen() -> tuple[Event, World]:
            child, notes = self.stage.forest.go_on(node, thread, answer, world.clock)
            event = Event(label, name, node.pending[thread], answer, child, notes)
            if child.finished:
                return event, self._gone(world, name, child.result)
            alive = tuple((each, child.number if each == name else number) for each, number in world.alive)
            return event, world._replace(alive=alive)

        return label, happen

    def _gone(self, world: World, name: str, result: Hashable) -> World:
        alive = tuple(pair for pair in world.alive if pair[0] != name)
        results = world.results
        if name in self.scene.actors():
            results = tuple(sorted((*results, (name, result)), key=repr))
        return world._replace(alive=alive, results=results)

    def _waited(self, world: World) -> tuple[Event, World]:
        """Nobody can go on: time passes until the next message comes back."""
        clock = min(letter.visible_at for letter in world.queue.letters)
        return _aside("wait"), world._replace(clock=max(clock, world.clock))

    def _jumps(self, world: World) -> Iterator[Choice]:
        if world.jumps < len(self.scene.jumps):
            passed = self.scene.jumps[world.jumps]
            after = world._replace(clock=world.clock + passed, jumps=world.jumps + 1)
            yield _happened(f"+{passed // SECOND}s", after)

    def _landings(self, world: World) -> Iterator[Choice]:
        """Each write that is still on its way takes effect now, if its condition holds now; no process gets the
        answer."""
        for number, (name, request) in enumerate(world.late):
            left = world._replace(late=world.late[:number] + world.late[number + 1 :])
            yield self._landed(left, name, request, f"late {number + 1} of {name}")

    def _landed(self, world: World, name: str, request: Request, label: str) -> Choice:
        answer, table = self.stage.ask_table(world.table, request)
        event, after = Event(label, name, request, answer, None, ()), world._replace(table=table)
        return label, lambda: (event, after)

    # -- faults --

    def _faults(self, world: World) -> Iterator[Choice]:
        less = world._replace(faults=world.faults - 1)
        if "message" in self.kinds:
            yield from self._mail_faults(less)
        if "time" in self.kinds:
            for passed in self.scene.passing:
                if self.scene.matters(self.stage, less, passed):
                    yield _happened(f"!+{passed // SECOND}s", less._replace(clock=less.clock + passed))
        for name, node, begun in self._standing(world):
            yield from self._faults_of(world, name, node, begun)

    def _faults_of(self, world: World, name: str, node: Node, begun: World) -> Iterator[Choice]:
        label = _label(world, begun, name)
        begun = begun._replace(faults=world.faults - 1)
        # Who has not begun can't die; a delivered message can take its worker with it.
        if "crash" in self.kinds and name not in world.todo:
            yield self._crashed(begun, name, f"{label} !crash")
        for thread, request in enumerate(node.pending):
            if request is not None and request.where not in ("thread", "choice"):
                yield from self._call_faults(begun, name, node, thread, _threaded(label, thread))

    def _crashed(self, world: World, name: str, label: str) -> Choice:
        event = Event(label, name, None, None, None, (("crash",),))
        return label, lambda: (event, self._gone(world, name, "crashed"))

    def _call_faults(self, world: World, name: str, node: Node, thread: int, label: str) -> Iterator[Choice]:
        request = node.pending[thread]
        assert request is not None
        reading = request.operation in READS
        if not reading and self.kinds & {"crash", "lost"}:
            answer, after = self._effect(world, request)
            if "crash" in self.kinds:
                yield self._crashed(after, name, f"{label} !crash-after")
            # A refusal whose answer is lost is a call without effect and without answer: `refused` has that.
            if "lost" in self.kinds and not answer.error:
                yield self._answered(after, name, node, thread, TIMED_OUT, f"{label} !lost")
                # Botocore asks again by itself; a transaction it knows again by its token.
                again, twice = (
                    (DONE, after) if request.operation == "TransactWriteItems" else self._effect(after, request)
                )
                yield self._answered(twice, name, node, thread, again, f"{label} !retried")
        if "late" in self.kinds and not reading and request.where == "table":
            yield from self._late(world, name, node, thread, label)
        if "blank" in self.kinds and request.operation == "GetItem":
            yield self._answered(world, name, node, thread, DONE, f"{label} !blank")
        if "refused" in self.kinds:
            yield self._answered(world, name, node, thread, TIMED_OUT, f"{label} !timeout")
            busy = Answer.raised(throttled(request.operation))
            yield self._answered(world, name, node, thread, busy, f"{label} !throttled")
            if not reading and request.where == "table":
                actions = len(request.body.get("TransactItems", ())) or 1
                held = Answer.raised(conflict(request.operation, actions))
                yield self._answered(world, name, node, thread, held, f"{label} !conflict")

    def _late(self, world: World, name: str, node: Node, thread: int, label: str) -> Iterator[Choice]:
        """The request stays on its way while its caller hears nothing, or is answered on the client's own retry."""
        request = node.pending[thread]
        assert request is not None
        late = tuple(sorted((*world.late, (name, request)), key=lambda each: (each[0], each[1].number)))
        yield self._answered(world._replace(late=late), name, node, thread, TIMED_OUT, f"{label} !late")
        answer, after = self._effect(world, request)
        # The retry of a transaction that took effect bears its token, so the first request changes nothing any more.
        if answer.error or request.operation != "TransactWriteItems":
            yield self._answered(after._replace(late=late), name, node, thread, answer, f"{label} !copied")

    def _mail_faults(self, world: World) -> Iterator[Choice]:
        queue, clock = world.queue, world.clock
        for letter in queue.letters:
            lost = moved(queue, clock, lambda box, n=letter.number: box.lose(n))  # type: ignore[misc]
            yield _happened(f"!lose {letter.number}", world._replace(queue=self.cut(lost, world.faults)))
        for letter in (*(each for each in queue.letters if each.visible_at > clock), *queue.gone):
            again = moved(queue, clock, lambda box, n=letter.number: box.again(n))  # type: ignore[misc]
            yield _happened(f"!again {letter.number}", world._replace(queue=self.cut(again, world.faults)))


def _aside(label: str) -> Event:
    """An event that belongs to no process."""
    return Event(label, None, None, None, None, ())


def _happened(label: str, after: World) -> Choice:
    return label, lambda: (_aside(label), after)


def _label(world: World, begun: World, name: str) -> str:
    """Who, and for a worker that has yet to get its message, which."""
    if begun.serial == world.serial:
        return name
    pairs = zip(world.queue.letters, begun.queue.letters, strict=True)
    return f"{name}<-{next(after.number for before, after in pairs if before != after)}"


def _threaded(label: str, thread: int) -> str:
    return label if thread == 0 else f"{label}'"


def parked(request: Request | None) -> bool:
    """True for a thread with nothing under way."""
    return request is PARKED
