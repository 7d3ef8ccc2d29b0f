"""What live text costs: the writes of a step that streams, and what a reader who follows it reads.

The real live log and the real tail, on the table in memory, under a clock that only they move; `python -m bench.cost`
writes the table of docs/cost.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.one_process import LONG, TABLE, OneProcess
from proof.costs.units import Units, bill
from proof.dynamodb.memory_table import MemoryTable
from proof.sqs.memory_queue import MemoryQueue

SPOKEN = ((600, 3.0), (6_000, 30.0), (60_000, 60.0))
"""Characters of a step, and the seconds it streams them in."""
TICK = 0.05
LIVELY, CALM = 0.7, 1.5
"""Seconds the console pauses after a look that found something new, and after one that did not (console/follow.js)."""
CHAT = "0f8fad5b-d9cb-469f-a165-70867728950e"


@dataclass
class Unrolled:
    """A clock that is moved on by whoever waits; what is to happen meanwhile happens."""

    at: int = 1_780_000_000_000
    happens: Callable[[], None] = lambda: None

    def now(self) -> int:
        """The time now, in milliseconds."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(max(1, round(seconds / TICK))):
            self.at += int(TICK * 1000)
            self.happens()


@dataclass(frozen=True, slots=True)
class Followed:
    """A step that was said live, and one reader who followed it."""

    characters: int
    seconds: float
    pieces: int
    written: Units
    windows: int
    """Requests of the reader."""
    read: Units
    idle: Units
    """What a look costs that finds nothing new."""


@dataclass
class _Bill:
    table: MemoryTable
    calls: list[str] = field(default_factory=list)
    units: Units = field(default_factory=Units)

    def call(self, operation: str, request: dict[str, Any]) -> Any:
        answer, units = bill(self.table, operation, request)
        self.calls.append(operation)
        self.units += units
        if isinstance(answer, Exception):
            raise answer
        return answer

    def taken(self) -> tuple[int, Units]:
        """Calls and units since this was asked last."""
        calls, units, self.calls, self.units = len(self.calls), self.units, [], Units()
        return calls, units


def followed(characters: int, seconds: float, *, console: bool = False) -> Followed:
    """One step that says so much in so long, with a reader from its claim to its last word.

    The reader has each request wait and asks again at once, or, as the `console` does, looks and pauses.
    """
    from outlive.caller import Caller  # noqa: PLC0415
    from outlive.follow.live import LiveLog  # noqa: PLC0415
    from outlive.follow.passages import Words  # noqa: PLC0415
    from outlive.store.rows import Run  # noqa: PLC0415
    from outlive.tail import Tail  # noqa: PLC0415

    billed = _Bill(MemoryTable(TABLE))
    queue = MemoryQueue(lambda: 0)
    app = OneProcess(billed.call, queue, queue.call, long_ids=True)
    app.hush()
    run_id = app.begin(CHAT, "run", 1)["id"]
    table: Any = app.handlers["tail"].tail.table
    who, clock = (Caller(LONG["workspace_id"], LONG["sub"]), run_id), Unrolled()
    run = table.claim(Run(Run.key(LONG["workspace_id"], run_id), Run.SK), 0, "lease", clock.at + 600_000, clock.at)
    log, begun = LiveLog(run, table.put_live_piece, clock), clock.at  # type: ignore[arg-type]  # it has what they use of it
    said, pieces, written, due = 0, 0, Units(), clock.at
    tail = Tail(table, clock, str)  # type: ignore[arg-type]
    read, windows = Units(), 0

    def take_reads() -> None:
        nonlocal read
        read += billed.taken()[1]

    def speak() -> None:
        nonlocal said, pieces, written, due
        take_reads()
        upto = min(characters, int(characters * (clock.at - begun) / (seconds * 1000)))
        log.show(Words("text", "x" * (upto - said)))
        said = upto
        if clock.at >= due:
            due = clock.at + int(1000 * log.tick())
        calls, units = billed.taken()
        pieces, written = pieces + calls, written + units

    billed.taken()
    clock.happens = speak
    cursor, told = None, 0
    while told < characters:
        window = tail.after(*who, cursor, 0 if console else 20)
        assert window is not None
        windows, cursor = windows + 1, window.cursor
        if console:
            clock.sleep(LIVELY if window.events else CALM)
        told += sum(len(getattr(event, "text", "")) for event in window.events)
    take_reads()
    tail.after(*who, cursor, 0)
    return Followed(characters, seconds, pieces, written, windows, read, billed.taken()[1])
