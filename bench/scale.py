"""Where it ends: which limit binds first, worked out from the settings, the limits of AWS, and the sizes of real items.

`python -m bench.scale` writes the tables of docs/scale.md. What follows from no formula, a queue that backs up while the
sweep looks on, is played through with the times and rules of the real settings.
"""

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from bench.cost import Counted, all_counted, prices
from bench.pages import put, say, table
from outlive.overdue import PENDING_RESENDS
from outlive.settings import Settings
from outlive.store.rows import SHARDS
from outlive.sweep import SLACK

MILLION = 1_000_000

# Limits of AWS, per region and account where not said otherwise.
KEY_WRITES = 1000
"""Write units a second one partition takes; a key of an index never spreads over more."""
TABLE_WRITES = 4000
"""Write units a second a new on-demand table takes; it doubles with use."""
TABLE_READS = 12_000
ACCOUNT_CONCURRENCY = 1000
"""Executions at once, over all functions; a quota that can be raised."""
MAPPING_CONCURRENCY = 1000
"""Executions at once of one queue's mapping; fixed."""

DEFAULT_CONCURRENCY = 50
SWEEP_SECONDS = 50
"""The sweep's time limit, less its margin."""

SETTINGS = Settings(table_name="")


def step_seconds() -> float:
    """How long a step holds a function, as docs/cost.md assumes it."""
    assumed = prices()["assumed"]
    return assumed["model_seconds"] + assumed["step_own_seconds"]


def a_second(run: Counted) -> list[list[str]]:
    """Steps a second that each limit allows, the narrowest first."""
    reads = run.total.read / run.steps
    runs_writes = run.total.write / run.steps
    # An entry comes with the start and goes with the settle, doubled by their transactions.
    entry_writes = 2 + 2
    each = step_seconds()
    rows = [
        (DEFAULT_CONCURRENCY / each, f"MaximumConcurrency {DEFAULT_CONCURRENCY}, {each:g} s a step", "`MaximumConcurrency`, up to 1,000"),
        (ACCOUNT_CONCURRENCY / each, f"{ACCOUNT_CONCURRENCY:,} executions an account", "the account's quota"),
        (MAPPING_CONCURRENCY / each, f"{MAPPING_CONCURRENCY:,} executions a mapping", "a second queue and mapping"),
        (TABLE_WRITES / runs_writes, f"{TABLE_WRITES:,} write units of a new table, {runs_writes:.1f} a step", "use (it doubles by itself), or a warm throughput"),
        (TABLE_READS / reads, f"{TABLE_READS:,} read units of a new table, {reads:.1f} a step", "the same"),
        (SHARDS * KEY_WRITES / entry_writes * run.steps, f"{SHARDS} keys of the index of active runs, {entry_writes} write units a run", "`SHARDS`"),
    ]  # fmt: skip
    return [[f"{rate:,.0f}", why, what] for rate, why, what in sorted(rows, key=lambda row: row[0])]


def sweeping(active: int) -> list[str]:
    """What a sweep over so many active runs, all older than a lease, reads, takes and costs."""
    price = prices()
    seconds = active * price["assumed"]["get_item_seconds"]
    reads = active * price["dynamodb"]["million_read_units"] / MILLION
    seen = min(active, int(SWEEP_SECONDS / price["assumed"]["get_item_seconds"]))
    return [
        f"{active:,}",
        f"{seconds:,.0f}",
        f"{seen:,}",
        f"{100 * seen / active:.1f} %",
        f"{reads * min(1, seen / active) * 60 * 24 * 30:,.2f}",
        f"{reads * 60 * 24 * 30:,.2f}",
    ]


@dataclass(order=True, slots=True)
class _Run:
    number: int
    due: int = field(compare=False, default=0)
    """The step whose message counts."""
    lease_until: float = field(compare=False, default=-1.0)
    progress_at: float = field(compare=False, default=0.0)
    resends: int = field(compare=False, default=0)
    resend_after: float = field(compare=False, default=0.0)
    ended: str = field(compare=False, default="")


def backlog(runs: int, steps: int, concurrency: int) -> dict[str, float]:
    """All of `runs` start at once: how they end, how many messages that takes, and how long.

    First come, first served; a message whose step is done takes a worker for no time. A worker holds its lease for the
    step and no longer than the lease after it.
    """
    each, lease = step_seconds(), float(SETTINGS.lease_seconds)
    every = [_Run(number) for number in range(runs)]
    order = count()
    queue: list[tuple[float, int, int, int]] = [(0.0, next(order), run.number, 0) for run in every]
    heapq.heapify(queue)
    workers = [0.0] * concurrency
    messages, tick, last = len(queue), 60.0, 0.0
    while queue:
        sent_at, _, number, step = heapq.heappop(queue)
        free = heapq.heappop(workers)
        at = max(free, sent_at)
        while tick <= at:
            messages += _sweep(every, tick, lease, queue, order)
            tick += 60
        run = every[number]
        if run.ended or step != run.due:
            heapq.heappush(workers, at)
            if not run.ended and step == run.due - 1 and run.lease_until <= at:
                # A resend: it reclaims the step, finds its record, and sends the next message once more.
                run.progress_at, run.lease_until = at, at + lease
                messages += 1
                heapq.heappush(queue, (at, next(order), number, run.due))
            continue
        run.due, run.resends, run.resend_after = step + 1, 0, 0.0
        run.progress_at, run.lease_until = at, at + lease
        done = at + each
        heapq.heappush(workers, done)
        last = max(last, done)
        if step + 1 == steps:
            run.ended = "succeeded"
            continue
        messages += 1
        heapq.heappush(queue, (done, next(order), number, step + 1))
    ends = Counter(run.ended or "lost" for run in every)
    return {"succeeded": ends["succeeded"], "stale": ends["stale"], "never": ends["never_started"], "messages": messages, "hours": last / 3600}  # fmt: skip


def _sweep(
    every: list[_Run], now: float, lease: float, queue: list[tuple[float, int, int, int]], order: "count[int]"
) -> int:
    sent = 0
    for run in every:
        if run.ended or run.lease_until > now or now < lease:
            continue
        if run.due and run.progress_at <= now - SETTINGS.stale_seconds:
            run.ended = "stale"
        elif not run.due and now >= SETTINGS.pending_seconds:
            run.ended = "never_started"
        elif run.resends < SETTINGS.sweep_resend_limit and run.resend_after <= now:
            pause = (60_000 - SLACK) / 1000
            if not run.due:
                pause = PENDING_RESENDS[min(run.resends, len(PENDING_RESENDS) - 1)] / 1000
            run.resends, run.resend_after = run.resends + 1, now + pause
            heapq.heappush(queue, (now, next(order), run.number, max(run.due - 1, 0)))
            sent += 1
    return sent


def backlogs() -> list[list[str]]:
    """Backlogs of several sizes, played through."""
    rows = []
    for runs in (1000, 5000, 9000, 12_000, 20_000, 60_000):
        say(f"a backlog of {runs:,} runs")
        found = backlog(runs, 10, DEFAULT_CONCURRENCY)
        first = runs * step_seconds() / DEFAULT_CONCURRENCY / 60
        rows.append([
            f"{runs:,}", f"{first:.0f} min", f"{found['succeeded']:,}", f"{found['stale']:,}", f"{found['never']:,}",
            f"{found['messages'] / (runs * 10):.1f}", f"{found['hours']:.1f}",
        ])  # fmt: skip
    return rows


def report() -> None:
    """Write the tables of docs/scale.md."""
    runs, _, _ = all_counted()
    put("scale.md", "rates", table(["steps a second", "where it binds", "what moves it"], a_second(runs[1]), left=3))
    heads = [
        "active runs",
        "seconds to see all",
        "seen in one sweep",
        "",
        "USD a month as it is",
        "USD a month if all were seen",
    ]
    put("scale.md", "sweep", table(heads, [sweeping(active) for active in (1000, 10_000, 100_000, MILLION)], left=0))
    heads = ["runs at once", "a round takes", "succeed", "`stale`", "`never_started`", "messages a step", "hours"]
    put("scale.md", "backlog", table(heads, backlogs(), left=0))
    bound = math.floor(SETTINGS.stale_seconds * DEFAULT_CONCURRENCY / step_seconds())
    put("scale.md", "bound", f"{SETTINGS.stale_seconds} s × {DEFAULT_CONCURRENCY} / {step_seconds():g} s = **{bound:,} active runs**")  # fmt: skip


if __name__ == "__main__":
    report()
