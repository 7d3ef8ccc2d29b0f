"""The moves that give a run its chat's slot, or a place in the chat's queue.

A queue is one attribute of the chat: who changes slot or queue has both, as it read them, in its condition.

    start, promote             CHAT, RUN, MSG, MSG      slot free or its run ended; owner, sequence and queue as read
    enqueue, steer             CHAT, RUN … RUN          slot held, owner and queue as read; run new; guards of the move
    stop_queued                RUN, CHAT                guards of the move; queue as read
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from outlive.chat_queue import ChatQueue
from outlive.file_ref import FileRef
from outlive.guards import Facts
from outlive.lifecycle import (
    ENQUEUE,
    MESSAGE_STATUS,
    PROMOTE,
    START,
    STEER,
    STOP_QUEUED,
    TERMINAL,
    FinishReason,
    Status,
)
from outlive.store.moves import SPARE_MS, condition_of, moved
from outlive.store.row import Row
from outlive.store.rows import Chat, Message, Run
from outlive.store.waiting import Waiting
from outlive.usage import Usage


@dataclass(frozen=True, slots=True)
class Successor:
    """The run that takes a chat's slot: a new one, or one of the queue as it is stored."""

    run: Run
    prompt: str
    files: tuple[FileRef, ...] = ()
    """The files of the prompt."""
    as_read: Mapping[str, Any] = field(default_factory=dict)
    """The status of a queued run whose status is damaged, in DynamoDB's form."""

    @property
    def is_new(self) -> bool:
        """True if the run is not stored yet."""
        return self.run.status == Status.PENDING


@dataclass(frozen=True, slots=True)
class Succession:
    """How the slot of a chat, as it was read, goes on: to `successor` if there is one, and `queue` stays."""

    chat: Chat
    successor: Successor | None
    queue: ChatQueue | None
    resend_after: int
    """From then on the sweep may send the message of a promoted run again."""


def queue_as_read(chat: Chat) -> Condition:
    """The chat's queue is as it was read."""
    return Chat.queue.does_not_exist() if chat.queue is None else Chat.queue == chat.queue


def queued_as(queue: ChatQueue | None) -> Action:
    """The chat has this queue."""
    return Chat.queue.remove() if queue is None else Chat.queue.set(queue)


class Slots(Waiting):
    """Each method is one transaction. Times are milliseconds."""

    def start(self, succession: Succession, now: int, holder: str | None = None) -> None:
        """Make the successor the chat's active run: four items or none.

        `holder` is the id of the run that the chat's slot named when it was read. The slot is taken from a run that has
        ended or is not stored, and from no other. Refused by `chat` (busy, another user's, or with another sequence or
        queue), `holder` (it is active), `run` (it exists already, or is not queued any more), or a message.
        """
        successor = succession.successor
        assert successor is not None
        free = Chat.active_run_id.does_not_exist()
        if holder is not None:
            free |= Chat.active_run_id == holder
        written = self._taking(succession, free, now)
        if holder is not None:
            held_by = Run(Run.key(successor.run.workspace_id, holder), Run.SK)
            ended = Row.pk.does_not_exist() | Run.status.is_in(*sorted(TERMINAL))
            written["holder"] = self._checking(held_by, ended)
        self._transact(written)
        self._taken(successor)

    def enqueue(self, chat: Chat, new: Successor, queue: ChatQueue, steered: Run | None = None) -> None:
        """Put the new run into the chat's queue, which is `queue` with it, and have the run `steered` hand over.

        Refused by `chat`, `run`, or the steered run's `holder`.
        """
        run = new.run
        run.status, run.input, run.input_files = Status.QUEUED, new.prompt, new.files or None
        busy = (Chat.owner == run.owner) & (Chat.active_run_id == chat.active_run_id) & queue_as_read(chat)
        written = {
            "chat": self._updating(chat, [Chat.queue.set(queue), Chat.updated_at.set(run.created_at)], busy),
            "run": self._putting(run, Row.pk.does_not_exist()),
        }
        if steered is not None:
            facts = Facts(run.created_at, user=run.owner)
            hands_over: list[Action] = [Run.handover_to.set(run.id), Run.updated_at.set(run.created_at)]
            written["holder"] = self._updating(steered, hands_over, condition_of(STEER, facts))
        self._transact(written)
        moved(ENQUEUE.name, run, "none")
        if steered is not None:
            moved(STEER.name, steered, steered.status)

    def stop_queued(self, run: Run, chat: Chat, stop_id: str, facts: Facts) -> Run:
        """Take `run` out of the chat's queue and end it. Refused by `run` or `chat`. Returns the run as written."""
        after, now = Run.of(run.serialize()), facts.now
        written: dict[str, Any] = {
            "status": Status.ABORTED,
            "finish_reason": FinishReason.ABORTED,
            "usage": Usage(),
            "settled_by": stop_id,
            "stop_requested_at": now,
            "stop_requested_by": stop_id,
            "finished_at": now,
            "updated_at": now,
            "expires_at": self._expiry(now),
        }
        actions: list[Action] = [Run.input.remove(), Run.input_files.remove()]
        for name, value in written.items():
            setattr(after, name, value)
            if value is not None:
                actions.append(getattr(Run, name).set(value))
        left = chat.queue.without(run.id) if chat.queue is not None else None
        self._transact({
            "run": self._updating(run, actions, condition_of(STOP_QUEUED, facts)),
            "chat": self._updating(chat, [queued_as(left), Chat.updated_at.set(now)], queue_as_read(chat)),
        })  # fmt: skip
        moved(STOP_QUEUED.name, after, run.status)
        return after

    def _taking(self, succession: Succession, slot: Condition, now: int) -> dict[str, dict[str, Any]]:
        """The writes with which the successor takes the slot, if the condition `slot` is true of the chat."""
        successor, chat = succession.successor, succession.chat
        assert successor is not None
        run, stored = successor.run, chat.sequence is not None
        sequence = chat.sequence if stored else 0
        run.user_seq, run.assistant_seq = sequence + 1, sequence + 2
        run.chat_key, run.active_shard = run.chat_pk, Run.shard(run.id)
        if stored:
            slot &= (Chat.owner == chat.owner) & (Chat.sequence == sequence) & queue_as_read(chat)
        else:
            slot &= Chat.owner.does_not_exist()
        actions: list[Action] = [
            Chat.owner.set(chat.owner),
            Chat.active_run_id.set(run.id),
            Chat.latest_run_id.set(run.id),
            Chat.sequence.set(run.assistant_seq),
            Chat.created_at.set(Chat.created_at | now),
            Chat.updated_at.set(now),
        ]
        if chat.queue is not None:
            actions.append(queued_as(succession.queue))
        shared: dict[str, Any] = {"run_id": run.id, "created_at": now, "updated_at": now}
        question = Message(
            run.chat_pk, Message.sort_key(run.user_seq), id=run.user_message_id, role="user", status="completed",
            text=successor.prompt, files=successor.files or None, expires_at=self._expiry(now, spare=SPARE_MS), **shared,
        )  # fmt: skip
        answer = Message(
            run.chat_pk, Message.sort_key(run.assistant_seq), id=run.assistant_message_id, role="assistant",
            status=MESSAGE_STATUS[Status.PENDING], **shared,
        )  # fmt: skip
        new = Row.pk.does_not_exist()
        return {
            "chat": self._updating(chat, actions, slot),
            "run": self._putting(run, new) if successor.is_new else self._promoting(successor, succession, now),
            "question": self._putting(question, new),
            "answer": self._putting(answer, new),
        }

    def _promoting(self, successor: Successor, succession: Succession, now: int) -> dict[str, Any]:
        run = successor.run
        actions: list[Action] = [
            Run.status.set(Status.PENDING),
            Run.user_seq.set(run.user_seq),
            Run.assistant_seq.set(run.assistant_seq),
            Run.chat_key.set(run.chat_key),
            Run.active_shard.set(run.active_shard),
            Run.progress_at.set(now),
            Run.resend_after.set(succession.resend_after),
            Run.updated_at.set(now),
            Run.input.remove(),
            Run.input_files.remove(),
        ]
        return self._updating(run, actions, condition_of(PROMOTE, Facts(now, as_read=successor.as_read)))

    def _taken(self, successor: Successor) -> None:
        """The successor has the slot."""
        move, before = (START, "none") if successor.is_new else (PROMOTE, Status.QUEUED)
        successor.run.status = Status.PENDING
        moved(move.name, successor.run, before)
