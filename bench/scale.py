"""Where it ends: which limit binds first, worked out from the settings, the limits of AWS, and the sizes of real items.

`python -m bench.scale` writes the tables of docs/scale.md. What follows from no formula, a queue that backs up while the
sweep looks on, is played through with the times and rules of the real settings.
"""

import math

from bench.cost import Counted, all_counted, prices
from bench.pages import put, say, table
from bench.sweeping import Swept, swept
from outlive.settings import Settings
from outlive.store.rows import SHARDS
from outlive.sweep import ROWS_PER_READ
from proof.stress.backlog import Backlog

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

KEYS_A_PAGE = 6000
"""Keys of the index that a page of 1 MB holds."""
MB_A_PROCESSOR = 1769
"""Memory with which a function has one processor."""

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


def sweeping(active: int, measured: Swept) -> list[str]:
    """What a sweep over so many active runs, all older than a lease, reads, takes and costs."""
    price = prices()
    calls = SHARDS * math.ceil(active / SHARDS / KEYS_A_PAGE) + math.ceil(active / ROWS_PER_READ)
    # The shards wait for the table side by side, and share the function's processor.
    waiting = calls / SHARDS * price["assumed"]["batch_seconds"]
    working = active * measured.processor_seconds_a_run / (price["assumed"]["light_gb"] * 1024 / MB_A_PROCESSOR)
    seconds = max(waiting, working)
    reads = active * price["dynamodb"]["million_read_units"] / MILLION
    return [
        f"{active:,}",
        f"{calls:,}",
        f"{seconds:,.0f}",
        f"{100 * min(1.0, SWEEP_SECONDS / seconds):.0f} %",
        f"{max(waiting, working / SHARDS):,.0f}",
        f"{reads * 60 * 24 * 30:,.2f}",
    ]


def backlogs() -> list[list[str]]:
    """Backlogs of several sizes, played through."""
    rows = []
    for runs in (1000, 5000, 9000, 12_000, 20_000, 60_000):
        say(f"a backlog of {runs:,} runs")
        backlog = Backlog(runs, 10, SETTINGS, int(1000 * step_seconds()))
        ends = backlog.play()
        first = runs * step_seconds() / DEFAULT_CONCURRENCY / 60
        rows.append([
            f"{runs:,}", f"{first:.0f} min", f"{ends['succeeded']:,}", f"{ends['stale']:,}", f"{ends['never_started']:,}",
            f"{backlog.messages_a_step:.2f}", f"{backlog.hours:.1f}",
        ])  # fmt: skip
    return rows


def report() -> None:
    """Write the tables of docs/scale.md."""
    runs, _, _ = all_counted()
    put("scale.md", "rates", table(["steps a second", "where it binds", "what moves it"], a_second(runs[1]), left=3))
    measured = swept(5000)
    say(f"{measured.calls} calls for {measured.runs} runs on DynamoDB Local, {measured.seconds:.1f} s")
    heads = [
        "active runs",
        "calls",
        "seconds to see all",
        "seen in one sweep",
        "seconds, one function a shard",
        "USD a month",
    ]
    rows = [sweeping(active, measured) for active in (1000, 10_000, 100_000, MILLION)]
    put("scale.md", "sweep", table(heads, rows, left=0))
    put("scale.md", "swept", f"{measured.runs:,} active runs took {measured.calls} calls and {1e6 * measured.processor_seconds_a_run:.0f} µs of a processor each.")  # fmt: skip
    heads = ["runs at once", "a round takes", "succeed", "`stale`", "`never_started`", "messages a step", "hours"]
    put("scale.md", "backlog", table(heads, backlogs(), left=0))


if __name__ == "__main__":
    report()
