"""The errors, named by who must act.

OutliveError
├── Unreachable         no answer arrived: check the address and the network
├── BadAnswer           an answer arrived that is not the API's: check the address and proxies
└── Problem             the API refused the call or failed (RFC 9457)
    ├── Unauthorized · TicketExpired        get a new token or ticket
    ├── ChatNotFound · RunNotFound · FileNotFound    it does not exist or belongs to another user
    ├── TooManyRequests                     wait: the user's limit of tokens is used up for now
    ├── RunAlreadyActive                    wait for `active_run_id`, watch it or stop it
    ├── NotWaiting · AnsweredOtherwise      read the run: it takes no answer to this call any more
    ├── InvalidRequest · UnknownAgent · PromptTooLong · IdempotencyKeyReused    change the request
    ├── RunsDisabled · ModelNotConfigured · InternalError           the operator must act
    └── StartFailed · StopFailed · AnswerFailed · ReadFailed        call again later: this client's retries have failed

No error message contains a token.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class OutliveError(Exception):
    """The base class of this package's errors."""

    retryable: bool = False
    """True if the same call may succeed a moment later."""


class Unreachable(OutliveError):
    """No answer arrived. The call may have taken effect."""

    retryable = True


class BadAnswer(OutliveError):
    """An answer arrived that is not the API's: a proxy's page, an incomplete document, another service. `status` is its
    HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.status = status
        self.retryable = status in {408, 429} or status >= 500 or 200 <= status < 300

    def __str__(self) -> str:
        return str(self.args[0])


class Problem(OutliveError):
    """The API refused the call or failed; `code` is the reason. A code that this version does not know raises Problem
    itself.
    """

    problem_code: ClassVar[str] = ""

    def __init__(self, status: int, code: str, detail: str, fields: Mapping[str, Any]) -> None:
        super().__init__(status, code, detail, dict(fields))
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = dict(fields)
        self.retryable = status == 429 or code in {"start_failed", "stop_failed", "answer_failed", "read_failed"}

    def __str__(self) -> str:
        return self.detail


class Unauthorized(Problem):
    """The token is missing, wrong or expired, or does not name a user and a workspace."""

    problem_code = "unauthorized"


class TicketExpired(Problem):
    """The ticket has expired or never existed."""

    problem_code = "ticket_expired"


class RunsDisabled(Problem):
    """The operator has switched off new runs."""

    problem_code = "runs_disabled"


class ChatNotFound(Problem):
    """The chat belongs to another user."""

    problem_code = "chat_not_found"


class RunNotFound(Problem):
    """The run does not exist or belongs to another user."""

    problem_code = "run_not_found"


class RunAlreadyActive(Problem):
    """Another run, `active_run_id`, is active in the chat."""

    problem_code = "run_already_active"

    @property
    def active_run_id(self) -> str:
        """The id of the run that is active in the chat."""
        return str(self.fields.get("active_run_id", ""))


class IdempotencyKeyReused(Problem):
    """The idempotency key belongs to another request."""

    problem_code = "idempotency_key_reused"


class NotWaiting(Problem):
    """The run takes no answer to this call; `run_status` is its status."""

    problem_code = "not_waiting"

    @property
    def run_status(self) -> str:
        """The run's status."""
        return str(self.fields.get("run_status", ""))


class AnsweredOtherwise(Problem):
    """The call has another answer already: the first answer counts."""

    problem_code = "answered_otherwise"

    @property
    def tool_call_id(self) -> str:
        """The id of the call."""
        return str(self.fields.get("tool_call_id", ""))

    @property
    def answered_by(self) -> str:
        """The user whose answer counts."""
        return str(self.fields.get("answered_by", ""))

    @property
    def answered_at(self) -> str:
        """When that answer was given, in the API's format."""
        return str(self.fields.get("answered_at", ""))


class PromptTooLong(Problem):
    """The prompt is longer than the API allows."""

    problem_code = "prompt_too_long"


class InvalidRequest(Problem):
    """A field of the request is invalid; `field` names it."""

    problem_code = "invalid_request"

    @property
    def field(self) -> str:
        """The name of the invalid field."""
        return str(self.fields.get("field", ""))


class FileNotFound(Problem):
    """No file of the chat has this id, or it belongs to another user."""

    problem_code = "file_not_found"


class TooManyRequests(Problem):
    """The user's tokens are used up for now. The API says with Retry-After when there are new ones."""

    problem_code = "too_many_requests"


class QueueFull(Problem):
    """As many runs wait in the chat as may."""

    problem_code = "queue_full"


class UnknownAgent(Problem):
    """No agent of the API has this name; the message lists those there are."""

    problem_code = "unknown_agent"


class InternalError(Problem):
    """The API failed unexpectedly; its log has the cause."""

    problem_code = "internal_error"


class ModelNotConfigured(Problem):
    """The API's model setting is missing or invalid."""

    problem_code = "model_not_configured"


class StartFailed(Problem):
    """The run could not be stored."""

    problem_code = "start_failed"


class StopFailed(Problem):
    """The stop could not be recorded."""

    problem_code = "stop_failed"


class AnswerFailed(Problem):
    """The answers could not be stored; they may have been."""

    problem_code = "answer_failed"


class ReadFailed(Problem):
    """The store did not answer a read."""

    problem_code = "read_failed"


PROBLEMS: dict[str, type[Problem]] = {kind.problem_code: kind for kind in Problem.__subclasses__()}
"""Code → error class."""


def problem_from(status: int, body: Mapping[str, Any]) -> Problem:
    """The error for a problem document with this status and body."""
    standard = {"type", "title", "status", "detail", "code"}
    code = str(body.get("code", ""))
    detail = str(body.get("detail") or body.get("title") or code)
    fields = {name: value for name, value in body.items() if name not in standard}
    return PROBLEMS.get(code, Problem)(status, code, detail, fields)
