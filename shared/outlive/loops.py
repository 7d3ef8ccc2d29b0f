"""Recognises a run that repeats the same calls."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from outlive.store.body import Body
from outlive.store.rows import Record

WINDOW = 10
REPEATS = 5


def goes_in_circles(records: Sequence[Record]) -> bool:
    """True if of the last 10 steps more than 5 made the very same calls with the very same results.

    Never before there are 10 steps. Steps without calls take their place in the window and never count as the same.
    """
    if len(records) < WINDOW:
        return False
    signatures = Counter(mark for record in records[-WINDOW:] if (mark := _signature(record.body)))
    return any(times > REPEATS for times in signatures.values())


def _signature(step: Body) -> str | None:
    calls = [
        [part["type"], part.get("input"), part.get("output"), part.get("errorText")]
        for part in step.parts
        if part.get("type", "").startswith("tool-")
    ]
    return hashlib.sha256(msgspec.json.encode(calls, order="sorted")).hexdigest() if calls else None
