"""Every minute: settles what crashed, sends again what was lost."""

from dataclasses import asdict
from typing import Any, Protocol

from outlive.clock import SECOND, Clock
from outlive.log import logger
from outlive.sweep import Sweep
from outlive.wiring import new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL")
sweep = Sweep(table_of(settings), queue_of(settings), Clock(), new_id, settings)

MARGIN = 5 * SECOND
"""How long before its own end a sweep takes up no further run."""


LONGEST_WINDOW = 14 * 86400


class Context(Protocol):
    """What we use of the platform's context."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Sweep once; returns and logs the counts.

    By hand, an operator may give `{"window_seconds": 0}` for a drained system: it stands in for the stale and the
    pending time. A run with a live lease is left alone even so.
    """
    window = _window(event.get("window_seconds"))
    deadline = Clock().now() + context.get_remaining_time_in_millis() - MARGIN
    counts = asdict(sweep.run(deadline, window))
    logger.info("swept", **counts)
    return counts


def _window(seconds: object) -> int | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_WINDOW:
        raise ValueError(f"window_seconds must be a number from 0 to {LONGEST_WINDOW}, not {seconds!r}")
    return int(seconds * SECOND)
