"""The only user of DynamoDB: one move is one conditional write, or one transaction.

Each guard of a move is a clause of the write's own condition. A write that is refused raises `Refused` with the rows that
refused it, and the caller looks at those instead of reading the table again.

    timeline of a run          item written             condition
    start                      CHAT, RUN, MSG, MSG      slot free, owner and sequence as read, run new
    claim 0 … claim n          RUN                      guards of the move
    record 0 … record n        MSG#…#STEP#n             slot n empty
    ask n                      RUN, MSG#…#STEP#n        guards of the move; slot n empty
    answer, resume             RUN, MSG#…#ANSWER#n#…    guards of the move; each answer's slot empty
    settle                     RUN, CHAT, MSG, seal     guards of the move; slot held; message there; log slot empty
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from pynamodb.connection.table import TableConnection
from pynamodb.expressions.update import Action

from outlive.clock import DAY
from outlive.file_ref import FileRef
from outlive.guards import Facts
from outlive.lifecycle import MESSAGE_STATUS, START, STOP, TERMINAL, Move, Status
from outlive.run_error import RunError
from outlive.store.moves import SPARE_MS, condition_of, moved
from outlive.store.reads import Reads
from outlive.store.refused import Refused
from outlive.store.row import Row
from outlive.store.rows import Chat, Message, Record, Run
from outlive.store.waiting import Waiting
from outlive.usage import Usage

GOES_ON_MS = DAY // 2
"""How long a run may take after its last answer, until it ends or asks again."""
GONE_AT_THE_END = ("active_shard", "lease_id", "lease_until", "resend_after", "asked", "due_shard", "due_at")
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


class Table(Waiting, Reads):
    """The table with one client. This class has the moves that write several items in one transaction."""

    def __init__(self, connection: TableConnection, retention_days: int = 0) -> None:
        super().__init__(connection)
        self._retention = retention_days * DAY

    def start(
        self, chat: Chat | None, run: Run, prompt: str, now: int, holder: str | None = None,
        files: tuple[FileRef, ...] = (),
    ) -> None:  # fmt: skip
        """Make `run` the chat's active run: four items or none.

        `chat` is the chat as it was read; `holder` is the id of the run that its slot named then. The slot is taken
        from a run that has ended or is not stored, and from no other. Refused by `chat` (busy, another user's, or with
        another sequence), `holder` (it is active), `run` (it exists already), or a message.
        """
        slot = Chat(run.chat_pk, Chat.SK)
        free = Chat.active_run_id.does_not_exist()
        if holder is not None:
            free |= Chat.active_run_id == holder
        if chat is None:
            as_read = Chat.owner.does_not_exist() & free
        else:
            as_read = (Chat.owner == run.owner) & (Chat.sequence == chat.sequence) & free
        actions: list[Action] = [
            Chat.owner.set(run.owner),
            Chat.active_run_id.set(run.id),
            Chat.latest_run_id.set(run.id),
            Chat.sequence.set(run.assistant_seq),
            Chat.created_at.set(Chat.created_at | now),
            Chat.updated_at.set(now),
        ]
        shared: dict[str, Any] = {"run_id": run.id, "created_at": now, "updated_at": now}
        question = Message(
            run.chat_pk, Message.sort_key(run.user_seq), id=run.user_message_id, role="user", status="completed",
            text=prompt, files=files or None, expires_at=self._expiry(now, spare=SPARE_MS), **shared,
        )  # fmt: skip
        answer = Message(
            run.chat_pk, Message.sort_key(run.assistant_seq), id=run.assistant_message_id, role="assistant",
            status=MESSAGE_STATUS[Status.PENDING], **shared,
        )  # fmt: skip
        new = Row.pk.does_not_exist()
        written = {
            "chat": self._updating(slot, actions, as_read),
            "run": self._putting(run, new),
            "question": self._putting(question, new),
            "answer": self._putting(answer, new),
        }
        if holder is not None:
            held_by = Run(Run.key(run.workspace_id, holder), Run.SK)
            ended = Row.pk.does_not_exist() | Run.status.is_in(*sorted(TERMINAL))
            written["holder"] = self._checking(held_by, ended)
        self._transact(written)
        moved(START.name, run, "none")

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

    def settle(self, run: Run, ending: Ending, *, chat_there: bool, message_there: bool) -> Run:
        """End the run: run, chat slot, assistant message and seal, together and once.

        Without `chat_there` the chat must not hold this run, without `message_there` there must be no message. Refused
        by `run`, `chat`, `message` or `seal`. Returns the run as written.
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
        freed: list[Action] = [Chat.active_run_id.remove(), Chat.updated_at.set(now)]
        actions = {
            "run": self._updating(run, ended, condition_of(move, ending.facts)),
            "chat": self._updating(chat, freed, Chat.active_run_id == run.id)
            if chat_there
            else self._checking(chat, Chat.active_run_id.does_not_exist() | (Chat.active_run_id != run.id)),
            "message": self._updating(header, closed, Row.pk.exists())
            if message_there
            else self._checking(header, Row.pk.does_not_exist()),
        }
        if ending.seal is not None:
            ending.seal.expires_at = self._expiry(now, spare=SPARE_MS)
            actions["seal"] = self._putting(ending.seal, Row.pk.does_not_exist())
        self._transact(actions)
        after = Run.of(run.serialize())
        for name, value in run_fields.items():
            setattr(after, name, value)
        if move is STOP and run.stop_requested_at is None:
            after.stop_requested_at = now
        moved(move.name, after, run.status)
        return after
