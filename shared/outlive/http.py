"""What the HTTP functions share: routes, callers, parameters, and the form of answers and problems."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from outlive.caller import Caller
from outlive.errors import (
    CursorRefused,
    FileNotFound,
    InternalError,
    InvalidRequest,
    Problem,
    ReadFailed,
    RouteNotFound,
    RunNotFound,
    StoreError,
    StoreUnreadable,
    Unauthorized,
)
from outlive.log import cause, logger, unexpected
from outlive.request import ChatId, FileId, RunId, check_chat_id, check_file_id, check_run_id
from outlive.text import clean

MAX_IDENTITY = 256
NO_NAME = re.compile(r"(\[.*\]|map\[.*\]|true|false|null|-?Infinity|NaN)\Z", re.DOTALL)
"""The gateway's text for a claim that is a list, an object or no name at all."""
MAX_CLAIMS_BYTES = 2048
"""Bytes of the claims that tools get, as JSON."""
COMPRESSED_FROM_BYTES = 20_000
"""The size from which an answer is compressed."""
MAX_TEXT_BYTES = 6_250_000
"""Bytes a body may take as a JSON string: with status and headers below Lambda's 6,291,556 bytes of response."""


CHECKS: dict[Any, Callable[[str], str]] = {ChatId: check_chat_id, RunId: check_run_id, FileId: check_file_id, str: str}
"""How a path parameter becomes the value of its handler's parameter, by the annotation there."""

BROUGHT_BY: dict[Any, type[Problem]] = {
    Caller: Unauthorized,
    ChatId: InvalidRequest,
    RunId: RunNotFound,
    FileId: FileNotFound,
}
"""The problem that checking a handler's parameter may raise, by the parameter's annotation."""

Handler = Callable[..., Response[str]]
"""The function of one route. A parameter annotated `Caller` receives the caller; every other one the path parameter of its
name, decoded and checked by its annotation."""


class Api:
    """Routes of one function. Every answer is JSON, every problem `application/problem+json`."""

    def __init__(self, workspace_claim: str, deps_claims: tuple[str, ...] = (), approver_claim: str = "") -> None:
        self._workspace_claim = workspace_claim
        self._deps_claims = deps_claims
        self._approver_claim = approver_claim
        self.problems: dict[str, set[type[Problem]]] = {}
        """The problems each route answers with, by its key (`GET /runs/{run_id}`)."""
        self._router = APIGatewayHttpResolver()
        self._router.exception_handler(Exception)(problem_of)
        self._router.not_found(lambda _error: _problem(RouteNotFound("this function has no such route")))

    def get(self, path: str, problems: Iterable[type[Problem]] = ()) -> Callable[[Handler], Handler]:
        """The decorated function answers GET requests of `path`, in which `<name>` is a parameter.

        `problems` are those it may answer with, besides InternalError and what its parameters bring (`BROUGHT_BY`). The
        API document has them from here.
        """
        return self._route("GET", path, problems)

    def post(self, path: str, problems: Iterable[type[Problem]] = ()) -> Callable[[Handler], Handler]:
        """The same for POST requests."""
        return self._route("POST", path, problems)

    def _route(self, method: str, path: str, problems: Iterable[type[Problem]]) -> Callable[[Handler], Handler]:
        def routed(handler: Handler) -> Handler:
            wanted = {name: kind for name, kind in handler.__annotations__.items() if name != "return"}
            brought = {BROUGHT_BY[kind] for kind in wanted.values() if kind in BROUGHT_BY}
            self.problems[route_key(method, path)] = {InternalError, *problems, *brought}

            def answered(**_as_in_the_path: str) -> Response[str]:
                return handler(**{name: self._argument(name, kind) for name, kind in wanted.items()})

            self._router.route(path, method)(answered)
            return handler

        return routed

    def _argument(self, name: str, kind: Any) -> Caller | str:
        return self.caller if kind is Caller else CHECKS[kind](str((self._event.get("pathParameters") or {})[name]))

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer `event`.

        The gateway has matched the route already and decoded the path; an id with a `/` or `#` in it would not match
        again, so the path is built again from the route and its parameters.
        """
        # The gateway's access log has the same id.
        logger.append_keys(request=(event.get("requestContext") or {}).get("requestId"))
        path = event["routeKey"].partition(" ")[2]
        for name, value in (event.get("pathParameters") or {}).items():
            path = path.replace("{" + name + "}", quote(value, safe="", errors="replace"))
        return _fitting(self._router.resolve({**event, "rawPath": path}, context), event)

    @property
    def _event(self) -> dict[str, Any]:
        event: dict[str, Any] = self._router.current_event.raw_event
        return event

    @property
    def caller(self) -> Caller:
        """The caller. Raises Unauthorized if the token lacks a usable workspace or subject."""
        claims: Any = self._event.get("requestContext")
        for name in ("authorizer", "jwt", "claims"):
            claims = claims.get(name) if isinstance(claims, dict) else None
        claims = claims if isinstance(claims, dict) else {}
        return caller_of(claims, self._workspace_claim, self._deps_claims, self._approver_claim)

    def query(self, name: str) -> str | None:
        """A query parameter, or None."""
        value = (self._event.get("queryStringParameters") or {}).get(name)
        return None if value is None else str(value)

    def header(self, name: str) -> str | None:
        """A header, or None."""
        headers: Mapping[str, str] = self._event.get("headers") or {}
        return next((value for key, value in headers.items() if key.lower() == name.lower()), None)

    @property
    def body(self) -> bytes:
        """The body as it was sent. Raises InvalidRequest if it can't be decoded."""
        event = self._event
        sent: str = event.get("body") or ""
        try:
            return base64.b64decode(sent) if event.get("isBase64Encoded") else sent.encode()
        except ValueError:
            raise InvalidRequest("body", "must be JSON") from None


def route_key(method: str, path: str) -> str:
    """The route as the gateway calls it, such as `GET /runs/{run_id}`."""
    return f"{method.upper()} {path.replace('<', '{').replace('>', '}')}"


def cursor_asked(last_event_id: str | None, after: str | None) -> tuple[str | None, str]:
    """The cursor of a request for events, and the field it came in.

    An EventSource that comes back requests the same address again: its `Last-Event-ID` is newer than `after`.
    """
    return (last_event_id, "Last-Event-ID") if last_event_id else (after, "after")


@contextmanager
def cursor_from(field: str) -> Iterator[None]:
    """Inside, a refused cursor came in `field` of the request. Raises InvalidRequest, which names it."""
    try:
        yield
    except CursorRefused as refused:
        raise InvalidRequest(field, str(refused)) from None


def _fitting(response: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """The response in a form that Lambda can carry: compressed where the client takes that, in base64 where text is too
    large. Either way the body fits if it has at most `PAGE_BYTES`.
    """
    text = response.get("body") or ""
    body = text.encode()
    if len(body) >= COMPRESSED_FROM_BYTES and _takes_gzip(event):
        headers = {**(response.get("headers") or {}), "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return {**response, "headers": headers, **_in_base64(gzip.compress(body, 5))}
    return response if _fits_as_text(text) else {**response, **_in_base64(body)}


def _in_base64(body: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _fits_as_text(text: str) -> bool:
    # A character takes 12 bytes at most. Runtimes differ in what they escape, so everything that can be is.
    return 12 * len(text) <= MAX_TEXT_BYTES or len(json.dumps(text)) <= MAX_TEXT_BYTES


def _takes_gzip(event: dict[str, Any]) -> bool:
    accepted = ",".join(
        value for name, value in (event.get("headers") or {}).items() if name.lower() == "accept-encoding"
    )
    codings = [coding.replace(" ", "").partition(";") for coding in accepted.lower().split(",")]
    return any(name == "gzip" and weight not in ("q=0", "q=0.0") for name, _, weight in codings)


def nothing() -> Response[str]:
    """204: there is nothing to read, now or later."""
    return Response(204, body="", headers={"Cache-Control": "no-store"})


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    """`body` as JSON."""
    text = msgspec.json.encode(body).decode()
    return Response(status, "application/json", text, headers={"Cache-Control": "no-store", **(headers or {})})


def run_headers(run_id: str, *, replayed: bool) -> dict[str, str]:
    """The headers of an answer to a start: the run's address, and whether an earlier request had started the run."""
    headers = {"Location": f"/runs/{run_id}"}
    return {**headers, "Idempotency-Replayed": "true"} if replayed else headers


def problem_of(error: Exception) -> Response[str]:
    """`error` in the form of RFC 9457. What is no Problem is logged; the client does not learn its cause."""
    match error:
        case Problem():
            return _problem(error)
        case StoreError():
            logger.error("store_failed", cause=cause(error))
            if not isinstance(error, StoreUnreadable):
                return _problem(ReadFailed("try again"))
            return _problem(ReadFailed("what is stored of it is damaged"))
        case _:
            unexpected("request_failed", error)
            return _problem(InternalError("the log of this request says more"))


def _problem(error: Problem) -> Response[str]:
    body = {
        "type": f"urn:outlive:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        **error.fields,
    }
    return Response(error.status, "application/problem+json", msgspec.json.encode(body).decode(), error.headers)


def caller_of(
    claims: Mapping[str, Any], workspace_claim: str, deps_claims: tuple[str, ...] = (), approver_claim: str = ""
) -> Caller:
    """The caller that a verified token names, with the claims named by `deps_claims` as far as it has them.

    `approver_claim` (`claim:value`) makes the caller an approver if the claim has that value, alone or in a list.

    Raises Unauthorized if it lacks a usable workspace or subject, or if those claims are too large.
    """
    texts = {name: _text_of(claims.get(name)) for name in deps_claims}
    tool_claims = {name: text for name, text in texts.items() if text is not None}
    if len(json.dumps(tool_claims, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_CLAIMS_BYTES:
        raise Unauthorized(f"the token's claims for tools must be at most {MAX_CLAIMS_BYTES} bytes as JSON")
    approves = _has(claims, approver_claim)
    return Caller(_identity(claims, workspace_claim), _identity(claims, "sub"), tool_claims, approves)


def _has(claims: Mapping[str, Any], condition: str) -> bool:
    """True if the claim has the value, as `claim:value` says; the gateway writes a list as `[one two]`."""
    name, _, value = condition.partition(":")
    held = claims.get(name)
    if isinstance(held, str) and held.startswith("[") and held.endswith("]"):
        held = held[1:-1].split(" ")
    return bool(value) and (held == value or (isinstance(held, list) and value in held))


def _text_of(claim: Any) -> str | None:
    """A text, number or truth value as text, which is how the gateway hands all of them over; None for anything else."""
    if isinstance(claim, str):
        return str(clean(claim))
    return json.dumps(claim) if isinstance(claim, bool | int | float) else None


def _identity(claims: Mapping[str, Any], name: str) -> str:
    """The claim as a text that names one workspace or user.

    The gateway hands over a number as its digits, a list as `[a b]`, an object as `map[a:b]`. The streaming function
    reads the token itself. Both take numbers and refuse lists and objects, so that a token is the same caller at both: a
    list of groups, for one, would name another workspace as soon as the user joins another group.
    """
    value = claims.get(name)
    if isinstance(value, int | float):
        value = json.dumps(value)
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= MAX_IDENTITY
        or clean(value) != value
        or NO_NAME.match(value)
    ):
        raise Unauthorized(f"the token's claim {name} must be a string of 1 to {MAX_IDENTITY} characters")
    return value
