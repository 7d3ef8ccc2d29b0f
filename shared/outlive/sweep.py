"""The sweep: settles what crashed, and sends again what was lost."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

from outlive.clock import MINUTE, SECOND, Clock
from outlive.errors import Overtaken, StoreUnreadable
from outlive.lifecycle import ACTIVE, HOLDING, RESEND, Facts, Status, lease_is_live, refusals
from outlive.log import cause, logger
from outlive.overdue import PENDING_RESENDS, overdue, settle_overdue
from outlive.settings import Settings
from outlive.settle import Settler
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.rows import SHARDS, Run
from outlive.store.table import Table
from outlive.unreadable import end_unreadable

TICK_SLACK_MS = 5 * SECOND
"""A schedule of a minute ticks a little early at times; a resend due then must not wait for the tick after."""


@dataclass(slots=True)
class Counts:
    """What one sweep did. `seen` counts runs that were read, `failed` those it could not deal with."""

    seen: int = 0
    resent: int = 0
    failed: int = 0
    settled: dict[str, int] = field(default_factory=dict)
    """How many runs it ended, by cause: `answered`, `stopped`, `stale`, `never_started`, `unanswered`, `unreadable`."""
    unfinished: bool = False
    """True if time ran out before every active run was seen."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One look at every active run that is older than a lease, and at every run whose deadline has passed."""

    table: Table
    queue: Queue
    clock: Clock
    new_id: Callable[[], str]
    settings: Settings

    def run(self, deadline: int, window: int | None = None) -> Counts:
        """Settle or send again whatever needs it, until `deadline`; a bad row or a store error stops nothing.

        `window` (ms) stands in for the stale and the pending time, for a drained system; a live lease still counts.
        """
        counts = Counts()
        sweep_id, now = self.new_id(), self.clock.now()
        for number in range(SHARDS):
            # Each sweep begins with another shard: one that never gets to the end still gets to every run.
            shard = (now // MINUTE + number) % SHARDS
            try:
                self._sweep_shard(shard, now, deadline, sweep_id, window, counts)
            except Exception as error:
                logger.error("sweep_failed", shard=shard, cause=cause(error))
                counts.failed += 1
        return counts

    def _sweep_shard(
        self, shard: int, now: int, deadline: int, sweep_id: str, window: int | None, counts: Counts
    ) -> None:
        lease = self.settings.lease_seconds * SECOND
        age = lease if window is None else min(lease, window)
        for key in chain(self.table.due_runs(shard, now), self.table.active_runs(shard, now - age + 1)):
            if self.clock.now() >= deadline:
                counts.unfinished = True
                return
            self._see(key, sweep_id, window, counts)

    def _see(self, key: Run, sweep_id: str, window: int | None, counts: Counts) -> None:
        try:
            counts.seen += 1
            try:
                run = self.table.reload(key)
            except StoreUnreadable as found:
                settled = end_unreadable(found, self.table, self.clock, sweep_id)
                if settled is not None and settled.by_me:
                    counts.settled["unreadable"] = counts.settled.get("unreadable", 0) + 1
                return
            if run is not None:
                self._deal_with(run, sweep_id, window, counts)
        except Overtaken:
            return  # Somebody took it up after all.
        except Exception as error:
            logger.error("sweep_failed_on_run", run=key.pk.rpartition("#")[2], cause=cause(error))
            counts.failed += 1

    def _deal_with(self, run: Run, sweep_id: str, window: int | None, counts: Counts) -> None:
        now = self.clock.now()
        if run.status not in HOLDING or lease_is_live(run, now):
            return
        last = self.table.last_record(run)
        due = overdue(run, last, now, self.settings, window)
        if due is not None:
            settled = settle_overdue(run, last, due, Settler(self.table, self.clock), sweep_id)
            if settled.by_me:
                counts.settled[due.cause] = counts.settled.get(due.cause, 0) + 1
        elif run.status in ACTIVE and self._resend(run, sweep_id, now):
            counts.resent += 1

    def _resend(self, run: Run, sweep_id: str, now: int) -> bool:
        """Send the claimed step again, if it is time. A final record never gets here, so there is a step to do."""
        if run.resends >= self.settings.sweep_resend_limit:
            return False
        if refusals(RESEND, run, Facts(now, resends=run.resends, resent_by=run.resent_by)):
            return False
        try:
            self.table.resend(run, now + MINUTE - TICK_SLACK_MS, sweep_id, now)
        except Refused as refused:
            current = refused.run
            if current is None or current.resent_by != sweep_id:
                return False
        # If this fails, or we die right here, nothing is counted, and the next sweep sends.
        self.queue.send(run, max(run.claimed_step, 0))
        again_after = None
        if run.status == Status.PENDING:
            again_after = now + PENDING_RESENDS[min(run.resends, len(PENDING_RESENDS) - 1)]
        with suppress(Refused):  # A worker has taken the step, or the run has ended: there is nothing left to count.
            self.table.count_resend(run, again_after, now)
        return True
