"""How long a step waits before it asks a busy provider again."""

from collections.abc import Callable

SHORTEST_S, LONGEST_S = 2.0, 60.0
"""Between these seconds lies every pause that the provider does not choose itself."""
GROWTH = 4.0
"""The longest possible pause grows by this factor: 8, 32 and then 60 seconds, fewer than three requests a minute."""
SPREAD = 0.25
"""By up to this share of what the provider asks for a pause is longer, so that runs do not return at the same moment."""


def pause_before(
    retries: int, retry_after: float | None, left_s: float, between: Callable[[float, float], float]
) -> float:
    """Seconds until the request that follows `retries` others: full jitter, or what the provider asks for.

    The last request comes right when the patience, of which `left_s` seconds are left, is over.
    """
    longest = min(LONGEST_S, SHORTEST_S * GROWTH ** min(retries + 1, 10))
    pause = between(SHORTEST_S, longest)
    if retry_after is not None:
        pause = max(pause, retry_after + between(0.0, SPREAD * retry_after))
    return max(SHORTEST_S, min(pause, left_s))
