"""A start in a chat whose slot another run holds: may it take the slot, does it wait in the queue, or is it refused?

What is read here decides nothing: the transaction that starts, queues or ends a run has each of these as its condition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from outlive.caller import Caller
from outlive.chat_queue import QUEUE_LIMIT, ChatQueue
from outlive.errors import Overtaken, QueueFull, RunAlreadyActive, StoreBusy, StoreUnreadable
from outlive.follow.live import streamed_words
from outlive.guards import Facts, lease_is_live
from outlive.lifecycle import HAND_OVER_WAITING, SUCCEED, SUPERSEDE, TERMINAL, Move, Status
from outlive.overdue import depth_of, lost_before, overdue, settle_overdue
from outlive.packing import partial_of, streamed_outcome
from outlive.request import OnBusy, StartRequest
from outlive.settle import End, Log, Partial, Settler
from outlive.store.rows import Chat, Run
from outlive.store.slot import Succession, Successor
from outlive.succession import next_of, send_first
from outlive.unreadable import end_unreadable

Join = Callable[[Successor], int | None]
"""Brings the new run into the chat. Returns its place in the queue, or None if it has the slot."""


@dataclass(frozen=True, slots=True)
class BusyChat:
    """A chat with a holder or a queue, as it was read, and the start that comes to it."""

    settler: Settler
    caller: Caller
    request: StartRequest
    chat: Chat
    settled_by: str

    def room(self) -> Join | None:
        """End the holder if a sweep would now. Returns how the new run joins the chat; None if it may take the slot.

        The call is made last, so that a refused start has changed nothing. Raises RunAlreadyActive or QueueFull if the
        start has to be refused, and StoreBusy if the chat has changed.
        """
        active = self._active()
        if active is None:
            if self.chat.queue is not None:
                self._promote()
            return None
        if not lease_is_live(active, self.settler.clock.now()) and self._end_overdue(active):
            return None
        return self._join(active)

    def _active(self) -> Run | None:
        """The run that holds the slot; None if it has ended."""
        holder = self.chat.active_run_id
        if holder is None:
            return None
        try:
            run = self.settler.table.run(self.caller.workspace_id, holder)
        except StoreUnreadable as damage:
            try:
                end_unreadable(damage, self.settler, self.settled_by)
            except Overtaken:
                raise _busy_with(holder) from None
            return None
        return None if run is None or run.status in TERMINAL else run

    def _end_overdue(self, active: Run) -> bool:
        """End the run if a sweep would now. Returns whether it has ended."""
        settler, last = self.settler, self.settler.table.last_record(active)
        now, settings = settler.clock.now(), settler.settings
        sent_before = lambda: lost_before(depth_of(settler.queue, settler.clock), now, settings)  # noqa: E731
        due = overdue(active, last, now, settings, sent_before)
        if due is None:
            return False
        try:
            settle_overdue(active, last, due, settler, self.settled_by)
        except Overtaken:
            raise _busy_with(active.id) from None
        return True

    def _join(self, active: Run) -> Join:
        on_busy = self.request.on_busy
        if active.status == Status.WAITING and (self.request.replaces_answers or on_busy == OnBusy.STEER):
            return partial(self._replace, active, HAND_OVER_WAITING)
        if on_busy == OnBusy.REJECT or (on_busy == OnBusy.SUPERSEDE and active.id != self.request.supersedes):
            raise _busy_with(active.id)
        if on_busy == OnBusy.SUPERSEDE and active.stop_requested_at is None:
            return partial(self._replace, active, SUPERSEDE)
        if len(self.chat.queue.ids if self.chat.queue is not None else ()) >= QUEUE_LIMIT:
            raise QueueFull(f"{QUEUE_LIMIT} runs wait already; stop one of them, or wait", active_run_id=active.id)
        return partial(self._enqueue, active)

    def _enqueue(self, active: Run, new: Successor) -> int | None:
        """Put the new run into the queue: as the next one if it steers, or supersedes a run whose worker is stopping it.

        A run that is steered hands over, unless it was stopped: then it ends by the stop.
        """
        steers = self.request.on_busy != OnBusy.ENQUEUE
        queue = (self.chat.queue or ChatQueue()).followed_by(new.run.id, steers=steers)
        steered = active if steers else None
        self.settler.table.enqueue(self.chat, new, queue, steered)
        return queue.position(new.run.id)

    def _replace(self, active: Run, move: Move, new: Successor) -> None:
        """End the active run by `move`, and have the new one take its slot in the same write."""
        log = Log.upto(self.settler.table.last_record(active))
        streamed = self._streamed(active, log)
        end = End(
            SUCCEED if log.final is not None else move,
            Facts(self.settler.clock.now(), user=self.caller.user),
            self.settled_by,
            partial=streamed,
            succession=Succession(self.chat, new, self.chat.queue, 0),
        )
        try:
            by_me = self.settler.end(active, end, log).by_me
        except Overtaken:
            by_me = False
        if not by_me:
            raise StoreBusy("the chat's run has changed meanwhile")

    def _streamed(self, active: Run, log: Log) -> Partial | None:
        """What readers were shown of the step under way."""
        if log.slot != active.claimed_step:
            return None
        table = self.settler.table
        pieces, _ = table.live(active, active.claimed_step, active.attempt, 0)
        words = list(streamed_words(pieces))
        earlier = table.records(active, 0) if words and active.claimed_step > 0 else []
        return partial_of(active, streamed_outcome(words), sum(record.size for record in earlier))

    def _promote(self) -> None:
        """Give the slot, which no active run holds, to the first run of the queue. Raises StoreBusy once that has it.

        Only a chat whose row, or whose run's row, was damaged has a queue and no active run.
        """
        settler, now = self.settler, self.settler.clock.now()
        ids = self.caller.workspace_id, self.request.chat_id
        succession = next_of(settler.table, self.chat, *ids, settler.resend_after(now))
        if succession.successor is not None:
            settler.table.start(succession, now, self.chat.active_run_id)
            send_first(settler.queue, succession.successor.run)
            raise StoreBusy("the first run of the queue took the slot")


def _busy_with(run_id: str) -> RunAlreadyActive:
    return RunAlreadyActive("wait for it, watch it or stop it", active_run_id=run_id)
