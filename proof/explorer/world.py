"""A table, a queue, a clock and the processes at work on them, as one immutable value; and the stage it stands on.

Everything in a world is hashable and small: a table is a number, a process is the number of the node where it stands."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from proof.dynamodb.memory_table import MemoryTable
from proof.explorer.calls import Answer, Request
from proof.explorer.forest import Forest, Node
from proof.sqs import memory_queue
from proof.sqs.memory_queue import Letter, MemoryQueue


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

    def watch(self, before: World, event: Event, after: World) -> tuple[Hashable, list[str]]:
        """The ghost of the world after, and every promise this event broke."""

    def matters(self, world: World, passing: int) -> bool:
        """Whether anything is different once so much time has passed."""

    def finish(self, world: World) -> list[str]:
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
