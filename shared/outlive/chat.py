"""A chat for AI SDK clients: they start a run with a message and read it as one stream of chunks, window by window.

A client that sends `wait` asks again by itself, so it is answered as soon as there is something new. A client that does
not, such as a plain `useChat`, gets as much as one answer can carry: until the run ends, or for `HOLD_S`.
"""

import re
from functools import partial

import msgspec
from msgspec.structs import replace

from outlive.access import chat_of, run_of
from outlive.ai_sdk.answered import place_of
from outlive.ai_sdk.chunks import DONE, NOTHING_NEW, VOID, Encoder, framed
from outlive.ai_sdk.request import ChatAnswers
from outlive.answer import Answers
from outlive.caller import Caller
from outlive.clock import SECOND, Clock
from outlive.errors import AnswerFailed, CursorRefused, NotWaiting, RunNotFound, StoreError
from outlive.follow.events import Event, SettledEvent, StepEvent
from outlive.follow.passages import passages, position_after
from outlive.follow.reader_state import ReaderState, cursor_of, reader_state_of
from outlive.lifecycle import Status
from outlive.log import cause, logger
from outlive.opaque import mark
from outlive.page import PAGE_BYTES
from outlive.request import StartRequest, portions
from outlive.start import Start, Started
from outlive.store.retry import persistently
from outlive.store.table import Table
from outlive.tail import POLL_S, Tail

HOLD_S = 20
"""Seconds an answer is held open: with a slow store it still ends within the gateway's 30."""
CURSOR = r"([A-Za-z0-9._:-]{1,128})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{1,256})"


class ChatReader(msgspec.Struct):
    """One reader of one run: its cursor, and what it received."""

    caller: Caller
    chat_id: str
    run_id: str
    cursor: str | None
    encoder: Encoder
    ended: bool = False
    """The answer ends here: the run has ended or waits, or a step is void and the client has to remove it first."""
    voided: bool = False
    chunk_count: int = 0
    """How many chunks the reader received in this answer."""
    full: bool = False
    """This answer can't hold the next event: the client has to ask again for it."""

    def encode(self, events: list[Event], room: int = PAGE_BYTES) -> str:
        """The events as the client reads them, as many as fit into `room` bytes; a whole page holds any one of them."""
        frames, silent = [], False
        for event in events:
            if self.ended:
                break
            encoder = replace(self.encoder)
            chunks = list(encoder.chunks(event))
            voids = [chunk for chunk in chunks if chunk["type"] == VOID]
            for chunk in voids:
                chunk["data"]["restart"] = self._cursor(self._after_the_start())
            frame = framed(chunks, self._cursor(event.id))
            size = len(frame.encode())
            if size > room and room < PAGE_BYTES:
                self.full = True
                break
            room -= size
            self.encoder, self.cursor = encoder, event.id
            silent = not chunks
            self.chunk_count += len(chunks)
            frames.append(frame)
            self.voided = bool(voids)
            over = isinstance(event, SettledEvent) or (isinstance(event, StepEvent) and event.waits is True)
            self.ended = self.voided or over
            if over:
                frames.append(DONE)
        # An id without data is no chunk, but the client sends it when it asks again.
        return "".join([*frames, *([f"id: {self._cursor(self.cursor)}\n\n"] if silent else [])])

    def _after_the_start(self) -> str:
        """The cursor right after the message's `start`. A client that can't remove a step from its message reads it
        again from there.
        """
        return cursor_of(ReaderState(status=str(Status.RUNNING)), self.caller.workspace_id, self.run_id)

    def _cursor(self, cursor: str | None) -> str:
        return f"{self.run_id}.{mark(self.caller.workspace_id, self.chat_id, self.run_id)}.{cursor}"


class Chats(msgspec.Struct, frozen=True):
    """Answers AI SDK clients. For any other user than its owner, nothing is active in a chat."""

    table: Table
    tail: Tail
    clock: Clock

    def stream(self, caller: Caller, chat_id: str, after: str | None, wait: float | None) -> str | None:
        """The chunks of the chat's run after `after`, from its start without one; None if no run is active or the
        reader has received all of it.

        Raises CursorRefused if `after` is not of this chat, and TooManyRequests.
        """
        if wait != 0 and self.tail.limits is not None:
            self.tail.limits.admit_held_read(caller, self.tail.new_id())
        reader = self.reader(caller, chat_id, after)
        until = self._until(wait)
        try:
            return None if reader is None else self._window(reader, until, hold=wait is None)
        except RunNotFound:
            return None

    def reader(self, caller: Caller, chat_id: str, after: str | None) -> ChatReader | None:
        """The reader that goes on after `after`; without it, one of the chat's active run, None if it has none.

        Raises CursorRefused if `after` is not of this chat.
        """
        if after is None:
            chat = chat_of(self.table, caller, chat_id)
            if chat is None or chat.active_run_id is None:
                return None
            return self.from_the_start(caller, chat_id, chat.active_run_id)
        fields = re.fullmatch(CURSOR, after)
        if not fields or fields[2] != mark(caller.workspace_id, chat_id, fields[1]):
            raise CursorRefused("is not one this chat gave")
        state = reader_state_of(fields[3], caller.workspace_id, fields[1])
        return ChatReader(caller, chat_id, fields[1], fields[3], Encoder.at(state))

    def from_the_start(self, caller: Caller, chat_id: str, run_id: str) -> ChatReader:
        """A reader of all of this run."""
        return ChatReader(caller, chat_id, run_id, None, Encoder())

    def next_chunks(self, reader: ChatReader, wait: float = 0, room: int = PAGE_BYTES) -> str | None:
        """The next chunks for `reader`, as soon as there are any, in about `room` bytes; None once it has received all
        of the run.

        Raises RunNotFound.
        """
        window = self.tail.after(reader.caller, reader.run_id, reader.cursor, wait)
        return None if window is None else reader.encode(window.events, room)

    def answered(self, answers: Answers, caller: Caller, request: ChatAnswers) -> ChatReader:
        """Answer calls of a run as a client's message says; a reader of what follows the step that asked.

        Raises RunNotFound, NotWaiting, AnsweredOtherwise, InvalidRequest or AnswerFailed.
        """
        run = run_of(self.table, caller, request.run_id)
        if run.chat_id != request.chat_id:
            raise RunNotFound("no run of yours in this chat has this id")
        try:
            place = place_of(request, persistently(partial(self.table.records, run, 0), self.clock))
        except StoreError as error:
            raise AnswerFailed("nothing was recorded; send the same answers again") from error
        if place is None:
            raise NotWaiting("none of the calls in the message's last step is this run's", run_status=str(run.status))
        step = place.record.step
        if place.decisions:
            for portion in portions(place.decisions):
                answers.run(caller, run.id, portion, step)
        state = ReaderState(step=step, started=True, position=position_after(passages(place.record.body.parts)))
        cursor = cursor_of(state, caller.workspace_id, run.id)
        return ChatReader(caller, request.chat_id, run.id, cursor, Encoder(idle=True))

    def answer(self, answers: Answers, caller: Caller, request: ChatAnswers, wait: float | None) -> str:
        """Answer calls of a run, and read the first chunks of what follows. Raises as `answered` does."""
        until = self._until(wait)
        reader = self.answered(answers, caller, request)
        while True:
            try:
                return self._window(replace(reader), until, hold=wait is None) or ""
            except StoreError as error:
                # The answers are stored: this must not look like a refusal. Nor may it come at once: a client that gets
                # no chunks for its answers sends them again.
                logger.error("read_failed", run=request.run_id, cause=cause(error))
                if wait is not None or self.clock.now() >= until:
                    return NOTHING_NEW
                self.clock.sleep(POLL_S)

    def _until(self, wait: float | None) -> int:
        return self.clock.now() + int((HOLD_S if wait is None else wait) * SECOND)

    def start(self, start: Start, caller: Caller, request: StartRequest, wait: float | None) -> tuple[Started, str]:
        """Start the run as `start` does, and read its first chunks.

        Raises ChatNotFound, IdempotencyKeyReused, RunAlreadyActive, RunsDisabled, ModelNotConfigured, UnknownAgent,
        TooManyRequests or StartFailed.
        """
        until = self._until(wait)
        started = start.run(caller, request)
        reader = self.from_the_start(caller, request.chat_id, started.run.id)
        try:
            return started, self._window(reader, until, hold=wait is None) or ""
        except StoreError as error:
            # The run is stored: this must not look like a refusal.
            logger.error("read_failed", run=started.run.id, cause=cause(error))
            return started, NOTHING_NEW

    def _window(self, reader: ChatReader, until: int, *, hold: bool) -> str | None:
        """The chunks until then, or without `hold` until the first ones come; None if the reader has received all of
        the run.
        """
        beginning = replace(reader)
        windows: list[str] = []
        room = PAGE_BYTES
        while not (reader.ended or reader.full):
            left = max(0.0, (until - self.clock.now()) / SECOND)
            chunks = self.next_chunks(reader, left, room)
            if chunks is None:
                return "".join(windows) or None
            windows.append(chunks)
            room -= len(chunks.encode())
            if reader.voided and hold and not beginning.encoder.begun:
                # Nothing was sent yet: read it again from the beginning.
                reader = replace(beginning)
                windows.clear()
                room = PAGE_BYTES
            elif (reader.chunk_count and not hold) or left == 0:
                break
        return "".join(windows) or NOTHING_NEW
