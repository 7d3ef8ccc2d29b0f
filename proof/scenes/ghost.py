"""What is remembered of the way to a world, because a promise speaks of it."""

from typing import NamedTuple


class Look(NamedTuple):
    """What a sweep saw of a run: who sent its step again last, which step that is, how often it was sent, whether to
    stop."""

    resent_by: str | None
    step: int
    resends: int
    stopped: bool
    """True if a stop was requested and no worker is left that would see it."""


class Ghost(NamedTuple):
    """What is remembered of the way here because a promise speaks of it."""

    asks: tuple[tuple[tuple[str, int], int], ...] = ()
    targets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Which runs each stop may hit: those that were active or queued when it looked."""
    wrote: frozenset[str] = frozenset()
    broke_off: tuple[tuple[str, str, int, int], ...] = ()
    """Workers that broke off for a stop while they held the run: name, run, clock, faults left."""
    looks: tuple[tuple[tuple[str, str], "Look"], ...] = ()
    """What each sweep saw when it last looked at each run."""
    lines: frozenset[str] = frozenset()
    """Who saw that messages wait in a queue that moves."""
    done: frozenset[tuple[str, int]] = frozenset()
    """Workers that took over a step, and the step, where its record was there."""
    gone: frozenset[str] = frozenset()
    """The leases that held a run once and no longer do; remembered where writes may land late."""
