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

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from outlive.access import own_damage, own_run, run_of
from outlive.caller import Caller
from outlive.clock import SECOND, Clock, iso
from outlive.errors import StoreUnreadable, TicketExpired
from outlive.follow.events import (
    Event,
    PartEvent,
    RunEvent,
    SettledEvent,
    StepEvent,
    TextEvent,
    ToolApprovalEvent,
    ToolCallEvent,
    ToolResultEvent,
)
from outlive.follow.passages import (
    BEGINNING,
    Approval,
    Call,
    Passage,
    Result,
    Words,
    in_bits,
    passages,
    read_passages,
    rest_after,
    split,
    weight,
)
from outlive.follow.reader_state import ReaderState, cursor_of, reader_state_of
from outlive.follow.sse import framed
from outlive.follow.ticket import TICKET_S, new_ticket, read_ticket
from outlive.lifecycle import TERMINAL
from outlive.limits import Limits
from outlive.log import damaged
from outlive.page import PAGE_BYTES
from outlive.store.rows import Live, Record, Run, Ticket
from outlive.store.table import Table
from outlive.usage import Usage
from outlive.views import RunView, view_run

POLL_S = 0.5
"""Seconds between two reads while there is nothing new."""

EventFactory = Callable[..., Event]
"""Makes an event from its `id`."""


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
        run_key = read_ticket(ticket)
        row = self.table.ticket(*run_key, ticket) if run_key else None
        # DynamoDB deletes an expired row within days, not at once.
        if run_key is None or row is None or row.expires_at is None or row.expires_at * SECOND <= self.clock.now():
            raise TicketExpired("ask for another one")
        workspace_id, run_id = run_key
        return self.held(Caller(workspace_id, row.owner), run_id, cursor, wait)

    def held(self, caller: Caller, run_id: str, cursor: str | None, wait: float) -> Window | None:
        """The same as `after`, which costs the caller a token if it waits. Raises TooManyRequests as well."""
        if wait and self.limits is not None:
            self.limits.admit_held_read(caller)
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
                pieces, found = self.table.live(key, max(run.claimed_step, 0), run.attempt, 0)
                run = own_run(found, caller)
        else:
            pieces, found = self.table.live(key, state.step, state.attempt, state.number)
            run = own_run(found, caller)
        # An active run's usage is its last record's: a `run` event needs that record as well.
        first = max(state.step - 1, 0) if _is_news(state, run) else state.step
        # No record of a step is there before its claim. When a run ends that waited, one of the step after closes its calls.
        ended_waiting = run.status in TERMINAL and run.claimed_step + 1 == first
        records = self.table.records(run, first) if run.claimed_step >= first or ended_waiting else []
        events: list[Event] = []
        size = 0
        for state_after, make in _Storyline(state, run, records, pieces).events():
            event = make(id=cursor_of(state_after, caller.workspace_id, run_id))
            # A frame contains the event as JSON, so the window fits into an answer in either form.
            size += len(framed(event).encode())
            if events and size > PAGE_BYTES:
                break
            events.append(event)
        return events


def _is_news(state: ReaderState, run: Run) -> bool:
    """True if a `run` event is due: as the first event, and when the run has changed. Its end is a `settled` event."""
    known = (state.status, state.stopping, state.retrying)
    changed = known != (run.status, run.stop_requested_at is not None, run.is_retrying)
    return not state.status or (run.status not in TERMINAL and changed)


class _Storyline(msgspec.Struct):
    """The events that follow `state`. Each is yielded with the reader's state after it."""

    state: ReaderState
    run: Run
    records: list[Record]
    pieces: list[Live]

    def events(self) -> Iterator[tuple[ReaderState, EventFactory]]:
        run, ended = self.run, self.run.status in TERMINAL
        stopping = run.stop_requested_at is not None
        if _is_news(self.state, run):
            self.state = replace(self.state, status=str(run.status), stopping=stopping, retrying=run.is_retrying)
            yield self.state, partial(RunEvent, at=iso(run.updated_at), run=self._view())
        for record in self.records:
            if record.step < self.state.step:
                continue
            if record.step > self.state.step:
                if not ended:
                    break  # a record can only be missing in a run that has ended, when it was deleted
                yield from self._discarded()
            yield from self._recorded(record)
        if not ended:
            if run.claimed_step == self.state.step:
                yield from self._live()
            return
        yield from self._discarded()
        self.state = replace(self.state, status=str(run.status), stopping=stopping, settled=True)
        yield self.state, partial(SettledEvent, at=iso(run.finished_at or run.updated_at), run=self._view())

    def _view(self) -> RunView:
        return view_run(self.run, self.records[-1] if self.records else None)

    def _recorded(self, record: Record) -> Iterator[tuple[ReaderState, EventFactory]]:
        at = iso(record.created_at)
        if not record.counts:
            yield from self._discarded()
            self._go_to(record.step + 1)
            return
        step = list(passages(record.body.parts))
        rest = rest_after(step, self.state.position) if self._at(record.step) else None
        if rest is None:
            yield self._begun(record.step, 0, at)
            rest = step
        for passage in in_bits(rest):
            self._pass(passage, 0, 0)
            yield self.state, _event_factory(passage, record.step, at)
        self._go_to(record.step + 1)
        finished = partial(StepEvent, at=at, step=record.step, state="finished")
        waits = self.run.asked is not None and self.run.asked.step == record.step
        yield (
            self.state,
            partial(finished, kind=record.kind, usage=record.usage or Usage(), **({"waits": True} if waits else {})),
        )

    def _live(self) -> Iterator[tuple[ReaderState, EventFactory]]:
        step, attempt = self.run.claimed_step, self.run.attempt
        pieces = [piece for piece in self.pieces if piece.place[:2] == (step, attempt)]
        if not self._at(step) or self.state.attempt != attempt:
            yield self._begun(step, attempt, iso(pieces[0].created_at if pieces else self.run.updated_at))
        for piece in pieces:
            number = piece.place[2]
            streamed = _read(piece)
            if number != self.state.number or streamed is None:
                return  # the pieces between are not stored yet, or the record will have their text
            inside = self.state.inside
            _, rest = split(streamed, inside)
            bits = list(in_bits(rest))
            for index, passage in enumerate(bits, start=1):
                inside += weight(passage)
                self._pass(passage, *((number + 1, 0) if index == len(bits) else (number, inside)))
                yield self.state, _event_factory(passage, step, iso(piece.created_at))
            if not bits:
                self.state = replace(self.state, number=number + 1, inside=0)

    def _discarded(self) -> Iterator[tuple[ReaderState, EventFactory]]:
        """The end of a step without a record: the run ended without it, so it is void."""
        if self.state.started:
            step = self.state.step
            self._go_to(step + 1)
            at = iso(self.run.finished_at or self.run.updated_at)
            yield self.state, partial(StepEvent, at=at, step=step, state="discarded")

    def _at(self, step: int) -> bool:
        return self.state.started and self.state.step == step

    def _begun(self, step: int, attempt: int, at: str) -> tuple[ReaderState, EventFactory]:
        self._go_to(step)
        self.state = replace(self.state, started=True, attempt=attempt)
        return self.state, partial(StepEvent, at=at, step=step, state="started", attempt=attempt or None)

    def _go_to(self, step: int) -> None:
        self.state = replace(
            self.state, step=step, started=False, attempt=0, number=0, inside=0, position=BEGINNING
        )  # fmt: skip

    def _pass(self, passage: Passage, number: int, inside: int) -> None:
        self.state = replace(
            self.state, number=number, inside=inside, position=self.state.position.after(passage)
        )  # fmt: skip


def _read(piece: Live) -> list[Passage] | None:
    """The piece's passages; None, with a warning in the log, if it can't be read."""
    try:
        return read_passages(piece.said)
    except Exception as error:
        damaged("piece_unreadable", row=piece.sk, cause=type(error).__name__)
        return None


def _event_factory(passage: Passage, step: int, at: str) -> EventFactory:
    where: dict[str, Any] = {"at": at, "step": step}
    match passage:
        case Words(kind, text):
            return partial(TextEvent, kind=kind, text=text, **where)
        case Call(call_id, name, given, by_provider):
            where |= {"provider_executed": True} if by_provider else {}
            return partial(ToolCallEvent, tool_call_id=call_id, tool_name=name, input=given, **where)
        case Result(call_id, name, state, fields):
            return partial(ToolResultEvent, tool_call_id=call_id, tool_name=name, state=state, **fields, **where)
        case Approval(call_id, name, fields):
            return partial(ToolApprovalEvent, tool_call_id=call_id, tool_name=name, **fields, **where)
        case _:
            return partial(PartEvent, part=passage.part, **where)
