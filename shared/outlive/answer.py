"""Answering calls that a run waits for: the first answer of each counts, and the last open one moves the run on."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from outlive.access import run_to_answer
from outlive.asked import AskedCall, Decision
from outlive.caller import Caller
from outlive.clock import SECOND, Clock, iso
from outlive.errors import (
    AnsweredOtherwise,
    AnswerFailed,
    InvalidRequest,
    NotWaiting,
    Problem,
    RunNotFound,
    StoreBusy,
    StoreError,
)
from outlive.lifecycle import Status
from outlive.log import cause, logger
from outlive.settings import Settings
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.retry import persistently
from outlive.store.rows import Answer, Record, Run
from outlive.store.table import Table

MAX_TRIES = 6
"""How often answers are tried again when other answers to the same run come in between."""


ANSWER_PROBLEMS: tuple[type[Problem], ...] = (
    RunNotFound,
    InvalidRequest,
    NotWaiting,
    AnsweredOtherwise,
    AnswerFailed,
)
"""The problems that answers may raise."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The run with these answers, and its newest record."""

    run: Run
    last: Record | None


@dataclass(frozen=True, slots=True)
class Answers:
    """Takes answers."""

    table: Table
    queue: Queue
    clock: Clock
    settings: Settings

    def run(self, caller: Caller, run_id: str, decisions: Mapping[str, Decision], step: int | None = None) -> Answered:
        """Answer these calls of the run, all or none; the same decisions again change nothing.

        They answer what `step` asked. Without it they answer the one step that asked about these calls.
        Raises RunNotFound, NotWaiting, AnsweredOtherwise, InvalidRequest (which names the call) or AnswerFailed.
        """
        try:
            for _ in range(MAX_TRIES):
                run = persistently(partial(run_to_answer, self.table, caller, run_id), self.clock)
                answered = self._try(caller, run, decisions, step)
                if answered is not None:
                    return Answered(answered, persistently(partial(self.table.last_record, answered), self.clock))
                # The request means what was open then, also if a later step asks about the same calls by now.
                step, still_open = run.asked.step, {call.tool_call_id for call in run.asked.open}
                decisions = {call_id: decision for call_id, decision in decisions.items() if call_id in still_open}
            raise StoreBusy("other answers came first each time")
        except StoreError as error:
            logger.error("answer_failed", run=run_id, cause=cause(error))
            raise AnswerFailed("it may not have been recorded; send the same answers again") from error

    def _try(self, caller: Caller, run: Run, decisions: Mapping[str, Decision], step: int | None) -> Run | None:
        """The run with these answers; None if it changed meanwhile. `run` is as it was read just now."""
        waits = run.status == Status.WAITING and run.asked is not None and step in (None, run.asked.step)
        still_open = {call.tool_call_id: call for call in run.asked.open} if waits else {}
        earlier = {call_id: decision for call_id, decision in decisions.items() if call_id not in still_open}
        answers = self._answers(run, step) if earlier or (step is None and run.asked.step > 0) else []
        asked = {(answer.tool_call_id, answer.step) for answer in answers} | {
            (key, run.asked.step) for key in still_open
        }
        _check_asked_once(decisions, asked)
        answered_step = self._check_earlier(run, earlier, answers, waits=waits) if earlier else -1
        new = [_checked(still_open[key], decision) for key, decision in decisions.items() if key in still_open]
        if not new:
            # The worker that stored the answers may have died before it sent the message; a second message changes nothing.
            self._send_next(run, answered_step)
            return run
        now = self.clock.now()
        rows = [
            Answer(
                run.chat_pk,
                Answer.sort_key(run.assistant_seq, run.asked.step, call.tool_call_id),
                tool_call_id=call.tool_call_id,
                decision=decision,
                answered_by=caller.user,
                created_at=now,
            )
            for call, decision in new
        ]
        resend_after = now + self.settings.lease_seconds * SECOND
        try:
            after = persistently(partial(self.table.answer, run, rows, resend_after, now), self.clock)
        except Refused:
            return None
        self._send_next(after, run.asked.step)
        return after

    def _answers(self, run: Run, step: int | None) -> list[Answer]:
        """The stored answers to calls of the run, or of this step of it."""
        answers = persistently(partial(self.table.answers, run), self.clock)
        return [answer for answer in answers if step in (None, answer.step)]

    def _check_earlier(self, run: Run, decisions: Mapping[str, Decision], answers: list[Answer], *, waits: bool) -> int:
        """Check that the stored answers to calls that are not open are these; returns the newest step that made one of them.

        Raises AnsweredOtherwise, NotWaiting or InvalidRequest.
        """
        given = {answer.tool_call_id: answer for answer in answers}
        for call_id, decision in decisions.items():
            answer = given.get(call_id)
            if answer is None and waits:
                raise InvalidRequest(f"answers.{call_id}", "the run waits for no such call")
            if answer is None:
                raise NotWaiting("it takes no answer to this call", run_status=str(run.status))
            if answer.decision != decision:
                at = iso(answer.created_at)
                raise AnsweredOtherwise(
                    f"{call_id}: the first answer counts", tool_call_id=call_id, answered_by=answer.answered_by,
                    answered_at=at,
                )  # fmt: skip
        return max(given[call_id].step for call_id in decisions)

    def _send_next(self, run: Run, asked: int) -> None:
        """Send the step that runs the answered calls of step `asked`, unless the run has gone on. If this fails, a
        sweep sends it.

        A message for any other step could overtake one that is not recorded.
        """
        if run.status != Status.RUNNING or run.claimed_step != asked:
            return
        try:
            self.queue.send(run, asked + 1)
        except Exception as error:
            logger.error("send_failed", run=run.id, chat=run.chat_id, step=asked + 1, cause=cause(error))


def _check_asked_once(call_ids: Iterable[str], asked: Collection[tuple[str, int]]) -> None:
    """Raises InvalidRequest if more than one step asked about one of the calls. `asked` are calls with their steps."""
    for call_id in call_ids:
        steps = sorted(step for asked_id, step in asked if asked_id == call_id)
        if len(steps) > 1:
            raise InvalidRequest("step", f"is required: steps {', '.join(map(str, steps))} asked about {call_id}")


def _checked(call: AskedCall, decision: Decision) -> tuple[AskedCall, Decision]:
    """Raises InvalidRequest if a call of this kind can't be answered so."""
    if not decision.fits(call.kind):
        wanted = "approved" if call.kind == "approval" else "output or error_text"
        raise InvalidRequest(f"answers.{call.tool_call_id}", f"must have {wanted}: it is a call of kind {call.kind}")
    return call, decision
