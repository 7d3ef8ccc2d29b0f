"""What the HTTP functions share: who calls, what was asked, and how an answer or a problem looks."""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from outlive.errors import (
    InternalError,
    InvalidRequest,
    Problem,
    ReadFailed,
    RouteNotFound,
    StoreError,
    StoreUnreadable,
    Unauthorized,
)
from outlive.log import cause, logger, unexpected
from outlive.text import clean

MAX_IDENTITY = 256
MAX_CLAIMS = 2048
"""Bytes of the claims kept for tools, as JSON."""
LARGE = 20_000
"""Bytes of an answer worth compressing."""
MOST_TEXT = 6_250_000
"""Bytes a body may take as a JSON string: with status and headers below Lambda's 6,291,556 bytes of response."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, from the verified token and nothing else."""

    workspace_id: str
    user: str
    claims: dict[str, str] = field(default_factory=dict)
    """The claims that tools get, as texts. No answer shows them."""


class Api(APIGatewayHttpResolver):
    """Routes of one function. Every answer is JSON, every problem `application/problem+json`."""

    def __init__(self, workspace_claim: str, deps_claims: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._workspace_claim = workspace_claim
        self._deps_claims = deps_claims
        self.exception_handler(Problem)(problem)
        self.exception_handler(StoreError)(_store_failed)
        self.exception_handler(Exception)(_unexpected)
        self.not_found(lambda error: problem(RouteNotFound("this function has no such route")))

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer `event`.

        The gateway has matched the route already and decoded the path; an id with a `/` or `#` in it would not match
        again, so the path is put together anew from the route and its parameters.
        """
        path = event["routeKey"].partition(" ")[2]
        for name, value in (event.get("pathParameters") or {}).items():
            path = path.replace("{" + name + "}", quote(value, safe="", errors="replace"))
        return _fitting(self.resolve({**event, "rawPath": path}, context), event)

    @property
    def caller(self) -> Caller:
        """Who calls. Raises Unauthorized if the token lacks a usable workspace or subject."""
        found: Any = self.current_event.raw_event.get("requestContext")
        for name in ("authorizer", "jwt", "claims"):
            found = found.get(name) if isinstance(found, dict) else None
        return caller_of(found if isinstance(found, dict) else {}, self._workspace_claim, self._deps_claims)

    def parameter(self, name: str) -> str:
        """A path parameter, decoded."""
        return str((self.current_event.raw_event.get("pathParameters") or {})[name])

    def query(self, name: str) -> str | None:
        """A query parameter, or None."""
        found = (self.current_event.raw_event.get("queryStringParameters") or {}).get(name)
        return None if found is None else str(found)

    def header(self, name: str) -> str | None:
        """A header, or None."""
        headers: Mapping[str, str] = self.current_event.raw_event.get("headers") or {}
        return next((value for key, value in headers.items() if key.lower() == name.lower()), None)

    @property
    def body(self) -> bytes:
        """The body as it was sent. Raises InvalidRequest if it can't be decoded."""
        event = self.current_event.raw_event
        sent: str = event.get("body") or ""
        try:
            return base64.b64decode(sent) if event.get("isBase64Encoded") else sent.encode()
        except ValueError:
            raise InvalidRequest("body", "must be JSON") from None


def _fitting(response: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """The response in a form that Lambda can carry: compressed where the client takes that, in base64 where text is too
    large. Either way the body fits if it has at most `PAGE_BYTES`.
    """
    text = response.get("body") or ""
    body = text.encode()
    if len(body) >= LARGE and _takes_gzip(event):
        headers = {**(response.get("headers") or {}), "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return {**response, "headers": headers, **_in_base64(gzip.compress(body, 5))}
    return response if _fits_as_text(text) else {**response, **_in_base64(body)}


def _in_base64(body: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _fits_as_text(text: str) -> bool:
    # A character takes 12 bytes at most. Runtimes differ in what they escape, so everything that can be is.
    return 12 * len(text) <= MOST_TEXT or len(json.dumps(text)) <= MOST_TEXT


def _takes_gzip(event: dict[str, Any]) -> bool:
    asked = ",".join(value for name, value in (event.get("headers") or {}).items() if name.lower() == "accept-encoding")
    codings = [coding.replace(" ", "").partition(";") for coding in asked.lower().split(",")]
    return any(name == "gzip" and weight not in ("q=0", "q=0.0") for name, _, weight in codings)


def nothing() -> Response[str]:
    """204: there is nothing, and there won't be."""
    return Response(204, body="", headers={"Cache-Control": "no-store"})


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    """`body` as JSON."""
    text = msgspec.json.encode(body).decode()
    return Response(status, "application/json", text, headers={"Cache-Control": "no-store", **(headers or {})})


def problem(error: Problem) -> Response[str]:
    """`error` in the form of RFC 9457."""
    body = {
        "type": f"urn:outlive:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        **error.fields,
    }
    return Response(error.status, "application/problem+json", msgspec.json.encode(body).decode())


def caller_of(claims: Mapping[str, Any], workspace_claim: str, deps_claims: tuple[str, ...] = ()) -> Caller:
    """Who a verified token speaks for, with the claims named by `deps_claims` as far as it has them.

    Raises Unauthorized if it lacks a usable workspace or subject, or if those claims are too large.
    """
    texts = {name: _text_of(claims.get(name)) for name in deps_claims}
    kept = {name: text for name, text in texts.items() if text is not None}
    if len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_CLAIMS:
        raise Unauthorized(f"the token's claims for tools must be at most {MAX_CLAIMS} bytes as JSON")
    return Caller(_identity(claims, workspace_claim), _identity(claims, "sub"), kept)


def _text_of(claim: Any) -> str | None:
    """A text, number or truth value as text, which is how the gateway hands all of them over; None for anything else."""
    if isinstance(claim, str):
        return str(clean(claim))
    return json.dumps(claim) if isinstance(claim, bool | int | float) else None


def _identity(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_IDENTITY or clean(value) != value:
        raise Unauthorized(f"the token's claim {name} must be a string of 1 to {MAX_IDENTITY} characters")
    return value


def _store_failed(error: StoreError) -> Response[str]:
    logger.error("store_failed", cause=cause(error))
    damaged = isinstance(error, StoreUnreadable)
    return problem(ReadFailed("what is stored of it is damaged" if damaged else "try again"))


def _unexpected(error: Exception) -> Response[str]:
    unexpected("request_failed", error)
    return problem(InternalError("the log of this request says more"))
