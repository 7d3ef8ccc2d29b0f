"""What has to happen to an active run that no worker holds.

The sweep asks this of every run older than a lease; a start asks it of the run that keeps its chat busy.
"""

from dataclasses import dataclass

from outlive.clock import MINUTE, SECOND
from outlive.lifecycle import (
    ABORT_ANSWERED,
    ABORT_LEFT,
    ABORT_NEVER_STARTED,
    ABORT_STALE,
    ABORT_UNANSWERED,
    HOLDING,
    SUCCEED,
    Facts,
    Guard,
    Move,
    Status,
    lease_is_live,
)
from outlive.run_error import RunError, RunErrorCode
from outlive.settings import Settings
from outlive.settle import End, Log, Settled, Settler
from outlive.store.rows import Record, RecordKind, Run

PENDING_RESENDS = (5 * MINUTE, 30 * MINUTE)
"""How long after the first and the second resend of a run that no worker claimed the next one follows."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """The move that ends the run, what it is based on, and under which name a sweep counts it."""

    move: Move
    facts: Facts
    cause: str
    error: RunError | None = None


def overdue(run: Run, last: Record | None, now: int, settings: Settings, window: int | None = None) -> Overdue | None:
    """How `run`, whose newest record is `last`, has to end now; None if it has not.

    `window` (ms) stands in for both the stale and the pending time. A live lease rules everything out.
    """
    if run.status not in HOLDING or lease_is_live(run, now):
        return None
    if run.status == Status.WAITING:
        return _unanswered(run, now)
    stopped = run.stop_requested_at is not None
    if last is not None and last.kind == RecordKind.FINAL:
        return Overdue(ABORT_ANSWERED if stopped else SUCCEED, Facts(now), "stopped" if stopped else "answered")
    if stopped:
        return Overdue(ABORT_LEFT, Facts(now), "stopped")
    stale = Facts(now, window=settings.stale_seconds * SECOND if window is None else window)
    if Guard.NO_PROGRESS.holds(run, stale):
        text = f"no progress for {stale.window // SECOND} seconds"
        if run.last_error:
            text += f"; the last error was {run.last_error.code}: {run.last_error.message}"
        return Overdue(ABORT_STALE, stale, "stale", RunError(RunErrorCode.STALE, text))
    never = Facts(now, window=settings.pending_seconds * SECOND if window is None else window)
    if Guard.NEVER_CLAIMED.holds(run, never):
        text = f"no worker claimed the run within {never.window // SECOND} seconds"
        return Overdue(ABORT_NEVER_STARTED, never, "never_started", RunError(RunErrorCode.NEVER_STARTED, text))
    return None


def _unanswered(run: Run, now: int) -> Overdue | None:
    facts = Facts(now)
    if not Guard.DUE.holds(run, facts):
        return None
    tools = ", ".join(sorted({call.tool_name for call in run.asked.open})) if run.asked else "?"
    error = RunError(RunErrorCode.UNANSWERED, f"nobody answered in time: {tools}")
    return Overdue(ABORT_UNANSWERED, facts, "unanswered", error)


def settle_overdue(run: Run, last: Record | None, due: Overdue, settler: Settler, settled_by: str) -> Settled:
    """End `run` as `due` says. Raises as `Settler.end` does; `Overtaken` if a worker claimed it meanwhile."""
    return settler.end(run, End(due.move, due.facts, settled_by, due.error), Log.upto(last))
