"""Whether a run that no worker holds has to end, and by which move.

The sweep decides this for every run that is older than a lease, and a start for the run that keeps its chat busy.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from outlive.clock import DAY, SECOND, Clock
from outlive.errors import StoreError
from outlive.guards import Facts, lease_is_live
from outlive.lifecycle import (
    ABORT_ANSWERED,
    ABORT_LEFT,
    ABORT_NEVER_STARTED,
    ABORT_STALE,
    ABORT_UNANSWERED,
    HOLDING,
    SUCCEED,
    Move,
    Status,
    refusals,
)
from outlive.log import cause, logger
from outlive.run_error import RunError, RunErrorCode
from outlive.settings import Settings
from outlive.settle import End, Log, Settled, Settler
from outlive.store.queue import Depth, Queue
from outlive.store.rows import Record, RecordKind, Run

LONGEST_WAIT = DAY
"""A message that was sent longer ago counts as lost, however long the line is."""
LOOKS = 3
"""How often the queue's depth is read before a line counts as one that does not move."""
LINE_SHARE = 10
"""Up to a tenth as many messages as there are workers are no line: free workers take them soon."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """The move that ends the run, its facts, and the name under which a sweep counts it."""

    move: Move
    facts: Facts
    cause: str
    error: RunError | None = None


def depth_of(queue: Queue, clock: Clock) -> Depth | None:
    """How many messages the queue holds, None if it does not answer.

    If messages wait and no worker holds one, it is read again: all workers may have been between two messages.
    """
    try:
        for _ in range(LOOKS - 1):
            depth = queue.depth()
            if depth.in_flight or not depth.waiting:
                return depth
            clock.sleep(1)
        return queue.depth()
    except StoreError as error:
        logger.warning("queue_depth_unknown", cause=cause(error))
        return None


def lost_before(depth: Depth | None, now: int, settings: Settings) -> int:
    """The time before which an unclaimed message counts as lost; a message that was sent later may wait in line.

    There is a line if many messages wait and workers hold others, or if the depth is unknown.
    """
    moves = depth is None or (depth.waiting > settings.maximum_concurrency // LINE_SHARE and depth.in_flight > 0)
    return now - LONGEST_WAIT if moves else now


def overdue(
    run: Run,
    last: Record | None,
    now: int,
    settings: Settings,
    sent_before: Callable[[], int],
    window: int | None = None,
) -> Overdue | None:
    """How `run`, whose newest record is `last`, has to end now; None if it does not have to, as under a live lease.

    `sent_before` is called only if the decision depends on it. `window` (ms) replaces both the stale and the pending time, in
    a system whose queue is drained: there no message is in line.
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
    for move, seconds in ((ABORT_STALE, settings.stale_seconds), (ABORT_NEVER_STARTED, settings.pending_seconds)):
        if run.status not in move.sources:
            continue
        facts = Facts(now, window=seconds * SECOND, sent_before=now, resend_limit=settings.sweep_resend_limit)
        if window is not None:
            facts = Facts(now, window=window, sent_before=now + LONGEST_WAIT)
        elif not refusals(move, run, facts):
            facts = replace(facts, sent_before=sent_before())
        if not refusals(move, run, facts):
            return _given_up(run, move, facts)
    return None


def _unanswered(run: Run, now: int) -> Overdue | None:
    facts = Facts(now)
    if refusals(ABORT_UNANSWERED, run, facts):
        return None
    tools = ", ".join(sorted({call.tool_name for call in run.asked.open})) if run.asked else "?"
    error = RunError(RunErrorCode.UNANSWERED, f"no answer came in time: {tools}")
    return Overdue(ABORT_UNANSWERED, facts, "unanswered", error)


def _given_up(run: Run, move: Move, facts: Facts) -> Overdue:
    seconds = facts.window // SECOND
    if move is ABORT_NEVER_STARTED:
        text = f"no worker claimed the run within {seconds} seconds"
        return Overdue(move, facts, "never_started", RunError(RunErrorCode.NEVER_STARTED, text))
    text = f"no progress for {seconds} seconds"
    if run.last_error:
        text += f"; the last error was {run.last_error.code}: {run.last_error.message}"
    return Overdue(move, facts, "stale", RunError(RunErrorCode.STALE, text))


def settle_overdue(run: Run, last: Record | None, due: Overdue, settler: Settler, settled_by: str) -> Settled:
    """End `run` as `due` says. Raises as `Settler.end` does; `Overtaken` if a worker claimed it meanwhile."""
    return settler.end(run, End(due.move, due.facts, settled_by, due.error), Log.upto(last))
