"""Ending a run: one write, once, from whatever side.

The log of step records is sealed by the very transaction that ends the run, so nobody can add to an ended run. A
settler that finds its slot of the log taken reads what stands there and goes on from that.
"""

from dataclasses import dataclass
from typing import Any

from outlive.clock import Clock
from outlive.errors import Overtaken, Refused, StoreError, StoreUnreadable
from outlive.lifecycle import (
    ABORT_ANSWERED,
    ABORT_HELD,
    ABORT_LEFT,
    ABORT_NEVER_STARTED,
    ABORT_STALE,
    ABORT_UNREADABLE,
    FAIL,
    SUCCEED,
    TERMINAL,
    Facts,
    FinishReason,
    Guard,
    Move,
    refusals,
)
from outlive.log import unsettled
from outlive.store.retry import persistently
from outlive.store.rows import Body, Record, Run, pack, record_of
from outlive.store.table import Ending, Table
from outlive.text import clean
from outlive.usage import Usage

STOPPED_INSTEAD = {
    SUCCEED: ABORT_ANSWERED,
    FAIL: ABORT_HELD,
    ABORT_STALE: ABORT_LEFT,
    ABORT_NEVER_STARTED: ABORT_LEFT,
}
"""What becomes of an end that a requested stop refused."""

GIVEN_UP = frozenset({FAIL, ABORT_STALE, ABORT_NEVER_STARTED, ABORT_UNREADABLE})
"""Ends that give way to a final record found in the log: the work was done after all."""

MAX_ERROR = 2000
ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Log:
    """What is known of a run's log: its next free slot, the total so far, and the final record if it has one."""

    slot: int = 0
    usage: Usage = Usage()
    final: Record | None = None

    @classmethod
    def upto(cls, last: Record | None) -> "Log":
        """The log whose newest entry is `last`."""
        if last is None:
            return cls()
        return cls(last.step + 1, last.usage or Usage(), last if last.kind == "final" else None)


@dataclass(frozen=True, slots=True)
class Partial:
    """What was streamed of a step that did not come to its end."""

    step: int
    packed: bytes
    size: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Settled:
    """The run as it stands, and whether it was this settler that ended it."""

    run: Run
    mine: bool


def error_of(code: str, message: str) -> dict[str, str]:
    """An error as a run shows it: a code, and the cause in at most 2,000 characters."""
    return {"code": code, "message": clean(message)[:MAX_ERROR]}


def settle(
    run: Run,
    move: Move,
    facts: Facts,
    log: Log,
    *,
    table: Table,
    clock: Clock,
    settled_by: str,
    error: dict[str, str] | None = None,
    partial: Partial | None = None,
    mended: dict[str, Any] | None = None,
) -> Settled:
    """Have `run` end by `move`, or learn how it ended; `mended` is written in place of damaged attributes.

    A requested stop turns any other end into `aborted`, without an error. Raises `Overtaken` if the run is no longer
    the caller's to end, and `StoreError` after 3 tries, having said so in the log.
    """
    attempt = _Settling(run, move, facts, log, settled_by, error, partial, mended or {})
    try:
        return persistently(lambda: attempt.go(table), clock)
    except StoreError as cause:
        unsettled(run.id, run.chat_id, cause)
        raise


@dataclass(slots=True)
class _Settling:
    run: Run
    move: Move
    facts: Facts
    log: Log
    settled_by: str
    error: dict[str, str] | None
    partial: Partial | None
    mended: dict[str, Any]
    chat_there: bool = True
    message_there: bool = True

    def go(self, table: Table) -> Settled:
        for _ in range(ROUNDS):
            try:
                after = table.settle(
                    self.run, self._ending(), chat_there=self.chat_there, message_there=self.message_there
                )
            except Refused as refused:
                settled = self._learn(refused.items, table)
                if settled is not None:
                    return settled
            else:
                return Settled(after, mine=True)
        raise Overtaken(self.run.id)

    def _ending(self) -> Ending:
        final, log, partial = self.log.final, self.log, self.partial
        usage, seal = log.usage, None
        if final is None:
            # A partial of a step that somebody else recorded meanwhile would say the same twice.
            kept = partial if partial is not None and partial.step == log.slot else None
            usage = log.usage + kept.usage if kept else log.usage
            seal = Record(
                self.run.chat_pk,
                Record.sort_key(self.run.assistant_seq, log.slot),
                run_id=self.run.id,
                step=log.slot,
                kind="partial" if kept else "end",
                packed=kept.packed if kept else pack(Body([])),
                size=kept.size if kept else 0,
                usage=usage,
                recorded_by=self.settled_by,
                created_at=self.facts.now,
            )
        counted = log.slot + (1 if seal is not None and seal.counts else 0)
        reason = self._finish_reason()
        return Ending(self.move, self.facts, self.settled_by, self.error, reason, counted, usage, seal, self.mended)

    def _finish_reason(self) -> str:
        if self.move is SUCCEED and self.log.final is not None:
            return self.log.final.finish_reason or FinishReason.STOP
        return FinishReason.ERROR if self.move is FAIL else FinishReason.ABORTED

    def _learn(self, items: dict[str, Any], table: Table) -> Settled | None:
        """Take in what a refusal brought back: an answer, or None to try again knowing more."""
        if "run" in items:
            try:
                return self._learn_run(Run.of(items["run"]) if items["run"] else None)
            except StoreUnreadable:
                # Damaged, and no longer as this settler read it: the next look at it ends it.
                raise Overtaken(self.run.id) from None
        if "seal" in items:
            return self._learn_slot(record_of(items["seal"]), table)
        if "chat" in items:
            # Whatever else of the chat may be damaged.
            self.chat_there = (items["chat"] or {}).get("active_run_id") == {"S": self.run.id}
        if "message" in items:
            self.message_there = items["message"] is not None
        return None

    def _learn_run(self, current: Run | None) -> Settled | None:
        if current is None:
            raise Overtaken(self.run.id)
        if current.status in TERMINAL:
            return Settled(current, mine=current.settled_by == self.settled_by)
        false = refusals(self.move, current, self.facts) or frozenset()
        if Guard.NO_STOP not in false or self.move not in STOPPED_INSTEAD:
            raise Overtaken(self.run.id)
        self.run, self.move, self.error = current, STOPPED_INSTEAD[self.move], None
        return None

    def _learn_slot(self, found: Record, table: Table) -> Settled | None:
        if found.kind in ("partial", "end"):
            # Only the settling transaction seals, so the run has ended.
            current = table.again(self.run)
            if current is None or current.status not in TERMINAL:
                raise Overtaken(self.run.id)
            return Settled(current, mine=current.settled_by == self.settled_by)
        self.log = Log.upto(found)
        if found.kind == "final" and self.move in GIVEN_UP:
            self.move, self.error = SUCCEED, None
        return None
