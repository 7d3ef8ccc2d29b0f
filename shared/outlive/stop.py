"""Stopping a run: the only request of a client that aborts one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from outlive.access import chat_of, run_of
from outlive.caller import Caller
from outlive.clock import Clock
from outlive.errors import Overtaken, RunNotFound, StopFailed, StoreBroken, StoreBusy, StoreError
from outlive.guards import Facts, lease_is_live
from outlive.lifecycle import STOP, TERMINAL, Status
from outlive.log import cause, logger
from outlive.settings import Settings
from outlive.settle import End, Log, Settler
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.retry import persistently
from outlive.store.rows import Record, Run
from outlive.store.table import Table

MAX_TRIES = 6
"""How often a stop is tried again if a worker claimed or released the run in between."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Whether this stop took effect, and the run with its newest record."""

    stopped: bool
    run: Run | None = None
    last: Record | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Stops runs, also those that a worker holds."""

    table: Table
    queue: Queue
    clock: Clock
    new_id: Callable[[], str]
    settings: Settings

    def of_chat(self, caller: Caller, chat_id: str) -> Stopped:
        """Stop the run that is active in the chat now and those queued behind it, and no later one. Raises StopFailed.

        The last one first: so no end of a run before it has it begin. The result is that of the first one it stopped.
        """
        with _stop_failed_on_store_errors():
            chat = persistently(lambda: chat_of(self.table, caller, chat_id), self.clock)
            if chat is None or chat.active_run_id is None:
                return Stopped(False)
            accepted = [chat.active_run_id, *(chat.queue.ids if chat.queue is not None else ())]
            stopped = Stopped(False)
            while accepted:
                ended = self._stop(caller, accepted.pop())
                stopped = ended if ended.stopped else stopped
            return stopped

    def of_run(self, caller: Caller, run_id: str) -> Stopped:
        """Stop this run. Raises StopFailed."""
        with _stop_failed_on_store_errors():
            return self._stop(caller, run_id)

    def _stop(self, caller: Caller, run_id: str) -> Stopped:
        stop_id = self.new_id()
        run = self._run(caller, run_id)
        for _ in range(MAX_TRIES):
            if run is None:
                return Stopped(False)
            if run.status in TERMINAL:
                # Ended by this very call, if an answer to it was lost on the way.
                return Stopped(stop_id in (run.settled_by, run.stop_requested_by), run)
            if run.status == Status.QUEUED:
                run, stopped = self._take_back(run, caller, stop_id)
                if stopped:
                    return Stopped(True, run)
            elif lease_is_live(run, self.clock.now()):
                # Read before the stop is stored: after it, this call must not fail.
                last = self._last(run)
                if run.stop_requested_at is not None:
                    # By this stop or an earlier one: nothing but `aborted` can come of it any more.
                    return Stopped(True, run, last)
                run, requested = self._request(run, caller, stop_id)
                if requested:
                    return Stopped(True, run, last)
            else:
                last = self._last(run)
                facts = Facts(self.clock.now(), user=caller.user)
                try:
                    settler = Settler(self.table, self.queue, self.clock, self.settings)
                    settled = settler.end(run, End(STOP, facts, stop_id), Log.upto(last))
                except Overtaken:
                    run = self._run(caller, run_id)
                else:
                    run = settled.run
                    if settled.by_me:
                        return Stopped(True, run)
        raise StoreBusy("the run changed hands again and again")

    def _run(self, caller: Caller, run_id: str) -> Run | None:
        try:
            return persistently(lambda: run_of(self.table, caller, run_id), self.clock)
        except RunNotFound:
            return None

    def _request(self, run: Run, caller: Caller, stop_id: str) -> tuple[Run | None, bool]:
        """Request a stop of the worker that holds the run: the run as stored after that, and whether the request is."""
        try:
            requested = persistently(
                lambda: self.table.request_stop(run, caller.user, stop_id, self.clock.now()), self.clock
            )
            return requested, True
        except Refused as refused:
            return refused.run, False

    def _take_back(self, run: Run, caller: Caller, stop_id: str) -> tuple[Run | None, bool]:
        """End the queued run, unless it takes the slot meanwhile: the run as stored after that, and whether it is ended."""
        chat = persistently(lambda: chat_of(self.table, caller, run.chat_id), self.clock)
        if chat is None:
            return None, False
        facts = Facts(self.clock.now(), user=caller.user)
        try:
            return persistently(lambda: self.table.stop_queued(run, chat, stop_id, facts), self.clock), True
        except Refused as refused:
            return refused.run or self._run(caller, run.id), False

    def _last(self, run: Run) -> Record | None:
        return persistently(lambda: self.table.last_record(run), self.clock)


@contextmanager
def _stop_failed_on_store_errors() -> Iterator[None]:
    try:
        yield
    except (StoreError, StoreBroken) as error:
        logger.error("stop_failed", cause=cause(error))
        raise StopFailed("it may not have been recorded; try again") from error
