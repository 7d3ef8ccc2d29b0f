"""How a worker ends a step: it settles the run, or gives run and message back."""

from dataclasses import dataclass, field
from functools import partial

from outlive.agent import AgentError
from outlive.clock import SECOND
from outlive.delivery import REDELIVERY_SLACK_S, GivenBack
from outlive.errors import NotSteered, Overtaken, StoreError, StoreUnreadable
from outlive.guards import Facts
from outlive.lifecycle import ABORT_HELD, FAIL, HAND_OVER, SUCCEED, Move
from outlive.log import logger
from outlive.patience import pause_before
from outlive.run_error import LastError, RunError, RunErrorCode
from outlive.settle import End, Log, Partial
from outlive.store.refused import Refused
from outlive.store.retry import persistently
from outlive.store.rows import Record, Run
from outlive.store.slot import Succession
from outlive.succession import is_steered, next_of
from outlive.workbench import Workbench

NO_ANSWER = "the worker did not answer: it died, or a tool blocked it"
"""The last error of an attempt whose lease expired: no worker wrote another."""
RESEND_GRACE_S = 5.0
"""If a message that was given back is not redelivered, a sweep may send another one this long after."""


@dataclass(slots=True)
class StepEnd:
    """Ends or releases `run` for the worker that holds it."""

    tools: Workbench
    run: Run
    log: Log = field(default_factory=Log)
    partial: Partial | None = None
    """The streamed part of the step, stored if the run ends with it."""
    taken_back: str | None = None
    """The message that steered the run last, if this worker has found that it was taken back."""

    def succeed(self, final: Record) -> None:
        """Settle the run by its final record."""
        self._settle(SUCCEED, Log.upto(final))

    def abort(self) -> None:
        """Settle the stopped run with what was streamed."""
        self._settle(ABORT_HELD, self.log)

    def gives_way(self, *, to_messages: bool) -> bool:
        """End the run if a stop was requested, or, `to_messages`, hand it over if one steers it. Returns whether it has ended.

        Raises Overtaken if this worker no longer holds the run.
        """
        while True:
            if self.stop_requested():
                self.abort()
                return True
            if not to_messages or self.run.handover_to == self.taken_back:
                return False
            if self.hand_over():
                return True
            # The message was taken back, or another worker has ended the run meanwhile.

    def hand_over(self) -> bool:
        """Settle the run for the message that steers it. False if that was taken back; then the run goes on."""
        tools, run = self.tools, self.run
        self.taken_back = run.handover_to
        try:
            chat = persistently(partial(tools.table.chat, run.workspace_id, run.chat_id), tools.clock)
            if chat is None or not is_steered(chat, run):
                return False
            resend_after = tools.settler.resend_after(tools.clock.now())
            succession = next_of(tools.table, chat, run.workspace_id, run.chat_id, resend_after)
            self._settle(HAND_OVER, self.log, succession=succession)
        except (NotSteered, StoreUnreadable):
            # A chat whose row is damaged hands over nothing.
            return False
        return True

    def stop_requested(self) -> bool:
        """Read whether a stop was requested, and whether the run was steered. Raises Overtaken if this worker no longer
        holds the run.
        """
        current = persistently(partial(self.tools.table.reload, self.run), self.tools.clock)
        if current is None or current.lease_id != self.run.lease_id:
            raise Overtaken(self.run.id)
        self.run.handover_to = current.handover_to
        return current.stop_requested_at is not None

    def was_asked_to_stop(self, run: Run | None) -> bool:
        """True if `run`, as a refusal brought it back, is still this worker's and a stop was requested."""
        return run is not None and run.lease_id == self.run.lease_id and run.stop_requested_at is not None

    def was_steered(self, run: Run) -> bool:
        """True if `run`, as a refusal brought it back, is still this worker's, and a message steers it."""
        return run.lease_id == self.run.lease_id and run.handover_to != self.taken_back

    def fail_attempts(self, last_error: LastError | None) -> None:
        """Settle the run as failed because its step broke off on every attempt."""
        last = f"{last_error.code}: {last_error.message}" if last_error else NO_ANSWER
        self.fail(RunErrorCode.STEP_ATTEMPTS, f"step {self.run.claimed_step} broke off again and again; last: {last}")

    def fail(self, code: str, message: str) -> None:
        """Settle the run as failed, with what was streamed."""
        try:
            self._settle(FAIL, self.log, RunError(code, message))
        except StoreError:
            # The next worker fails the run with this error, and asks no model again.
            self.give_back(AgentError("permanent", code, message), REDELIVERY_SLACK_S)
        except Overtaken:
            raise
        except Exception as error:
            if self.partial is None:
                raise
            # What was streamed can't be stored; the run ends without it.
            logger.warning("partial_unusable", run=self.run.id, step=self.run.claimed_step, cause=type(error).__name__)
            self.partial = None
            self.fail(code, message)

    def broken_off(self, error: AgentError | None, reason: str | None) -> None:
        """End the run, or give it back for another attempt, after a step that broke off.

        It broke off by `error`, or was interrupted for `reason`. Raises GivenBack or Overtaken.
        """
        if error is not None:
            self.tools.exhausted(error)
        if error is not None and error.kind == "permanent":
            return self.fail(error.code, error.message)
        if error is None:
            if reason == "stop":
                return self.abort()
            if reason == "overtaken":
                raise Overtaken(self.run.id)
            if reason is None:
                return self.fail(RunErrorCode.AGENT_FAILED, "the agent broke off without saying why")
            error = AgentError("transient", "out_of_time", "the step did not end within the function's time")
        if error.kind == "busy":
            return self.wait_for_provider(error)
        if self.run.attempts_used >= self.tools.settings.step_attempts:
            return self.fail_attempts(LastError(error.code, error.message, error.kind))
        return self.try_again(error)

    def try_again(self, error: AgentError) -> None:
        """Give the step back for another attempt: after exponential backoff, or as long as the model asks, and less
        than a lease.
        """
        backoff = 2.0 ** (self.run.attempts_used - 1)
        self.give_back(error, min(max(backoff, error.retry_after or 0.0), self.tools.settings.lease_seconds - 1.0))

    def wait_for_provider(self, error: AgentError) -> None:
        """Give the step back until the provider may take its request, or fail the run once its patience is over."""
        now, patience_s = self.tools.clock.now(), self.tools.settings.provider_patience_seconds
        since = now if self.run.retrying_since is None else self.run.retrying_since
        left_s = patience_s - (now - since) / SECOND
        if left_s > 0:
            pause_s = pause_before(self.run.retries or 0, error.retry_after, left_s, self.tools.between)
            return self.give_back(error, pause_s)
        limited = error.code == RunErrorCode.MODEL_RATE_LIMITED
        code = RunErrorCode.MODEL_RATE_LIMITED if limited else RunErrorCode.MODEL_UNAVAILABLE
        waited = f"the provider did not take step {self.run.claimed_step} for {patience_s} seconds"
        return self.fail(code, f"{waited}; last: {error.code}: {error.message}")

    def _settle(
        self, move: Move, log: Log, error: RunError | None = None, succession: Succession | None = None
    ) -> None:
        lease_id = self.run.lease_id
        assert lease_id is not None
        end = End(
            move, Facts(self.tools.clock.now(), lease_id=lease_id), lease_id, error, self.partial, succession=succession
        )
        self.tools.settler.end(self.run, end, log)

    def give_back(self, error: AgentError, pause_s: float) -> None:
        """Give run and message back for `pause_s` seconds; if a stop was requested meanwhile, the run is settled instead.

        Raises GivenBack, or Overtaken.
        """
        assert self.run.lease_id is not None
        last_error = LastError(error.code, error.message, error.kind)
        now = self.tools.clock.now()
        resend_after = now + int((pause_s + RESEND_GRACE_S) * SECOND)
        try:
            release = partial(self.tools.table.release, self.run, self.run.lease_id, last_error, resend_after, now)
            persistently(release, self.tools.clock)
        except Refused as refused:
            run = refused.run
            if self.was_asked_to_stop(run):
                return self.abort()
            if run is None or run.lease_id is not None or run.last_error != last_error:
                raise Overtaken(self.run.id) from None
        raise GivenBack(pause_s)
