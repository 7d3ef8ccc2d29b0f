"""Why a run ended without an answer, and why an attempt of a step broke off."""

from dataclasses import dataclass
from enum import StrEnum

from outlive.text import clean

MAX_MESSAGE_CHARACTERS = 2000


class RunErrorCode(StrEnum):
    """What a run's `error.code` can be. What stands under each is shown to users."""

    STEP_ATTEMPTS = "step_attempts"
    """A step broke off on each of its attempts: timeouts, throttling, workers that did not answer. The message has the
    last reason."""

    MODEL_REJECTED = "model_rejected"
    """The model refused the request for good."""

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
    """`AGENT_MODEL` names no model that can be used: no such model, no key, or no region."""

    TOOL_FAILED = "tool_failed"
    """A tool raised an exception that it should not raise."""

    LOOP_DETECTED = "loop_detected"
    """The same calls gave the same results, more than 5 times in 10 steps."""

    STEP_TOO_LARGE = "step_too_large"
    """A step is larger than one item of the table can hold (300 KB always fit), or nested deeper than 200 levels."""

    RUN_TOO_LARGE = "run_too_large"
    """The answer is larger than 4 MB."""

    AGENT_FAILED = "agent_failed"
    """The agent raised an error of its own. The log says more."""

    STEP_FAILED = "step_failed"
    """Something in Outlive broke. The log says more."""

    HISTORY_INCOMPLETE = "history_incomplete"
    """A stored message that the step needs is gone."""

    STALE = "stale"
    """No worker made progress for the stale time; the sweep ended the run."""

    NEVER_STARTED = "never_started"
    """No worker claimed the run within the pending time; the sweep ended the run."""

    UNREADABLE = "unreadable"
    """The stored row of the run is damaged; the sweep ended the run."""


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


def shortened(message: str) -> str:
    """The message as it can be stored."""
    return str(clean(message))[:MAX_MESSAGE_CHARACTERS]
