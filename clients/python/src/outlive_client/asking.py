"""One request and its answer, tried again where that may help. Nothing here touches the network or the clock.

A plan is a generator: it yields what it wants done (`Ask` this, `Pause` so long, take this `Item`), is sent what came of it, and returns
its result. `Outlive` and `AsyncOutlive` do what plans want, each in its own way, and know nothing else.
"""

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import msgspec

from outlive_client.errors import BadAnswer, OutliveError, Unauthorized, Unreachable, problem_of

T = TypeVar("T")

TRIES = 4
"""How often a call is made before its failure is the caller's."""
LONGEST_PAUSE = 5.0
CALL_SECONDS = 30.0
"""A gateway answers within this, whatever happens behind it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `path` is percent-encoded and goes behind the base address; the token is added by whoever sends it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = CALL_SECONDS


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """Hand this to the caller."""

    value: T


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came, and why. The request may have done its work or not."""

    why: str


Reply: TypeAlias = Answer | Lost | None
Plan: TypeAlias = Generator[Ask | Pause, Reply, T]
Flow: TypeAlias = Generator[Ask | Pause | Item[T], Reply, None]


def asked(ask: Ask, read: Callable[[Answer], T], tries: int = TRIES) -> Plan[T]:
    """What `read` makes of the answer. Asks again while what goes wrong may pass, `tries` times in all.

    Only for requests that may be made twice. Raises OutliveError.
    """
    attempt = 1
    while True:
        reply = yield ask
        try:
            return understood(reply, read)
        except OutliveError as error:
            if attempt >= tries or not error.passing:
                raise
        yield Pause(backoff(attempt, reply))
        attempt += 1


def understood(reply: Reply, read: Callable[[Answer], T]) -> T:
    """What `read` makes of a good answer. Raises Unreachable, BadAnswer or a Problem."""
    if not isinstance(reply, Answer):
        raise Unreachable(reply.why if reply else "no answer came")
    if not 200 <= reply.status < 300:
        raise _refusal(reply)
    try:
        return read(reply)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadAnswer("the answer is not what the API would say", reply.status) from None


def _refusal(answer: Answer) -> OutliveError:
    try:
        said = msgspec.json.decode(answer.body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = {}
    if isinstance(said.get("code"), str):
        return problem_of(answer.status, said)
    # The gateway's own form, {"message": …}: its authorizer's, or an unknown route's.
    if answer.status in {401, 403}:
        return Unauthorized(answer.status, "unauthorized", "the token is missing, wrong or expired", {})
    return BadAnswer(f"the answer is an HTTP {answer.status} that is not the API's", answer.status)


def backoff(attempt: int, reply: Reply = None) -> float:
    """Seconds until the next try: twice as long each time, with jitter, and what the answer asks for, within reason."""
    wished = reply.headers.get("retry-after", "") if isinstance(reply, Answer) else ""
    least = float(wished) if wished.isascii() and wished.isdigit() else 0.0
    return min(max(0.25 * 2.0 ** min(attempt - 1, 10) * random.uniform(0.5, 1.5), least), LONGEST_PAUSE)
