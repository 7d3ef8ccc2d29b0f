"""What can go wrong, named by who must act.

OutliveError
├── Unreachable         the network, or whoever set the address: no answer came
├── BadAnswer           something between here and the API: an answer came that is not the API's
└── Problem             the API said no, and why (RFC 9457)
    ├── Unauthorized · TicketExpired        get a new token or ticket
    ├── ChatNotFound · RunNotFound          it does not exist, or is somebody else's
    ├── RunAlreadyActive                    wait for `active_run_id`, watch it, or stop it
    ├── InvalidRequest · PromptTooLong · IdempotencyKeyReused       ask for something else
    ├── RunsDisabled · ModelNotConfigured · InternalError           the operator
    └── StartFailed · StopFailed · ReadFailed                       try again later: this client has tried already

No message of an error holds a token.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class OutliveError(Exception):
    """The root of all errors of this package."""

    passing: bool = False
    """True if the same call may do better in a moment."""


class Unreachable(OutliveError):
    """No answer came."""

    passing = True


class BadAnswer(OutliveError):
    """An answer came that is not the API's: a proxy's page, half a document, another service. `status` is its status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.status = status
        self.passing = status in {408, 429} or status >= 500 or 200 <= status < 300

    def __str__(self) -> str:
        return str(self.args[0])


class Problem(OutliveError):
    """The API refused the call, or could not do it. `code` tells which; one that is not known here is a plain Problem."""

    code_here: ClassVar[str] = ""

    def __init__(self, status: int, code: str, detail: str, fields: Mapping[str, Any]) -> None:
        super().__init__(status, code, detail, dict(fields))
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = dict(fields)
        self.passing = status == 429 or code in {"start_failed", "stop_failed", "read_failed"}

    def __str__(self) -> str:
        return self.detail


class Unauthorized(Problem):
    """The token is missing, wrong or expired, or does not say who calls."""

    code_here = "unauthorized"


class TicketExpired(Problem):
    """The ticket has expired, or never was one."""

    code_here = "ticket_expired"


class RunsDisabled(Problem):
    """New runs are switched off."""

    code_here = "runs_disabled"


class ChatNotFound(Problem):
    """The chat is somebody else's, which looks like no chat at all."""

    code_here = "chat_not_found"


class RunNotFound(Problem):
    """No such run, or not yours."""

    code_here = "run_not_found"


class RunAlreadyActive(Problem):
    """The chat is busy with `active_run_id`."""

    code_here = "run_already_active"

    @property
    def active_run_id(self) -> str:
        """The run that the chat is busy with."""
        return str(self.fields.get("active_run_id", ""))


class IdempotencyKeyReused(Problem):
    """The key was used for another request."""

    code_here = "idempotency_key_reused"


class PromptTooLong(Problem):
    """The prompt is over the limit."""

    code_here = "prompt_too_long"


class InvalidRequest(Problem):
    """Something about the request is wrong; `field` names it."""

    code_here = "invalid_request"

    @property
    def field(self) -> str:
        """What is wrong."""
        return str(self.fields.get("field", ""))


class InternalError(Problem):
    """The API broke; its log says how."""

    code_here = "internal_error"


class ModelNotConfigured(Problem):
    """The API has no usable model setting."""

    code_here = "model_not_configured"


class StartFailed(Problem):
    """The run could not be stored."""

    code_here = "start_failed"


class StopFailed(Problem):
    """The stop could not be recorded."""

    code_here = "stop_failed"


class ReadFailed(Problem):
    """The store did not answer a read."""

    code_here = "read_failed"


PROBLEMS: dict[str, type[Problem]] = {kind.code_here: kind for kind in Problem.__subclasses__()}
"""The class of each code."""


def problem_of(status: int, said: Mapping[str, Any]) -> Problem:
    """The problem that an answer with this status and body tells of."""
    standard = {"type", "title", "status", "detail", "code"}
    code = str(said.get("code", ""))
    detail = str(said.get("detail") or said.get("title") or code)
    fields = {name: value for name, value in said.items() if name not in standard}
    return PROBLEMS.get(code, Problem)(status, code, detail, fields)
