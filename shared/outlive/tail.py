"""Following a run: all of its events, in order, from any cursor.

    what is stored                events for a reader
    the run's row                 `run`, when its status changed, a stop was requested, or it began or ceased to wait for a
                                  busy provider; `settled`, once, last
    a record of the step          what the reader has not received of it, then `step` with state `finished`
    live pieces of the attempt    their passages; if another attempt or the record differs, the step starts again
    an end without a record       `step` with state `discarded`

No event is lost and none comes twice: a reader's state counts to the character what it has received of the step, pieces
never change, and a record is final. One query reads the pieces and the run, the run last, and the records are read after
it. So the records include everything that the run's row says has happened. Reading writes nothing, and no row lists readers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from outlive.access import own_damage, own_run, run_of
from outlive.caller import Caller
from outlive.clock import SECOND, Clock
from outlive.errors import StoreUnreadable, TicketExpired
from outlive.follow.events import Event
from outlive.follow.reader_state import ReaderState, cursor_of, reader_state_of
from outlive.follow.sse import framed
from outlive.follow.storyline import Storyline, is_news
from outlive.follow.ticket import TICKET_S, new_ticket, read_ticket
from outlive.lifecycle import TERMINAL
from outlive.limits import Limits
from outlive.page import PAGE_BYTES
from outlive.store.rows import Record, RecordKind, Run
from outlive.store.short_lived import Live, Ticket
from outlive.store.table import Table

POLL_S = 0.5
"""Seconds between two reads while there is nothing new."""


class Window(msgspec.Struct, frozen=True):
    """The new events, and the cursor after them; no events and the same cursor if none came in time."""

    events: list[Event]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Tail:
    """Reads the events of a run, for its owner or for the holder of a ticket that its owner made."""

    table: Table
    clock: Clock
    new_id: Callable[[], str]
    limits: Limits | None = None

    def ticket(self, caller: Caller, run_id: str) -> tuple[str, int]:
        """A ticket that gives access to this run's events without a token, and when it expires (ms).

        Raises RunNotFound, or ReadFailed if the table does not answer.
        """
        run_of(self.table, caller, run_id)
        now = self.clock.now()
        ticket, until = new_ticket(caller.workspace_id, run_id, self.new_id()), now + TICKET_S * SECOND
        row = Ticket(
            Run.key(caller.workspace_id, run_id), Ticket.sort_key(ticket), owner=caller.user, created_at=now,
            expires_at=until // SECOND,
        )  # fmt: skip
        self.table.put_ticket(row)
        return ticket, until

    def admitted(self, ticket: str, cursor: str | None, wait: float) -> Window | None:
        """The same as `after`, for the holder of a ticket. Raises TicketExpired and as `held` does."""
        owner, run_id = self.owner(ticket)
        return self.held(owner, run_id, cursor, wait)

    def owner(self, ticket: str) -> tuple[Caller, str]:
        """Who made the ticket, and the run it is for. Raises TicketExpired."""
        run_key = read_ticket(ticket)
        row = self.table.ticket(*run_key, ticket) if run_key else None
        # DynamoDB deletes an expired row within days, not at once.
        if run_key is None or row is None or row.expires_at is None or row.expires_at * SECOND <= self.clock.now():
            raise TicketExpired("ask for another one")
        workspace_id, run_id = run_key
        return Caller(workspace_id, row.owner), run_id

    def held(self, caller: Caller, run_id: str, cursor: str | None, wait: float) -> Window | None:
        """The same as `after`, which costs the caller a token if it waits. Raises TooManyRequests as well."""
        if wait and self.limits is not None:
            self.limits.admit_held_read(caller, self.new_id())
        return self.after(caller, run_id, cursor, wait)

    def after(self, caller: Caller, run_id: str, cursor: str | None, wait: float) -> Window | None:
        """The events after `cursor` as soon as there are any; an empty window if none come within `wait` seconds.

        None once the run has ended and the reader has received all events. Raises RunNotFound, and CursorRefused for a
        cursor of anything else.
        """
        state = reader_state_of(cursor, caller.workspace_id, run_id)
        until = self.clock.now() + int(wait * SECOND)
        while True:
            try:
                events = self._events(caller, run_id, state)
            except StoreUnreadable as damaged:
                raise own_damage(damaged, caller) from None
            if events is None:
                return None
            left = until - self.clock.now()
            if events or left <= 0:
                return Window(events, events[-1].id if events else cursor)
            self.clock.sleep(min(POLL_S, left / SECOND))

    def _events(self, caller: Caller, run_id: str, state: ReaderState) -> list[Event] | None:
        """The events there are now after `state`; None if there will never be another one."""
        key = Run(Run.key(caller.workspace_id, run_id), Run.SK)
        pieces: list[Live] = []
        if state.settled or not state.status:
            run = own_run(self.table.reload(key), caller)
            if state.settled:
                return None
            if run.status not in TERMINAL:
                # From the claimed step on: pieces of steps before it have their records.
                pieces, read = self.table.live(key, max(run.claimed_step, 0), run.attempt, 0)
                run = own_run(read, caller)
        else:
            pieces, read = self.table.live(key, state.step, state.attempt, state.number)
            run = own_run(read, caller)
        # An active run's usage is its last record's: a `run` event needs that record as well.
        first = max(state.step - 1, 0) if is_news(state, run) else state.step
        # No record of a step is there before its claim. When a run ends that waited, one of the step after closes its calls.
        ended_waiting = run.status in TERMINAL and run.claimed_step + 1 == first
        records = self.table.records(run, first) if run.claimed_step >= first or ended_waiting else []
        waits_at = self._waits_at(key, run, records)
        events: list[Event] = []
        size = 0
        for state_after, make in Storyline(state, run, records, pieces, waits_at).events():
            event = make(id=cursor_of(state_after, caller.workspace_id, run_id))
            # A frame contains the event as JSON, so the window fits into an answer in either form.
            size += len(framed(event).encode())
            if events and size > PAGE_BYTES:
                break
            events.append(event)
        return events

    def _waits_at(self, key: Run, run: Run, records: list[Record]) -> int | None:
        """The step whose calls the run waits for; None if it does not wait."""
        step = run.asked.step if run.asked is not None else None
        last = records[-1] if records and records[-1].kind == RecordKind.ASKED else None
        if last is None or last.step < run.claimed_step or last.step == step:
            return step
        # The run may have begun to wait after it was read. Only the event with this record can show that it waits.
        now = self.table.reload(key)
        return now.asked.step if now is not None and now.asked is not None else None
