"""A queue that backs up, event by event: the waiting times of the real settings, and the decisions of the real sweep.

All runs start at once and are served first come, first served. Once a minute a sweep looks at every run that is older than a
lease. What it does with a run, `overdue` and the guards of `resend` say; only rows and queue are played here.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from outlive.clock import MINUTE, SECOND
from outlive.guards import Facts, Guard, lease_is_live
from outlive.lifecycle import RESEND, Status, refusals
from outlive.overdue import lost_before, overdue
from outlive.run_error import LastError
from outlive.settings import Settings
from outlive.store.queue import Depth
from outlive.sweep import TICK_SLACK_MS

START = 1_790_000_000_000


@dataclass(slots=True)
class Run:
    """What the sweep's decisions look at in a run's row."""

    created_at: int = START
    status: str = Status.PENDING
    owner: str = "ada"
    claimed_step: int = -1
    attempt: int = 0
    lease_id: str | None = None
    lease_until: int | None = None
    stop_requested_at: int | None = None
    progress_at: int | None = None
    resends: int = 0
    resent_by: str | None = None
    resend_after: int | None = None
    last_error: LastError | None = None
    end: str = ""

    def serialize(self) -> dict[str, Any]:
        """No decision here looks at a stored form."""
        raise NotImplementedError


@dataclass(slots=True)
class Backlog:
    """So many runs of so many steps at once. `step_ms` is how long a step occupies its worker."""

    runs: int
    steps: int
    settings: Settings
    step_ms: int
    every: list[Run] = field(init=False)
    queue: list[tuple[int, int, Run, int]] = field(default_factory=list)
    """When each message can be received, its place, its run and step."""
    workers: list[int] = field(init=False)
    """When each worker is free."""
    messages: int = 0
    last: int = START
    numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.every = [Run() for _ in range(self.runs)]
        self.workers = [START] * self.settings.maximum_concurrency
        for run in self.every:
            self._send(run, 0, START)

    def play(self) -> Counter[str]:
        """Serve every message; returns how the runs ended."""
        tick = START + MINUTE
        while self.queue:
            visible_at, _, run, step = heapq.heappop(self.queue)
            at = max(heapq.heappop(self.workers), visible_at)
            heapq.heappush(self.queue, (visible_at, -1, run, step))
            while tick <= at:
                self._sweep(tick)
                tick += MINUTE
            heapq.heappop(self.queue)
            heapq.heappush(self.workers, self._take(run, step, at))
        return Counter(run.end or "left" for run in self.every)

    @property
    def messages_a_step(self) -> float:
        """How many messages each step took."""
        return self.messages / (self.runs * self.steps)

    @property
    def hours(self) -> float:
        """How long it took."""
        return (self.last - START) / (60 * MINUTE)

    def _send(self, run: Run, step: int, at: int) -> None:
        self.messages += 1
        heapq.heappush(self.queue, (at, next(self.numbers), run, step))

    def _take(self, run: Run, step: int, at: int) -> int:
        """A worker gets a message. Returns when it is free again: at once if there is nothing to do."""
        lease = self.settings.lease_seconds * SECOND
        if run.end or step < run.claimed_step:
            return at
        if step == run.claimed_step:
            # Sent again: the step has its record, and its next message is sent once more.
            if not lease_is_live(run, at):
                run.attempt, run.lease_until, run.progress_at = run.attempt + 1, at + lease, at
                self._send(run, step + 1, at)
            return at
        run.status, run.claimed_step, run.attempt, run.resends, run.resend_after = Status.RUNNING, step, 1, 0, None
        run.lease_until, run.progress_at, done = at + lease, at, at + self.step_ms
        self.last = max(self.last, done)
        if step + 1 == self.steps:
            run.end = "succeeded"
        else:
            self._send(run, step + 1, done)
        return done

    def _sweep(self, now: int) -> None:
        # A worker that is free just now has taken its next message by the sweep's second look.
        busy = sum(free >= now for free in self.workers)
        waiting = sum(visible_at <= now for visible_at, *_ in self.queue)
        sent_before = lost_before(Depth(waiting, busy), now, self.settings)
        if not Guard.NOT_IN_LINE.holds(Run(), Facts(now, sent_before=sent_before)):
            return  # All runs are of one age: the guard that refuses this one refuses each.
        for run in self.every:
            if run.end or lease_is_live(run, now):
                continue
            due = overdue(run, None, now, self.settings, lambda: sent_before)  # type: ignore[arg-type]
            if due is not None:
                run.end = due.cause
                continue
            facts = Facts(now, resends=run.resends, resent_by=run.resent_by, sent_before=sent_before)
            if run.resends < self.settings.sweep_resend_limit and not refusals(RESEND, run, facts):
                run.resends, run.resent_by, run.resend_after = run.resends + 1, str(now), now + MINUTE - TICK_SLACK_MS
                self._send(run, max(run.claimed_step, 0), now)
