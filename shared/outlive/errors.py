"""What can go wrong, named by who must act.

OutliveError
├── Refused             nobody: a condition was false, and the items it looked at came back
├── StoreError          whoever called: try again
│   ├── StoreBusy           nothing was written
│   ├── StoreUnanswered     it may have been written, or not
│   └── StoreUnreadable     a sweep ends a run whose row can't be read; any other row an operator has to mend
├── StoreBroken         the operator: a permission, a name or a request is wrong
├── Overtaken           nobody: another worker has the step, or the run has ended
├── SettingError        the operator: a setting is missing or wrong
├── CursorRefused       the client; the handler knows which field it came in and answers with InvalidRequest
└── Problem             the client: an answer over HTTP
    ├── Unauthorized · TicketExpired · RunsDisabled · ChatNotFound · RunNotFound
    ├── InvalidRequest · UnknownAgent · PromptTooLong
    ├── RunAlreadyActive · IdempotencyKeyReused · NotWaiting · AnsweredOtherwise · TooManyRequests
    └── ModelNotConfigured · StartFailed · StopFailed · AnswerFailed · ReadFailed
"""

from collections.abc import Iterable
from typing import Any, ClassVar

MAX_REPEATED = 200
"""Characters of a name or value of the client's that a problem repeats."""

Item = dict[str, Any]
"""An item as DynamoDB sends it."""


class OutliveError(Exception):
    """The root of all of ours."""


class Refused(OutliveError):
    """A condition was false. `items` holds, for each refused action by its name, the item it met (None: there is none)."""

    def __init__(self, items: dict[str, Item | None]) -> None:
        super().__init__("refused: " + ", ".join(items))
        self.items = items


class StoreError(OutliveError):
    """The table or the queue could not do it now; it may later."""


class StoreBusy(StoreError):
    """Throttled, or in conflict with another transaction: nothing was written."""


class StoreUnanswered(StoreError):
    """No answer came: the call may have taken effect or not."""


class StoreUnreadable(StoreError):
    """A row is damaged: `item` is what is stored, `attribute` the first attribute of it that can't be read."""

    def __init__(self, item: Item, attribute: str) -> None:
        super().__init__(f"{attribute} of {item['sk']['S']} can't be read")
        self.item = item
        self.attribute = attribute

    def is_of(self, user: str) -> bool:
        """Whether the row is this user's, as far as it says; to others it does not exist."""
        return bool(self.item.get("owner") == {"S": user})


class StoreBroken(OutliveError):
    """The table refuses for good. Says the operation and the code, never a name: it may end up in front of a client."""


class Overtaken(OutliveError):
    """This worker no longer holds the run: what it would write is somebody else's to write."""


class SettingError(OutliveError):
    """A setting is missing or wrong; the message names it."""


class CursorRefused(OutliveError):
    """A cursor that was not made for what it is given to; the message says so without the field it came in."""


class Problem(OutliveError):
    """An answer in the form of RFC 9457. `fields` stand beside the standard members."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, **fields: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields
        self.headers: dict[str, str] = {}


class Unauthorized(Problem):
    """The token is valid but says nothing usable about who calls."""

    status, code, title = 401, "unauthorized", "The token does not say who you are"


class TicketExpired(Problem):
    """The ticket is over, or never was one."""

    status, code, title = 401, "ticket_expired", "The ticket is not good any more"


class RunsDisabled(Problem):
    """New runs are switched off."""

    status, code, title = 403, "runs_disabled", "New runs are switched off"


class ChatNotFound(Problem):
    """The chat is somebody else's, which looks like no chat at all."""

    status, code, title = 404, "chat_not_found", "There is no such chat"


class RunNotFound(Problem):
    """No such run, or not yours."""

    status, code, title = 404, "run_not_found", "There is no such run"


class RouteNotFound(Problem):
    """The function has no such route."""

    status, code, title = 404, "not_found", "There is nothing here"


class RunAlreadyActive(Problem):
    """The chat is busy; `active_run_id` says with what."""

    status, code, title = 409, "run_already_active", "The chat already has an active run"


class IdempotencyKeyReused(Problem):
    """The key was used for another request."""

    status, code, title = 409, "idempotency_key_reused", "The idempotency key belongs to another request"


class NotWaiting(Problem):
    """The run does not wait for answers; `run_status` says where it stands."""

    status, code, title = 409, "not_waiting", "The run does not wait for this answer"


class AnsweredOtherwise(Problem):
    """Somebody answered the call before, and differently; `answered_by` and `answered_at` say who and when."""

    status, code, title = 409, "answered_otherwise", "The call was answered otherwise before"


class PromptTooLong(Problem):
    """The prompt is over the limit."""

    status, code, title = 413, "prompt_too_long", "The prompt is too long"


class InvalidRequest(Problem):
    """Something about the request is wrong; `field` names it."""

    status, code, title = 422, "invalid_request", "The request is not valid"

    def __init__(self, field: str, detail: str) -> None:
        field = _short(field)
        super().__init__(f"{field}: {_short(detail)}", field=field)


class UnknownAgent(Problem):
    """No deployed agent has this name; `detail` lists those there are."""

    status, code, title = 422, "unknown_agent", "There is no such agent"

    def __init__(self, name: str | None, known: Iterable[str]) -> None:
        missing = "a start has to name one" if name is None else f"none is called {_short(name)!r}"
        super().__init__(f"agent: {missing}; there are: {', '.join(known)}", field="agent")


class TooManyRequests(Problem):
    """The user's tokens are used up; `Retry-After` says for how many seconds."""

    status, code, title = 429, "too_many_requests", "Too many requests"

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after_s)}


class InternalError(Problem):
    """Ours. The log says what."""

    status, code, title = 500, "internal_error", "Something went wrong on our side"


class ModelNotConfigured(Problem):
    """No usable model setting."""

    status, code, title = 503, "model_not_configured", "No model is configured"


class StartFailed(Problem):
    """The run could not be stored; nothing was."""

    status, code, title = 503, "start_failed", "The run could not be started"


class StopFailed(Problem):
    """The stop could not be recorded."""

    status, code, title = 503, "stop_failed", "The stop could not be recorded"


class AnswerFailed(Problem):
    """The answers may not have been recorded."""

    status, code, title = 503, "answer_failed", "The answers could not be recorded"


class ReadFailed(Problem):
    """The table did not answer a read."""

    status, code, title = 503, "read_failed", "The store did not answer"


def _short(text: str) -> str:
    """The text, which may hold a client's words, at a length that an answer repeats."""
    return text if len(text) <= MAX_REPEATED else text[:MAX_REPEATED] + "…"
