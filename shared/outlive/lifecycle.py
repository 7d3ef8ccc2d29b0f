"""The life of a run, stated once: its statuses, the moves between them, and what each move requires.

Every row of `MOVES` is one conditional write or one transaction of `store.table`, and each guard is a clause of its
condition. No code reads, decides and then writes: a refused write brings the item back, `refusals` names the guards that
were false, and that is a normal answer.

Safety rests on three things: chat slot, run and seal move together (settle); the first record of a step wins; any end
but `aborted` is refused once a stop was requested. Leases only save money and preserve streamed text: a worker
that wakes up late can do no harm.
"""

from dataclasses import dataclass
from enum import StrEnum

from outlive.guards import Facts, Guard, RunState


class Status(StrEnum):
    """The status of a run."""

    QUEUED = "queued"
    """Accepted while another run holds the chat's slot. It has no messages, and nothing of it is under way. The write that
    ends the run before it makes it pending; its owner may take it back until then."""

    PENDING = "pending"
    """Accepted and stored; no worker has claimed a step. The queued message moves it on. If the message is lost, the sweep
    sends it again; if that does not help, the sweep ends the run after `PENDING_SECONDS`."""

    RUNNING = "running"
    """A worker claimed a step. It moves the run on: a record, then the next message. If the worker dies, its lease
    expires, the message is redelivered and another worker reclaims the step. If the message is lost as well, the sweep sends it
    again."""

    WAITING = "waiting"
    """A person, or the client's own code, has to answer calls that the agent made. The run has no worker, lease or message,
    and no sweep reads it until its deadline. The answer to its last open call moves it on."""

    SUCCEEDED = "succeeded"
    """The agent answered. Final."""

    FAILED = "failed"
    """The run could not go on; `error` has the reason. Final."""

    ABORTED = "aborted"
    """The owner stopped the run, or the sweep gave it up, with the reason in `error`. Final."""


ACTIVE = frozenset({Status.PENDING, Status.RUNNING})
"""A worker or the sweep has to move the run on."""
HOLDING = ACTIVE | {Status.WAITING}
"""The run holds its chat's slot."""
TERMINAL = frozenset(Status) - HOLDING - {Status.QUEUED}


class MessageStatus(StrEnum):
    """The status of the run's assistant message. It depends on the run's status alone."""

    STREAMING = "streaming"
    COMPLETED = "completed"
    ERROR = "error"
    ABORTED = "aborted"


MESSAGE_STATUS = {
    # A queued run has no message. A reader that reads the run first may find the message of a moment later.
    Status.QUEUED: MessageStatus.STREAMING,
    Status.PENDING: MessageStatus.STREAMING,
    Status.RUNNING: MessageStatus.STREAMING,
    Status.WAITING: MessageStatus.STREAMING,
    Status.SUCCEEDED: MessageStatus.COMPLETED,
    Status.FAILED: MessageStatus.ERROR,
    Status.ABORTED: MessageStatus.ABORTED,
}


class Trigger(StrEnum):
    """What started a run. The server sets it; a start over HTTP is always `user`."""

    USER = "user"
    SCHEDULE = "schedule"
    API = "api"
    EVENT = "event"
    CONTINUE = "continue"


class FinishReason(StrEnum):
    """Why a run has no further step."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    MAX_STEPS = "max_steps"
    HANDED_OVER = "handed_over"
    """The user sent a new message that steers the run, or that replaces the answers it waited for."""
    SUPERSEDED = "superseded"
    """The user sent a new message instead of this run."""
    ERROR = "error"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Move:
    """One way a run changes. `to` is None where the status stays as it is."""

    name: str
    by: str
    sources: frozenset[Status]
    to: Status | None
    guards: tuple[Guard, ...]
    does: str


QUEUED = frozenset({Status.QUEUED})
PENDING = frozenset({Status.PENDING})
RUNNING = frozenset({Status.RUNNING})
WAITING = frozenset({Status.WAITING})
NOTHING: frozenset[Status] = frozenset()

START = Move(
    "start", "start", NOTHING, Status.PENDING, (),
    "takes the chat's free slot and puts run, user message and empty assistant message; then sends step 0",
)  # fmt: skip
ENQUEUE = Move(
    "enqueue", "start", NOTHING, Status.QUEUED, (),
    "puts the run with its prompt into the queue of a busy chat",
)  # fmt: skip
PROMOTE = Move(
    "promote", "step, sweep, start, stop", QUEUED, Status.PENDING, (),
    "takes the slot in the write that ends the run before it, and puts user message and empty assistant message; then "
    "sends step 0",
)  # fmt: skip
STEER = Move(
    "steer", "start", ACTIVE, None, (Guard.OWNER,),
    "enqueues a run before those that do not steer, and sets `handover_to`: the next step that would ask the model hands "
    "over instead",
)  # fmt: skip
STOP_QUEUED = Move(
    "stop_queued", "stop", QUEUED, Status.ABORTED, (Guard.OWNER,),
    "takes the run out of the queue, sets `stop_requested_at` and ends it; it never has messages",
)  # fmt: skip
CLAIM = Move(
    "claim", "step", ACTIVE, Status.RUNNING, (Guard.NO_STOP, Guard.NEXT_STEP),
    "claimed step = n, attempt 1, resends 0, a new lease, progress; the first claim sets `started_at`",
)  # fmt: skip
RECLAIM = Move(
    "reclaim", "step", RUNNING, Status.RUNNING,
    (Guard.NO_STOP, Guard.SAME_STEP, Guard.ATTEMPT_AS_READ, Guard.NO_LIVE_LEASE),
    "attempt + 1, a new lease, progress",
)  # fmt: skip
HEARTBEAT = Move(
    "heartbeat", "step", RUNNING, None, (Guard.MY_LEASE, Guard.LEASE_GROWS),
    "extends the lease, progress",
)  # fmt: skip
RELEASE = Move(
    "release", "step", RUNNING, None, (Guard.NO_STOP, Guard.MY_LEASE),
    "ends the lease and keeps the last error apart from `error`, and after a busy provider also since when the step waits "
    "for it; then the message is given back",
)  # fmt: skip
ASK = Move(
    "ask", "step", RUNNING, Status.WAITING, (Guard.NO_STOP, Guard.MY_LEASE, Guard.HANDOVER_AS_READ),
    "puts the record, ends the lease, keeps what was asked, and stands among the due rows instead of the active ones",
)  # fmt: skip
ANSWER = Move(
    "answer", "answer", WAITING, None, (Guard.NO_STOP, Guard.ASKED_AS_READ),
    "puts the answers; others are still open",
)  # fmt: skip
RESUME = Move(
    "resume", "answer", WAITING, Status.RUNNING, (Guard.NO_STOP, Guard.ASKED_AS_READ),
    "puts the last answers, progress, and stands among the active rows again; then sends the next step",
)  # fmt: skip
RESEND = Move(
    "resend", "sweep", ACTIVE, None,
    (Guard.NO_STOP, Guard.NO_LIVE_LEASE, Guard.NOT_IN_LINE, Guard.RESENDS_AS_READ, Guard.RESENT_BY_AS_READ),
    "keeps other sweeps from sending for a minute, then sends the claimed step again",
)  # fmt: skip
COUNT_RESEND = Move(
    "count_resend", "sweep", ACTIVE, None, (Guard.SAME_STEP, Guard.RESENDS_AS_READ),
    "counts the message that was sent",
)  # fmt: skip
REQUEST_STOP = Move(
    "request_stop", "stop", ACTIVE, None, (Guard.NO_STOP, Guard.OWNER, Guard.LIVE_LEASE),
    "sets `stop_requested_at`, once; the holder settles with what it has",
)  # fmt: skip
STOP = Move(
    "stop", "stop", HOLDING, Status.ABORTED, (Guard.OWNER, Guard.NO_LIVE_LEASE),
    "sets `stop_requested_at` and settles, also over a final record",
)  # fmt: skip
SUCCEED = Move(
    "succeed", "step, sweep, start", ACTIVE, Status.SUCCEEDED, (Guard.NO_STOP,),
    "settles with the outcome of the final record, which never changes once it is stored",
)  # fmt: skip
FAIL = Move(
    "fail", "step", ACTIVE, Status.FAILED, (Guard.NO_STOP, Guard.MY_LEASE),
    "settles with the error and what was streamed",
)  # fmt: skip
ABORT_HELD = Move(
    "abort_held", "step", ACTIVE, Status.ABORTED, (Guard.STOP_REQUESTED, Guard.MY_LEASE),
    "settles a stopped run with what was streamed",
)  # fmt: skip
ABORT_UNCLAIMED = Move(
    "abort_unclaimed", "step", ACTIVE, Status.ABORTED, (Guard.STOP_REQUESTED, Guard.NEXT_STEP),
    "settles a stopped run whose next step could have been claimed but for the stop",
)  # fmt: skip
ABORT_ANSWERED = Move(
    "abort_answered", "step, sweep, start", ACTIVE, Status.ABORTED, (Guard.STOP_REQUESTED,),
    "settles a stopped run over its final record: the content stays, the end is the stop's",
)  # fmt: skip
ABORT_LEFT = Move(
    "abort_left", "step, sweep, start", ACTIVE, Status.ABORTED, (Guard.STOP_REQUESTED, Guard.NO_LIVE_LEASE),
    "settles a stopped run whose worker let go or died",
)  # fmt: skip
ABORT_STALE = Move(
    "abort_stale", "sweep, start", RUNNING, Status.ABORTED,
    (Guard.NO_STOP, Guard.NO_LIVE_LEASE, Guard.NO_PROGRESS, Guard.NOT_IN_LINE, Guard.RESENT_IN_VAIN),
    "gives up a run that no worker moves on: error `stale`",
)  # fmt: skip
ABORT_NEVER_STARTED = Move(
    "abort_never_started", "sweep, start", PENDING, Status.ABORTED,
    (Guard.NO_STOP, Guard.NEVER_CLAIMED, Guard.NOT_IN_LINE, Guard.RESENT_IN_VAIN),
    "gives up a run that no worker claimed: error `never_started`",
)  # fmt: skip
HAND_OVER = Move(
    "hand_over", "step", RUNNING, Status.SUCCEEDED, (Guard.NO_STOP, Guard.MY_LEASE, Guard.HANDOVER_REQUESTED),
    "settles a run that was steered, between two steps; the first run of the queue, which steers, goes on",
)  # fmt: skip
HAND_OVER_WAITING = Move(
    "hand_over_waiting", "start", WAITING, Status.SUCCEEDED, (Guard.NO_STOP, Guard.OWNER),
    "settles a waiting run whose owner sent a new message in place of answers, however many are open by now, and starts "
    "that message's run",
)  # fmt: skip
SUPERSEDE = Move(
    "supersede", "start", HOLDING, Status.ABORTED, (Guard.NO_STOP, Guard.OWNER),
    "settles the run with what was streamed, also under a live lease, and starts the run that replaces it",
)  # fmt: skip
ABORT_UNANSWERED = Move(
    "abort_unanswered", "sweep, start", WAITING, Status.ABORTED, (Guard.NO_STOP, Guard.DUE),
    "gives up a run whose answers did not come in time: error `unanswered`",
)  # fmt: skip
ABORT_UNREADABLE = Move(
    "abort_unreadable", "sweep, start", HOLDING, Status.ABORTED, (Guard.AS_READ,),
    "gives up a run whose row is damaged, in any status, and mends the row: error `unreadable`",
)  # fmt: skip

MOVES = (
    START, ENQUEUE, STEER, PROMOTE, STOP_QUEUED, CLAIM, RECLAIM, HEARTBEAT, RELEASE, ASK, ANSWER, RESUME, RESEND, COUNT_RESEND, REQUEST_STOP, STOP,
    SUCCEED, FAIL, HAND_OVER, HAND_OVER_WAITING, SUPERSEDE, ABORT_HELD, ABORT_UNCLAIMED, ABORT_ANSWERED, ABORT_LEFT, ABORT_STALE,
    ABORT_NEVER_STARTED, ABORT_UNANSWERED, ABORT_UNREADABLE,
)  # fmt: skip


def refusals(move: Move, run: RunState, facts: Facts) -> frozenset[Guard] | None:
    """The guards of `move` that are false for `run`, None if its status alone rules the move out."""
    if Status(run.status) not in move.sources:
        return None
    return frozenset(guard for guard in move.guards if not guard.holds(run, facts))


def only_stop_refuses(move: Move, run: RunState, facts: Facts) -> bool:
    """True if `move` would have been made but for a requested stop."""
    return refusals(move, run, facts) == frozenset({Guard.NO_STOP})
