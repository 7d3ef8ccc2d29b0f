"""What is remembered of what a process saw or was told."""

from outlive.clock import from_iso
from outlive.overdue import LINE_SHARE
from proof.explorer.calls import Request
from proof.explorer.world import World
from proof.scenes.ghost import Ghost, Look
from proof.scenes.outside import TABLE
from proof.scenes.roles import belongs_to
from proof.scenes.snapshot import ACTIVE, ENDING, SKEW, Item, is_held
from proof.scenes.staging import Staging


def looked(at: Staging, ghost: Ghost, before: World, actor: str, request: Request) -> Ghost:
    """Remember what a stop can mean: by chat the runs that are active or queued as it looks, by id the one it names.

    And what a sweep saw.
    """
    role = at.scene.role(actor)
    if role is not None and role.part == "sweep":
        body, looks = request.body, dict(ghost.looks)
        keys = [body["Key"]] if "Key" in body else body["RequestItems"][TABLE]["Keys"]
        for key in keys:
            row = at.tables.rows(before.table).get((key["pk"]["S"], "RUN"))
            if row is not None:
                run = Item(("", ""), row)
                looks[actor, run.text("id") or ""] = _look(run, before.clock)
        return ghost._replace(looks=tuple(sorted(looks.items(), key=lambda each: each[0])))
    if role is None or role.part != "stop" or actor in dict(ghost.targets):
        return ghost
    seen = at.tables.snapshot(before.table)
    targets = (role.run_id,) if role.run_id is not None else ()
    if role.run_id is None:
        open_runs = [name for name, run in seen.runs.items() if run.text("status") in ENDING and belongs_to(run, role)]
        targets = tuple(name for name in open_runs if seen.runs[name].text("chat_id") == role.chat)
    return ghost._replace(targets=tuple(sorted((*ghost.targets, (actor, targets)), key=repr)))


def saw_the_queue(at: Staging, ghost: Ghost, before: World, actor: str) -> Ghost:
    """Remember who saw a line: more messages wait than workers take at once, and workers hold others."""
    letters = before.queue.letters
    waiting = sum(letter.visible_at <= before.clock for letter in letters)
    if waiting > at.scene.settings.maximum_concurrency // LINE_SHARE and waiting < len(letters):
        return ghost._replace(lines=ghost.lines | {actor})
    return ghost._replace(lines=ghost.lines - {actor})


def broke_off(at: Staging, ghost: Ghost, actor: str, after: World) -> Ghost:
    """Remember a living worker that heard of the stop while it held the run: what it streamed must be kept."""
    for name, run in at.tables.snapshot(after.table).runs.items():
        held = (run.text("lease_id") or "").startswith(f"{actor}.")
        if held and is_held(run, after.clock) and run.text("stop_requested_at") is not None:
            return ghost._replace(broke_off=(*ghost.broke_off, (actor, name, after.clock, after.faults)))
    return ghost


def _look(run: Item, clock: int) -> Look:
    until = run.text("lease_until")
    left = run.text("status") in ACTIVE and (until is None or from_iso(until) < clock - SKEW)
    stopped = left and run.text("stop_requested_at") is not None
    return Look(run.text("resent_by"), run.whole("claimed_step"), run.whole("resends"), stopped)
