"""The seam between a run and the agent that answers it.

The step operation gives the agent the chat's history and gets back one step: one model request and the tool calls in its
answer. Nothing here depends on a model library, so a scripted double can replace the agent in a proof.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, Protocol

from outlive.asked import AskedCall, Decision
from outlive.file_ref import FileRef
from outlive.follow.passages import Call, Words
from outlive.usage import Usage


@dataclass(frozen=True, slots=True)
class Turn:
    """One entry of a chat's history: a user's prompt, or one recorded step of an answer.

    `messages` is the agent's own form as it returned it in an `Outcome` (JSON text), None for a prompt and for a step
    of which only the text is stored. `text` is what the transcript shows; it serves when `messages` can't be read.
    """

    role: Literal["user", "assistant"]
    text: str
    messages: str | None = None
    files: tuple[FileRef, ...] = ()
    """The files of a user's prompt."""

    @property
    def size(self) -> int:
        """Bytes of text and messages."""
        return len(self.text.encode()) + len((self.messages or "").encode())


class Files(Protocol):
    """The files of a chat, by their addresses."""

    def read(self, address: str) -> bytes | None:
        """The content of the file at that address; None if there is none any more."""

    def store(self, content: bytes, name: str, media_type: str) -> str:
        """Store a file that the agent made, and return its address."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The request for one step. `history` is oldest first and ends with this run's prompt or its last step."""

    workspace_id: str
    chat_id: str
    run_id: str
    step: int
    attempt: int
    history: tuple[Turn, ...]
    text_only: bool
    """True on the last step the run's budget allows: the model may not call tools."""
    seconds: float
    """How long the agent may take at most; then `interrupt` is set with reason `deadline`."""
    agent: str | None = None
    """The name of the agent that the run was started with; None for a run from before agents had names."""
    user: str = ""
    """The owner of the chat."""
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict, repr=False)
    """The claims of the caller's token that tools get."""
    prompt_caching: bool = True
    """Whether the provider is asked to cache the conversation for the next step."""
    asked: tuple[AskedCall, ...] = ()
    """The calls that the step before this one asked about. If there are any, this step runs them and asks no model."""
    decisions: dict[str, Decision] = field(default_factory=dict)
    """The answers to these calls, by call id."""
    answered_by: dict[str, str] = field(default_factory=dict)
    """The users who gave the answers, by call id."""
    files: Files | None = field(default=None, repr=False)
    """The files of the chat."""


@dataclass(frozen=True, slots=True)
class AgentError:
    """Why a step broke off. A transient error is worth another attempt, a permanent one never is.

    `busy`: the provider takes no requests now. Trying again later uses up time, not attempts.
    `retry_after` is how long the provider asks to wait, in seconds.
    """

    kind: Literal["transient", "permanent", "busy"]
    code: str
    message: str
    retry_after: float | None = None


ModelFinish = Literal["stop", "length", "content_filter"]
"""Why a model ended its answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one step.

    `step`: the model asked for tools and they ran. `asked`: the same, but the calls in `asked` need an answer first.
    `final`: the model answered. `partial`: it broke off, by `error` or, where that is None, because `interrupt` was
    set; then `parts` and `messages` hold what the step produced before, with every open tool call closed as
    interrupted.

    `parts` are AI SDK UI message parts, `messages` the agent's own form of the same (JSON text, None if there is
    nothing to keep), `usage` is this step's alone. `output` is the structured output of a `final` step as a JSON value,
    None for an agent that answers with text.
    """

    kind: Literal["step", "asked", "final", "partial"]
    parts: list[dict[str, Any]]
    messages: str | None
    usage: Usage = Usage()
    finish_reason: ModelFinish | None = None
    error: AgentError | None = None
    asked: tuple[AskedCall, ...] = ()
    output: Any = None


@dataclass(slots=True)
class Interrupt:
    """Set at most once, from any thread: the step must end now, and `reason` says why."""

    reason: Literal["stop", "deadline", "overtaken"] | None = None
    _calls: list[Callable[[], None]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def set(self, reason: Literal["stop", "deadline", "overtaken"]) -> None:
        """Make `reason` stand, if none does yet, and run every waiting call in this thread."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            calls, self._calls = self._calls, []
        for call in calls:
            call()

    def on_set(self, call: Callable[[], None]) -> None:
        """Have `call` run once when a reason is set: in the setter's thread, or right now if one stands already."""
        with self._lock:
            if self.reason is None:
                self._calls.append(call)
                return
        call()


class Agent(Protocol):
    """Answers one step.

    `show` is called with the words as they stream and with each tool call, in order; calls may be left out. Words end in
    no half of a surrogate pair. An error of the model comes back as an `Outcome` with an `error`; an exception is a
    permanent failure of the run.
    """

    def __call__(self, ask: Ask, show: Callable[[Words | Call], None], interrupt: Interrupt) -> Outcome: ...
