"""Stopping a run: the only thing a client can do that ends one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from outlive.clock import Clock
from outlive.errors import Overtaken, StopFailed, StoreBroken, StoreBusy, StoreError, StoreUnreadable
from outlive.lifecycle import STOP, TERMINAL, Facts, lease_is_live
from outlive.log import cause, logger
from outlive.settle import End, Log, Settler
from outlive.store.refused import Refused
from outlive.store.retry import persistently
from outlive.store.rows import Record, Run
from outlive.store.table import Table

ROUNDS = 6
"""How often a stop follows a lease that comes and goes while it looks."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Whether this stop took effect, and the run (with its newest record) it acted on or was asked for."""

    stopped: bool
    run: Run | None = None
    last: Record | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Stops runs, on whatever worker they are."""

    table: Table
    clock: Clock
    new_id: Callable[[], str]

    def of_chat(self, workspace_id: str, user: str, chat_id: str) -> Stopped:
        """Stop the run that is active in the chat now, and no later one. Raises StopFailed."""
        with _failing_plainly():
            try:
                chat = persistently(lambda: self.table.chat(workspace_id, chat_id), self.clock)
                if chat is None or chat.owner != user or chat.active_run_id is None:
                    return Stopped(False)
                ended = self._stop(workspace_id, user, chat.active_run_id)
            except StoreUnreadable as found:
                return _nothing_of(user, found)
            return ended if ended.stopped else Stopped(False)

    def of_run(self, workspace_id: str, user: str, run_id: str) -> Stopped:
        """Stop this run. Raises StopFailed."""
        with _failing_plainly():
            try:
                return self._stop(workspace_id, user, run_id)
            except StoreUnreadable as found:
                return _nothing_of(user, found)

    def _stop(self, workspace_id: str, user: str, run_id: str) -> Stopped:
        stop_id = self.new_id()
        run = persistently(lambda: self.table.run(workspace_id, run_id), self.clock)
        for _ in range(ROUNDS):
            if run is None or run.owner != user:
                return Stopped(False)
            if run.status in TERMINAL:
                # Ended by this very call, if an answer to it was lost on the way.
                return Stopped(stop_id in (run.settled_by, run.stop_requested_by), run)
            if lease_is_live(run, self.clock.now()):
                # For show, and read before: once the request stands, nothing may turn the answer into a failure.
                last = self._last(run)
                if run.stop_requested_at is not None:
                    # By this stop or an earlier one: nothing but `aborted` can come of it any more.
                    return Stopped(True, run, last)
                run, requested = self._request(run, user, stop_id)
                if requested:
                    return Stopped(True, run, last)
            else:
                last = self._last(run)
                facts = Facts(self.clock.now(), user=user)
                try:
                    settled = Settler(self.table, self.clock).end(run, End(STOP, facts, stop_id), Log.upto(last))
                except Overtaken:
                    run = persistently(lambda: self.table.run(workspace_id, run_id), self.clock)
                else:
                    run = settled.run
                    if settled.by_me:
                        return Stopped(True, run)
        raise StoreBusy("the run changed hands again and again")

    def _request(self, run: Run, user: str, stop_id: str) -> tuple[Run | None, bool]:
        """Ask the run's holder to stop: the run as it stands then, and whether the request does."""
        try:
            return persistently(lambda: self.table.request_stop(run, user, stop_id, self.clock.now()), self.clock), True
        except Refused as refused:
            return refused.run, False

    def _last(self, run: Run) -> Record | None:
        return persistently(lambda: self.table.last_record(run), self.clock)


def _nothing_of(user: str, found: StoreUnreadable) -> Stopped:
    """What anybody but its owner is answered of a damaged row. Raises it for its owner."""
    if found.is_of(user):
        raise found
    return Stopped(False)


@contextmanager
def _failing_plainly() -> Iterator[None]:
    try:
        yield
    except (StoreError, StoreBroken) as error:
        logger.error("stop_failed", cause=cause(error))
        raise StopFailed("it may not have been recorded; try again") from error
