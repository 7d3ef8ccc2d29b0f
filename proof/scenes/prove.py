"""The proof, run: every scene, every order, every fault; then seeded walks beyond.

    python -m proof.scenes.prove              all of it: up to two faults a path, one kind at a time, and walks
    python -m proof.scenes.prove --short      one fault a path; part of the ordinary tests
    python -m proof.scenes.prove --scene claim-stop --kind lost --faults 2
    python -m proof.scenes.prove --replay 'claim-stop lost 1: s; w1<-1; w1 !lost; …'

With two faults an exploration has a limit in processor seconds (`--until`). One that reaches it is reported as cut, and is
repeated with one fault, to its end. The exit code is 1 if a promise was broken; the report then has the path as a script
and the command that replays it.
"""

import argparse
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("PROOF_TREE", ROOT)) / "shared"
sys.path[:0] = [str(SHARED)] if str(SHARED) not in sys.path else []

from proof.explorer.explorer import Report, explore, replay, walk  # noqa: E402
from proof.explorer.faults import FAULTS  # noqa: E402
from proof.explorer.play import Play  # noqa: E402
from proof.explorer.world import Event, World  # noqa: E402
from proof.scenes.performance import Performance  # noqa: E402
from proof.scenes.scenarios import scene_named, scenes  # noqa: E402
from proof.scenes.scene import Scene  # noqa: E402
from proof.scenes.script import event_line  # noqa: E402
from proof.scenes.wide import wide_scenes  # noqa: E402

UNTIL = 45.0
WALKS = 600
WALK_FAULTS = 5
BATCH = 100
LONG = ("overtaken", "two-in-one", "two-workers-stop", "two-sweeps-left", "two-workers", "claim-stop", "wide-chats")
"""The scenes that take longest, begun first so that no processor waits for one of them at the end."""


@dataclass(frozen=True)
class Cell:
    """One exploration: a scene with so many faults of one kind, or a batch of walks from a seed."""

    scene: str
    kind: str
    faults: int
    seed: int | None = None
    until: float | None = None


@dataclass
class Explored:
    """The result of a cell."""

    cell: Cell
    report: Report
    walks: int = 0
    seed: int | None = None


@dataclass
class Sum:
    """Reports added up."""

    states: int = 0
    moves: int = 0
    ends: int = 0
    seconds: float = 0.0
    incomplete: list[Cell] = field(default_factory=list)

    def add(self, *results: Explored) -> None:
        for result in results:
            self.states += result.report.states
            self.moves += result.report.moves
            self.ends += result.report.ends
            self.seconds += result.report.seconds
            if not result.report.complete:
                self.incomplete.append(result.cell)


def script(cell: Cell, labels: list[str]) -> str:
    """A path in one line, as `--replay` takes it."""
    return f"{cell.scene} {cell.kind} {cell.faults}: {'; '.join(labels)}"


def run(cells: list[Cell]) -> list[Explored]:
    """Explore cells of one scene, one after the other, on one stage, which keeps every process that was explored."""
    performance = Performance(scene_named(cells[0].scene))
    results: list[Explored] = []
    for cell in cells:
        play, world = performance.begin(kinds_of(cell.kind), cell.faults)
        if cell.seed is not None:
            results.append(_walk(cell, play, world))
            continue
        results.append(Explored(cell, explore(play, world, until=cell.until)))
        if not results[-1].report.complete and cell.faults > 1:
            less = replace(cell, faults=1, until=None)
            play, world = performance.begin(kinds_of(cell.kind), 1)
            results.append(Explored(less, explore(play, world)))
    performance.close()
    return results


def _walk(cell: Cell, play: Play, world: World) -> Explored:
    assert cell.seed is not None
    total = Report()
    for number in range(BATCH):
        seed = cell.seed + number
        one = walk(play, world, seed)
        total.states += one.states
        total.moves += one.moves
        total.ends += one.ends
        total.seconds += one.seconds
        if one.failure is not None:
            total.failure = one.failure
            return Explored(cell, total, number + 1, seed)
    return Explored(cell, total, BATCH)


def plan(options: argparse.Namespace) -> list[list[Cell]]:
    """The cells to run, by scene, the long ones first."""
    faults = options.faults if options.faults is not None else (1 if options.short else 2)
    until = options.until if options.until is not None or faults < 2 else UNTIL
    tasks: list[list[Cell]] = []
    for scene in scenes():
        if options.scene and scene.name not in options.scene:
            continue
        # Any kind of fault that does not happen is none.
        cells = [Cell(scene.name, "none", 0)] if not faults or options.kind == "none" else []
        kinds = [kind for kind in scene.kinds if options.kind in (None, kind) and faults]
        cells += [Cell(scene.name, kind, faults, until=until) for kind in kinds]
        tasks.append(cells)
    if options.walks is not None:
        walks = options.walks
    else:
        walks = 0 if options.short or options.scene or options.kind else WALKS
    wide = wide_scenes()
    for batch in range(walks // BATCH):
        scene = wide[batch % len(wide)]
        tasks.append([Cell(scene.name, "all", WALK_FAULTS, seed=options.seed + batch * BATCH)])
    return sorted(tasks, key=lambda cells: cells[0].scene not in LONG)


def show(cell: Cell, labels: list[str]) -> list[str]:
    """Play a script again and print it, numbered; returns every promise it breaks."""
    scene = scene_named(cell.scene)
    play, world = Performance(scene).begin(kinds_of(cell.kind), cell.faults)
    print(f"{scene.name}: {scene.about}")
    number = 0

    def line(before: World, event: Event, after: World) -> None:
        nonlocal number
        number += 1
        print(event_line(number, before, event, after))

    _, broken = replay(play, world, labels, line)
    for problem in broken:
        print(f"      BROKEN: {problem}")
    return broken


def kinds_of(kind: str) -> frozenset[str]:
    # No code can tell a blank read from the truth, so under it only the promises that a condition keeps can hold.
    return (
        frozenset(FAULTS) - {"blank"}
        if kind == "all"
        else frozenset()
        if kind == "none"
        else frozenset(kind.split("+"))
    )


def parse_script(text: str) -> tuple[Cell, list[str]]:
    """What `script` made."""
    head, _, rest = text.partition(":")
    name, kind, faults = head.split()
    return Cell(name, kind, int(faults)), [label.strip() for label in rest.split(";") if label.strip()]


FAULT_COUNTS = {0: "no fault:", 1: "one fault:", 2: "two faults:"}


def line_of(scene: Scene, results: list[Explored]) -> str:
    """The line of a scene in the report."""
    total = Sum()
    total.add(*results)
    through: dict[int, list[str]] = {}
    for result in results:
        if result.report.complete:
            through.setdefault(result.cell.faults, []).append(result.cell.kind)
    ends = "; ".join(
        f"{FAULT_COUNTS.get(faults, f'{faults} faults:')} {' '.join(kinds)}"
        for faults, kinds in sorted(through.items(), reverse=True)
    )
    return f"{scene.name:20} {total.states:>9,} states {total.moves:>10,} moves {total.ends:>7,} ends {total.seconds:6.1f} s  {ends}"


def cell_line(result: Explored) -> str:
    """The line of one exploration."""
    cell, report = result.cell, result.report
    ending = "to the end" if report.complete else f"cut at {report.seconds:.0f} s"
    return (
        f"{cell.scene:20} {cell.kind:8} {cell.faults} faults  {report.states:>9,} states  {report.moves:>10,} moves  "
        f"{report.seconds:6.1f} s  {ending}"
    )


def main() -> int:
    """Run the explorations that the options choose."""
    parser = argparse.ArgumentParser(description="Prove the guarantees by exploring.")
    parser.add_argument("--short", action="store_true", help="one fault a path, no walks")
    parser.add_argument("--scene", action="append", help="only this scene; more than once: these")
    parser.add_argument("--kind", choices=("none", *FAULTS), help="only this kind of fault")
    parser.add_argument("--faults", type=int, help="so many faults a path")
    parser.add_argument(
        "--until",
        type=float,
        help=f"cut an exploration after so many seconds of a processor ({UNTIL:g} with two faults, else never)",
    )
    parser.add_argument("--walks", type=int, help="how many seeded walks follow")
    parser.add_argument("--seed", type=int, default=1, help="the first walk's seed")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--cells", action="store_true", help="print each exploration as it ends")
    parser.add_argument("--first", action="store_true", help="stop at the first broken promise")
    parser.add_argument("--replay", help="play one script again")
    options = parser.parse_args()
    if options.replay:
        return 1 if show(*parse_script(options.replay)) else 0
    began = time.perf_counter()
    total, explorations, played = Sum(), 0, 0
    broken: list[Explored] = []
    walks, walked = 0, Sum()
    context = multiprocessing.get_context("fork")
    with context.Pool(options.jobs, maxtasksperchild=1) as pool:
        for results in pool.imap_unordered(run, plan(options)):
            if options.cells:
                print("\n".join(map(cell_line, results)))
            broken += [result for result in results if result.report.failure is not None]
            if results[0].cell.seed is not None:
                walks += sum(result.walks for result in results)
                walked.add(*results)
            else:
                print(line_of(scene_named(results[0].cell.scene), results), flush=True)
                played, explorations = played + 1, explorations + len(results)
                total.add(*results)
            if options.first and broken:
                pool.terminate()
                break
    print(
        f"{played} scenes in {explorations} explorations: {total.states:,} states, {total.moves:,} moves, "
        f"{total.ends:,} ends; {total.seconds:.0f} s of a processor, {time.perf_counter() - began:.0f} s on {options.jobs} of them"
    )
    if walks:
        print(
            f"{walks:,} walks of {walked.moves:,} moves with up to {WALK_FAULTS} faults of all kinds, seed {options.seed}"
        )
    for cell in total.incomplete:
        print(f"cut: {cell.scene} {cell.kind}, {cell.faults} faults")
    for result in broken:
        assert result.report.failure is not None
        text = script(result.cell, result.report.failure.labels)
        seed = "" if result.seed is None else f" (seed {result.seed})"
        print(f"\nBROKEN in {result.cell.scene}, {result.cell.kind}{seed}: {'; '.join(result.report.failure.problems)}")
        show(result.cell, result.report.failure.labels)
        print(f"replay: make replay SCRIPT='{text}'")
    unfinished = [cell for cell in total.incomplete if cell.faults < 2]
    return 1 if broken or unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
