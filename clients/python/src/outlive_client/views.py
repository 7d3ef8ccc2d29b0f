"""The API's runs and messages. Fields that a newer server adds are ignored."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import force_setattr

Status: TypeAlias = Literal["queued", "pending", "running", "waiting", "succeeded", "failed", "aborted"]
MessageStatus: TypeAlias = Literal["streaming", "completed", "error", "aborted"]

TERMINAL: frozenset[Status] = frozenset({"succeeded", "failed", "aborted"})
MESSAGE_STATUS: dict[Status, MessageStatus] = {
    "queued": "streaming",
    "pending": "streaming",
    "running": "streaming",
    "waiting": "streaming",
    "succeeded": "completed",
    "failed": "error",
    "aborted": "aborted",
}


class RunError(msgspec.Struct, frozen=True):
    """Why a run failed or was aborted: the first cause."""

    code: str
    message: str = ""


class File(msgspec.Struct, frozen=True):
    """A file of a chat. `url` is its path in the API."""

    id: str
    name: str
    media_type: str
    size: int
    url: str


class Retrying(msgspec.Struct, frozen=True):
    """The model's provider takes no requests now; the run waits and asks again."""

    code: str
    message: str = ""
    since: datetime | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens and model requests that a run has used so far."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None


class Budget(msgspec.Struct, frozen=True):
    """The limits of a run."""

    max_steps: int | None = None


class AskedCall(msgspec.Struct, frozen=True):
    """A call of the agent's that waits for an answer.

    `kind` is approval (may the tool run?), question (a person's answer is the call's result) or external (the client runs
    the tool). `input` are the call's arguments, which lists of runs leave out.
    """

    tool_call_id: str
    kind: str
    tool_name: str
    input: Any = None
    metadata: Any = None


class Asked(msgspec.Struct, frozen=True):
    """The open calls of a waiting run. Without answers the run is aborted at `until`."""

    step: int
    until: datetime
    open: tuple[AskedCall, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """One agent turn. A run that has `ended` never changes again."""

    id: str
    chat_id: str
    status: Status
    trigger: str = "user"
    created_by: str | None = None
    agent: str | None = None
    assistant_message_id: str = ""
    queue_position: int | None = None
    """The place of a queued run, from 1, in the results of `start`, `run` and `queue`."""
    next_run_id: str | None = None
    """The run that took the chat's place as this one ended."""
    step_count: int = 0
    asked: Asked | None = None
    error: RunError | None = None
    retrying: Retrying | None = None
    finish_reason: str | None = None
    output: Any = None
    """The structured output of the agent as JSON; None for an agent that answers with text."""
    usage: Usage = Usage()
    budget: Budget = Budget()
    metadata: dict[str, Any] = {}
    created_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    stop_requested_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """True if the run has succeeded, failed or been aborted."""
        return self.status in TERMINAL

    @property
    def waits(self) -> bool:
        """True if the run waits for answers to the calls in `asked`."""
        return self.status == "waiting"


class Queued(msgspec.Struct, frozen=True):
    """A run that waits for the runs before it, its prompt and the parts of its files. It has no messages yet."""

    run: Run
    prompt: str
    files: list[dict[str, Any]] = []


class MessageMetadata(msgspec.Struct, frozen=True):
    """How the run ended; empty until it has ended."""

    error: RunError | None = None
    finish_reason: str | None = None
    usage: Usage | None = None


class Message(msgspec.Struct, frozen=True):
    """One message of a chat. `parts` are AI SDK UI message parts, `content` is the text of all of them.

    The API leaves `content` out of a message that would be too large for an answer with it; here it is always there.
    """

    id: str
    chat_id: str
    run_id: str
    role: str
    status: MessageStatus
    content: str = ""
    parts: list[dict[str, Any]] = []
    metadata: MessageMetadata = MessageMetadata()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.content:
            texts = (part.get("text") for part in self.parts if part.get("type") == "text")
            force_setattr(self, "content", "".join(text for text in texts if isinstance(text, str)))


class Started(msgspec.Struct, frozen=True):
    """An accepted start. `replayed`: an earlier request with this `key` started the run."""

    run: Run
    replayed: bool
    key: str


class Snapshot(msgspec.Struct, frozen=True):
    """A run and its assistant message as they are now; None if the message was deleted."""

    run: Run
    message: Message | None = None


class Latest(msgspec.Struct, frozen=True):
    """The latest run of a chat and its assistant message; both None if the chat has no run or belongs to another user."""

    run: Run | None = None
    message: Message | None = None


class Stopped(msgspec.Struct, frozen=True):
    """The result of a stop. `stopped`: the run ends aborted. Otherwise no run was active and nothing was changed."""

    stopped: bool
    run: Run | None = None


class Answered(msgspec.Struct, frozen=True):
    """The run after answers to its calls. It has gone on if it no longer `waits`."""

    run: Run


class Ticket(msgspec.Struct, frozen=True):
    """Access to the events of one run, without a token, until it expires. `url` is a path relative to the base address."""

    ticket: str
    expires_at: datetime
    url: str
