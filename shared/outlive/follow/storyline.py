"""The events that follow a reader's state, made of the run's row, records and live pieces."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from outlive.clock import iso
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
from outlive.follow.live import passages_of
from outlive.follow.passages import (
    BEGINNING,
    Approval,
    Call,
    Passage,
    Result,
    Words,
    in_bits,
    passages,
    rest_after,
    split,
    weight,
)
from outlive.follow.reader_state import ReaderState
from outlive.lifecycle import TERMINAL
from outlive.store.rows import Record, Run
from outlive.store.short_lived import Live
from outlive.usage import Usage
from outlive.views import RunView, view_run

EventFactory = Callable[..., Event]
"""Makes an event from its `id`."""


def is_news(state: ReaderState, run: Run) -> bool:
    """True if a `run` event is due: as the first event, and when the run has changed. Its end is a `settled` event."""
    shown = (state.status, state.stopping, state.retrying)
    changed = shown != (run.status, run.stop_requested_at is not None, run.is_retrying)
    return not state.status or (run.status not in TERMINAL and changed)


class Storyline(msgspec.Struct):
    """The events that follow `state`. Each is yielded with the reader's state after it."""

    state: ReaderState
    run: Run
    records: list[Record]
    pieces: list[Live]
    waits_at: int | None

    def events(self) -> Iterator[tuple[ReaderState, EventFactory]]:
        run, ended = self.run, self.run.status in TERMINAL
        stopping = run.stop_requested_at is not None
        if is_news(self.state, run):
            self.state = replace(
                self.state, status=str(run.status), stopping=stopping, retrying=run.is_retrying,
                changes=self.state.changes + 1,
            )  # fmt: skip
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
        waits = self.waits_at == record.step
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
            streamed = passages_of(piece)
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
