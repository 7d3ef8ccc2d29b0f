"""Why a run ended without an answer, and why an attempt of a step broke off."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from outlive.text import clean

MAX_MESSAGE_CHARACTERS = 2000


class RunErrorCode(StrEnum):
    """The values of a run's `error.code`. The text under each code is its row in docs/api.md."""

    STEP_ATTEMPTS = "step_attempts"
    """A step broke off on each of its attempts: timeouts, throttling, dead workers. The message has the last reason.
    `worker_exhausted` there means that the worker had no thread, file descriptor or memory left."""

    MODEL_REJECTED = "model_rejected"
    """The model refused the request; another attempt would not help."""

    MODEL_UNAVAILABLE = "model_unavailable"
    """The provider took no requests for `ProviderPatienceSeconds`: unavailable, overloaded, or not reachable. The message
    has the last reason."""

    MODEL_RATE_LIMITED = "model_rate_limited"
    """The provider limited the rate of requests for `ProviderPatienceSeconds`."""

    MODEL_QUOTA = "model_quota"
    """The provider's quota is used up."""

    MODEL_CONTEXT_EXCEEDED = "model_context_exceeded"
    """The conversation is longer than the model can take."""

    MODEL_OUTPUT_LIMIT = "model_output_limit"
    """The model reached its token limit before it answered anything."""

    MODEL_CONTENT_FILTER = "model_content_filter"
    """A filter of the provider stepped in before the model answered anything."""

    MODEL_NOT_CONFIGURED = "model_not_configured"
    """`AGENT_MODEL` names no model that can be used: the name is unknown, or its key or region is missing."""

    AGENT_UNKNOWN = "agent_unknown"
    """The run's agent is not in this deployment any more."""

    TOOL_FAILED = "tool_failed"
    """A tool raised an exception that is neither `ModelRetry` nor `ToolFailed`."""

    LOOP_DETECTED = "loop_detected"
    """The same calls gave the same results more than 5 times in 10 steps."""

    STEP_TOO_LARGE = "step_too_large"
    """A step is larger than one item of the table can hold (300 KB always fit), its output is larger than 100 KB as JSON, or
    it is nested deeper than 200 levels."""

    RUN_TOO_LARGE = "run_too_large"
    """All parts of the answer together are larger than 4 MB as JSON."""

    OUTPUT_INVALID = "output_invalid"
    """The model gave no output that fits the agent's output type: as often as the agent allows, or in the last step of the
    budget."""

    AGENT_FAILED = "agent_failed"
    """The agent's own code raised an error. The log has the details."""

    STEP_FAILED = "step_failed"
    """There is a fault in Outlive. The log has the details."""

    HISTORY_INCOMPLETE = "history_incomplete"
    """A stored message that a step needs is gone."""

    STALE = "stale"
    """A worker had claimed the run, and it made no progress for `StaleSeconds`; the sweep ended it."""

    NEVER_STARTED = "never_started"
    """No worker claimed the run within `PendingSeconds`; the sweep ended it."""

    UNANSWERED = "unanswered"
    """The answers that the run waited for did not come within `AnswerSeconds`; the sweep ended it."""

    UNREADABLE = "unreadable"
    """The stored row of the run is damaged; the message says which attribute. The sweep ended it."""


@dataclass(frozen=True, slots=True)
class RunError:
    """An error as a run shows it: the code, and the cause in at most 2,000 characters.

    `code` is a `RunErrorCode`, as text: the row of another version must stay readable.
    """

    code: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", shortened(self.message))


@dataclass(frozen=True, slots=True)
class LastError:
    """Why the last attempt of a step broke off.

    A permanent error ends the run, a transient one is worth another attempt, and a busy provider another one later.
    """

    code: str
    message: str
    kind: str = "transient"

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", shortened(self.message))


class Closing(TypedDict, total=False):
    """How a message's run ended."""

    error: dict[str, str] | None
    finish_reason: str | None
    usage: dict[str, int | float | None] | None


def shortened(message: str) -> str:
    """The message as it can be stored."""
    return str(clean(message))[:MAX_MESSAGE_CHARACTERS]
