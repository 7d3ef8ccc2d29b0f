"""The errors, named by who must act.

OutliveError
├── Refused             no one (`store.refused`): a condition was false, and the rows that it compared came back
├── StoreError          the caller: try again
│   ├── StoreBusy           nothing was written
│   ├── StoreUnanswered     it may have been written, or not
│   └── StoreUnreadable     a sweep ends a run whose row can't be read; any other row an operator has to mend
├── StoreBroken         the operator: a permission, a name or a request is wrong
├── NotSteered          no one: the run goes on
├── Overtaken           no one: another worker holds the step, or the run has ended
├── SettingError        the operator: a setting is missing or wrong
├── CursorRefused       the client; the handler adds the field it came in and answers with InvalidRequest
└── Problem             the client: an answer over HTTP
    ├── Unauthorized · TicketExpired · RunsDisabled · ChatNotFound · RunNotFound · FileNotFound
    ├── InvalidRequest · UnknownAgent · PromptTooLong
    ├── RunAlreadyActive · IdempotencyKeyReused · NotWaiting · AnsweredOtherwise · TooManyRequests · QueueFull
    └── ModelNotConfigured · StartFailed · StopFailed · AnswerFailed · ReadFailed
"""

from collections.abc import Iterable
from typing import Any, ClassVar

MAX_REPEATED = 200
"""How many characters of a client's name or value a problem repeats."""

Item = dict[str, Any]
"""An item as DynamoDB sends it."""


class OutliveError(Exception):
    """The root of all errors of Outlive."""


class StoreError(OutliveError):
    """The table or the queue could not carry out a call; a retry may succeed."""


class StoreBusy(StoreError):
    """Throttled, or in conflict with another transaction: nothing was written."""


class StoreUnanswered(StoreError):
    """No answer came: the call may have taken effect or not."""


class StoreUnreadable(StoreError):
    """A row is damaged: `item` is the row as it is stored, `attribute` its first attribute that can't be read."""

    def __init__(self, item: Item, attribute: str) -> None:
        super().__init__(f"{attribute} of {item['sk']['S']} can't be read")
        self.item = item
        self.attribute = attribute

    def is_of(self, user: str) -> bool:
        """True if the row still names this user as its owner; to any other user it does not exist."""
        return bool(self.item.get("owner") == {"S": user})


class StoreBroken(OutliveError):
    """The table refuses the call, and a retry will not help. The message has operation and code, and no name: a client
    may see it.
    """


class NotSteered(OutliveError):
    """The message that steered the run was taken back: there is nothing to hand over to."""


class Overtaken(OutliveError):
    """This worker no longer holds the run: another worker continues it, or it has ended."""


class SettingError(OutliveError):
    """A setting is missing or wrong; the message names it."""


class CursorRefused(OutliveError):
    """The cursor was not made for this list or run. The message does not name the field that held the cursor."""


class Problem(OutliveError):
    """An error answer in the form of RFC 9457. `fields` are added to its standard members."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, **fields: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields
        self.headers: dict[str, str] = {}


class Unauthorized(Problem):
    """The token does not name a usable workspace and user."""

    status, code, title = 401, "unauthorized", "The token does not say who you are"


class TicketExpired(Problem):
    """The ticket has expired or was never issued."""

    status, code, title = 401, "ticket_expired", "The ticket is not good any more"


class RunsDisabled(Problem):
    """An operator has switched off new runs."""

    status, code, title = 403, "runs_disabled", "New runs are switched off"


class ChatNotFound(Problem):
    """The chat belongs to another user."""

    status, code, title = 404, "chat_not_found", "There is no such chat"


class RunNotFound(Problem):
    """There is no run of this id, or it belongs to another user."""

    status, code, title = 404, "run_not_found", "There is no such run"


class FileNotFound(Problem):
    """There is no file of this id in the chat, or it belongs to another user."""

    status, code, title = 404, "file_not_found", "There is no such file"


class RouteNotFound(Problem):
    """The function has no such route."""

    status, code, title = 404, "not_found", "There is nothing here"


class RunAlreadyActive(Problem):
    """The chat has an active run; `active_run_id` names it."""

    status, code, title = 409, "run_already_active", "The chat already has an active run"


class IdempotencyKeyReused(Problem):
    """The idempotency key was used for another request."""

    status, code, title = 409, "idempotency_key_reused", "The idempotency key belongs to another request"


class NotWaiting(Problem):
    """The run does not wait for this answer; `run_status` is its status."""

    status, code, title = 409, "not_waiting", "The run does not wait for this answer"


class AnsweredOtherwise(Problem):
    """The call has another answer already; `answered_by` and `answered_at` say who gave it and when."""

    status, code, title = 409, "answered_otherwise", "The call was answered otherwise before"


class PromptTooLong(Problem):
    """The prompt is too long; `detail` has the limit."""

    status, code, title = 413, "prompt_too_long", "The prompt is too long"


class InvalidRequest(Problem):
    """A field of the request is wrong; `field` names it."""

    status, code, title = 422, "invalid_request", "The request is not valid"

    def __init__(self, field: str, detail: str) -> None:
        field = _short(field)
        super().__init__(f"{field}: {_short(detail)}", field=field)


class UnknownAgent(Problem):
    """No deployed agent has this name; `detail` lists those there are."""

    status, code, title = 422, "unknown_agent", "There is no such agent"

    def __init__(self, name: str | None, deployed: Iterable[str]) -> None:
        missing = "a start has to name one" if name is None else f"none is called {_short(name)!r}"
        super().__init__(f"agent: {missing}; there are: {', '.join(deployed)}", field="agent")


class TooManyRequests(Problem):
    """The user has reached a limit per minute; `Retry-After` is the seconds to wait."""

    status, code, title = 429, "too_many_requests", "Too many requests"

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after_s)}


class QueueFull(Problem):
    """As many runs wait in the chat as may: 10."""

    status, code, title = 429, "queue_full", "The chat's queue is full"


class InternalError(Problem):
    """A fault of the server. The log has the cause."""

    status, code, title = 500, "internal_error", "Something went wrong on our side"


class ModelNotConfigured(Problem):
    """`AgentModel` names no model."""

    status, code, title = 503, "model_not_configured", "No model is configured"


class StartFailed(Problem):
    """The run could not be stored. Send the same request again."""

    status, code, title = 503, "start_failed", "The run could not be started"


class StopFailed(Problem):
    """The stop may not have been stored. Send it again."""

    status, code, title = 503, "stop_failed", "The stop could not be recorded"


class AnswerFailed(Problem):
    """The answers may not have been stored. Send the same answers again."""

    status, code, title = 503, "answer_failed", "The answers could not be recorded"


class ReadFailed(Problem):
    """The table did not answer a read, or the stored row is damaged."""

    status, code, title = 503, "read_failed", "The store did not answer"


def _short(text: str) -> str:
    """The text, which may come from a client, cut to the length that an answer repeats."""
    return text if len(text) <= MAX_REPEATED else text[:MAX_REPEATED] + "…"
