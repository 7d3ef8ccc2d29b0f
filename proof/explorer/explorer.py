"""Exploring a scene: every order, every fault, or a seeded walk; a failure is a short script.

Breadth first over worlds, so that a failure's script is as short as any. A world seen before with as many faults left or
more is passed over. Of a world only a 64-bit hash is kept: two could share one and the later be passed over, at a million
worlds with a chance of about 1 in 30 million.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from proof.explorer.play import Play
from proof.explorer.world import Event, World

FAULT_WEIGHT = 0.15


@dataclass(slots=True)
class Failure:
    """A broken promise, and the labels that lead to it."""

    problems: list[str]
    labels: list[str]


@dataclass(slots=True)
class Report:
    """What was explored. `seconds` are those of the processor."""

    states: int = 0
    moves: int = 0
    ends: int = 0
    depth: int = 0
    seconds: float = 0.0
    failure: Failure | None = None
    complete: bool = True


@dataclass(slots=True)
class _Trail:
    """How each world was first reached: its predecessor and the label of the way."""

    parents: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def add(self, parent: int, label: str) -> int:
        self.parents.append(parent)
        self.labels.append(label)
        return len(self.parents) - 1

    def to(self, at: int) -> list[str]:
        way = []
        while at > 0:
            way.append(self.labels[at])
            at = self.parents[at]
        return way[::-1]


def explore(play: Play, opening: World, *, until: float | None = None, most: int | None = None) -> Report:
    """Visit every world that can be reached, until a promise is broken, time is up, or `most` were seen."""
    report, trail = Report(), _Trail()
    began = time.process_time()
    seen = {_mark(opening): opening.faults}
    frontier = deque([(trail.add(-1, ""), opening, 0)])
    scene = play.scene
    while frontier:
        at, world, depth = frontier.popleft()
        report.states += 1
        report.depth = depth
        if report.states % 512 == 0 and (
            (until is not None and time.process_time() - began > until) or (most is not None and report.states >= most)
        ):
            report.complete = False
            break
        if play.over(world):
            report.ends += 1
            problems = scene.finish(world)
            if problems:
                report.failure = Failure(problems, trail.to(at))
                break
        for _, happen in play.choices(world):
            event, after = happen()
            report.moves += 1
            ghost, problems = scene.watch(world, event, after)
            if problems:
                report.failure = Failure(problems, [*trail.to(at), event.label])
                report.seconds = time.process_time() - began
                return report
            if ghost is not after.ghost:
                after = after._replace(ghost=ghost)
            mark = _mark(after)
            if seen.get(mark, -1) < after.faults:
                seen[mark] = after.faults
                frontier.append((trail.add(at, event.label), after, depth + 1))
    report.seconds = time.process_time() - began
    return report


def _mark(world: World) -> int:
    """The world but for the faults it has left: with more of them it can do, and has to keep, all it can with fewer."""
    return hash((*world[:9], world.ghost))


def walk(play: Play, opening: World, seed: int, most: int = 400) -> Report:
    """One walk: each choice drawn by `seed`, faults a good deal rarer than work."""
    report, chance = Report(), random.Random(seed)
    began = time.process_time()
    world, labels = opening, list[str]()
    for depth in range(most):
        report.states += 1
        report.depth = depth
        if play.over(world):
            report.ends += 1
            problems = play.scene.finish(world)
            if problems:
                report.failure = Failure(problems, labels)
            break
        choices = play.choices(world)
        weights = [FAULT_WEIGHT if "!" in label else 1.0 for label, _ in choices]
        ((label, happen),) = chance.choices(choices, weights)
        labels.append(label)
        event, after = happen()
        report.moves += 1
        ghost, problems = play.scene.watch(world, event, after)
        if problems:
            report.failure = Failure(problems, labels)
            break
        world = after._replace(ghost=ghost)
    else:
        report.complete = False
    report.seconds = time.process_time() - began
    return report


class Stuck(Exception):
    """A script names a choice that is not there."""


def replay(
    play: Play, opening: World, labels: list[str], show: Callable[[World, Event, World], None]
) -> tuple[World, list[str]]:
    """Play a script again; returns where it ends and every promise it breaks. Raises Stuck."""
    world, broken = opening, list[str]()
    for label in labels:
        offered = dict(play.choices(world))
        if label not in offered:
            raise Stuck(f"{label!r} can't happen here; what can: {', '.join(offered)}")
        event, after = offered[label]()
        ghost, problems = play.scene.watch(world, event, after)
        after = after._replace(ghost=ghost)
        show(world, event, after)
        broken += problems
        world = after
    if play.over(world):
        broken += play.scene.finish(world)
    return world, broken
