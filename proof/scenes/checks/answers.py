"""What callers may be answered."""

from collections.abc import Hashable
from typing import Any

from proof.explorer.world import World
from proof.scenes.checks.workers import worker_problems
from proof.scenes.ghost import Ghost
from proof.scenes.roles import Role, belongs_to
from proof.scenes.snapshot import ACTIVE, TERMINAL, Item, Snapshot, is_held
from proof.scenes.staging import Staging


def answer_problems(at: Staging, ghost: Ghost, actor: str, result: Hashable, after: World) -> list[str]:
    """What is wrong with how a process ended: what it raised, or what its caller was answered."""
    if isinstance(result, tuple) and result[0] == "error":
        return [f"{actor} raised {result[1]}"]
    role = at.scene.role(actor)
    seen = at.tables.snapshot(after.table)
    if role is None:
        return worker_problems(at, seen, ghost, actor, result, after)
    assert isinstance(result, tuple)
    quiet = at.quiet(after)
    if role.part == "start":
        return _start_problems(at, seen, actor, role, result, quiet=quiet)
    if role.part == "stop":
        return _stop_problems(seen, ghost, actor, role, result, quiet=quiet)
    if role.part == "answer":
        return _answers_problems(seen, ghost, actor, role, result, quiet=quiet)
    if role.part == "sweep":
        return _sweep_problems(seen, ghost, actor, result, after) if quiet else []
    return _read_problems(seen, actor, role, result, quiet=quiet)


def _sweep_problems(seen: Snapshot, ghost: Ghost, actor: str, result: tuple[Any, ...], after: World) -> list[str]:
    """A sweep deals with every run it saw, counts what it sent and leaves no stopped run without a worker."""
    if result[1]:
        return [f"[behaviour 43] the sweep {actor} could not deal with {result[1]} runs"]
    looks = {name: look for (who, name), look in ghost.looks if who == actor}
    for name, look in looks.items():
        run = seen.runs[name]
        if (look.resent_by or "").startswith(f"{actor}."):
            # It saw the run a second time, after it had sent: what goes on again stands in another index.
            continue
        sent = (run.text("resent_by") or "").startswith(f"{actor}.") and run.text("status") in ACTIVE
        if sent and (run.whole("claimed_step"), run.whole("resends")) == (look.step, look.resends):
            return [f"[behaviour 41] the sweep {actor} sent {name} again and did not count it"]
    left = [
        name
        for name, look in looks.items()
        if look.stopped and seen.runs[name].text("status") in ACTIVE and not is_held(seen.runs[name], after.clock)
    ]
    stopped = [name for name in left if seen.runs[name].text("stop_requested_at") is not None]
    return [f"[behaviour 42] the sweep {actor} left {name}, which was stopped" for name in stopped]


def _start_problems(
    at: Staging, seen: Snapshot, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool
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
    if code == "run_already_active" and role.key is not None and _key_of(at, seen.runs[active]) == role.key:
        return [f"[behaviour 8] {actor} was refused in favour of its own run {active}"]
    if code == "run_already_active" and not belongs_to(seen.runs[active], role):
        return [f"[9] {actor} got {active}, which another user owns"]
    if code == "run_already_active" and role.in_place and seen.runs[active].text("status") == "waiting" and quiet:
        return [f"[behaviour 78] {actor} was refused in favour of {active}, which waits for answers"]
    if code == "run_already_active" and role.on_busy in ("enqueue", "steer") and quiet:
        return [f"[behaviour 96] {actor} was refused in favour of {active}, and would have waited"]
    if code == "run_already_active" and role.supersedes == active and quiet:
        return [f"[behaviour 104] {actor} was refused in favour of {active}, in whose place it comes"]
    if quiet and status >= 500:
        return [f"[behaviour 8] {actor} was answered {status} {code} though nothing went wrong"]
    return []


def _answers_problems(
    seen: Snapshot, ghost: Ghost, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool
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
    if code == "answered_otherwise" and not any((call, not approved) in decided for call, approved in wanted.items()):
        return [f"[behaviour 74] {actor} was refused by another decision, and {decided} is decided"]
    if quiet and status >= 500:
        return [f"[behaviour 74] {actor} was answered {status} {code} though nothing went wrong"]
    return []


def _key_of(at: Staging, run: Item) -> str | None:
    """The key of the request that stored the run."""
    role = at.scene.role((run.text("started_by") or "").partition(".")[0])
    return None if role is None else role.key


def _stop_problems(
    seen: Snapshot, ghost: Ghost, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool
) -> list[str]:
    if result[0] == "problem":
        return [f"{actor} was answered {result[1]} {result[2]} though nothing went wrong"] if quiet else []
    _, stopped, run_id, _ = result
    if run_id is not None and not belongs_to(seen.runs[run_id], role):
        return [f"[9] {actor} was shown {run_id}, which another user owns"]
    if not stopped:
        return [f"[behaviour 33] {actor} was answered false and has written"] if actor in ghost.wrote else []
    if run_id is None or seen.runs[run_id].text("stop_requested_at") is None:
        return [f"[4] {actor} was answered true, and no stop stands on {run_id}"]
    return []


def _read_problems(seen: Snapshot, actor: str, role: Role, result: tuple[Any, ...], *, quiet: bool) -> list[str]:
    if result[0] == "problem":
        return [f"{actor} was answered {result[1]} though nothing went wrong"] if quiet else []
    _, run_id, run_status, message_status = result
    if run_id is None:
        return []
    if not belongs_to(seen.runs[run_id], role):
        return [f"[9] {actor} was shown {run_id}, which another user owns"]
    if run_status in TERMINAL and message_status == "streaming":
        return [f"[2] {actor} saw a streaming message under a run that is {run_status}"]
    return []
