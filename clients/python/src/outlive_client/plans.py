"""Plans: what a call of the API does, without the network and without the clock.

A plan is a generator. It yields actions (send this `Request`, `Pause` this long, give this `Item` to the caller),
receives the reply to each, and returns its result. `Outlive` and `AsyncOutlive` perform the actions; the logic of every
call is in its plan alone.
"""

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import msgspec

from outlive_client.errors import BadAnswer, OutliveError, Unauthorized, Unreachable, problem_from

T = TypeVar("T")

CALL_TRIES = 4
"""How often a call is sent before its error reaches the caller."""
MAX_PAUSE_SECONDS = 5.0
CALL_TIMEOUT_SECONDS = 30.0
"""A gateway answers within this time, with an error if the function behind it does not answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is percent-encoded and relative to the base address. The client that sends the request adds the token."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_seconds: float = CALL_TIMEOUT_SECONDS
    is_whole: bool = False
    """`path` is a whole address outside of the API, which gets no token."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """Give `value` to the caller."""

    value: T


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No complete response arrived, for this reason. The request may have taken effect."""

    reason: str


Reply: TypeAlias = Answer | NoAnswer | None
Plan: TypeAlias = Generator[Request | Pause, Reply, T]
ItemPlan: TypeAlias = Generator[Request | Pause | Item[T], Reply, None]


def call(request: Request, read: Callable[[Answer], T], tries: int = CALL_TRIES) -> Plan[T]:
    """Send `request` and return what `read` makes of the answer. Retryable errors are retried with backoff, `tries`
    tries in all.

    The request must be idempotent: an earlier try may have taken effect. Raises OutliveError.
    """
    attempt = 1
    while True:
        reply = yield request
        try:
            return result_of(reply, read)
        except OutliveError as error:
            if attempt >= tries or not error.retryable:
                raise
        yield Pause(backoff_seconds(attempt, reply))
        attempt += 1


def result_of(reply: Reply, read: Callable[[Answer], T]) -> T:
    """What `read` makes of a successful answer. Raises Unreachable, BadAnswer or a Problem."""
    if not isinstance(reply, Answer):
        raise Unreachable(reply.reason if reply else "no answer arrived")
    if not 200 <= reply.status < 300:
        raise _error_of(reply)
    try:
        return read(reply)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadAnswer("the answer does not have the API's format", reply.status) from None


def _error_of(answer: Answer) -> OutliveError:
    try:
        body = msgspec.json.decode(answer.body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = {}
    if isinstance(body.get("code"), str):
        return problem_from(answer.status, body)
    # The gateway has its own format, {"message": …}: its authorizer refused the token, or it has no such route.
    if answer.status in {401, 403}:
        return Unauthorized(answer.status, "unauthorized", "the token is missing, wrong or expired", {})
    return BadAnswer(f"the answer is an HTTP {answer.status} that is not the API's", answer.status)


def backoff_seconds(attempt: int, reply: Reply = None) -> float:
    """The pause before the next try: it doubles with each attempt, with jitter, and honours Retry-After up to
    MAX_PAUSE_SECONDS.
    """
    header = reply.headers.get("retry-after", "") if isinstance(reply, Answer) else ""
    retry_after = float(header) if header.isascii() and header.isdigit() else 0.0
    return min(max(0.25 * 2.0 ** min(attempt - 1, 10) * random.uniform(0.5, 1.5), retry_after), MAX_PAUSE_SECONDS)
