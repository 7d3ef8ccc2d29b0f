"""The sweep: settles runs that no worker will end, and resends lost messages."""

import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from outlive.clock import MINUTE, SECOND, Clock
from outlive.errors import Overtaken, StoreUnreadable
from outlive.guards import Facts, lease_is_live
from outlive.lifecycle import ACTIVE, HOLDING, RESEND, refusals
from outlive.log import cause, logger
from outlive.overdue import LONGEST_WAIT, depth_of, lost_before, overdue, settle_overdue
from outlive.settings import Settings
from outlive.settle import Settler
from outlive.store.glance import rests
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.rows import SHARDS, Run
from outlive.store.table import Table
from outlive.unreadable import end_unreadable

TICK_SLACK_MS = 5 * SECOND
"""A schedule of a minute ticks a little early at times; a resend due then must not wait for the tick after."""
ROWS_PER_READ = 100
"""The most that a BatchGetItem takes."""


@dataclass(slots=True)
class Counts:
    """The counts of one sweep. `seen` are the runs it read, `failed` those it could not handle."""

    seen: int = 0
    resent: int = 0
    failed: int = 0
    settled: dict[str, int] = field(default_factory=dict)
    """How many runs it ended, by cause: `answered`, `stopped`, `stale`, `never_started`, `unanswered`, `unreadable`."""
    unfinished: bool = False
    """True if time ran out before every active run was seen."""

    def settles(self, why: str) -> None:
        """Count a run that was ended."""
        self.settled[why] = self.settled.get(why, 0) + 1

    def __add__(self, other: "Counts") -> "Counts":
        settled = dict(Counter(self.settled) + Counter(other.settled))
        seen, resent, failed = self.seen + other.seen, self.resent + other.resent, self.failed + other.failed
        return Counts(seen, resent, failed, settled, self.unfinished or other.unfinished)


def shards_named(shard: object) -> range:
    """That shard alone, or all of them if it is None. Raises ValueError, which names it."""
    if shard is None:
        return range(SHARDS)
    if isinstance(shard, bool) or not isinstance(shard, int) or not 0 <= shard < SHARDS:
        raise ValueError(f"shard must be a whole number from 0 to {SHARDS - 1}, not {shard!r}")
    return range(shard, shard + 1)


SideBySide = Callable[[Callable[[int], Counts], range], list[Counts]]
"""Sweeps each of these shards."""


def in_turn(sweep: Callable[[int], Counts], shards: range) -> list[Counts]:
    """Sweep one shard after the other."""
    counts = []
    for shard in range(shards.start, shards.stop):
        counts.append(sweep(shard))  # noqa: PERF401  # the proof compares where a loop stands, not a comprehension
    return counts


@dataclass(frozen=True, slots=True)
class Tick:
    """One sweep: its id, when it began and has to end, and the state of the queue when it began."""

    id: str
    began: int
    deadline: int
    sent_before: int
    """A message that was sent before then does not wait in line."""
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Reads every active run that is older than a lease, and every run whose deadline has passed."""

    table: Table
    queue: Queue
    clock: Clock
    new_id: Callable[[], str]
    settings: Settings
    side_by_side: SideBySide = in_turn

    def run(self, deadline: int, window: int | None = None, shards: range | None = None) -> Counts:
        """Settle or resend every run that needs it, until `deadline`. A damaged row or a store error does not stop the sweep.

        `window` (ms) replaces the stale and the pending time, for a drained system; a live lease still counts.
        `shards` are those to look at; all of them if it is None.
        """
        now = self.clock.now()
        drained = window is not None
        sent_before = (
            now + LONGEST_WAIT if drained else lost_before(depth_of(self.queue, self.clock), now, self.settings)
        )
        tick = Tick(self.new_id(), now, deadline, sent_before, window)
        counts = Counts()
        for each in self.side_by_side(lambda shard: self._sweep_shard(shard, tick), shards or range(SHARDS)):
            counts += each
        return counts

    def _sweep_shard(self, shard: int, tick: Tick) -> Counts:
        counts = Counts()
        lease = self.settings.lease_seconds * SECOND
        age = lease if tick.window is None else min(lease, tick.window)
        try:
            for pk in self.table.due_runs(shard, tick.began):
                if self.clock.now() >= tick.deadline:
                    counts.unfinished = True
                    return counts
                self._see(Run(pk, Run.SK), tick, counts)
            runs = _in_fresh_order(list(self.table.active_runs(shard, tick.began - age + 1)), tick.began)
            for start in range(0, len(runs), ROWS_PER_READ):
                self._see_all(runs[start : start + ROWS_PER_READ], tick, counts)
        except Exception as error:
            logger.error("sweep_failed", shard=shard, cause=cause(error))
            counts.failed += 1
        return counts

    def _see_all(self, partitions: list[str], tick: Tick, counts: Counts) -> None:
        if self.clock.now() >= tick.deadline:
            counts.unfinished = True
            return
        for pk in self._restless(partitions, tick, counts):
            if self.clock.now() >= tick.deadline:
                counts.unfinished = True
                return
            self._see(Run(pk, Run.SK), tick, counts)

    def _restless(self, partitions: list[str], tick: Tick, counts: Counts) -> list[str]:
        """Those of these runs that no worker holds and whose message is not on its way."""
        items = self.table.glances(partitions)
        facts = Facts(self.clock.now(), sent_before=tick.sent_before)
        restless = [item["pk"]["S"] for item in items if not rests(item, facts)]
        counts.seen += len(items) - len(restless)
        return restless

    def _see(self, key: Run, tick: Tick, counts: Counts) -> None:
        counts.seen += 1
        try:
            try:
                run = self.table.reload(key)
            except StoreUnreadable as damage:
                settled = end_unreadable(damage, self._settler, tick.id)
                if settled is not None and settled.by_me:
                    counts.settles("unreadable")
                return
            if run is not None:
                self._deal_with(run, tick, counts)
        except Overtaken:
            return  # A worker has claimed it meanwhile.
        except Exception as error:
            logger.error("sweep_failed_on_run", run=key.pk.rpartition("#")[2], cause=cause(error))
            counts.failed += 1

    @property
    def _settler(self) -> Settler:
        return Settler(self.table, self.queue, self.clock, self.settings)

    def _deal_with(self, run: Run, tick: Tick, counts: Counts) -> None:
        now = self.clock.now()
        if run.status not in HOLDING or lease_is_live(run, now):
            return
        last = self.table.last_record(run)
        due = overdue(run, last, now, self.settings, lambda: tick.sent_before, tick.window)
        if due is not None:
            settled = settle_overdue(run, last, due, self._settler, tick.id)
            if settled.by_me:
                counts.settles(due.cause)
        elif run.status in ACTIVE and self._resend(run, tick, now):
            counts.resent += 1

    def _resend(self, run: Run, tick: Tick, now: int) -> bool:
        """Send the claimed step again, if it is time. The run has no final record, so there is a step to do."""
        if run.resends >= self.settings.sweep_resend_limit:
            return False
        # Also by hand, a message that was sent a moment ago is not sent again.
        sent_before = min(tick.sent_before, now)
        facts = Facts(now, resends=run.resends, resent_by=run.resent_by, sent_before=sent_before)
        if refusals(RESEND, run, facts):
            return False
        try:
            self.table.resend(run, facts, now + MINUTE - TICK_SLACK_MS, tick.id)
        except Refused as refused:
            current = refused.run
            if current is None or current.resent_by != tick.id:
                return False
        # If this fails, or the sweep dies here, nothing is counted, and the next sweep sends.
        self.queue.send(run, max(run.claimed_step, 0))
        with suppress(Refused):  # A worker has taken the step, or the run has ended: there is nothing left to count.
            self.table.count_resend(run, now)
        return True


def _in_fresh_order(partitions: list[str], now: int) -> list[str]:
    """The runs in another order each minute, so that sweeps that run out of time still reach every run in the end."""
    return sorted(partitions, key=lambda pk: zlib.crc32(f"{now // MINUTE} {pk}".encode()))
