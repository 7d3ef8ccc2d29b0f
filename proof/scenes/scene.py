"""A scene: who acts, with which agent, how things stand when it begins, and what must hold all along and at its end."""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from outlive.clock import from_iso
from outlive.overdue import LINE_SHARE
from outlive.settings import Settings
from proof.dynamodb.memory_table import MemoryTable
from proof.explorer.explorer import replay
from proof.explorer.processes import Forest
from proof.explorer.world import Event, Play, Stage, World
from proof.scenes.actors import SETTINGS, TABLE, Cast, Script, watched
from proof.scenes.invariants import (
    ACTIVE,
    HOLDING,
    SKEW,
    TERMINAL,
    Ghost,
    Item,
    Look,
    Snapshot,
    is_held,
    moving,
    standing,
)
from proof.sqs import memory_queue
from proof.sqs.memory_queue import SECOND, Letter

NOON = 1_763_726_400_000
LEASE_JUMP, STALE_JUMP, PENDING_JUMP = 31 * SECOND, 601 * SECOND, 3601 * SECOND
MINUTE = 61 * SECOND
ROUNDS = (MINUTE, MINUTE, MINUTE, MINUTE, STALE_JUMP, STALE_JUMP, PENDING_JUMP, PENDING_JUMP, STALE_JUMP)
"""Sweeps at the end of a path: how long after one another. Within them every run must have ended."""
DEAD_ROUNDS = (MINUTE, MINUTE, MINUTE, STALE_JUMP, PENDING_JUMP, STALE_JUMP)
"""The same for a queue that delivers nothing: resends do nothing then."""
REFUSED = "ConditionalCheckFailedException"
WATCHED = ("look", "beat", "deadline")

Program = Callable[[], Hashable]


@dataclass(frozen=True)
class Role:
    """A process of a scene: what it does, as whom, and what it is (`start`, `stop`, `answer`, `sweep`, `read`)."""

    does: Callable[[Cast], Program]
    part: str
    workspace: str = "w"
    user: str = "ada"
    chat: str = "c"
    run_id: str | None = None
    key: str | None = None
    window: int | None = None
    decisions: tuple[tuple[str, bool], ...] = ()
    approves: bool = False
    in_place: bool = False

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for two that do the same."""
        return (
            self.part, self.workspace, self.user, self.chat, self.run_id, self.key, self.window, self.decisions,
            self.in_place,
        )  # fmt: skip


def start(chat: str = "c", *, key: str | None = None, user: str = "ada", workspace: str = "w") -> Role:
    """Somebody starts a run."""
    return Role(
        lambda cast: cast.start(chat, key=key, user=user, workspace=workspace), "start", workspace, user, chat, key=key
    )


def typed(*, key: str | None = None) -> Role:
    """Somebody types a message in place of a decision."""
    return Role(lambda cast: cast.start(key=key, in_place=True), "start", key=key, in_place=True)


def answer(
    run_id: str = "a.1", *, user: str = "ada", workspace: str = "w", approves: bool = False, **decisions: bool
) -> Role:
    """Somebody decides calls of a run: `c1=True` approves."""
    return Role(
        lambda cast: cast.answer(run_id, decisions, user=user, workspace=workspace, approves=approves),
        "answer", workspace, user, run_id=run_id, decisions=tuple(decisions.items()), approves=approves,
    )  # fmt: skip


def stop(chat: str = "c", *, user: str = "ada", workspace: str = "w") -> Role:
    """A stop by chat id: it acts on the run that is active."""
    return Role(lambda cast: cast.stop_chat(chat, user=user, workspace=workspace), "stop", workspace, user, chat)


def stop_run(run_id: str, *, user: str = "ada", workspace: str = "w") -> Role:
    """Somebody stops one run."""
    return Role(
        lambda cast: cast.stop_run(run_id, user=user, workspace=workspace), "stop", workspace, user, run_id=run_id
    )


def sweep(window: int | None = None) -> Role:
    """The schedule ticks."""
    return Role(lambda cast: cast.sweep(window), "sweep", "", "", window=window)


def read(chat: str = "c", *, user: str = "ada", workspace: str = "w") -> Role:
    """Somebody reconnects."""
    return Role(lambda cast: cast.read(chat, user=user, workspace=workspace), "read", workspace, user, chat)


class Director:
    """Brings a scene to where it begins, move by move."""

    def __init__(self, play: Play, world: World) -> None:
        self.play = play
        self.world = world

    def move(self, *labels: str) -> None:
        """Make these choices."""
        self.world, broken = replay(self.play, self.world, list(labels), lambda *_: None)
        assert not broken, broken

    def run(self, *names: str) -> None:
        """Have these processes begin and go on to their end, one after the other."""
        for name in names:
            self._until(name, lambda world, name=name: self._ended(world, name))  # type: ignore[misc]

    def until(self, name: str, operation: str) -> None:
        """Have the process go on until it is about to ask for this operation."""
        self._until(name, lambda world: self._about(world, name, operation))

    def deliver(self) -> str:
        """Hand the oldest visible message to a new worker and have it make its first call; returns its name."""
        name = f"w{self.world.serial + 1}"
        letter = min(each for each in self.world.queue.letters if each.visible_at <= self.world.clock)
        self.move(f"{name}<-{letter.number}")
        return name

    def work(self) -> str:
        """Hand the oldest visible message to a new worker and have it do all of its work."""
        name = self.deliver()
        self.run(name)
        return name

    def passes(self, milliseconds: int) -> None:
        """Let time pass."""
        self.world = self.world._replace(clock=self.world.clock + milliseconds)

    def damage(self, name: str, text: str) -> None:
        """Write over a text attribute of the one run there is, past every rule."""
        stage = self.play.stage
        (row,) = [row for (_, sk), row in stage.tables[self.world.table].items() if sk == "RUN"]
        stage.table.state = stage.table.state._replace(rows=stage.tables[self.world.table], tokens={})
        stage.table.call("PutItem", {"TableName": TABLE, "Item": {**row.attributes, name: {"S": text}}})
        self.world = self.world._replace(table=stage.number())

    def _ended(self, world: World, name: str) -> bool:
        return name not in world.todo and name not in dict(world.alive)

    def _about(self, world: World, name: str, operation: str) -> bool:
        number = dict(world.alive).get(name)
        if number is None:
            return False
        request = self.play.stage.forest.nodes[number].pending[0]
        return request is not None and request.operation == operation

    def _until(self, name: str, done: Callable[[World], bool]) -> None:
        for _ in range(60):
            if done(self.world):
                return
            offered = [label for label, _ in self.play.choices(self.world) if label.split()[0].split("<")[0] == name]
            self.move(next(label for label in offered if "!" not in label and label.split()[-1] not in WATCHED))
        raise AssertionError(f"{name} never got there")


@dataclass
class Scene:
    """One scene, playable. `deep` is how many faults a path may hold in the long proof, by kind."""

    name: str
    about: str
    roles: dict[str, Role]
    script: Script
    before: Callable[[Director], None] = lambda director: None
    earlier: dict[str, Role] = field(default_factory=dict)
    """Processes that only `before` makes act."""
    workers: int = 2
    jumps: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ("crash", "lost", "late", "refused", "message", "time")
    visibility: int = 150
    passing: tuple[int, ...] = (LEASE_JUMP,)
    """How much time may pass at once, unseen, where that is the fault."""
    ticks: int = 1
    """How often a watch may look or beat in one step."""
    commands: tuple[str, ...] = ("look", "beat")
    succeeds: bool = True
    """Whether, without a stop, the work is done even if something goes wrong once."""

    prompt: bool = True
    """Whether runs end without a sweep as long as no message is lost."""
    troubled: bool = False
    """Whether the agent itself may fail, so that a step is repeated without any fault."""
    skewed: bool = False
    """Whether no two clocks agree."""
    settings: Settings = SETTINGS

    def __post_init__(self) -> None:
        self._cast: Cast | None = None
        self._twins: dict[str, str] = {}
        names = list(self.roles)
        for number, name in enumerate(names):
            alike = [each for each in names[:number] if self.roles[each].same == self.roles[name].same]
            if alike and not self.skewed:
                self._twins[name] = alike[-1]
        self._standing: dict[int, list[str]] = {}
        self._moving: dict[tuple[int, int, int], list[str]] = {}
        self._endings: dict[tuple[int, int, int], list[str]] = {}
        self._snapshots: dict[int, Snapshot] = {}
        self._desertions: dict[tuple[int, int], list[str]] = {}

    @property
    def cast(self) -> Cast:
        """The operations, put together when they are first needed."""
        if self._cast is None:
            watching = watched(self.ticks, self.commands)
            self._cast = Cast(self.script, watching, settings=self.settings, skewed=self.skewed)
        return self._cast

    # -- what the world asks --

    def actors(self) -> tuple[str, ...]:
        return tuple(self.earlier) + tuple(self.roles)

    def twin(self, actor: str) -> str | None:
        return self._twins.get(actor)

    def program(self, actor: str) -> Program:
        return {**self.earlier, **self.roles}[actor].does(self.cast)

    def worker(self, name: str, letter: Letter) -> Program:
        return self.cast.work(letter)

    # -- opening --

    def open(self, stage: Stage, kinds: frozenset[str], faults: int) -> tuple[Play, World]:
        """A play of this scene and the world it begins with."""
        stage.table.state = MemoryTable(TABLE).state
        play = Play(stage, self, kinds)
        setting = Director(
            Play(stage, self, frozenset({"crash", "message", "lost"})),
            play.opening(stage.number(), 10, Ghost(), NOON),
        )
        self.before(setting)
        world = setting.world
        begun = dict(world.results).keys() | dict(world.alive).keys()
        assert not [name for name in self.earlier if name not in begun], "an actor of `earlier` never acted"
        ghost = world.ghost
        assert isinstance(ghost, Ghost)
        return play, world._replace(
            faults=faults, jumps=0, queue=play.cut(world.queue, faults), ghost=ghost._replace(asks=(), broke_off=())
        )

    # -- promises --

    def snapshot(self, stage: Stage, table: int) -> Snapshot:
        """The table, sorted; made once."""
        cached = self._snapshots.get(table)
        if cached is None:
            cached = self._snapshots[table] = Snapshot.of(stage.tables[table])
        return cached

    def watch(self, stage: Stage, before: World, event: Event, after: World) -> tuple[Hashable, list[str]]:
        """Every promise one event broke, and what has to be remembered of it."""
        ghost = before.ghost
        assert isinstance(ghost, Ghost)
        problems: list[str] = []
        if after.table != before.table:
            problems += self._table_problems(stage, before, after) or self._deserted(stage, after)
            if "late" in self._kinds:
                ghost = self._let_go(stage, ghost, before, after, problems)
            if event.actor is not None:
                ghost = self._wrote(stage, ghost, before, event.actor, after, problems)
        if event.actor is not None:
            if event.notes:
                ghost = self._heard(stage, ghost, event, after, problems)
            answered = event.request is not None and event.answer is not None and not event.answer.error
            if answered and event.request is not None and event.request.operation in ("GetItem", "BatchGetItem"):
                ghost = self._looked(stage, ghost, before, event)
            if answered and event.request is not None and event.request.operation == "GetQueueAttributes":
                ghost = self._saw_the_queue(ghost, before, event.actor)
            if event.answer is not None and event.answer.shown == REFUSED:
                problems += _deaf(event)
            if event.request is not None and event.request.operation == "SendMessage":
                problems += self._send_problems(stage, ghost, event, after)
            if event.label.endswith("break off"):
                ghost = self._broke_off(stage, ghost, event.actor, after)
            if event.node is not None and event.node.finished and ("crash",) not in event.notes:
                problems += self._answer_problems(stage, ghost, event.actor, event.node.result, after)
        return ghost, problems

    def _table_problems(self, stage: Stage, before: World, after: World) -> list[str]:
        problems = self._standing.get(after.table)
        if problems is None:
            problems = self._standing[after.table] = standing(stage.tables[after.table])
        step = (before.table, after.table, after.clock)
        moved = self._moving.get(step)
        if moved is None:
            # By the slowest clock that could have moved it.
            moved = self._moving[step] = moving(
                stage.tables[before.table], stage.tables[after.table], after.clock + SKEW
            )
        return [*problems, *moved]

    def _deserted(self, stage: Stage, world: World) -> list[str]:
        """Every promise that would be broken if every process died now and every message were lost."""
        key = (world.table, world.clock)
        cached = self._desertions.get(key)
        if cached is None:
            empty = world._replace(alive=(), todo=(), queue=memory_queue.State(), faults=0)
            problems = self._epilogue(stage, empty, delivers=False, done=False)
            cached = self._desertions[key] = [f"{problem}, if every process dies here" for problem in problems]
        return cached

    def _role(self, actor: str) -> Role | None:
        return self.roles.get(actor) or self.earlier.get(actor)

    def _wrote(self, stage: Stage, ghost: Ghost, before: World, actor: str, after: World, problems: list[str]) -> Ghost:
        role = self._role(actor)
        if role is None:
            problems += self._lease_problems(stage, before, actor, after)
            fresh = self.snapshot(stage, after.table)
            for run in fresh.runs.values():
                lease, step = run.text("lease_id"), run.whole("claimed_step")
                held_before = self.snapshot(stage, before.table).runs[run.text("id") or ""].text("lease_id") == lease
                if not held_before and (lease or "").startswith(f"{actor}.") and len(fresh.log(run)) > step:
                    ghost = ghost._replace(done=ghost.done | {(actor, step)})
        if role is not None and role.part == "sweep":
            was = self.snapshot(stage, before.table).runs
            for name, run in self.snapshot(stage, after.table).runs.items():
                old, look = was[name], dict(ghost.looks).get((actor, name))
                sends, counts = (
                    run.text("resent_by") != old.text("resent_by"),
                    run.whole("resends") > old.whole("resends"),
                )
                if sends and (look is None or look.resent_by != old.text("resent_by")):
                    problems.append(
                        f"[behaviour 41] {actor} is about to send {name} again though another sweep just did"
                    )
                code = (run.json("error") or {}).get("code") if old.text("status") in ACTIVE else None
                if actor in ghost.lines and (sends or code in ("stale", "never_started")):
                    problems.append(f"[behaviour 73] {actor} saw a line that moves, and took {name} for lost")
                seen_then = None if look is None else (look.step, look.resends)
                if counts and seen_then != (old.whole("claimed_step"), old.whole("resends")):
                    problems.append(
                        f"[behaviour 41] {actor} counted a resend of {name} by an old count or for another step"
                    )
        if role is None or role.part == "sweep":
            return ghost
        old, new = stage.tables[before.table], stage.tables[after.table]
        changed = [key for key in old.keys() | new.keys() if old.get(key) is not new.get(key)]
        owners = {f"{role.workspace}#"}
        for pk, sk in changed:
            if not any(pk.startswith(owner) for owner in owners):
                problems.append(f"[9] {actor} changed {pk} {sk} of another workspace")
        seen = self.snapshot(stage, before.table)
        for pk, _ in changed:
            chat = seen.chats.get(pk)
            if chat is not None and chat.text("owner") != role.user and not role.approves:
                problems.append(f"[9] {actor} changed a chat of {chat.text('owner')}")
        if role.part == "start" and not role.in_place:
            for name, run in self.snapshot(stage, after.table).runs.items():
                if run.text("finish_reason") == "handed_over" and seen.runs[name].text("status") == "waiting":
                    problems.append(f"[behaviour 72] {actor} ended {name}, which waits for answers")
        if role.part == "stop":
            fresh = self.snapshot(stage, after.table)
            target = dict(ghost.targets).get(actor)
            for name, run in fresh.runs.items():
                was = seen.runs.get(name)
                stopped_before = was is not None and was.text("stop_requested_at") is not None
                if run.text("stop_requested_at") is not None and not stopped_before and name != target:
                    problems.append(f"[4] the stop {actor} meant {target} and hit {name}")
        if actor in ghost.wrote:
            return ghost
        return ghost._replace(wrote=ghost.wrote | {actor})

    def _let_go(self, stage: Stage, ghost: Ghost, before: World, after: World, problems: list[str]) -> Ghost:
        """Remember the leases that no longer hold a run: none of them may ever hold one again."""
        was = self.snapshot(stage, before.table).runs
        for name, run in self.snapshot(stage, after.table).runs.items():
            earlier, lease = was[name].text("lease_id") if name in was else None, run.text("lease_id")
            if lease == earlier:
                continue
            if lease in ghost.gone:
                problems.append(f"[behaviour 22] the lease {lease} of {name} was let go, and holds it again")
            if earlier is not None:
                ghost = ghost._replace(gone=ghost.gone | {earlier})
        return ghost

    def _lease_problems(self, stage: Stage, before: World, actor: str, after: World) -> list[str]:
        """What a worker did to a lease that is not its own: it may take over a run, and end it, and nothing else."""
        fresh = self.snapshot(stage, after.table).runs
        broken: list[str] = []
        for name, run in self.snapshot(stage, before.table).runs.items():
            holder, until = run.text("lease_id"), run.text("lease_until")
            if holder is None or holder.startswith(f"{actor}.") or fresh[name].text("status") in TERMINAL:
                continue
            if fresh[name].text("lease_id") in (holder, None) and fresh[name].text("lease_until") != until:
                broken.append(f"[behaviour 19] {actor} changed the lease of {holder} on {name}")
        return broken

    def _looked(self, stage: Stage, ghost: Ghost, before: World, event: Event) -> Ghost:
        """Remember what a stop can mean: by chat the run that is active as it looks, by id the one it names.

        And what a sweep saw.
        """
        actor = event.actor
        assert actor is not None
        role = self._role(actor)
        if role is not None and role.part == "sweep" and event.request is not None:
            body, looks = event.request.body, dict(ghost.looks)
            keys = [body["Key"]] if "Key" in body else body["RequestItems"][TABLE]["Keys"]
            for key in keys:
                row = stage.tables[before.table].get((key["pk"]["S"], "RUN"))
                if row is not None:
                    run = Item(("", ""), row)
                    looks[actor, run.text("id") or ""] = _look(run, before.clock)
            return ghost._replace(looks=tuple(sorted(looks.items(), key=lambda each: each[0])))
        if role is None or role.part != "stop" or actor in dict(ghost.targets):
            return ghost
        seen = self.snapshot(stage, before.table)
        target = role.run_id
        if target is None:
            active = [
                name for name, run in seen.runs.items() if run.text("status") in HOLDING and _belongs_to(run, role)
            ]
            target = next((name for name in active if seen.runs[name].text("chat_id") == role.chat), None)
        return ghost._replace(targets=tuple(sorted((*ghost.targets, (actor, target)), key=repr)))

    def _saw_the_queue(self, ghost: Ghost, before: World, actor: str) -> Ghost:
        """Remember who saw a line: more messages wait than workers take at once, and workers hold others."""
        letters = before.queue.letters
        waiting = sum(letter.visible_at <= before.clock for letter in letters)
        if waiting > self.settings.maximum_concurrency // LINE_SHARE and waiting < len(letters):
            return ghost._replace(lines=ghost.lines | {actor})
        return ghost

    def _heard(self, stage: Stage, ghost: Ghost, event: Event, after: World, problems: list[str]) -> Ghost:
        for note in event.notes:
            assert isinstance(note, tuple)
            if note[0] == "acknowledges":
                seen = self.snapshot(stage, after.table)
                run = seen.runs.get(note[1])
                undone = run is not None and run.text("status") in ACTIVE and len(seen.log(run)) <= note[2]
                # The message of a damaged run is acknowledged: the next delivery would fail alike, and a sweep ends the run.
                if undone and not run.damaged:
                    problems.append(
                        f"[behaviour 28] {event.actor} is done with step {note[2]} of {note[1]}, which is not done"
                    )
            elif note[0] == "astray":
                problems.append(f"[behaviour 18] {event.actor} did step {note[1]}, its message is for {note[2]}")
            elif note[0] == "history":
                problems.append(f"[7] {event.actor} got a history that is wrong: {note[1]}")
            elif note[0] == "ran":
                ghost = self._runs(stage, ghost, event, note, after, problems)
            elif note[0] == "asked":
                ghost = self._model_requests(stage, ghost, event, note, after, problems)
        return ghost

    def _runs(
        self, stage: Stage, ghost: Ghost, event: Event, note: tuple[Any, ...], after: World, problems: list[str]
    ) -> Ghost:
        """A step runs the calls that the one before it asked about, as they were decided, and no others."""
        _, run_id, step, decisions = note
        seen = self.snapshot(stage, after.table)
        run = seen.runs[run_id]
        log = seen.log(run)
        if len(log) < step or log[step - 1].text("kind") != "asked":
            problems.append(f"[behaviour 72] {event.actor} ran calls of {run_id} that nobody asked about")
        elif dict(decisions) != seen.decided(run, step - 1):
            problems.append(f"[behaviour 74] {event.actor} ran {decisions}, decided is {seen.decided(run, step - 1)}")
        return self._begins(ghost, event, (run_id, step), run, after, problems)

    def _model_requests(
        self, stage: Stage, ghost: Ghost, event: Event, note: tuple[Any, ...], after: World, problems: list[str]
    ) -> Ghost:
        _, run_id, step, _ = note
        run = self.snapshot(stage, after.table).runs[run_id]
        if [record.text("kind") for record in self.snapshot(stage, after.table).log(run)[step - 1 : step]] == ["asked"]:
            problems.append(f"[behaviour 72] {event.actor} asked the model for step {step}, which runs answered calls")
        return self._begins(ghost, event, (run_id, step), run, after, problems)

    def _begins(
        self, ghost: Ghost, event: Event, what: tuple[str, int], run: Item, after: World, problems: list[str]
    ) -> Ghost:
        """A worker begins a step, with the model or with calls that were answered."""
        run_id, step = what
        if run.text("stop_requested_at") is not None or run.text("status") in TERMINAL:
            problems.append(f"[5] {event.actor} asked the model after the stop or the end of {run_id}")
        if not (run.text("lease_id") or "").startswith(f"{event.actor}."):
            problems.append(f"[6] {event.actor} asked the model though {run.text('lease_id')} holds {run_id}")
        if (event.actor, step) in ghost.done:
            problems.append(f"[behaviour 21] {event.actor} asked for step {step} of {run_id}, which was recorded")
        asks = dict(ghost.asks)
        asks[run_id, step] = asks.get((run_id, step), 0) + 1
        # A step is repeated only after a fault, after time has passed, or after an error of the agent.
        untroubled = after.faults == self._faults and after.clock == self._clock and not self.troubled
        if asks[run_id, step] > 1 and untroubled:
            problems.append(f"[6] step {step} of {run_id} was asked {asks[run_id, step]} times")
        return ghost._replace(asks=tuple(sorted(asks.items())))

    def _send_problems(self, stage: Stage, ghost: Ghost, event: Event, after: World) -> list[str]:
        """A message is sent after the write that made it due, never before."""
        assert event.request is not None
        assert event.actor is not None
        due = json.loads(event.request.body["MessageBody"])
        run = self.snapshot(stage, after.table).runs.get(due["run_id"])
        if run is None:
            return [f"[behaviour 6] {event.actor} sent a message for {due['run_id']}, which is not stored"]
        if len(self.snapshot(stage, after.table).log(run)) < due["step"]:
            return [f"[6] {event.actor} sent step {due['step']} before the records before it were stored"]
        role = self._role(event.actor)
        # A repeated answer sends the step that it led to, by the run as it was read. By now that step may have asked.
        repeats = role is not None and bool(role.decisions) and due["step"] == run.whole("claimed_step")
        if run.text("status") == "waiting" and not repeats:
            return [f"[behaviour 72] {event.actor} sent step {due['step']} of a run that waits"]
        role = self._role(event.actor)
        if role is None or role.part != "sweep":
            return []
        if not (run.text("resent_by") or "").startswith(f"{event.actor}."):
            return [f"[behaviour 41] {event.actor} sent before it kept others from sending"]
        look, resend_after = dict(ghost.looks)[event.actor, due["run_id"]], run.text("resend_after")
        if resend_after is None:
            # A worker has claimed the step in between.
            return []
        after_then = from_iso(resend_after)
        if run.whole("resends") != look.resends or after_then > after.clock + MINUTE + SKEW:
            return [f"[behaviour 41] {event.actor} counted before it sent, so that a send that fails counts"]
        return []

    def _broke_off(self, stage: Stage, ghost: Ghost, actor: str, after: World) -> Ghost:
        """Remember a living worker that heard of the stop while it held the run: what it streamed must be kept."""
        for name, run in self.snapshot(stage, after.table).runs.items():
            held = (run.text("lease_id") or "").startswith(f"{actor}.")
            if held and is_held(run, after.clock) and run.text("stop_requested_at") is not None:
                return ghost._replace(broke_off=(*ghost.broke_off, (actor, name, after.clock, after.faults)))
        return ghost

    def _answer_problems(self, stage: Stage, ghost: Ghost, actor: str, result: Hashable, after: World) -> list[str]:
        if isinstance(result, tuple) and result[0] == "error":
            return [f"{actor} raised {result[1]}"]
        role = self._role(actor)
        seen = self.snapshot(stage, after.table)
        if role is None:
            return self._worker_problems(seen, ghost, actor, result, after)
        assert isinstance(result, tuple)
        quiet = after.faults == self._faults
        if role.part == "start":
            return self._start_problems(seen, actor, role, result, quiet=quiet)
        if role.part == "stop":
            return self._stop_problems(seen, ghost, actor, role, result, quiet=quiet)
        if role.part == "answer":
            return self._answers_problems(seen, ghost, actor, role, result, quiet=quiet)
        if role.part == "sweep" and result[1] and quiet:
            return [f"[behaviour 43] the sweep {actor} could not deal with {result[1]} runs"]
        looks = {name: look for (who, name), look in ghost.looks if who == actor}
        if role.part == "sweep" and quiet:
            for name, look in looks.items():
                run = seen.runs[name]
                if (look.resent_by or "").startswith(f"{actor}."):
                    # It saw the run a second time, after it had sent: what goes on again stands in another index.
                    continue
                sent = (run.text("resent_by") or "").startswith(f"{actor}.") and run.text("status") in ACTIVE
                if sent and (run.whole("claimed_step"), run.whole("resends")) == (look.step, look.resends):
                    return [f"[behaviour 41] the sweep {actor} sent {name} again and did not count it"]
        if role.part == "sweep" and quiet:
            left = [
                name
                for name, look in looks.items()
                if look.stopped
                and seen.runs[name].text("status") in ACTIVE
                and not is_held(seen.runs[name], after.clock)
            ]
            stopped = [name for name in left if seen.runs[name].text("stop_requested_at") is not None]
            return [f"[behaviour 42] the sweep {actor} left {name}, which was stopped" for name in stopped]
        if role.part == "read":
            return self._read_problems(seen, actor, role, result, quiet=quiet)
        return []

    def _worker_problems(self, seen: Snapshot, ghost: Ghost, actor: str, result: Hashable, after: World) -> list[str]:
        for name, run_id, clock, faults in ghost.broke_off:
            if name != actor or clock != after.clock or faults != after.faults:
                continue
            run = seen.runs[run_id]
            # What it streamed, or the record that another worker stored for the same step before.
            kinds = [each.text("kind") for each in seen.log(run)[run.whole("claimed_step") :]]
            if run.text("status") != "aborted" or kinds in ([], ["end"]):
                return [f"[4] {actor} let go of {run_id}, which is {run.text('status')}, and what it streamed is lost"]
        for name, run in seen.runs.items():
            holds = (run.text("lease_id") or "").startswith(f"{actor}.") and is_held(run, after.clock)
            undone = len(seen.log(run)) <= run.whole("claimed_step")
            if result is False and holds and undone and self._kinds <= {"lost"}:
                return [f"[lifecycle] {actor} gave its message back and holds on to {name}"]
        return []

    def _start_problems(
        self, seen: Snapshot, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool
    ) -> list[str]:
        if result[0] == "accepted":
            run = seen.runs.get(result[1])
            if run is None or run.text("workspace_id") != role.workspace or run.text("owner") != role.user:
                return [f"[10] {actor} was accepted, but its run {result[1]} is not there"]
            return []
        _, status, code, active = result
        # By a key the run may be an earlier request's; without one no other request can have made it.
        own = f"{actor}.1" if role.key is None else None
        if own in seen.runs:
            return [f"[10] {actor} was refused with {status} {code}, and its run is there"]
        if code == "run_already_active" and (active is None or active == own or active not in seen.runs):
            return [f"[behaviour 7] {actor} was refused in favour of {active}"]
        if code == "run_already_active" and role.key is not None and self._key_of(seen.runs[active]) == role.key:
            return [f"[behaviour 8] {actor} was refused in favour of its own run {active}"]
        if code == "run_already_active" and not _belongs_to(seen.runs[active], role):
            return [f"[9] {actor} got {active}, which another user owns"]
        if code == "run_already_active" and role.in_place and seen.runs[active].text("status") == "waiting" and quiet:
            return [f"[behaviour 78] {actor} was refused in favour of {active}, which waits for answers"]
        if quiet and status >= 500:
            return [f"[behaviour 8] {actor} was answered {status} {code} though nothing went wrong"]
        return []

    def _answers_problems(
        self, seen: Snapshot, ghost: Ghost, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool
    ) -> list[str]:
        """Accepted: each decision stands. Refused: nothing was written, and what refused it is true."""
        run = seen.runs.get(role.run_id or "")
        mine = run is not None and run.text("workspace_id") == role.workspace
        decided: set[tuple[str, bool]] = set()
        if run is not None and mine:
            for record in seen.log(run):
                if record.text("kind") == "asked":
                    decided |= seen.decided(run, record.whole("step")).items()
        wanted = dict(role.decisions)
        if result[0] == "answered":
            if not mine or not (role.approves or (run and run.text("owner") == role.user)):
                return [f"[behaviour 76] {actor} answered {role.run_id}, which is not theirs"]
            if not wanted.items() <= decided:
                return [f"[behaviour 74] {actor} was told {wanted} stands, and {decided} does"]
            return []
        _, status, code, _ = result
        if actor in ghost.wrote and status < 500:
            return [f"[behaviour 74] {actor} was refused with {status} {code} and has written"]
        if code == "answered_otherwise" and not any(
            (call, not approved) in decided for call, approved in wanted.items()
        ):
            return [f"[behaviour 74] {actor} was refused by another decision, and {decided} is decided"]
        if quiet and status >= 500:
            return [f"[behaviour 74] {actor} was answered {status} {code} though nothing went wrong"]
        return []

    def _key_of(self, run: Item) -> str | None:
        """The key of the request that stored the run."""
        role = self._role((run.text("started_by") or "").partition(".")[0])
        return None if role is None else role.key

    def _stop_problems(
        self, seen: Snapshot, ghost: Ghost, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool
    ) -> list[str]:
        if result[0] == "problem":
            return [f"{actor} was answered {result[1]} {result[2]} though nothing went wrong"] if quiet else []
        _, stopped, run_id, _ = result
        if run_id is not None and not _belongs_to(seen.runs[run_id], role):
            return [f"[9] {actor} was shown {run_id}, which another user owns"]
        if not stopped:
            return [f"[behaviour 33] {actor} was answered false and has written"] if actor in ghost.wrote else []
        if run_id is None or seen.runs[run_id].text("stop_requested_at") is None:
            return [f"[4] {actor} was answered true, and no stop stands on {run_id}"]
        return []

    def _read_problems(
        self, seen: Snapshot, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool
    ) -> list[str]:
        if result[0] == "problem":
            return [f"{actor} was answered {result[1]} though nothing went wrong"] if quiet else []
        _, run_id, run_status, message_status = result
        if run_id is None:
            return []
        if not _belongs_to(seen.runs[run_id], role):
            return [f"[9] {actor} was shown {run_id}, which another user owns"]
        if run_status in TERMINAL and message_status == "streaming":
            return [f"[2] {actor} saw a streaming message under a run that is {run_status}"]
        return []

    def matters(self, stage: Stage, world: World, passing: int) -> bool:
        """Whether a lease ends, a message comes back, or a run grows stale meanwhile."""
        if passing > LEASE_JUMP:
            return True
        if any(world.clock < letter.visible_at <= world.clock + passing for letter in world.queue.letters):
            return True
        for run in self.snapshot(stage, world.table).runs.values():
            until = run.text("lease_until")
            if until is not None and world.clock < from_iso(until) <= world.clock + passing:
                return True
            due = run.text("due_at")
            if due is not None and world.clock < from_iso(due) <= world.clock + passing:
                return True
        return False

    # -- the end of a path --

    def finish(self, stage: Stage, world: World) -> list[str]:
        """What is broken once nothing happens any more but sweeps: with workers, and with a queue that delivers
        nothing."""
        key = (world.table, world.clock, world.faults)
        problems = self._endings.get(key)
        if problems is None:
            problems = [
                *self._epilogue(stage, world, delivers=True),
                *(f"{problem}, with a dead queue" for problem in self._epilogue(stage, world, delivers=False)),
            ]
            self._endings[key] = problems
        return problems + self._ending_problems(stage, world)

    def _ending_problems(self, stage: Stage, world: World) -> list[str]:
        problems: list[str] = []
        workers_only = self._mailed and self._kinds <= {"crash"} and "crashed" not in dict(world.results).values()
        if self.prompt and (world.faults == self._faults or workers_only) and self._some_active(stage, world):
            problems.append("[lifecycle] only a sweep can end it, though nothing was lost")
        for actor, result in world.results:
            role = self._role(actor)
            if role is None or role.part != "stop" or not isinstance(result, tuple) or result[:2] != ("stopped", True):
                continue
            run = self.snapshot(stage, world.table).runs[result[2]]
            if run.text("stop_requested_at") is None:
                problems.append(f"[4] the stop of {result[2]}, answered true, is gone")
        return problems

    def _epilogue(self, stage: Stage, world: World, *, delivers: bool, done: bool = True) -> list[str]:
        """Sweep after sweep, minute after minute, until every run has ended."""
        play = Play(stage, _Epilogue(self), frozenset())
        at = world._replace(faults=0, jumps=len(self.jumps), results=(), late=(), ghost=Ghost(), serial=900)
        for round_number, pause in enumerate(ROUNDS if delivers else DEAD_ROUNDS):
            if self._all_ended(stage, at):
                break
            at = at._replace(clock=at.clock + pause, todo=(f"z{round_number}",))
            while at.todo or at.alive or (delivers and at.queue.letters):
                event, after = play.choices(at)[0][1]()
                problems = self._table_problems(stage, at, after) if after.table != at.table else []
                if event.node is not None and event.node.finished and isinstance(event.node.result, tuple):
                    if event.node.result[0] == "error" or (event.node.result[0] == "swept" and event.node.result[1]):
                        problems.append(f"[behaviour 43] {event.actor}: {event.node.result}")
                if problems:
                    return [f"after the path, {problem}" for problem in problems]
                at = after
            if not delivers:
                at = at._replace(queue=at.queue._replace(letters=()))
        seen = self.snapshot(stage, at.table)
        left = {name: run.text("status") for name, run in seen.runs.items() if run.text("status") in HOLDING}
        if left:
            return [f"[3] never ended: {left}"]
        problems = [
            f"[4] {name} was stopped and ended {run.text('status')}"
            for name, run in seen.runs.items()
            if run.text("stop_requested_at") is not None and run.text("status") != "aborted"
        ]
        once = world.faults >= self._faults - 1
        if done and delivers and self.succeeds and once and not self._timed:
            problems += [
                f"[3] {name} ended {run.text('status')} ({run.text('error')}) though at most one thing went wrong"
                for name, run in seen.runs.items()
                if run.text("stop_requested_at") is None
                and run.text("status") != "succeeded"
                and (run.json("error") or {}).get("code") != "unanswered"
            ]
        return problems

    def _some_active(self, stage: Stage, world: World) -> bool:
        runs = self.snapshot(stage, world.table).runs.values()
        return any(run.text("status") in ACTIVE for run in runs)

    def _all_ended(self, stage: Stage, world: World) -> bool:
        runs = self.snapshot(stage, world.table).runs.values()
        return all(run.text("status") in TERMINAL for run in runs)

    # -- set while it is played --

    _faults = 0
    _kinds: frozenset[str] = frozenset()
    _clock = NOON
    _timed = False
    _mailed = True
    """Whether no message was lost before the scene began."""

    def stage(self, *, merging: bool = True) -> Stage:
        """A new stage for this scene; it has none of the processes of another one."""
        for memory in (self._standing, self._moving, self._snapshots, self._desertions):
            memory.clear()
        return Stage(MemoryTable(TABLE), Forest(self.cast.ambient if merging else None))

    def staged(self, stage: Stage, kinds: frozenset[str], faults: int) -> tuple[Play, World]:
        """The scene on its stage, with so many faults of these kinds."""
        self._endings.clear()
        self._faults, self._clock = 10, NOON
        play, world = self.open(stage, kinds, faults)
        self._faults, self._kinds, self._clock = faults, kinds, world.clock
        self._timed = bool(self.jumps) or "time" in kinds
        self._mailed = bool(world.queue.letters) or not self._some_active(stage, world)
        return play, world


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

    def watch(self, stage: Stage, before: World, event: Event, after: World) -> tuple[Hashable, list[str]]:
        raise NotImplementedError

    def matters(self, stage: Stage, world: World, passing: int) -> bool:
        raise NotImplementedError

    def finish(self, stage: Stage, world: World) -> list[str]:
        raise NotImplementedError


def _look(run: Item, clock: int) -> Look:
    until = run.text("lease_until")
    left = run.text("status") in ACTIVE and (until is None or from_iso(until) < clock - SKEW)
    stopped = left and run.text("stop_requested_at") is not None
    return Look(run.text("resent_by"), run.whole("claimed_step"), run.whole("resends"), stopped)


def _deaf(event: Event) -> list[str]:
    """A worker whose heartbeat was refused has been overtaken: it must get the order to break off."""
    beside = event.label.endswith("'") and event.node is not None and not event.node.finished
    if not beside or event.node is None:
        return []
    asking = event.node.pending[0] is not None and event.node.pending[0].operation == "model"
    if asking and "break off" not in event.node.offers.get(0, ()):
        return [f"[behaviour 19] {event.actor} was overtaken, and nothing tells it to break off"]
    return []


def _belongs_to(run: Any, role: Role) -> bool:
    return bool(run.text("workspace_id") == role.workspace and run.text("owner") == role.user)
