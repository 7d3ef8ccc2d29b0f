"""What must be true of a step from one table to the next."""

import re

from outlive.clock import from_iso
from outlive.settings import Settings
from proof.scenes.snapshot import ACTIVE, SKEW, TERMINAL, Item, Rows, Snapshot, is_held, place

RESEND_LIMIT = Settings.sweep_resend_limit


def moving(before: Rows, after: Rows, clock: int) -> list[str]:
    """Every promise the step from one table to the next breaks."""
    if before is after:
        return []
    broken: list[str] = []
    was, now = Snapshot.of(before), Snapshot.of(after)
    if gone := before.keys() - after.keys():
        broken.append(f"items were deleted: {sorted(gone)}")
    for name, run in was.runs.items():
        if name in now.runs:
            broken += [f"{problem} (run {name})" for problem in _run_moves(was, now, run, now.runs[name], clock)]
    for key in before.keys() & after.keys():
        if "#STEP#" in key[1] and before[key] is not after[key]:
            broken.append(f"[6] record {key[1]} was replaced")
        if "#ANSWER#" in key[1] and before[key] is not after[key]:
            broken.append(f"[behaviour 74] the answer {key[1]} was replaced")
    for pk, chat in was.chats.items():
        if pk not in now.chats:
            continue
        if chat.text("owner") != now.chats[pk].text("owner"):
            broken.append("[9] the chat changed its owner")
        if chat.whole("sequence") > now.chats[pk].whole("sequence"):
            broken.append("[1] the chat's sequence went back")
    return broken


def _run_moves(was: Snapshot, now: Snapshot, old: Item, new: Item, clock: int) -> list[str]:
    broken: list[str] = []
    if old.text("status") in TERMINAL:
        if old._wire is not new._wire:
            broken.append("[2] a terminal run changed")
        if len(was.log(old)) != len(now.log(new)):
            broken.append("[6] a record was added after the end")
        if not old.never_began and was.messages[place(old)]._wire is not now.messages[place(new)]._wire:
            broken.append("[2] the message of a terminal run changed")
        return broken
    if new.text("status") in TERMINAL:
        broken += _ending_problems(was, old, new, clock)
    if new.text("resent_by") != old.text("resent_by"):
        broken += _resend_problems(old, clock)
    broken += _answer_moves(was, now, old, new)
    broken += _provider_problems(old, new)
    resumes = old.text("status") == "waiting"
    same_step = new.whole("claimed_step") == old.whole("claimed_step")
    if new.whole("resends") < old.whole("resends") and same_step and not resumes:
        broken.append(f"[behaviour 41] resends went back from {old.whole('resends')} to {new.whole('resends')}")
    if new.whole("resends") > min(old.whole("resends") + 1, RESEND_LIMIT):
        broken.append(f"[behaviour 41] resends went from {old.whole('resends')} to {new.whole('resends')}")
    stop_requested = old.text("stop_requested_at") is None and new.text("stop_requested_at") is not None
    if stop_requested and new.text("status") in ACTIVE and new.text("lease_id") is None:
        broken.append("[behaviour 13] a stop was left to a worker, and none holds the run")
    for name in ("stop_requested_at", "started_at", "created_at", "owner", "fingerprint"):
        if old.text(name) is not None and old.text(name) != new.text(name):
            broken.append(f"{name} changed from {old.text(name)} to {new.text(name)}")
    before, after = old.whole("claimed_step"), new.whole("claimed_step")
    if after not in (before, before + 1):
        broken.append(f"[6] the claimed step went from {before} to {after}")
    elif after == before + 1:
        if len(was.log(old)) < after:
            broken.append(f"[6] step {after} was claimed before the records before it were stored")
        if old.text("stop_requested_at") is not None:
            broken.append("[5] a step was claimed after the stop")
        if (new.whole("attempt"), new.whole("resends")) != (1, 0):
            broken.append(f"[behaviour 22] step {after} begins with attempt {new.whole('attempt')}")
    elif new.text("lease_id") == old.text("lease_id") and (new.text("lease_until") or "") < (
        old.text("lease_until") or ""
    ):
        broken.append(f"[behaviour 19] the lease of {old.text('lease_id')} became shorter")
    elif new.text("lease_id") not in (None, old.text("lease_id")):
        if new.whole("attempt") != old.whole("attempt") + 1:
            broken.append(f"[behaviour 22] attempt {new.whole('attempt')} follows {old.whole('attempt')}")
        if is_held(old, clock):
            broken.append(f"[6] the lease of {old.text('lease_id')} was live and taken by {new.text('lease_id')}")
        if old.text("stop_requested_at") is not None:
            broken.append("[5] a step was claimed again after the stop")
    return broken


def _answer_moves(was: Snapshot, now: Snapshot, old: Item, new: Item) -> list[str]:
    """Waiting begins with its record, answers come only to open calls, and the last of them ends the waiting."""
    broken: list[str] = []
    before, after = old.text("status"), new.text("status")
    asked = sum(record.text("kind") == "asked" for record in now.log(new))
    asked_before = sum(record.text("kind") == "asked" for record in was.log(old))
    if (before == "running" and after == "waiting") is not (asked == asked_before + 1) or asked < asked_before:
        broken.append(f"[behaviour 72] from {before} to {after} with {asked} records that ask, {asked_before} before")
    given = now.answers.get(place(new), [])
    known = {item.key for item in was.answers.get(place(old), [])}
    fresh = [item.text("tool_call_id") for item in given if item.key not in known]
    still_open = old.open_calls if before == "waiting" else []
    if not set(fresh) <= set(still_open):
        broken.append(f"[behaviour 74] answers to {fresh}, open were {still_open}")
    earlier = {item.text("tool_call_id") for item in given if item.key in known}
    if not earlier.isdisjoint(fresh):
        broken.append(
            f"[behaviour 91] answers to {fresh} by a request that names no step, {earlier} were answered before"
        )
    if before == "waiting" and after in ACTIVE and (after != "running" or set(fresh) != set(still_open)):
        broken.append(f"[behaviour 72] from waiting to {after} with answers to {fresh} of {still_open}")
    if fresh and after not in ("waiting", "running"):
        broken.append(f"[behaviour 74] an answer was kept as the run ended {after}")
    if new.text("finish_reason") == "handed_over" and before != "waiting":
        broken += _handover_problems(was, now, old, new)
    if before == "running" and after == "waiting" and old.text("handover_to") in _steering(was, old):
        broken.append("[behaviour 103] a question stands before a message that steers")
    return broken


def _steering(seen: Snapshot, run: Item) -> list[str]:
    """The runs of the chat's queue that steer, whether this run or one before it."""
    queue = seen.chats[place(run)[0]].json("queue") or {}
    return list(queue.get("steered", []))


def _handover_problems(was: Snapshot, now: Snapshot, old: Item, new: Item) -> list[str]:
    """A run hands over at work only to a message that steers it, and never calls that were decided."""
    next_run = now.runs.get(new.text("next_run_id") or "")
    if not _steering(was, old) or next_run is None or next_run.text("status") != "pending":
        return [f"[behaviour 101] a run that was {old.text('status')} handed over to {new.text('next_run_id')}"]
    if new.text("settled_by") != old.text("lease_id"):
        return [f"[behaviour 101] handed over by {new.text('settled_by')}, while {old.text('lease_id')} held it"]
    log = was.log(old)
    # A step that ran them and asked once more has used something.
    if log and log[-1].text("kind") == "asked" and now.log(new)[-1].json("usage") == log[-1].json("usage"):
        return ["[behaviour 103] a run handed over before its decided calls ran"]
    return []


def _provider_problems(old: Item, new: Item) -> list[str]:
    """A step that was let go for a busy provider is counted once, and waits since it was first let go for it."""
    if new.text("status") in TERMINAL:
        return []
    before, after = old.whole("retries"), new.whole("retries")
    if new.whole("claimed_step") != old.whole("claimed_step") or new.text("status") == "waiting":
        return [f"[behaviour 84] a new step begins with {after} retries"] if after else []
    let_go = old.text("lease_id") is not None and new.text("lease_id") is None
    busy = let_go and (new.json("last_error") or {}).get("kind") == "busy"
    if after != before + busy:
        return [f"[behaviour 84] retries went from {before} to {after}, let go for the provider: {busy}"]
    since = old.text("retrying_since")
    if since is not None and new.text("retrying_since") != since:
        return [f"[behaviour 84] the wait since {since} became one since {new.text('retrying_since')}"]
    return []


def _ending_problems(was: Snapshot, old: Item, new: Item, clock: int) -> list[str]:
    """A run ended: who held it then, and who ended it?"""
    held, holder, by = is_held(old, clock), old.text("lease_id"), new.text("settled_by")
    # A worker that has stored its record is done with the step, even if its lease is still live.
    at_work = held and len(was.log(old)) <= old.whole("claimed_step")
    status = new.text("status")
    if status == "failed" and by != holder:
        return [f"[settle] failed by {by}, while {holder} held it"]
    superseded = new.text("finish_reason") == "superseded" and was.runs.get(new.text("next_run_id") or "") is None
    if status == "aborted" and at_work and by != holder and not superseded:
        return [f"[behaviour 32] aborted by {by} under the live lease of {holder}"]
    error = new.json("error") or {}
    if error.get("code") == "unanswered" and from_iso(old.text("due_at") or "") > clock + SKEW:
        return [f"[behaviour 75] given up before {old.text('due_at')}"]
    if error.get("code") in ("stale", "never_started"):
        # The error says how long; nothing may have moved the run for as long.
        (window,) = re.findall(r"(\d+) seconds", error["message"])[:1]
        # A queued run's time begins with its promotion.
        moved = old.text("progress_at") or (old.text("created_at") if error["code"] == "never_started" else None)
        claimed = error["code"] == "never_started" and old.whole("claimed_step") >= 0
        if moved is None or claimed or from_iso(moved) > clock + SKEW - int(window) * 1000:
            return [f"[behaviour 40] ended as {error['code']} though it moved at {moved}"]
    return []


def _resend_problems(old: Item, clock: int) -> list[str]:
    """A sweep is about to send again: only where no worker holds the step and no message is on its way."""
    broken: list[str] = []
    if is_held(old, clock):
        broken.append("[behaviour 41] sent again under a live lease")
    if old.text("stop_requested_at") is not None:
        broken.append("[behaviour 42] sent again after the stop")
    after = old.text("resend_after")
    if after is not None and from_iso(after) > clock + SKEW:
        broken.append(f"[behaviour 41] sent again before {after}")
    return broken
