"""The only user of DynamoDB: one move is one conditional write, or one transaction.

Each guard of a move is a clause of the write's own condition. A write that is refused raises `Refused` with the rows that
refused it, and the caller looks at those instead of reading the table again.

    timeline of a run          item written             condition
    start                      CHAT, RUN, MSG, MSG      slot free; owner, sequence and queue as read; run new
    enqueue, steer             CHAT, RUN … RUN          slot held; owner and queue as read; run new; guards of the move
    stop_queued                RUN, CHAT                guards of the move; queue as read
    claim 0 … claim n          RUN                      guards of the move
    record 0 … record n        MSG#…#STEP#n             slot n empty
    ask n                      RUN, MSG#…#STEP#n        guards of the move; slot n empty
    answer, resume             RUN, MSG#…#ANSWER#n#…    guards of the move; each answer's slot empty
    settle                     RUN, CHAT, MSG, seal     guards of the move; slot held, no queue; message there; log slot empty
     … and promote             … RUN, MSG, MSG          slot held; owner, sequence and queue as read
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from pynamodb.connection.table import TableConnection
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from outlive.clock import DAY
from outlive.guards import Facts
from outlive.lifecycle import MESSAGE_STATUS, STOP, Move
from outlive.run_error import RunError
from outlive.store.moves import SPARE_MS, condition_of, moved
from outlive.store.reads import Reads
from outlive.store.refused import Refused
from outlive.store.row import Row
from outlive.store.rows import Chat, Message, Record, Run
from outlive.store.slot import Slots, Succession, queue_as_read, queued_as
from outlive.usage import Usage

GOES_ON_MS = DAY // 2
"""How long a run may take after its last answer, until it ends or asks again."""
GONE_AT_THE_END = (
    "active_shard",
    "lease_id",
    "lease_until",
    "resend_after",
    "asked",
    "due_shard",
    "due_at",
    "handover_to",
)
"""Attributes that no ended run has."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The values that settle writes, computed by `settle.py`."""

    move: Move
    facts: Facts
    settled_by: str
    error: RunError | None
    finish_reason: str
    step_count: int
    usage: Usage
    output: Any
    seal: Record | None
    """The record that closes the log; None where a final record already does."""
    mended: Mapping[str, Any] = field(default_factory=dict)
    """New values for damaged attributes; None removes one."""


class Table(Slots, Reads):
    """The table with one client. This class has the moves that write several items in one transaction."""

    def __init__(self, connection: TableConnection, retention_days: int = 0) -> None:
        super().__init__(connection)
        self._retention = retention_days * DAY

    def keep(self, run: Run, until: int) -> None:
        """Keep the run's rows from expiring before `until` and half a day more.

        It never makes a row expire sooner, so it is harmless if the run does not wait after all.
        """
        if not self._retention or until + GOES_ON_MS <= run.created_at + self._retention + SPARE_MS:
            return
        expires_at = self._expiry(until, spare=SPARE_MS)
        rows = Row.sk.between(Message.sort_key(run.user_seq), Message.sort_key(run.assistant_seq) + "~")
        for item in self._query(run.chat_pk, rows, consistent=True):
            row = Row(item["pk"]["S"], item["sk"]["S"])
            expires_before = Row.expires_at < expires_at
            with suppress(Refused):  # It expires no sooner already, or it was deleted.
                update = self._updating(row, [Row.expires_at.set(expires_at)], expires_before)
                self._call("UpdateItem", update["Update"], "row")

    def settle(
        self, run: Run, ending: Ending, succession: Succession | None = None, *,
        chat_there: bool = True, message_there: bool = True, queue_there: bool = False,
    ) -> Run:  # fmt: skip
        """End the run: run, chat slot, assistant message and seal, together and once; the successor takes the slot.

        Without a succession the chat must have no queue, or one that stays as it is with `queue_there`. Without
        `chat_there` the chat must not hold this run, without `message_there` there must be no message. Refused by
        `run`, `chat`, `message`, `seal`, or the successor's `next`, `question` or `answer`. Returns the run as written.
        """
        move, now = ending.move, ending.facts.now
        assert move.to is not None
        run_fields: dict[str, Any] = {
            "status": move.to,
            "finish_reason": ending.finish_reason,
            "step_count": ending.step_count,
            "usage": ending.usage,
            "settled_by": ending.settled_by,
            "finished_at": now,
            "updated_at": now,
        }
        if ending.error is not None:
            run_fields["error"] = ending.error
        if ending.output is not None:
            run_fields["output"] = ending.output
        successor = succession.successor if succession is not None else None
        if successor is not None:
            run_fields["next_run_id"] = successor.run.id
        expires_at = self._expiry(now)
        ended: list[Action] = [getattr(Run, name).set(value) for name, value in run_fields.items()]
        if move is STOP:
            ended.append(Run.stop_requested_at.set(Run.stop_requested_at | now))
            ended.append(Run.stop_requested_by.set(Run.stop_requested_by | ending.settled_by))
        ended += [getattr(Run, name).remove() for name in GONE_AT_THE_END]
        taken = {*run_fields, *GONE_AT_THE_END, "expires_at"}
        for name in ending.mended.keys() - taken:
            value = ending.mended[name]
            ended.append(getattr(Run, name).remove() if value is None else getattr(Run, name).set(value))
        chat = Chat(run.chat_pk, Chat.SK)
        header = Message(run.chat_pk, Message.sort_key(run.assistant_seq))
        closing = {
            "error": asdict(ending.error) if ending.error else None,
            "finish_reason": ending.finish_reason,
            "usage": asdict(ending.usage),
        }
        closed: list[Action] = [
            Message.status.set(MESSAGE_STATUS[move.to]),
            Message.metadata.set(closing),
            Message.updated_at.set(now),
        ]
        if expires_at is not None:
            ended.append(Run.expires_at.set(expires_at))
            closed.append(Message.expires_at.set(expires_at))
        held = Chat.active_run_id == run.id
        actions = {
            "run": self._updating(run, ended, condition_of(move, ending.facts)),
            "chat": self._freeing(chat, succession, held, now, queue_there=queue_there)
            if chat_there
            else self._checking(chat, Chat.active_run_id.does_not_exist() | (Chat.active_run_id != run.id)),
            "message": self._updating(header, closed, Row.pk.exists())
            if message_there
            else self._checking(header, Row.pk.does_not_exist()),
        }
        if ending.seal is not None:
            ending.seal.expires_at = self._expiry(now, spare=SPARE_MS)
            actions["seal"] = self._putting(ending.seal, Row.pk.does_not_exist())
        if succession is not None and successor is not None:
            taking = self._taking(succession, held, now)
            actions["chat"], actions["next"] = taking["chat"], taking["run"]
            actions["question"], actions["answer"] = taking["question"], taking["answer"]
        self._transact(actions)
        after = Run.of(run.serialize())
        for name, value in run_fields.items():
            setattr(after, name, value)
        if move is STOP and run.stop_requested_at is None:
            after.stop_requested_at = now
        moved(move.name, after, run.status)
        if successor is not None:
            self._taken(successor)
        return after

    def _freeing(
        self, chat: Chat, succession: Succession | None, held: Condition, now: int, *, queue_there: bool
    ) -> dict[str, Any]:
        """The write that frees the slot."""
        freed: list[Action] = [Chat.active_run_id.remove(), Chat.updated_at.set(now)]
        if succession is not None:
            freed.append(queued_as(succession.queue))
            held &= queue_as_read(succession.chat)
        elif not queue_there:
            held &= Chat.queue.does_not_exist()
        return self._updating(chat, freed, held)
