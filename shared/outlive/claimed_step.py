"""A step while its worker holds the run: read the history, ask the agent once, record, or end the run.

What ends it early raises: `GivenBack` (the message is redelivered), `Overtaken` (another worker holds the step, or the run
has ended), or `StoreError`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from outlive.agent import AgentError, Interrupt, Outcome
from outlive.agent_call import AgentCall
from outlive.asked import Asked, closed
from outlive.clock import SECOND
from outlive.delivery import Delivery, GivenBack
from outlive.errors import Overtaken, StoreError
from outlive.follow.passages import Words
from outlive.history import History, read_history
from outlive.log import cause, unexpected
from outlive.loops import goes_in_circles
from outlive.packing import TooLarge, partial_of, record_of, streamed_outcome
from outlive.run_error import LastError, RunErrorCode
from outlive.settle import Log
from outlive.step_end import StepEnd
from outlive.store.refused import Refused
from outlive.store.retry import persistently
from outlive.store.rows import Record, RecordKind, Run
from outlive.workbench import Workbench
from outlive.worker import EXHAUSTED


@dataclass(slots=True)
class ClaimedStep:
    """The claimed step of `run`, until it is recorded or given back, or the run has ended."""

    tools: Workbench
    delivery: Delivery
    run: Run
    history: History | None = None
    """Everything before this step; None until it is read."""
    streamed: list[Words] = field(default_factory=list)
    followed: Record | None = None
    """The step's record, once another step follows it."""
    end: StepEnd = field(init=False)

    def __post_init__(self) -> None:
        self.end = StepEnd(self.tools, self.run)

    def take(self) -> Record | None:
        """Take the step to its end. Returns its record if another step follows, None if the run has ended."""
        with self._failing_the_run():
            self._decide()
        return self.followed

    def send_next(self) -> None:
        """Send the message of the next step, which is due now."""
        with self._failing_the_run():
            self.tools.queue.send(self.run, self.run.claimed_step + 1)

    @contextmanager
    def _failing_the_run(self) -> Iterator[None]:
        """Give the step back if the store fails in the block, and fail the run on any other error."""
        try:
            yield
        except (Overtaken, GivenBack):
            raise
        except StoreError as error:
            self.tools.exhausted(error)
            self.end.try_again(AgentError("transient", "store_unavailable", str(error)))
        except Exception as error:
            if self.tools.exhausted(error):
                return self.end.try_again(AgentError("transient", EXHAUSTED, cause(error)))
            unexpected("step_failed", error, run=self.run.id, step=self.run.claimed_step)
            self.end.partial = self.end.partial or partial_of(
                self.run, streamed_outcome(self.streamed), self._bytes_before
            )
            self.end.fail(RunErrorCode.STEP_FAILED, cause(error))

    def _decide(self) -> None:
        step, last_error = self.run.claimed_step, self.run.last_error
        # Decided by the run alone: a damaged row elsewhere can't have a step tried more often.
        if self.run.attempts_used > self.tools.settings.step_attempts or (
            last_error and last_error.kind == "permanent"
        ):
            return self._give_up(last_error)
        if self.history is None:
            self.history = persistently(partial(read_history, self.tools.table, self.run), self.tools.clock)
        records = self.history.records
        if len(records) > step:
            return self._after_record(records[step])
        if len(records) < step or not self.history.has_prompt:
            return self.end.fail(RunErrorCode.HISTORY_INCOMPLETE, "a stored message that this step needs is gone")
        self.end.log = Log.upto(records[-1] if records else None)
        if goes_in_circles(records):
            return self.end.fail(RunErrorCode.LOOP_DETECTED, "the same calls gave the same results again and again")
        if self.end.gives_way(to_messages=not self.history.was_asked):
            return None
        is_last, interrupt = self.history.is_at_last_step(self.run.max_steps), Interrupt()
        call = AgentCall(self.tools, self.delivery, self.run, text_only=is_last)
        outcome = call.outcome(self.history, self.streamed, interrupt)
        if outcome.kind == "partial":
            return self._broken_off(outcome, interrupt)
        return self._record(outcome, is_last=is_last)

    def _give_up(self, last_error: LastError | None) -> None:
        """Fail the run by its last error, unless the step is recorded after all."""
        last = persistently(partial(self.tools.table.last_record, self.run), self.tools.clock)
        self.end.log = Log.upto(last)
        if last is not None and last.step == self.run.claimed_step:
            return self._after_record(last)
        if last_error and last_error.kind == "permanent":
            return self.end.fail(last_error.code, last_error.message)
        return self.end.fail_attempts(last_error)

    @property
    def _bytes_before(self) -> int:
        """Bytes that the parts of the run's earlier records take as JSON."""
        return sum(record.size for record in self.history.records) if self.history is not None else 0

    def _broken_off(self, outcome: Outcome, interrupt: Interrupt) -> None:
        self.end.partial = partial_of(self.run, outcome, self._bytes_before)
        self.end.broken_off(outcome.error, interrupt.reason)

    def _record(self, outcome: Outcome, *, is_last: bool) -> None:
        now = self.tools.clock.now()
        try:
            record = record_of(self.run, outcome, self._bytes_before, self.end.log.usage, now, is_last=is_last)
        except TooLarge as error:
            return self.end.fail(error.code, str(error))
        if record.kind == RecordKind.ASKED:
            return self._wait_for_answers(record, outcome)
        try:
            persistently(partial(self.tools.table.record, self.run, record), self.tools.clock)
        except Refused as refused:
            # The slot is taken, so there is a record: it counts, and this worker adopts it.
            record = refused.record or record
        return self._adopt(record)

    def _wait_for_answers(self, record: Record, outcome: Outcome) -> None:
        """Put the record and have the run wait, in one write.

        A stop that was requested meanwhile ends the run, and a message that steers it has it hand over: then the calls
        are closed.
        """
        tools, now = self.tools, self.tools.clock.now()
        until = now + tools.settings.answer_seconds * SECOND
        asked = Asked(record.step, until, tuple(call.without_input for call in outcome.asked))
        try:
            persistently(partial(tools.table.keep, self.run, until), tools.clock)
            persistently(partial(tools.table.ask, self.run, record, asked, now, self.end.taken_back), tools.clock)
        except Refused as refused:
            if refused.record is not None:
                return self._adopt(refused.record)
            current = refused.run
            stopped = self.end.was_asked_to_stop(current)
            if current is None or not (stopped or self.end.was_steered(current)):
                raise Overtaken(self.run.id) from None
            parts = [closed(part) for part in outcome.parts]
            self.end.partial = partial_of(self.run, replace(outcome, parts=parts), self._bytes_before)
            if stopped:
                return self.end.abort()
            self.run.handover_to = current.handover_to
            if not self.end.hand_over():
                self.end.partial = None
                self._wait_for_answers(record, outcome)

    def _adopt(self, record: Record) -> None:
        """Go on from a record that was put while this worker held the step. If it asks about calls, the answer resumes
        the run.
        """
        if record.kind != RecordKind.ASKED:
            self._after_record(record)

    def _after_record(self, record: Record) -> None:
        """Go on from the step's record, no matter which worker put it."""
        if record.kind == RecordKind.FINAL:
            self.end.succeed(record)
        elif record.kind in (RecordKind.STEP, RecordKind.ASKED):
            if record.kind == RecordKind.ASKED:
                # Another worker may have reclaimed the step and asked just now; then the history is older than the answers.
                # If this worker still holds its lease, the answers were stored before its claim.
                self.end.stop_requested()
            self.followed = record
