"""Ending a run: one write, made once, no matter which function ends it.

The transaction that ends the run also seals the log of step records, so nothing can be added to an ended run. If the slot
of the log is taken, the settler reads the record that stands there and tries again with it. It also gives the chat's
slot to the first queued run: no chat with a queue is ever free.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from outlive.asked import closed, is_open
from outlive.clock import SECOND, Clock
from outlive.errors import NotSteered, Overtaken, StoreError, StoreUnreadable
from outlive.guards import Facts, Guard
from outlive.lifecycle import (
    ABORT_ANSWERED,
    ABORT_HELD,
    ABORT_LEFT,
    ABORT_NEVER_STARTED,
    ABORT_STALE,
    ABORT_UNREADABLE,
    FAIL,
    HAND_OVER,
    HAND_OVER_WAITING,
    SUCCEED,
    SUPERSEDE,
    TERMINAL,
    FinishReason,
    Move,
    refusals,
)
from outlive.log import unsettled
from outlive.run_error import RunError
from outlive.settings import Settings
from outlive.store.body import Body, pack
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.retry import persistently
from outlive.store.rows import Record, RecordKind, Run
from outlive.store.slot import Succession, Successor
from outlive.store.table import Ending, Table
from outlive.succession import is_steered, next_of, send_first
from outlive.usage import Usage

STOPPED_INSTEAD = {
    SUCCEED: ABORT_ANSWERED,
    FAIL: ABORT_HELD,
    HAND_OVER: ABORT_HELD,
    ABORT_STALE: ABORT_LEFT,
    ABORT_NEVER_STARTED: ABORT_LEFT,
}
"""The move that is made instead of one that a requested stop refused."""

GIVEN_UP = frozenset({FAIL, HAND_OVER, SUPERSEDE, ABORT_STALE, ABORT_NEVER_STARTED, ABORT_UNREADABLE})
"""Moves that give way to a final record in the log: then the run succeeds."""

SETTLE_ROUNDS = 12
"""How often a settle is tried again with the rows that a refusal brought back."""


@dataclass(frozen=True, slots=True)
class Log:
    """A run's log as it was last read: its next free slot, the total usage so far, and the final record if it has one."""

    slot: int = 0
    usage: Usage = Usage()
    final: Record | None = None
    asked: Record | None = None
    """The newest record, if calls of it may still be open."""

    @classmethod
    def upto(cls, last: Record | None) -> "Log":
        """The log whose newest entry is `last`."""
        if last is None:
            return cls()
        final = last if last.kind == RecordKind.FINAL else None
        asked = last if last.kind == RecordKind.ASKED else None
        return cls(last.step + 1, last.usage or Usage(), final, asked)


@dataclass(frozen=True, slots=True)
class Partial:
    """What was streamed of a step that broke off."""

    step: int
    packed: bytes
    size: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Settled:
    """The run as it stands, and whether this settler ended it."""

    run: Run
    by_me: bool


@dataclass(frozen=True, slots=True)
class End:
    """How a run has to end: the move, its facts, and the id by which the settler recognises its own write."""

    move: Move
    facts: Facts
    settled_by: str
    error: RunError | None = None
    partial: Partial | None = None
    """The streamed part of the step under way."""
    mended: Mapping[str, Any] = field(default_factory=dict)
    """New values for damaged attributes; None removes one."""
    succession: Succession | None = None
    """The run that takes the slot: a new one before every queued one, or the one that steers, by the chat as it was read."""


@dataclass(frozen=True, slots=True)
class Settler:
    """Ends runs."""

    table: Table
    queue: Queue
    clock: Clock
    settings: Settings

    def end(self, run: Run, end: End, log: Log) -> Settled:
        """End `run`, whose log is `log`, by `end`, or learn how it ended. If a run takes its slot, send its first step.

        A requested stop turns any other end into `aborted`, without an error. Raises `Overtaken` if the run is no longer
        the caller's to end, and `StoreError` after 3 tries, which is logged.
        """
        settling = _Settling(self.table, run, end, log, self.resend_after(end.facts.now), end.succession)
        try:
            settled = persistently(settling.go, self.clock)
        except StoreError as error:
            unsettled(run.id, run.chat_id, error)
            raise
        if settled.by_me and settling.successor is not None:
            send_first(self.queue, settling.successor.run)
        return settled

    def resend_after(self, now: int) -> int:
        """From when on the sweep may send again what is sent now."""
        return now + self.settings.lease_seconds * SECOND


@dataclass(slots=True)
class _Settling:
    """One settle: run, end and log as last read. Every refusal updates them."""

    table: Table
    run: Run
    end: End
    log: Log
    resend_after: int
    succession: Succession | None = None
    chat_there: bool = True
    message_there: bool = True
    queue_there: bool = False

    @property
    def successor(self) -> Successor | None:
        return self.succession.successor if self.succession is not None else None

    @property
    def _starts_a_run(self) -> bool:
        """True if a new run takes the slot, so that the run may only end together with that."""
        successor = self.end.succession.successor if self.end.succession is not None else None
        return successor is not None and successor.is_new

    def go(self) -> Settled:
        for _ in range(SETTLE_ROUNDS):
            try:
                after = self.table.settle(
                    self.run, self._ending(), self.succession,
                    chat_there=self.chat_there, message_there=self.message_there, queue_there=self.queue_there,
                )  # fmt: skip
            except Refused as refused:
                settled = self._update(refused)
                if settled is not None:
                    return settled
            else:
                return Settled(after, by_me=True)
        raise Overtaken(self.run.id)

    def _ending(self) -> Ending:
        end, log = self.end, self.log
        usage, seal = log.usage, None
        if log.final is None:
            # If the partial's step was recorded meanwhile, the partial would repeat it.
            partial = end.partial if end.partial is not None and end.partial.step == log.slot else None
            partial = partial or _closing(log)
            usage = log.usage + partial.usage if partial else log.usage
            seal = Record(
                self.run.chat_pk,
                Record.sort_key(self.run.assistant_seq, log.slot),
                run_id=self.run.id,
                step=log.slot,
                kind=RecordKind.PARTIAL if partial else RecordKind.END,
                packed=partial.packed if partial else pack(Body([])),
                size=partial.size if partial else 0,
                usage=usage,
                recorded_by=end.settled_by,
                created_at=end.facts.now,
            )
        steps = log.slot + (1 if seal is not None and seal.counts else 0)
        output = log.final.body.output if log.final is not None else None
        return Ending(
            end.move,
            end.facts,
            end.settled_by,
            end.error,
            self._finish_reason(),
            steps,
            usage,
            output,
            seal,
            end.mended,
        )

    def _finish_reason(self) -> str:
        if self.end.move is SUCCEED and self.log.final is not None:
            return self.log.final.finish_reason or FinishReason.STOP
        if self.end.move in (HAND_OVER, HAND_OVER_WAITING):
            return FinishReason.HANDED_OVER
        if self.end.move is SUPERSEDE:
            return FinishReason.SUPERSEDED
        return FinishReason.ERROR if self.end.move is FAIL else FinishReason.ABORTED

    def _update(self, refused: Refused) -> Settled | None:
        """Update run, end and log from a refusal. Returns how the run ended, or None to try again."""
        if "run" in refused.by:
            try:
                return self._update_run(refused.run)
            except StoreUnreadable:
                # Damaged, and no longer as this settler read it: the next sweep ends it.
                raise Overtaken(self.run.id) from None
        if refused.record is not None:
            return self._update_slot(refused.record)
        if "message" in refused.by:
            self.message_there = refused.has_row("message")
        if "chat" in refused.by:
            self._update_chat(refused)
        elif refused.by & {"next", "question", "answer"}:
            if self._starts_a_run:
                raise Overtaken(self.run.id)
            # Somebody has changed the chat by hand, and the end must not wait for that.
            self.succession, self.queue_there = None, True
        return None

    def _update_chat(self, refused: Refused) -> None:
        self.succession, self.chat_there = None, refused.chat_holds(self.run.id)
        try:
            chat = refused.chat
        except StoreUnreadable:
            chat = None
        if self.end.succession is not None and self._starts_a_run:
            if chat is None or not self.chat_there:
                raise Overtaken(self.run.id)
            self.succession = replace(self.end.succession, chat=chat, queue=chat.queue)
            return
        if self.end.move is HAND_OVER and (chat is None or not is_steered(chat, self.run)):
            raise NotSteered
        # A chat that can't be read an operator has to mend; the next start then promotes.
        self.queue_there = chat is None
        if self.chat_there and chat is not None and chat.queue is not None:
            self.succession = next_of(self.table, chat, self.run.workspace_id, self.run.chat_id, self.resend_after)

    def _update_run(self, current: Run | None) -> Settled | None:
        if current is None:
            raise Overtaken(self.run.id)
        if current.status in TERMINAL:
            return self._ended(current)
        false = refusals(self.end.move, current, self.end.facts) or frozenset()
        if Guard.NO_STOP not in false or self.end.move not in STOPPED_INSTEAD:
            raise Overtaken(self.run.id)
        self.run, self.end = current, replace(self.end, move=STOPPED_INSTEAD[self.end.move], error=None)
        return None

    def _update_slot(self, record: Record) -> Settled | None:
        if record.kind in (RecordKind.PARTIAL, RecordKind.END):
            # Only the settling transaction seals, so the run has ended.
            current = self.table.reload(self.run)
            if current is None or current.status not in TERMINAL:
                raise Overtaken(self.run.id)
            return self._ended(current)
        self.log = Log.upto(record)
        if record.kind == RecordKind.FINAL and self.end.move in GIVEN_UP:
            self.end = replace(self.end, move=SUCCEED, error=None)
        return None

    def _ended(self, current: Run) -> Settled:
        return Settled(current, by_me=current.settled_by == self.end.settled_by)


def _closing(log: Log) -> Partial | None:
    """Closes the calls of the newest step that have no result; None if there are none."""
    parts = [closed(part) for part in log.asked.body.parts if is_open(part)] if log.asked is not None else []
    return Partial(log.slot, pack(Body(parts)), len(msgspec.json.encode(parts)), Usage()) if parts else None
