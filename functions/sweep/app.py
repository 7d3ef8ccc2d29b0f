"""Every minute: settles runs that no worker will end, and resends lost messages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Protocol

from outlive.clock import SECOND, Clock
from outlive.log import logger
from outlive.sweep import Counts, Sweep, shards_named
from outlive.wiring import new_id, queue_of, settings_of, table_of


def side_by_side(sweep_shard: Callable[[int], Counts], shards: range) -> list[Counts]:
    """Sweep the shards at the same time, each in a thread: they wait for the table, not for the processor."""
    with ThreadPoolExecutor(len(shards)) as pool:
        return list(pool.map(sweep_shard, shards))


settings = settings_of("QUEUE_URL")
sweep = Sweep(table_of(settings), queue_of(settings), Clock(), new_id, settings, side_by_side)

MARGIN = 5 * SECOND
"""How long before its own end a sweep takes up no further run."""


LONGEST_WINDOW = 14 * 86400


class Context(Protocol):
    """The part of the platform's context that is used here."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Sweep once; returns and logs the counts.

    By hand, an operator may give `{"window_seconds": 0}` for a drained system: it replaces the stale and the
    pending time. A run with a live lease is left alone even so. `{"shard": 3}` sweeps that shard alone: with a schedule for
    each shard there are as many sweeps at the same time.
    """
    window, shards = _window(event.get("window_seconds")), shards_named(event.get("shard"))
    deadline = Clock().now() + context.get_remaining_time_in_millis() - MARGIN
    counts = asdict(sweep.run(deadline, window, shards))
    logger.info("swept", **counts)
    return counts


def _window(seconds: object) -> int | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_WINDOW:
        raise ValueError(f"window_seconds must be a number from 0 to {LONGEST_WINDOW}, not {seconds!r}")
    return int(seconds * SECOND)
