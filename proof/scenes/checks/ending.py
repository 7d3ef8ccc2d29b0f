"""What must have come of it once nothing happens any more but sweeps."""

from collections.abc import Hashable
from dataclasses import dataclass

from proof.explorer.play import Play
from proof.explorer.world import Event, World
from proof.scenes.ghost import Ghost
from proof.scenes.roles import Program
from proof.scenes.scene import Scene
from proof.scenes.snapshot import ACTIVE, ENDING, TERMINAL
from proof.scenes.staging import Staging
from proof.scenes.terms import MINUTE, PENDING_JUMP, STALE_JUMP
from proof.sqs import memory_queue
from proof.sqs.memory_queue import Letter

ROUNDS = (MINUTE, MINUTE, MINUTE, MINUTE, STALE_JUMP, STALE_JUMP, PENDING_JUMP, PENDING_JUMP, STALE_JUMP) * 8
"""Sweeps at the end of a path: how long after one another. Within them every run must have ended,
one after the other where they wait for each other."""
DEAD_ROUNDS = (MINUTE, MINUTE, MINUTE, STALE_JUMP, PENDING_JUMP, STALE_JUMP) * 8
"""The same for a queue that delivers nothing: resends do nothing then."""


def finish(at: Staging, world: World) -> list[str]:
    """What is broken once nothing happens any more but sweeps: with workers, and with a queue that delivers
    nothing."""
    key = (world.table, world.clock, world.faults)
    problems = at.ends.get(key)
    if problems is None:
        problems = [
            *_epilogue(at, world, delivers=True),
            *(f"{problem}, with a dead queue" for problem in _epilogue(at, world, delivers=False)),
        ]
        at.ends[key] = problems
    return problems + _ending_problems(at, world)


def deserted(at: Staging, world: World) -> list[str]:
    """Every promise that would be broken if every process died now and every message were lost."""
    key = (world.table, world.clock)
    cached = at.tables.deserted.get(key)
    if cached is None:
        empty = world._replace(alive=(), todo=(), queue=memory_queue.State(), faults=0)
        problems = _epilogue(at, empty, delivers=False, done=False)
        cached = at.tables.deserted[key] = [f"{problem}, if every process dies here" for problem in problems]
    return cached


def _ending_problems(at: Staging, world: World) -> list[str]:
    problems: list[str] = []
    workers_only = at.mailed and at.kinds <= {"crash"} and "crashed" not in dict(world.results).values()
    if at.scene.prompt and (world.faults == at.faults or workers_only) and some_active(at, world):
        problems.append("[lifecycle] only a sweep can end it, though nothing was lost")
    for actor, result in world.results:
        role = at.scene.role(actor)
        if role is None or role.part != "stop" or not isinstance(result, tuple) or result[:2] != ("stopped", True):
            continue
        run = at.tables.snapshot(world.table).runs[result[2]]
        if run.text("stop_requested_at") is None:
            problems.append(f"[4] the stop of {result[2]}, answered true, is gone")
    return problems


def _epilogue(at: Staging, world: World, *, delivers: bool, done: bool = True) -> list[str]:
    """Sweep after sweep, minute after minute, until every run has ended."""
    play = Play(at.tables.stage, _Epilogue(at.scene), frozenset())
    now = world._replace(faults=0, jumps=len(at.scene.jumps), results=(), late=(), ghost=Ghost(), serial=900)
    for round_number, pause in enumerate(ROUNDS if delivers else DEAD_ROUNDS):
        if _all_ended(at, now):
            break
        now = now._replace(clock=now.clock + pause, todo=(f"z{round_number}",))
        while now.todo or now.alive or (delivers and now.queue.letters):
            event, after = play.choices(now)[0][1]()
            problems = at.tables.problems(now, after) if after.table != now.table else []
            if event.node is not None and event.node.finished and isinstance(event.node.result, tuple):
                if event.node.result[0] == "error" or (event.node.result[0] == "swept" and event.node.result[1]):
                    problems.append(f"[behaviour 43] {event.actor}: {event.node.result}")
            if problems:
                return [f"after the path, {problem}" for problem in problems]
            now = after
        if not delivers:
            now = now._replace(queue=now.queue._replace(letters=()))
    once = world.faults >= at.faults - 1
    return _ends(at, now, succeed=done and delivers and at.scene.succeeds and once and not at.timed)


def _ends(at: Staging, world: World, *, succeed: bool) -> list[str]:
    """Every run has ended; those that were stopped `aborted`, and where nothing excuses another end the others
    succeeded."""
    runs = at.tables.snapshot(world.table).runs
    left = {name: run.text("status") for name, run in runs.items() if run.text("status") in ENDING}
    if left:
        return [f"[3] never ended: {left}"]
    problems: list[str] = []
    for name, run in runs.items():
        status = run.text("status")
        if run.text("stop_requested_at") is not None:
            problems += [] if status == "aborted" else [f"[4] {name} was stopped and ended {status}"]
        elif run.text("finish_reason") == "superseded":
            continue
        elif succeed and status != "succeeded" and (run.json("error") or {}).get("code") != "unanswered":
            problems.append(f"[3] {name} ended {status} ({run.text('error')}) though at most one thing went wrong")
    return problems


def some_active(at: Staging, world: World) -> bool:
    """True if a worker or the sweep has to move a run on."""
    runs = at.tables.snapshot(world.table).runs.values()
    return any(run.text("status") in ACTIVE for run in runs)


def _all_ended(at: Staging, world: World) -> bool:
    runs = at.tables.snapshot(world.table).runs.values()
    return all(run.text("status") in TERMINAL for run in runs)


@dataclass
class _Epilogue:
    """The rest of a scene: sweeps of its own, workers as ever."""

    scene: Scene

    def __post_init__(self) -> None:
        self.name = self.scene.name
        self.visibility = self.scene.visibility
        self.workers = 1
        self.jumps: tuple[int, ...] = ()
        self.passing: tuple[int, ...] = ()

    def actors(self) -> tuple[str, ...]:
        return ()

    def twin(self, actor: str) -> str | None:
        return None

    def program(self, actor: str) -> Program:
        return self.scene.cast.sweep()

    def worker(self, name: str, letter: Letter) -> Program:
        return self.scene.cast.work(letter)

    def watch(self, before: World, event: Event, after: World) -> tuple[Hashable, list[str]]:
        raise NotImplementedError

    def matters(self, world: World, passing: int) -> bool:
        raise NotImplementedError

    def finish(self, world: World) -> list[str]:
        raise NotImplementedError
