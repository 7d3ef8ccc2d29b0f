"""One step of a run: claim, read the history, ask the agent once, record, send the next.

A message names the step that is due. Workers may crash, and messages may be redelivered or late. Three rules make that
harmless. Only a claim lets a worker ask the model: a claim of the step after the claimed one, or of the claimed one while
no worker holds it. The first record of a step counts, and every other worker adopts it. Nothing is added to an ended run.

    the worker dies                what happens
    before the claim               the message is redelivered: nothing had happened
    while it asks                  the lease expires, the message is redelivered: reclaim, ask again
    after the record               the message is redelivered: reclaim, find the record, send the next, ask no model
    after the send                 the message is redelivered and finds a later claim: acknowledged

A worker that was overtaken is refused each heartbeat, release and settle; its record counts only if it is the first.

With `STEPS_PER_MESSAGE` above 1 a message covers that many steps, its own and those after it: its worker claims the next
one itself while time allows, and sends nothing. If that worker dies, the message is redelivered all the same, and the
next worker goes on from the step that is claimed by then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from outlive.claimed_step import ClaimedStep
from outlive.clock import SECOND
from outlive.delivery import REDELIVERY_SLACK_S, Delivery, GivenBack, hide, hide_for_lease, pause_of
from outlive.errors import Overtaken, StoreBroken, StoreError, StoreUnreadable
from outlive.guards import Facts, lease_is_live
from outlive.lifecycle import ABORT_LEFT, ABORT_UNCLAIMED, CLAIM, RECLAIM, TERMINAL, Move, Status, only_stop_refuses
from outlive.log import cause, logger, unexpected
from outlive.settle import End, Log
from outlive.store.refused import Refused
from outlive.store.retry import persistently
from outlive.store.rows import Run
from outlive.succession import send_first
from outlive.workbench import Workbench

CLAIM_ROUNDS = 5
"""How often a worker tries to claim while other workers claim and release the run."""


class Answer(Enum):
    """What the worker does with the message."""

    ACKNOWLEDGE = "it is deleted"
    GIVE_BACK = "it is hidden until it is redelivered"


@dataclass(frozen=True, slots=True)
class Step:
    """Takes steps, one delivery at a time."""

    tools: Workbench
    new_id: Callable[[], str]

    def run(self, delivery: Delivery) -> Answer:
        """Take the step that `delivery` names, if it is still due, and the steps after it that the message covers."""
        step, run, history = delivery.step, None, None
        try:
            while (run := self._claim(delivery, step, self.new_id())) is not None:
                # A step that was claimed before may have a record that this worker has not read.
                claimed = ClaimedStep(self.tools, delivery, run, history if run.attempt == 1 else None)
                record = claimed.take()
                if record is None:
                    break
                step, history = record.step + 1, claimed.history
                if history is None or not self._goes_on(delivery, step):
                    claimed.send_next()
                    break
                history = history.followed_by(record)
                run = None
        except GivenBack as back:
            hide(self.tools.queue, delivery, back.seconds)
            return Answer.GIVE_BACK
        except StoreUnreadable as error:
            # The sweep ends a run whose row is damaged; until then each delivery would fail the same way.
            logger.error("step_broken", run=delivery.run_id, step=step, cause=cause(error))
        except Exception as error:
            exhausted = self.tools.exhausted(error)
            if not exhausted and not isinstance(error, (Overtaken, StoreError)):
                unexpected("step_broken", error, run=delivery.run_id, step=step)
                return Answer.ACKNOWLEDGE if self._is_hopeless(run, error) else Answer.GIVE_BACK
            # The run is as it was, or claimed until its lease expires; the message is redelivered accordingly.
            logger.warning("step_put_off", run=delivery.run_id, step=step, cause=cause(error))
            if run is None:
                hide(self.tools.queue, delivery, pause_of(delivery, self.tools.settings))
            return Answer.GIVE_BACK
        return Answer.ACKNOWLEDGE

    def _is_hopeless(self, run: Run | None, error: Exception) -> bool:
        """True if another delivery of the message would end the same way; the sweep then ends the run.

        That is so for a run that can't be read, and for one that can't be failed once its attempts are used up. A fault that an
        operator can repair (`StoreBroken`) is not counted before the claim: the message is redelivered with the lease.
        """
        if run is None:
            return not isinstance(error, StoreBroken)
        return run.attempts_used > self.tools.settings.step_attempts

    def _covers(self, delivery: Delivery, step: int) -> bool:
        """True if `step` is one of those that the delivered message covers."""
        return delivery.step <= step < delivery.step + self.tools.settings.steps_per_message

    def _goes_on(self, delivery: Delivery, step: int) -> bool:
        """True if this worker takes `step` as well, without a message for it."""
        return self._covers(delivery, step) and delivery.half_is_left(self.tools.clock.now())

    def _claim(self, delivery: Delivery, step: int, lease_id: str) -> Run | None:
        """The run, held by this worker; None if there is nothing left to do.

        Raises GivenBack while another worker holds the run.
        """
        tools = self.tools
        key = Run(Run.key(delivery.workspace_id, delivery.run_id), Run.SK)
        take = partial(tools.table.claim, key, step, lease_id)
        # Before the claim: a worker that dies right after it must not keep the message for the queue's own minutes.
        now = tools.clock.now()
        hide_for_lease(tools.queue, delivery, now, delivery.lease_end(now, tools.settings))
        for _ in range(CLAIM_ROUNDS):
            now = tools.clock.now()
            until = delivery.lease_end(now, tools.settings)
            try:
                return persistently(partial(take, until, now), tools.clock)
            except Refused as refused:
                current = refused.run
                if current is not None and current.lease_id == lease_id:
                    return current
                if not self._may_reclaim(current, delivery, step, now):
                    return None
                assert current is not None
                step, take = current.claimed_step, partial(tools.table.reclaim, current, lease_id)
        raise GivenBack(REDELIVERY_SLACK_S)

    def _may_reclaim(self, run: Run | None, delivery: Delivery, step: int, now: int) -> bool:
        """True if `step` can't be claimed and the claimed step may be reclaimed; if not, there is nothing left to do.

        A run that only a requested stop keeps from going on is ended here. Raises GivenBack while another worker holds
        the run.
        """
        if run is None or run.claimed_step < step - 1:
            logger.warning("message_unknown", run=delivery.run_id, step=step)
            return False
        if run.status in TERMINAL:
            self._send_promoted(run)
        if run.status in TERMINAL or run.status == Status.WAITING:
            return False
        facts = Facts(now, step=step)
        if only_stop_refuses(CLAIM, run, facts):
            self._end_stopped(run, ABORT_UNCLAIMED, facts)
            return False
        if not self._covers(delivery, run.claimed_step):
            return False
        if lease_is_live(run, now):
            assert run.lease_until is not None
            raise GivenBack((run.lease_until - now) / SECOND + REDELIVERY_SLACK_S)
        facts = Facts(now, step=run.claimed_step, attempt=run.attempt)
        if only_stop_refuses(RECLAIM, run, facts):
            self._end_stopped(run, ABORT_LEFT, facts)
            return False
        return True

    def _send_promoted(self, ended: Run) -> None:
        """Send the first step of the run that took the slot of `ended`, if it has not begun.

        The worker that ended the run may have died before it sent; a second message changes nothing.
        """
        tools = self.tools
        if ended.next_run_id is None:
            return
        run = tools.table.run(ended.workspace_id, ended.next_run_id)
        if run is not None and run.status == Status.PENDING:
            send_first(tools.queue, run)

    def _end_stopped(self, run: Run, move: Move, facts: Facts) -> None:
        log = Log.upto(self.tools.table.last_record(run))
        self.tools.settler.end(run, End(move, facts, self.new_id()), log)
