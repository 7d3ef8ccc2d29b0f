"""Time, as the rest of Outlive sees it: whole milliseconds since the epoch, shown as ISO 8601 in UTC."""

import time
from datetime import UTC, datetime

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
LENGTH = 24
"""Characters of a time as text."""


class Clock:
    """The machine's clock. Operations are handed one, so that a test or a proof can hand them another."""

    def now(self) -> int:
        """The time now, in milliseconds."""
        return time.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def iso(at: int) -> str:
    """`at` as `2026-11-21T01:02:03.004Z`: always 24 characters, so that it sorts as text."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % SECOND:03d}Z"


def from_iso(text: str) -> int:
    """The milliseconds `iso` made `text` of. Raises ValueError for anything else."""
    if len(text) != LENGTH or text[-1] != "Z":
        raise ValueError(f"{text!r} is not a time in the stored form")
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * SECOND + moment.microsecond // 1000
