"""What a worker may begin, run, send and be done with."""

import json
from collections.abc import Hashable
from typing import Any

from outlive.clock import from_iso
from proof.explorer.calls import Request
from proof.explorer.world import Event, World
from proof.scenes.ghost import Ghost
from proof.scenes.snapshot import ACTIVE, SKEW, TERMINAL, Item, Snapshot, is_held
from proof.scenes.staging import Staging
from proof.scenes.terms import MINUTE


def heard(at: Staging, ghost: Ghost, event: Event, after: World, problems: list[str]) -> Ghost:
    """Judge what a process reported of its work, and remember which steps it began."""
    for note in event.notes:
        assert isinstance(note, tuple)
        if note[0] == "acknowledges":
            seen = at.tables.snapshot(after.table)
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
            ghost = _runs(at, ghost, event, note, after, problems)
        elif note[0] == "asked":
            ghost = _model_requests(at, ghost, event, note, after, problems)
    return ghost


def _runs(at: Staging, ghost: Ghost, event: Event, note: tuple[Any, ...], after: World, problems: list[str]) -> Ghost:
    """A step runs the calls that the one before it asked about, as they were decided, and no others."""
    _, run_id, step, decisions = note
    seen = at.tables.snapshot(after.table)
    run = seen.runs[run_id]
    log = seen.log(run)
    if len(log) < step or log[step - 1].text("kind") != "asked":
        problems.append(f"[behaviour 72] {event.actor} ran calls of {run_id} that nobody asked about")
    elif dict(decisions) != seen.decided(run, step - 1):
        problems.append(f"[behaviour 74] {event.actor} ran {decisions}, decided is {seen.decided(run, step - 1)}")
    return _begins(at, ghost, event, (run_id, step), run, after, problems)


def _model_requests(
    at: Staging, ghost: Ghost, event: Event, note: tuple[Any, ...], after: World, problems: list[str]
) -> Ghost:
    _, run_id, step, _ = note
    run = at.tables.snapshot(after.table).runs[run_id]
    if [record.text("kind") for record in at.tables.snapshot(after.table).log(run)[step - 1 : step]] == ["asked"]:
        problems.append(f"[behaviour 72] {event.actor} asked the model for step {step}, which runs answered calls")
    return _begins(at, ghost, event, (run_id, step), run, after, problems)


def _begins(
    at: Staging, ghost: Ghost, event: Event, what: tuple[str, int], run: Item, after: World, problems: list[str]
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
    untroubled = after.faults == at.faults and after.clock == at.clock and not at.scene.troubled
    if asks[run_id, step] > 1 and untroubled:
        problems.append(f"[6] step {step} of {run_id} was asked {asks[run_id, step]} times")
    return ghost._replace(asks=tuple(sorted(asks.items())))


def send_problems(at: Staging, ghost: Ghost, actor: str, request: Request, after: World) -> list[str]:
    """A message is sent after the write that made it due, never before."""
    due = json.loads(request.body["MessageBody"])
    run = at.tables.snapshot(after.table).runs.get(due["run_id"])
    if run is None:
        return [f"[behaviour 6] {actor} sent a message for {due['run_id']}, which is not stored"]
    if len(at.tables.snapshot(after.table).log(run)) < due["step"]:
        return [f"[6] {actor} sent step {due['step']} before the records before it were stored"]
    role = at.scene.role(actor)
    # A repeated answer sends the step that it led to, by the run as it was read, and so does a start whose write got no
    # answer. By now that step may have asked.
    repeats = (
        role is not None and (bool(role.decisions) or role.part == "start") and due["step"] == run.whole("claimed_step")
    )
    if run.text("status") == "waiting" and not repeats:
        return [f"[behaviour 72] {actor} sent step {due['step']} of a run that waits"]
    if role is None or role.part != "sweep" or _promoted_by(at.tables.snapshot(after.table), run, actor):
        return []
    if not (run.text("resent_by") or "").startswith(f"{actor}."):
        return [f"[behaviour 41] {actor} sent before it kept others from sending"]
    look, resend_after = dict(ghost.looks)[actor, due["run_id"]], run.text("resend_after")
    if resend_after is None:
        # A worker has claimed the step in between.
        return []
    after_then = from_iso(resend_after)
    if run.whole("resends") != look.resends or after_then > after.clock + MINUTE + SKEW:
        return [f"[behaviour 41] {actor} counted before it sent, so that a send that fails counts"]
    return []


def _promoted_by(seen: Snapshot, run: Item, actor: str) -> bool:
    """True if this sweep ended the run before: then it sends the first step of the one that it promoted."""
    ended = [each for each in seen.runs.values() if each.text("next_run_id") == run.text("id")]
    return any((each.text("settled_by") or "").startswith(f"{actor}.") for each in ended)


def worker_problems(at: Staging, seen: Snapshot, ghost: Ghost, actor: str, result: Hashable, after: World) -> list[str]:
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
        if result is False and holds and undone and at.kinds <= {"lost"}:
            return [f"[lifecycle] {actor} gave its message back and holds on to {name}"]
    return []


def deaf(event: Event) -> list[str]:
    """A worker whose heartbeat was refused has been overtaken: it must get the order to break off."""
    beside = event.label.endswith("'") and event.node is not None and not event.node.finished
    if not beside or event.node is None:
        return []
    asking = event.node.pending[0] is not None and event.node.pending[0].operation == "model"
    if asking and "break off" not in event.node.offers.get(0, ()):
        return [f"[behaviour 19] {event.actor} was overtaken, and nothing tells it to break off"]
    return []
