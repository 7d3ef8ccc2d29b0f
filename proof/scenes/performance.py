"""A scene being played: what the explorer asks for, and every promise checked after every event."""

from collections.abc import Hashable

from outlive.clock import from_iso
from proof.dynamodb.memory_table import MemoryTable
from proof.explorer.forest import Forest
from proof.explorer.play import Play
from proof.explorer.world import Event, Stage, World
from proof.scenes.checks.answers import answer_problems
from proof.scenes.checks.ending import deserted, finish, some_active
from proof.scenes.checks.readers import broke_off, looked, saw_the_queue
from proof.scenes.checks.workers import deaf, heard, send_problems
from proof.scenes.checks.writers import let_go, wrote
from proof.scenes.director import Director
from proof.scenes.ghost import Ghost
from proof.scenes.outside import TABLE
from proof.scenes.roles import Program
from proof.scenes.scene import Scene
from proof.scenes.staging import Staging, Tables
from proof.scenes.terms import LEASE_JUMP, NOON
from proof.sqs.memory_queue import Letter

REFUSED = "ConditionalCheckFailedException"


class Performance:
    """A scene on a stage of its own, which keeps every process that was explored."""

    def __init__(self, scene: Scene, *, merging: bool = True) -> None:
        self.scene = scene
        self.name, self.visibility, self.workers = scene.name, scene.visibility, scene.workers
        self.jumps, self.passing = scene.jumps, scene.passing
        self.stage = Stage(MemoryTable(TABLE), Forest(scene.cast.ambient if merging else None))
        self.tables = Tables(self.stage)
        self.at = Staging(scene, self.tables)

    def begin(self, kinds: frozenset[str], faults: int) -> tuple[Play, World]:
        """A play with so many faults of these kinds, and the world it begins with."""
        self.stage.table.state = MemoryTable(TABLE).state
        self.at = Staging(self.scene, self.tables)
        setting = Play(self.stage, self, frozenset({"crash", "message", "lost"}))
        director = Director(setting, setting.opening(self.stage.number(), 10, Ghost(), NOON))
        self.scene.before(director)
        world = director.world
        begun = dict(world.results).keys() | dict(world.alive).keys()
        assert not [name for name in self.scene.earlier if name not in begun], "an actor of `earlier` never acted"
        play = Play(self.stage, self, kinds)
        ghost = world.ghost
        assert isinstance(ghost, Ghost)
        world = world._replace(
            faults=faults, jumps=0, queue=play.cut(world.queue, faults), ghost=ghost._replace(asks=(), broke_off=())
        )
        self.at = Staging(self.scene, self.tables, kinds, faults, world.clock)
        self.at.mailed = bool(world.queue.letters) or not some_active(self.at, world)
        return play, world

    def close(self) -> None:
        """End every process that still stands."""
        self.stage.forest.close()

    # -- what the explorer asks --

    def actors(self) -> tuple[str, ...]:
        return self.scene.actors()

    def twin(self, actor: str) -> str | None:
        return self.scene.twin(actor)

    def program(self, actor: str) -> Program:
        return self.scene.program(actor)

    def worker(self, name: str, letter: Letter) -> Program:
        return self.scene.worker(name, letter)

    def watch(self, before: World, event: Event, after: World) -> tuple[Hashable, list[str]]:
        """Every promise one event broke, and what has to be remembered of it."""
        at, ghost = self.at, before.ghost
        assert isinstance(ghost, Ghost)
        problems: list[str] = []
        if after.table != before.table:
            problems += self.tables.problems(before, after) or deserted(at, after)
            if "late" in at.kinds:
                ghost = let_go(at, ghost, before, after, problems)
            if event.actor is not None:
                ghost = wrote(at, ghost, before, event.actor, after, problems)
        if event.actor is not None:
            ghost = self._acted(ghost, before, event, event.actor, after, problems)
        return ghost, problems

    def _acted(self, ghost: Ghost, before: World, event: Event, actor: str, after: World, problems: list[str]) -> Ghost:
        at, request, answer = self.at, event.request, event.answer
        if event.notes:
            ghost = heard(at, ghost, event, after, problems)
        if request is not None and answer is not None and not answer.error:
            if request.operation in ("GetItem", "BatchGetItem"):
                ghost = looked(at, ghost, before, actor, request)
            elif request.operation == "GetQueueAttributes":
                ghost = saw_the_queue(at, ghost, before, actor)
        if answer is not None and answer.shown == REFUSED:
            problems += deaf(event)
        if request is not None and request.operation == "SendMessage":
            problems += send_problems(at, ghost, actor, request, after)
        if event.label.endswith("break off"):
            ghost = broke_off(at, ghost, actor, after)
        if event.node is not None and event.node.finished and ("crash",) not in event.notes:
            problems += answer_problems(at, ghost, actor, event.node.result, after)
        return ghost

    def matters(self, world: World, passing: int) -> bool:
        """Whether a lease ends, a message comes back, or a run grows stale meanwhile."""
        if passing > LEASE_JUMP:
            return True
        then = world.clock + passing
        if any(world.clock < letter.visible_at <= then for letter in world.queue.letters):
            return True
        return any(
            moment is not None and world.clock < from_iso(moment) <= then
            for run in self.tables.snapshot(world.table).runs.values()
            for moment in (run.text("lease_until"), run.text("due_at"))
        )

    def finish(self, world: World) -> list[str]:
        """Every promise broken by a world in which nothing happens any more but sweeps."""
        return finish(self.at, world)
