"""A chat as AI SDK clients want it: start with a message, and read the answer as one stream of chunks, window by window.

A client that says how long it wants to wait comes back by itself: it is answered as soon as there is something new. One
that does not, such as a plain `useChat`, is given as much as one answer can carry: until the run ends, or for `HOLD`.
"""

import hashlib
import re

import msgspec
from msgspec.structs import replace

from outlive.ai_sdk.chunks import DONE, NOTHING_NEW, Encoder, framed, is_void
from outlive.clock import SECOND, Clock
from outlive.errors import InvalidRequest, RunNotFound, StoreError, StoreUnreadable
from outlive.follow.events import Event, SettledEvent
from outlive.follow.place import place_of
from outlive.log import cause, logger
from outlive.page import PAGE_BYTES
from outlive.request import StartRequest
from outlive.start import Start, Started
from outlive.store.table import Table
from outlive.tail import Tail

HOLD = 20
"""Seconds: what came before and after it still fits into the 30 that the gateway gives an answer."""
CURSOR = r"([A-Za-z0-9._:-]{1,128})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{1,256})"


class Listener(msgspec.Struct):
    """One reader of one run: where it stands, and what it has been given."""

    workspace_id: str
    user: str
    chat_id: str
    run_id: str
    cursor: str | None
    encoder: Encoder
    over: bool = False
    """This answer ends here: with the run, or because something is void and the client has to act on that first."""
    voided: bool = False
    given: int = 0
    """How many chunks it was given."""
    full: bool = False
    """This answer can't hold the next event: the client has to come back for it."""

    def hear(self, events: list[Event], room: int = PAGE_BYTES) -> str:
        """The events as the client reads them, as many as fit into `room` bytes; a whole page holds any one of them."""
        frames, silent = [], False
        for event in events:
            if self.over:
                break
            encoder = replace(self.encoder)
            chunks = list(encoder.chunks(event))
            frame = framed(chunks, self._place(event.id))
            size = len(frame.encode())
            if size > room and room < PAGE_BYTES:
                self.full = True
                break
            room -= size
            self.encoder, self.cursor = encoder, event.id
            silent = not chunks
            self.given += len(chunks)
            frames.append(frame)
            self.voided = is_void(chunks)
            self.over = self.voided or isinstance(event, SettledEvent)
            if isinstance(event, SettledEvent):
                frames.append(DONE)
        # An id without data is no chunk, but a client that comes back will say it.
        return "".join([*frames, *([f"id: {self._place(self.cursor)}\n\n"] if silent else [])])

    def _place(self, cursor: str | None) -> str:
        mark = _mark(self.workspace_id, self.chat_id, self.run_id)
        return f"{self.run_id}.{mark}.{cursor}"


class Chat(msgspec.Struct, frozen=True):
    """Answers AI SDK clients. To anybody but its owner a chat has nothing to tell."""

    table: Table
    tail: Tail
    clock: Clock

    def stream(self, workspace_id: str, user: str, chat_id: str, after: str | None, wait: float | None) -> str | None:
        """What the chat's run says after `after`, from its start without one; None if there is nothing, nor will be.

        Raises InvalidRequest if `after` is not of this chat.
        """
        listener = self.listener(workspace_id, user, chat_id, after)
        until = self.clock.now() + int((HOLD if wait is None else wait) * SECOND)
        try:
            return None if listener is None else self._window(listener, until, hold=wait is None)
        except RunNotFound:
            return None

    def listener(self, workspace_id: str, user: str, chat_id: str, after: str | None) -> Listener | None:
        """Who reads on after `after`, or the chat's active run from its start; None if it has none.

        Raises InvalidRequest if `after` is not of this chat.
        """
        if after is None:
            try:
                chat = self.table.chat(workspace_id, chat_id)
            except StoreUnreadable as damaged:
                if damaged.is_of(user):
                    raise
                return None
            if chat is None or chat.owner != user or chat.active_run_id is None:
                return None
            return self.from_the_start(workspace_id, user, chat_id, chat.active_run_id)
        found = re.fullmatch(CURSOR, after)
        if not found or found[2] != _mark(workspace_id, chat_id, found[1]):
            raise InvalidRequest("after", "is not one this chat gave")
        place = place_of(found[3], "after", workspace_id, found[1])
        return Listener(workspace_id, user, chat_id, found[1], found[3], Encoder.at(place))

    def from_the_start(self, workspace_id: str, user: str, chat_id: str, run_id: str) -> Listener:
        """Who reads all of this run."""
        return Listener(workspace_id, user, chat_id, run_id, None, Encoder())

    def more(self, listener: Listener, wait: float = 0, room: int = PAGE_BYTES) -> str | None:
        """What `listener` hears next, as soon as there is something, in about `room` bytes; None once all is told.

        Raises RunNotFound.
        """
        window = self.tail.after(listener.workspace_id, listener.user, listener.run_id, listener.cursor, wait)
        return None if window is None else listener.hear(window.events, room)

    def start(
        self,
        start: Start,
        workspace_id: str,
        user: str,
        request: StartRequest,
        wait: float | None,
        claims: dict[str, str],
    ) -> tuple[Started, str]:
        """Start the run as `start` does, and say what it says first.

        Raises ChatNotFound, IdempotencyKeyReused, RunAlreadyActive, RunsDisabled, ModelNotConfigured, UnknownAgent
        or StartFailed.
        """
        until = self.clock.now() + int((HOLD if wait is None else wait) * SECOND)
        started = start.run(workspace_id, user, request, claims)
        listener = self.from_the_start(workspace_id, user, request.chat_id, started.run.id)
        try:
            return started, self._window(listener, until, hold=wait is None) or ""
        except StoreError as error:
            # It runs: an answer that looked like a refusal would be a lie.
            logger.error("read_failed", run=started.run.id, cause=cause(error))
            return started, NOTHING_NEW

    def _window(self, listener: Listener, until: int, *, hold: bool) -> str | None:
        """What `listener` hears until then, or unless `hold`, only until it hears something; None if all is told."""
        from_the_start = listener.cursor is None
        told: list[str] = []
        room = PAGE_BYTES
        while not (listener.over or listener.full):
            left = max(0.0, (until - self.clock.now()) / SECOND)
            heard = self.more(listener, left, room)
            if heard is None:
                return "".join(told) or None
            told.append(heard)
            room -= len(heard.encode())
            if listener.voided and hold and from_the_start:
                # Nothing of it was sent yet: tell it anew, as it stands now.
                listener = replace(listener, cursor=None, encoder=Encoder(), over=False, voided=False, given=0)
                told.clear()
                room = PAGE_BYTES
            elif (listener.given and not hold) or left == 0:
                break
        return "".join(told) or NOTHING_NEW


def _mark(*scope: str) -> str:
    """Ties a cursor to its chat. Not a secret: who may read is decided by the run's owner, not by a cursor."""
    return hashlib.sha256("\n".join(scope).encode()).hexdigest()[:16]
