"""Many at once, on real engines: the operations as they are race each other, round by round, and one wins each time.

    python -m proof.stress.races [--rounds 500] [--seconds 60] [--engine dynamodb_local] [--race "claim × claim"]

Each cell of the table is one race on one engine, run by 32 threads or by 8 processes: 500 rounds or 60 seconds, whichever
comes first. After every round the winners are counted, and the rows must be consistent and hold what the winner wrote.

What this shows, and what not: both engines execute one call after the other. So the guards in the conditions are raced,
in every order the scheduler comes up with, but two calls never meet inside the engine as they can on AWS, where one of
them would be answered with a conflict. Conflicts are injected by the explorer and by the handler tests."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from outlive.store.rows import Run
from proof.engines.engines import ENGINES, Absent, Client
from proof.stress.consistency import changed_after_its_end, violations
from proof.stress.contests import RACES, Race, chat_of
from proof.stress.raced import THREADS, Wired, new_id
from proof.stress.racers import Processes, Racers, Threads

PROCESSES: Final = 8
ROUNDS: Final = 500
SECONDS: Final = 60.0
CHAT_ROUNDS: Final = 10
"""Rounds that take place in one chat, one run after the other."""


@dataclass
class Cell:
    """What came out of one race on one engine by one kind of racers."""

    engine: str
    race: str
    racers: str
    rounds: int = 0
    seconds: float = 0.0
    winners: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    conflicts: int = 0
    wrong: list[str] = field(default_factory=list)


def run_cell(cell: Cell, race: Race, racers: Racers, wired: Wired, rounds: int, seconds: float) -> None:
    """Run rounds until there were enough, or time is up; the cell then says what came out."""
    chat, before = "", list[dict[str, Any]]()
    refused = Counter(racers.codes)
    begun = time.monotonic()
    for number in range(rounds):
        if time.monotonic() - begun > seconds:
            break
        if number % CHAT_ROUNDS == 0:
            chat, before = f"chat-{new_id()}", []
        prepared = race.prepare(wired, chat)
        outcomes = racers.race(race, chat, prepared)
        rows = wired.rows(chat)
        judged = race.judge(rows, prepared, outcomes)
        cell.rounds += 1
        cell.winners[judged.winners] += 1
        wrong = [*judged.wrong, *violations(rows), *changed_after_its_end(before, rows)]
        if judged.winners != 1:
            wrong.append(f"{judged.winners} winners")
        sequence, runs = int(chat_of(rows)["sequence"]["N"]), sum(row["sk"]["S"] == Run.SK for row in rows)
        if sequence != 2 * runs:
            wrong.append(f"message sequence {sequence} after {runs} runs")
        cell.wrong += [f"round {number}: {one}" for one in wrong]
        race.tidy(wired, prepared, outcomes)
        before = wired.rows(chat)
    cell.seconds = time.monotonic() - begun
    now = Counter(racers.codes)
    now.subtract(refused)
    cell.refused = now.pop("refused", 0)
    cell.conflicts = sum(now.values())


@contextmanager
def racing(wired: Wired, kind: str) -> Iterator[Racers]:
    """Racers of this kind, ready."""
    racers = Threads(wired, THREADS) if kind == "threads" else Processes(wired.endpoint, PROCESSES)
    try:
        yield racers
    finally:
        racers.close()


LINE: Final = "{:<15} {:<16} {:<12} {:>6} {:>8} {:>9} {:>9} {:>9} {:>10}"


def main(arguments: list[str] | None = None) -> int:
    """Race, and print the table. 0: all in order; 1: something is wrong; 3: no engine is on this machine."""
    parser = argparse.ArgumentParser(prog="races")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at most, for each cell")
    parser.add_argument("--engine", choices=["dynamodb_local", "ministack"], action="append")
    parser.add_argument("--race", choices=list(RACES), action="append")
    parser.add_argument("--by", choices=["threads", "processes"], action="append")
    options = parser.parse_args(arguments)
    cells: list[Cell] = []
    _say(LINE.format("engine", "race", "racers", "rounds", "seconds", "1 winner", "refused", "conflicts", "violations"))
    for engine in options.engine or ["dynamodb_local", "ministack"]:
        with ExitStack() as stack:
            try:
                endpoint = stack.enter_context(ENGINES[engine]())
            except Absent as absent:
                _say(f"{engine:<15} left out: {absent}")
                continue
            assert isinstance(endpoint, Client)
            wired = Wired(endpoint.client.meta.endpoint_url)
            for kind in options.by or ["threads", "processes"]:
                with racing(wired, kind) as racers:
                    for name in options.race or list(RACES):
                        count = THREADS if kind == "threads" else PROCESSES
                        cell = Cell(engine, name, f"{count} {kind}")
                        run_cell(cell, RACES[name], racers, wired, options.rounds, options.seconds)
                        cells.append(cell)
                        _print(cell)
    wrong = [(cell, one) for cell in cells for one in cell.wrong]
    for cell, one in wrong[:40]:
        _say(f"{cell.engine}, {cell.race}, {cell.racers}: {one}")
    if cells:
        rounds = sum(cell.rounds for cell in cells)
        _say(f"\n{rounds} rounds, {len(wrong)} violations.")
        _say("Both engines execute one call after the other: this shows that the guards hold in any order of calls,")
        _say("not how conflicts between calls are taken, which no engine outside AWS produces.")
    return 1 if wrong else 0 if cells else 3


def _print(cell: Cell) -> None:
    once = cell.winners[1]
    _say(
        LINE.format(
            cell.engine,
            cell.race,
            cell.racers,
            cell.rounds,
            f"{cell.seconds:.1f}",
            once,
            cell.refused,
            cell.conflicts,
            len(cell.wrong),
        )
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
