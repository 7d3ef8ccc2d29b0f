"""What has to happen to an active run that nobody is working on.

The sweep asks this of every run older than a lease; a start asks it of the run that keeps its chat busy.
"""

from dataclasses import dataclass

from outlive.clock import MINUTE, SECOND, Clock
from outlive.lifecycle import (
    ABORT_ANSWERED,
    ABORT_LEFT,
    ABORT_NEVER_STARTED,
    ABORT_STALE,
    ACTIVE,
    HOLDS,
    SUCCEED,
    Facts,
    Guard,
    Move,
    lease_is_live,
)
from outlive.settings import Settings
from outlive.settle import Log, Settled, error_of, settle
from outlive.store.rows import Record, Run
from outlive.store.table import Table

PENDING_RESENDS = (5 * MINUTE, 30 * MINUTE)
"""How long after the first and the second resend of a run nobody claimed the next one follows."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """The move that ends the run, what it is based on, and under which name a sweep counts it."""

    move: Move
    facts: Facts
    cause: str
    error: dict[str, str] | None = None


def overdue(run: Run, last: Record | None, now: int, settings: Settings, window: int | None = None) -> Overdue | None:
    """How `run`, whose newest record is `last`, has to end now; None if it has not.

    `window` (ms) stands in for both the stale and the pending time. A live lease rules everything out.
    """
    if run.status not in ACTIVE or lease_is_live(run, now):
        return None
    stopped = run.stop_requested_at is not None
    if last is not None and last.kind == "final":
        return Overdue(ABORT_ANSWERED if stopped else SUCCEED, Facts(now), "stopped" if stopped else "answered")
    if stopped:
        return Overdue(ABORT_LEFT, Facts(now), "stopped")
    stale = Facts(now, window=settings.stale_seconds * SECOND if window is None else window)
    if HOLDS[Guard.NO_PROGRESS](run, stale):
        text = f"no progress for {stale.window // SECOND} seconds"
        if run.last_error:
            text += f"; the last error was {run.last_error['code']}: {run.last_error['message']}"
        return Overdue(ABORT_STALE, stale, "stale", error_of("stale", text))
    never = Facts(now, window=settings.pending_seconds * SECOND if window is None else window)
    if HOLDS[Guard.NEVER_CLAIMED](run, never):
        text = f"no worker took the run within {never.window // SECOND} seconds"
        return Overdue(ABORT_NEVER_STARTED, never, "never_started", error_of("never_started", text))
    return None


def settle_overdue(run: Run, last: Record | None, due: Overdue, table: Table, clock: Clock, settled_by: str) -> Settled:
    """End `run` as `due` says. Raises as `settle` does; `Overtaken` if somebody took it up meanwhile."""
    return settle(
        run, due.move, due.facts, Log.upto(last), table=table, clock=clock, settled_by=settled_by, error=due.error
    )
