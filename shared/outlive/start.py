"""Starting a run: one read, one transaction, one send."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outlive.access import chat_to_start_in, own_chat, position_of
from outlive.caller import Caller
from outlive.chat_files import ChatFiles
from outlive.clock import SECOND, Clock
from outlive.errors import (
    ChatNotFound,
    IdempotencyKeyReused,
    ModelNotConfigured,
    Problem,
    QueueFull,
    RunAlreadyActive,
    RunsDisabled,
    StartFailed,
    StoreBusy,
    StoreError,
    StoreUnreadable,
    TooManyRequests,
    UnknownAgent,
)
from outlive.file_ref import FileRef
from outlive.lifecycle import TERMINAL, Status, Trigger
from outlive.limits import Limits
from outlive.log import cause, logger
from outlive.request import StartRequest
from outlive.settings import Settings
from outlive.store.bucket import Bucket
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.retry import PAUSE
from outlive.store.rows import Chat, Record, Run
from outlive.store.slot import Succession, Successor
from outlive.store.table import Table
from outlive.succession import send_first

if TYPE_CHECKING:
    from outlive.busy_chat import Join

MAX_TRIES = 6
"""How often a start is tried when other starts conflict with it. Simultaneous starts need one or two."""
TRYING_MS = 8 * SECOND
"""Milliseconds after which a start is not tried again. If the store hangs, the function's 503 comes before the gateway's."""


START_PROBLEMS: tuple[type[Problem], ...] = (
    ChatNotFound,
    IdempotencyKeyReused,
    RunAlreadyActive,
    QueueFull,
    RunsDisabled,
    ModelNotConfigured,
    UnknownAgent,
    TooManyRequests,
    StartFailed,
)
"""The problems that a start may raise."""


@dataclass(frozen=True, slots=True)
class Started:
    """The run; for one that was started before, its newest record and `replayed`."""

    run: Run
    last: Record | None = None
    replayed: bool = False
    queue_position: int | None = None
    """Its place in the chat's queue, if it is queued."""


@dataclass(frozen=True, slots=True)
class Start:
    """Accepts runs."""

    table: Table
    queue: Queue
    clock: Clock
    new_id: Callable[[], str]
    settings: Settings
    jitter: Callable[[], float]
    """Spreads the pauses between tries: numbers around 1."""
    bucket: Bucket | None = None

    def run(self, caller: Caller, request: StartRequest) -> Started:
        """Make a new run the chat's active one, or return the run that an earlier request with the same key started.

        A new run stores the caller's claims for its tools; a run that was started before keeps its own.

        Raises ChatNotFound, IdempotencyKeyReused, RunAlreadyActive, RunsDisabled, ModelNotConfigured, UnknownAgent,
        InvalidRequest (a file), TooManyRequests or StartFailed. Then nothing was written, unless every answer of the store was lost; a start with the
        same idempotency key returns that run.
        """
        run_id = self._run_id(caller, request)
        try:
            return self._start(caller, run_id, request)
        except StoreError as error:
            logger.error("start_failed", run=run_id, chat=request.chat_id, cause=cause(error))
            raise StartFailed("the store did not take it; send the same request again") from error

    def _start(self, caller: Caller, run_id: str, request: StartRequest) -> Started:
        agent = request.agent or self.settings.default_agent
        call = _StartCall(caller, run_id, request, self.clock.now(), self.new_id(), agent)
        failure: StoreError = StoreBusy("other starts came first each time")
        refused_chat: Chat | None = None
        for attempt in range(MAX_TRIES):
            try:
                return self._try(call, refused_chat, again=attempt > 0)
            except Refused as refused:
                refused_chat = self._chat_of(refused)
            except StoreUnreadable:
                raise
            except StoreError as error:
                failure, refused_chat = error, None
                if self.clock.now() >= call.at + TRYING_MS:
                    break
                self.clock.sleep(PAUSE * (attempt + 1) * self.jitter())
        # The last try may have taken effect without an answer.
        run = self.table.run(caller.workspace_id, run_id)
        if run is None:
            raise failure
        return self._replay(run, call)

    def _try(self, call: "_StartCall", refused_chat: Chat | None, *, again: bool) -> Started:
        """Start the run, or find it. `refused_chat` is the chat as a refusal brought it back; without it the chat is read.

        Raises Refused if another start came first, and StoreError.
        """
        request = call.request
        if refused_chat is not None:
            chat = own_chat(refused_chat, call.caller)
        else:
            chat = chat_to_start_in(self.table, call.caller, request.chat_id)
        holder = chat.active_run_id if chat is not None else None
        busy = holder is not None or (chat is not None and chat.queue is not None)
        limited = self.settings.starts_per_minute > 0
        if again or (request.idempotency_key and (busy or limited or self._refusal(call))):
            # An earlier request may have stored it, or the try before this one, whose answer was lost.
            stored = self.table.run(call.caller.workspace_id, call.run_id)
            if stored is not None:
                return self._replay(stored, call)
        refusal = self._refusal(call)
        if refusal is not None:
            raise refusal
        join = self._join(call, chat) if chat is not None and busy else None
        if call.files is None:
            call.files = self._attached(call)
        if not call.admitted:
            Limits(self.table, self.clock, self.settings).admit_start(call.caller, call.run_id)
            call.admitted = True
        run = call.new_run()
        new = Successor(run, request.prompt, call.files)
        if join is not None:
            return Started(run, queue_position=join(new))
        chat = chat or Chat(run.chat_pk, Chat.SK, owner=run.owner)
        self.table.start(Succession(chat, new, chat.queue, 0), call.at, holder)
        send_first(self.queue, run)
        return Started(run)

    def _attached(self, call: "_StartCall") -> tuple[FileRef, ...]:
        """References to the files that the request names. Raises InvalidRequest and StoreError."""
        if not call.request.files:
            return ()
        who = call.caller
        files = ChatFiles(self.bucket, self.clock, who.workspace_id, call.request.chat_id, who.user)
        return files.attach(call.request.files, self.settings)

    def _run_id(self, caller: Caller, request: StartRequest) -> str:
        """Random, or made from the idempotency key: then a repeated request reads the run by its id."""
        if request.idempotency_key is None:
            return self.new_id()
        parts = [caller.workspace_id, caller.user, request.chat_id, request.idempotency_key]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def _refusal(self, call: "_StartCall") -> Problem | None:
        """Why no new run may start; None if one may. A run that an earlier request started is returned all the same."""
        if not self.settings.runs_enabled:
            return RunsDisabled("an operator has switched new runs off; running ones go on")
        if not self.settings.model_usable:
            return ModelNotConfigured("AGENT_MODEL names no model")
        if call.agent not in self.settings.agents:
            return UnknownAgent(call.agent, self.settings.agents)
        return None

    def _chat_of(self, refused: Refused) -> Chat | None:
        """The chat as the refused transaction brought it back, None if its clause was not false."""
        if not refused.by & {"run", "chat", "holder"}:
            # Messages without their chat: the chat item was deleted by hand, and no other item names their owner.
            raise StartFailed("the chat has messages but no owner")
        return refused.chat

    def _join(self, call: "_StartCall", chat: Chat) -> "Join | None":
        """See `BusyChat.room`."""
        # Only a start in a busy chat needs it; importing it here keeps the cold start short.
        from outlive.busy_chat import BusyChat
        from outlive.settle import Settler

        settler = Settler(self.table, self.queue, self.clock, self.settings)
        return BusyChat(settler, call.caller, call.request, chat, call.id).room()

    def _replay(self, run: Run, call: "_StartCall") -> Started:
        """The result for the stored run of this id. An earlier request stored it, or this one, by a write whose answer
        was lost.
        """
        is_own = run.started_by == call.id
        if not is_own and call.request.idempotency_key is None:
            raise StartFailed("the run's id was taken; send the request again")
        if run.fingerprint != call.request.fingerprint:
            raise IdempotencyKeyReused("it came with another request before; use a fresh key for a new one")
        if run.status == Status.PENDING:
            # The worker that stored it may have died before it sent the message; a second message changes nothing.
            send_first(self.queue, run)
        position = None
        if run.status == Status.QUEUED:
            position = position_of(self.table.chat(run.workspace_id, run.chat_id), run.id)
        last = self.table.last_record(run) if run.status not in TERMINAL else None
        return Started(run, last, not is_own, position)


@dataclass(slots=True)
class _StartCall:
    """One call of start: caller, run id, request, time, and the id by which it recognises its own write."""

    caller: Caller
    run_id: str
    request: StartRequest
    at: int
    id: str
    agent: str | None
    admitted: bool = False
    """Whether it has its token."""
    files: tuple[FileRef, ...] | None = None
    """References to its files; None until they were checked."""

    def new_run(self) -> Run:
        """The new run. Taking the slot gives it its place in the chat."""
        return Run(
            Run.key(self.caller.workspace_id, self.run_id),
            Run.SK,
            id=self.run_id,
            workspace_id=self.caller.workspace_id,
            chat_id=self.request.chat_id,
            owner=self.caller.user,
            created_by=self.caller.user,
            started_by=self.id,
            agent=self.agent,
            trigger=Trigger.USER,
            status=Status.PENDING,
            user_seq=0,
            assistant_seq=0,
            budget={"max_steps": self.request.max_steps},
            metadata=self.request.metadata,
            claims=self.caller.claims or None,
            fingerprint=self.request.fingerprint,
            claimed_step=-1,
            attempt=0,
            resends=0,
            step_count=0,
            created_at=self.at,
            updated_at=self.at,
        )
