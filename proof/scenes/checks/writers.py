"""Who may write what: workers their own leases, sweeps what nobody holds, clients what is theirs."""

from proof.explorer.world import World
from proof.scenes.ghost import Ghost
from proof.scenes.roles import Role
from proof.scenes.snapshot import ACTIVE, TERMINAL, Item
from proof.scenes.staging import Staging


def wrote(at: Staging, ghost: Ghost, before: World, actor: str, after: World, problems: list[str]) -> Ghost:
    """Judge a write by who made it, and remember that it was made."""
    role = at.scene.role(actor)
    if role is None:
        problems += _lease_problems(at, before, actor, after)
        return _took_over(at, ghost, before, actor, after)
    if role.part == "sweep":
        problems += _sweep_problems(at, ghost, before, actor, after)
        return ghost
    problems += _client_problems(at, before, actor, role, after)
    if role.part == "start":
        problems += _start_problems(at, ghost, before, actor, after)
    if role.part == "stop":
        problems += _stop_problems(at, ghost, before, actor, after)
    return ghost if actor in ghost.wrote else ghost._replace(wrote=ghost.wrote | {actor})


def _took_over(at: Staging, ghost: Ghost, before: World, actor: str, after: World) -> Ghost:
    """Remember a worker that took over a step whose record was there."""
    was, fresh = at.tables.snapshot(before.table).runs, at.tables.snapshot(after.table)
    for run in fresh.runs.values():
        lease, step = run.text("lease_id"), run.whole("claimed_step")
        held_before = was[run.text("id") or ""].text("lease_id") == lease
        if not held_before and (lease or "").startswith(f"{actor}.") and len(fresh.log(run)) > step:
            ghost = ghost._replace(done=ghost.done | {(actor, step)})
    return ghost


def _sweep_problems(at: Staging, ghost: Ghost, before: World, actor: str, after: World) -> list[str]:
    """A sweep sends and counts by what it saw, and takes no run for lost whose message may wait in line."""
    problems: list[str] = []
    was = at.tables.snapshot(before.table).runs
    for name, run in at.tables.snapshot(after.table).runs.items():
        old, look = was[name], dict(ghost.looks).get((actor, name))
        sends = run.text("resent_by") != old.text("resent_by")
        counts = run.whole("resends") > old.whole("resends")
        if sends and (look is None or look.resent_by != old.text("resent_by")):
            problems.append(f"[behaviour 41] {actor} is about to send {name} again though another sweep just did")
        if actor in ghost.lines and (sends or _given_up(old, run)):
            problems.append(f"[behaviour 73] {actor} saw a line that moves, and took {name} for lost")
        seen_then = None if look is None else (look.step, look.resends)
        if counts and seen_then != (old.whole("claimed_step"), old.whole("resends")):
            problems.append(f"[behaviour 41] {actor} counted a resend of {name} by an old count or for another step")
    return problems


def _given_up(old: Item, new: Item) -> bool:
    """True if this write ended the run because nothing moved it on."""
    return old.text("status") in ACTIVE and (new.json("error") or {}).get("code") in ("stale", "never_started")


def _client_problems(at: Staging, before: World, actor: str, role: Role, after: World) -> list[str]:
    """A client changes nothing that is another workspace's or another user's."""
    problems: list[str] = []
    old, new = at.tables.rows(before.table), at.tables.rows(after.table)
    seen = at.tables.snapshot(before.table)
    for pk, sk in (key for key in old.keys() | new.keys() if old.get(key) is not new.get(key)):
        if not pk.startswith(f"{role.workspace}#"):
            problems.append(f"[9] {actor} changed {pk} {sk} of another workspace")
        chat = seen.chats.get(pk)
        if chat is not None and chat.text("owner") != role.user and not role.approves:
            problems.append(f"[9] {actor} changed a chat of {chat.text('owner')}")
    if role.supersedes is not None:
        for name, run in at.tables.snapshot(after.table).runs.items():
            was = seen.runs.get(name)
            if run.text("finish_reason") == "superseded" and was is not None and was.text("finish_reason") is None:
                problems += [] if name == role.supersedes else [f"[behaviour 104] {actor} superseded {name}"]
    if role.part == "start" and not role.in_place and role.on_busy != "steer":
        for name, run in at.tables.snapshot(after.table).runs.items():
            if run.text("finish_reason") == "handed_over" and seen.runs[name].text("status") == "waiting":
                problems.append(f"[behaviour 72] {actor} ended {name}, which waits for answers")
    return problems


def _start_problems(at: Staging, ghost: Ghost, before: World, actor: str, after: World) -> list[str]:
    """A start makes no room by ending a run whose message may wait in line."""
    was = at.tables.snapshot(before.table).runs
    return [
        f"[behaviour 73] {actor} saw a line that moves, and took {name} for lost"
        for name, run in at.tables.snapshot(after.table).runs.items()
        if actor in ghost.lines and name in was and _given_up(was[name], run)
    ]


def _stop_problems(at: Staging, ghost: Ghost, before: World, actor: str, after: World) -> list[str]:
    """A stop acts on the run that it meant."""
    problems: list[str] = []
    seen, targets = at.tables.snapshot(before.table), dict(ghost.targets).get(actor, ())
    for name, run in at.tables.snapshot(after.table).runs.items():
        was = seen.runs.get(name)
        stopped_before = was is not None and was.text("stop_requested_at") is not None
        if run.text("stop_requested_at") is not None and not stopped_before and name not in targets:
            problems.append(f"[4] the stop {actor} meant {targets} and hit {name}")
    return problems


def let_go(at: Staging, ghost: Ghost, before: World, after: World, problems: list[str]) -> Ghost:
    """Remember the leases that no longer hold a run: none of them may ever hold one again."""
    was = at.tables.snapshot(before.table).runs
    for name, run in at.tables.snapshot(after.table).runs.items():
        earlier, lease = was[name].text("lease_id") if name in was else None, run.text("lease_id")
        if lease == earlier:
            continue
        if lease in ghost.gone:
            problems.append(f"[behaviour 22] the lease {lease} of {name} was let go, and holds it again")
        if earlier is not None:
            ghost = ghost._replace(gone=ghost.gone | {earlier})
    return ghost


def _lease_problems(at: Staging, before: World, actor: str, after: World) -> list[str]:
    """What a worker did to a lease that is not its own: it may take over a run, and end it, and nothing else."""
    fresh = at.tables.snapshot(after.table).runs
    broken: list[str] = []
    for name, run in at.tables.snapshot(before.table).runs.items():
        holder, until = run.text("lease_id"), run.text("lease_until")
        if holder is None or holder.startswith(f"{actor}.") or fresh[name].text("status") in TERMINAL:
            continue
        if fresh[name].text("lease_id") in (holder, None) and fresh[name].text("lease_until") != until:
            broken.append(f"[behaviour 19] {actor} changed the lease of {holder} on {name}")
    return broken
