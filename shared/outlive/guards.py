"""The clauses of the moves' conditions, each with the reason it is there.

A guard is stated once: as a condition it is part of the write, and on a row in hand it explains why a write was refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from outlive.clauses import (
    Absent,
    AsRead,
    Both,
    Clause,
    Either,
    Present,
    StoredAsRead,
    at_most,
    equal,
    less_than,
    more_than,
)


class RunState(Protocol):
    """The attributes of a run that guards compare. Times are milliseconds since the epoch."""

    @property
    def status(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def claimed_step(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def lease_id(self) -> str | None: ...
    @property
    def lease_until(self) -> int | None: ...
    @property
    def stop_requested_at(self) -> int | None: ...
    @property
    def progress_at(self) -> int | None: ...
    @property
    def created_at(self) -> int: ...
    @property
    def resends(self) -> int: ...
    @property
    def resent_by(self) -> str | None: ...
    @property
    def resend_after(self) -> int | None: ...
    @property
    def asked(self) -> Any: ...
    @property
    def handover_to(self) -> str | None: ...
    @property
    def due_at(self) -> int | None: ...
    def serialize(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """The values with which guards compare them: the caller's clock (ms), and what it has read or chosen."""

    now: int
    step: int = -1
    attempt: int = 0
    """For a reclaim: the count of attempts as it was read."""
    lease_id: str = ""
    lease_until: int = 0
    """For a heartbeat: where it extends the lease to."""
    user: str = ""
    window: int = 0
    """For the sweep: how long (ms) a run may stay without progress, or unclaimed."""
    resends: int = -1
    """For the sweep: the count of resends as it was read."""
    resent_by: str | None = None
    """For the sweep: the sweep that was the last to send, as it was read."""
    handover_to: str | None = None
    """For a step that asks: the message that steered the run and was taken back, None if there was none."""
    asked: Any = None
    """For answers: the run's `asked`, as it was read."""
    sent_before: int = 0
    """For the sweep: a message that was sent before then does not wait in the queue, so it is lost."""
    resend_limit: int = 0
    """For the sweep: how often a lost message is sent again before its run is given up."""
    as_read: Mapping[str, Any] = field(default_factory=dict)
    """For a damaged run: the attributes that its end was decided on, in DynamoDB's form; None for one that is not stored."""


class Guard(Enum):
    """One clause of a move's condition, with the reason it is there.

    `condition` is the clause in the write. `holds` explains a refusal and never replaces the condition.
    """

    NO_STOP = (
        "once a stop was answered `true`, nothing begins and no other end is true",
        Absent("stop_requested_at"),
    )
    STOP_REQUESTED = (
        "only a requested stop may abort work that is still possible",
        Present("stop_requested_at"),
    )
    NEXT_STEP = (
        "the step follows the claimed one: a message for it is only sent once every record before it is stored",
        equal("claimed_step", lambda facts: facts.step - 1),
    )
    SAME_STEP = (
        "the step is the claimed one; an older message has nothing left to do",
        equal("claimed_step", lambda facts: facts.step),
    )
    ATTEMPT_AS_READ = (
        "of two reclaims one counts, and a request that lands late, after its retry, is refused",
        AsRead("attempt", lambda facts: facts.attempt),
    )
    LIVE_LEASE = (
        "a worker holds the step: it must hear of the stop and settle with what it has",
        more_than("lease_until", lambda facts: facts.now),
    )
    NO_LIVE_LEASE = (
        "the worker that held the step let go or died, so no worker's effort is thrown away",
        Either(Absent("lease_until"), at_most("lease_until", lambda facts: facts.now)),
    )
    MY_LEASE = (
        "the worker was not overtaken",
        equal("lease_id", lambda facts: facts.lease_id),
    )
    LEASE_GROWS = (
        "a heartbeat that lands late, after a later one, does not shorten the lease",
        at_most("lease_until", lambda facts: facts.lease_until),
    )
    OWNER = (
        "to any other user the run does not exist",
        equal("owner", lambda facts: facts.user),
    )
    NO_PROGRESS = (
        "neither a claim nor a heartbeat for the whole window; one that lands meanwhile wins",
        at_most("progress_at", lambda facts: facts.now - facts.window),
    )
    NEVER_CLAIMED = (
        "accepted longer ago than the window, or promoted if it was queued, and no worker ever claimed it",
        Both(
            Both(
                less_than("claimed_step", lambda facts: 0),
                at_most("created_at", lambda facts: facts.now - facts.window),
            ),
            Either(Absent("progress_at"), at_most("progress_at", lambda facts: facts.now - facts.window)),
        ),
    )
    NOT_IN_LINE = (
        "its message is lost: it neither waits in a queue that moves, nor is it hidden, nor was it just sent again",
        Both(
            Both(
                Either(Absent("lease_until"), at_most("lease_until", lambda facts: facts.sent_before)),
                Either(Absent("resend_after"), at_most("resend_after", lambda facts: facts.sent_before)),
            ),
            at_most("created_at", lambda facts: facts.sent_before),
        ),
    )
    RESENT_IN_VAIN = (
        "its message was sent again as often as it may be: not even a sweep after an outage ends a run at once",
        more_than("resends", lambda facts: facts.resend_limit - 1),
    )
    RESENT_BY_AS_READ = (
        "of two sweeps one sends, and a request that lands late, after its retry, is refused",
        AsRead("resent_by", lambda facts: facts.resent_by),
    )
    RESENDS_AS_READ = (
        "a message that was sent is counted once, and none is sent by an old count",
        equal("resends", lambda facts: facts.resends),
    )
    ASKED_AS_READ = (
        "of two answers that complete what was asked one moves the run on; the other finds out what is open now",
        AsRead("asked", lambda facts: facts.asked),
    )
    HANDOVER_AS_READ = (
        "no message came that steers the run, or the worker has found that it was taken back: no question stands before it",
        AsRead("handover_to", lambda facts: facts.handover_to),
    )
    HANDOVER_REQUESTED = (
        "a message steers the run; without one it goes on to its answer",
        Present("handover_to"),
    )
    DUE = (
        "the deadline has passed; an answer that lands before it wins",
        at_most("due_at", lambda facts: facts.now),
    )
    AS_READ = (
        "what is damaged, the lease and the stop are as they were read: a run in order is never given up this way",
        StoredAsRead(lambda facts: facts.as_read),
    )

    def __init__(self, reason: str, clause: Clause) -> None:
        self.reason = reason
        self._clause = clause

    def holds(self, run: RunState, facts: Facts) -> bool:
        """True if the clause is true of this run."""
        return self._clause.holds(run, facts)

    def condition(self, columns: Any, facts: Facts) -> Any:
        """The clause as a condition, made of the attributes of the class `columns`."""
        return self._clause.condition(columns, facts)


def lease_is_live(run: RunState, now: int) -> bool:
    """True while some worker holds the run: until `lease_until`, exclusively."""
    return run.lease_until is not None and run.lease_until > now
