"""A start in a chat whose slot another run holds: may it take the slot?

Whether the slot may be taken is decided by the start's own transaction, not by what is read here.
"""

from collections.abc import Callable

from outlive.caller import Caller
from outlive.clock import Clock
from outlive.errors import Overtaken, RunAlreadyActive, StoreUnreadable
from outlive.guards import Facts, lease_is_live
from outlive.lifecycle import HAND_OVER, TERMINAL, Status
from outlive.overdue import depth_of, lost_before, overdue, settle_overdue
from outlive.settings import Settings
from outlive.settle import End, Log, Settler
from outlive.store.queue import Queue
from outlive.store.rows import Record, Run
from outlive.store.table import Table
from outlive.unreadable import end_unreadable


def make_room(
    table: Table, queue: Queue, clock: Clock, settings: Settings, caller: Caller, holder: str, settled_by: str, *,
    replaces_answers: bool,
) -> Callable[[], None] | None:  # fmt: skip
    """End the run `holder` if a sweep would now. Returns a call that ends a waiting run whose answers the start replaces.

    The call is made last, so that a refused start has ended no waiting run. Raises RunAlreadyActive if the run is
    rightly at work, or waits for answers.
    """
    try:
        active = table.run(caller.workspace_id, holder)
    except StoreUnreadable as damage:
        try:
            end_unreadable(damage, table, clock, settled_by)
        except Overtaken:
            raise _busy_with(holder) from None
        return None
    if active is None or active.status in TERMINAL:
        return None
    now, settler = clock.now(), Settler(table, clock)
    if lease_is_live(active, now):
        raise _busy_with(holder)
    last = table.last_record(active)
    due = overdue(active, last, now, settings, lambda: lost_before(depth_of(queue, clock), now, settings))
    if due is not None:
        try:
            settle_overdue(active, last, due, settler, settled_by)
        except Overtaken:
            raise _busy_with(holder) from None
        return None
    if active.status != Status.WAITING or not replaces_answers:
        raise _busy_with(holder)
    return lambda: _hand_over(settler, active, last, End(HAND_OVER, Facts(now, user=caller.user), settled_by))


def _hand_over(settler: Settler, waiting: Run, last: Record | None, end: End) -> None:
    try:
        settler.end(waiting, end, Log.upto(last))
    except Overtaken:
        raise _busy_with(waiting.id) from None


def _busy_with(run_id: str) -> RunAlreadyActive:
    return RunAlreadyActive("wait for it, watch it or stop it", active_run_id=run_id)
