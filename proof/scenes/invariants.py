"""What must always be true, of one table, of a step from one table to the next, and of what callers were answered.

`[n]` is a guarantee of docs/guarantees.md, `[behaviour n]` a line of docs/behaviours.md.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from outlive.clock import from_iso
from outlive.settings import Settings
from outlive.store.rows import Record, Run
from proof.dynamodb.memory_table import Key, Row

ACTIVE = frozenset({"pending", "running"})
HOLDING = ACTIVE | {"waiting"}
TERMINAL = frozenset({"succeeded", "failed", "aborted"})
MESSAGE_OF = {
    "pending": "streaming",
    "running": "streaming",
    "waiting": "streaming",
    "succeeded": "completed",
    "failed": "error",
    "aborted": "aborted",
}

RESEND_LIMIT = Settings.sweep_resend_limit
SKEW = 200
"""Milliseconds by which no two clocks differ."""

Rows = Mapping[Key, Row]


class Item:
    """A row with its attributes as plain values."""

    __slots__ = ("_wire", "key")

    def __init__(self, key: Key, row: Row) -> None:
        self.key = key
        self._wire = row.attributes

    def text(self, name: str) -> str | None:
        """A text attribute, or None."""
        value = self._wire.get(name)
        return None if value is None else value["S"]

    def whole(self, name: str) -> int:
        """A number attribute, 0 if it is missing."""
        value = self._wire.get(name)
        return 0 if value is None else int(value["N"])

    def json(self, name: str) -> Any:
        """A JSON attribute, or None."""
        text = self.text(name)
        return None if text is None else json.loads(text)

    @property
    def asked(self) -> list[str]:
        """The calls that a record asks about, by their ids."""
        return [call.tool_call_id for call in Record.of(self._wire).body.asked]

    @property
    def open_calls(self) -> list[str]:
        """The calls that a waiting run waits for, by their ids."""
        asked = Run.of(self._wire).asked
        return [] if asked is None else [call.tool_call_id for call in asked.open]

    @property
    def damaged(self) -> bool:
        """True if the product cannot read this RUN row."""
        return any(Run.damages(self._wire))


@dataclass(slots=True)
class Snapshot:
    """A table, sorted by what its items are. Messages and logs go by chat key and sequence."""

    chats: dict[str, Item] = field(default_factory=dict)
    runs: dict[str, Item] = field(default_factory=dict)
    messages: dict[tuple[str, int], Item] = field(default_factory=dict)
    logs: dict[tuple[str, int], list[Item]] = field(default_factory=dict)
    answers: dict[tuple[str, int], list[Item]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows) -> "Snapshot":
        """Sort the rows of a table. What is there for readers alone, live pieces and tickets, decides nothing."""
        snapshot = cls()
        for (pk, sk), row in sorted(rows.items()):
            item = Item((pk, sk), row)
            if sk == "CHAT":
                snapshot.chats[pk] = item
            elif sk == "RUN":
                snapshot.runs[item.text("id") or ""] = item
            elif "#STEP#" in sk:
                snapshot.logs.setdefault((pk, int(sk.split("#")[1])), []).append(item)
            elif "#ANSWER#" in sk:
                snapshot.answers.setdefault((pk, int(sk.split("#")[1])), []).append(item)
            elif sk.startswith("MSG#"):
                snapshot.messages[pk, int(sk.split("#")[1])] = item
        return snapshot

    def log(self, run: Item) -> list[Item]:
        """The step records of the run, in order."""
        return self.logs.get(place(run), [])

    def decided(self, run: Item, step: int) -> dict[str, bool]:
        """How the calls of a step that asked were decided, by their ids: true for those that were approved."""
        given = [item for item in self.answers.get(place(run), []) if int(item.key[1].split("#")[3]) == step]
        return {item.text("tool_call_id") or "": item.json("decision").get("approved") is True for item in given}


def place(run: Item) -> tuple[str, int]:
    """Where the run's assistant message stands."""
    return f"{run.text('workspace_id')}#{run.text('chat_id')}", run.whole("assistant_seq")


def standing(rows: Rows) -> list[str]:
    """Every promise a table breaks by itself."""
    seen = Snapshot.of(rows)
    broken: list[str] = []
    for pk, chat in seen.chats.items():
        active = [name for name, run in seen.runs.items() if place(run)[0] == pk and run.text("status") in HOLDING]
        slot = chat.text("active_run_id")
        if len(active) > 1:
            broken.append(f"[1] {len(active)} runs hold one chat: {active}")
        if active != ([] if slot is None else [slot]):
            broken.append(f"[1] the chat's slot holds {slot}, active is {active}")
    for name, run in seen.runs.items():
        broken += [f"{problem} (run {name})" for problem in _run_problems(seen, run)]
    return broken


def _run_problems(seen: Snapshot, run: Item) -> list[str]:
    broken: list[str] = []
    status = run.text("status") or ""
    pk, seq = place(run)
    header, prompt = seen.messages.get((pk, seq)), seen.messages.get((pk, run.whole("user_seq")))
    if pk not in seen.chats or header is None or prompt is None:
        return ["[10] a run without its chat or its messages"]
    if header.text("status") != MESSAGE_OF[status]:
        broken.append(f"[2] the message is {header.text('status')} under a run that is {status}")
    ended = status in TERMINAL
    if (run.text("finished_at") is not None) is not ended:
        broken.append(f"[2] finished_at is {run.text('finished_at')} on a run that is {status}")
    if (run.text("active_shard") is not None) is not (status in ACTIVE):
        broken.append(f"[3] a run that is {status} is {'not ' if status in ACTIVE else ''}in the index of active runs")
    if ended and (run.text("lease_id") or run.text("lease_until")):
        broken.append("[2] an ended run is still held")
    if ended and run.text("stop_requested_at") is not None and (status != "aborted" or run.text("error") is not None):
        broken.append(f"[4] stopped, but ended {status} with error {run.text('error')}")
    if status == "failed" and run.text("error") is None:
        broken.append("[behaviour 4] failed without an error")
    if status == "aborted" and run.text("stop_requested_at") is None and run.text("error") is None:
        broken.append("[behaviour 29] aborted without a stop and without a sweep's reason")
    broken += _log_problems(run, seen.log(run), status)
    broken += _waiting_problems(seen, run, status)
    return broken


def _waiting_problems(seen: Snapshot, run: Item, status: str) -> list[str]:
    """A run waits exactly as long as a call of its newest step is open, and nothing of it is under way meanwhile."""
    broken: list[str] = []
    waits = status == "waiting"
    for name in ("asked", "due_shard", "due_at"):
        if (run.text(name) is not None) is not waits:
            broken.append(f"[behaviour 72] {name} is {run.text(name)} on a run that is {status}")
    if waits and (run.text("lease_id") or run.text("lease_until")):
        broken.append("[behaviour 72] a waiting run is held")
    if waits and run.text("stop_requested_at") is not None:
        broken.append("[behaviour 75] a stop waits behind a question")
    log = seen.log(run)
    for number, record in enumerate(log):
        if record.text("kind") != "asked":
            continue
        decided, calls = seen.decided(run, number), record.asked
        newest = number == len(log) - 1
        still_open = [call for call in calls if call not in decided]
        if waits and newest and run.open_calls != still_open:
            broken.append(f"[behaviour 74] the run waits for {run.open_calls}, open are {still_open}")
        if status in ACTIVE and still_open:
            broken.append(f"[behaviour 72] the run goes on, and nobody answered {still_open}")
        if decided.keys() - set(calls):
            broken.append(f"[behaviour 74] an answer to no call: {decided.keys() - set(calls)}")
    if waits and (not log or log[-1].text("kind") != "asked" or run.whole("claimed_step") != len(log) - 1):
        broken.append(f"[behaviour 72] the run waits for {run.text('asked')} after {len(log)} records")
    return broken


def _log_problems(run: Item, log: list[Item], status: str) -> list[str]:
    broken: list[str] = []
    ended = status in TERMINAL
    kinds = [record.text("kind") for record in log]
    if [record.whole("step") for record in log] != list(range(len(log))):
        broken.append(f"[6] step records {[record.whole('step') for record in log]}")
    if any(kind in ("partial", "end", "final") for kind in kinds[:-1]):
        broken.append(f"[6] a record after the end: {kinds}")
    if ended and (not kinds or kinds[-1] in ("step", "asked")):
        broken.append(f"[6] ended, but the log is open: {kinds}")
    if ended and kinds[-2:] == ["asked", "end"]:
        broken.append("[behaviour 75] ended, and the calls that were asked about are not closed")
    if not ended and kinds and kinds[-1] in ("partial", "end"):
        broken.append(f"[6] the log is sealed under a run that is {status}")
    if kinds[-1:] == ["final"] and ended and status != "succeeded" and run.text("stop_requested_at") is None:
        broken.append(f"[behaviour 42] the work was done without a stop, but it ended {status}")
    handed_over = run.text("finish_reason") == "handed_over"
    if status == "succeeded" and not handed_over and kinds[-1:] != ["final"]:
        broken.append(f"[2] succeeded without a final record: {kinds}")
    counted = sum(kind != "end" for kind in kinds)
    if ended and run.whole("step_count") != counted:
        broken.append(f"[6] step_count says {run.whole('step_count')}, there are {counted} records")
    if run.text("started_at") is None and run.whole("claimed_step") < 0 and counted:
        broken.append("[5] a record though no step was claimed")
    closes = kinds[-1:] == ["end"] or kinds[-2:] == ["asked", "partial"]
    if len(log) > run.whole("claimed_step") + 1 and not closes:
        broken.append("[6] a record of a step that was never claimed")
    return broken


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
        if was.messages[place(old)]._wire is not now.messages[place(new)]._wire:
            broken.append("[2] the message of a terminal run changed")
        return broken
    if new.text("status") in TERMINAL:
        broken += _ending_problems(was, old, new, clock)
    if new.text("resent_by") != old.text("resent_by"):
        broken += _resend_problems(old, clock)
    broken += _answer_moves(was, now, old, new)
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
        broken.append(f"[behaviour 78] a run that was {before} was handed over")
    return broken


def is_held(run: Item, clock: int) -> bool:
    """True while a lease on the run is live by any clock."""
    until = run.text("lease_until")
    return until is not None and from_iso(until) > clock + SKEW


def _ending_problems(was: Snapshot, old: Item, new: Item, clock: int) -> list[str]:
    """A run ended: who held it then, and who ended it?"""
    held, holder, by = is_held(old, clock), old.text("lease_id"), new.text("settled_by")
    # A worker that has stored its record is done with the step, even if its lease is still live.
    at_work = held and len(was.log(old)) <= old.whole("claimed_step")
    status = new.text("status")
    if status == "failed" and by != holder:
        return [f"[settle] failed by {by}, while {holder} held it"]
    if status == "aborted" and at_work and by != holder:
        return [f"[behaviour 32] aborted by {by} under the live lease of {holder}"]
    error = new.json("error") or {}
    if error.get("code") == "unanswered" and from_iso(old.text("due_at") or "") > clock + SKEW:
        return [f"[behaviour 75] given up before {old.text('due_at')}"]
    if error.get("code") in ("stale", "never_started"):
        # The error says how long; nothing may have moved the run for as long.
        (window,) = re.findall(r"(\d+) seconds", error["message"])[:1]
        moved = old.text("progress_at" if error["code"] == "stale" else "created_at")
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


class Look(NamedTuple):
    """What a sweep saw of a run: who sent its step again last, which step that is, how often it was sent, whether to
    stop."""

    resent_by: str | None
    step: int
    resends: int
    stopped: bool
    """True if a stop was requested and no worker is left that would see it."""


class Ghost(NamedTuple):
    """What is remembered of the way here because a promise speaks of it."""

    asks: tuple[tuple[tuple[str, int], int], ...] = ()
    targets: tuple[tuple[str, str | None], ...] = ()
    """Which run each stop may hit: the one that was active when it looked."""
    wrote: frozenset[str] = frozenset()
    broke_off: tuple[tuple[str, str, int, int], ...] = ()
    """Workers that broke off for a stop while they held the run: name, run, clock, faults left."""
    looks: tuple[tuple[tuple[str, str], "Look"], ...] = ()
    """What each sweep saw when it last looked at each run."""
    lines: frozenset[str] = frozenset()
    """Who saw that messages wait in a queue that moves."""
    done: frozenset[tuple[str, int]] = frozenset()
    """Workers that took over a step, and the step, where its record was there."""
    gone: frozenset[str] = frozenset()
    """The leases that held a run once and no longer do; remembered where writes may land late."""
