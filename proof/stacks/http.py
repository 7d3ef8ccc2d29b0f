"""A call over HTTP as its function gets it, and the answer as a client gets it."""

import base64
import copy
import gzip
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from proof.stacks.events import event


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: Any
    headers: dict[str, str]
    carried: int = 0
    """Bytes of the function's whole return value as JSON, which is what Lambda bounds."""


@dataclass(frozen=True)
class Route:
    """Which route of the API a call takes: its key, its verb, and the id in its path."""

    key: str
    verb: str
    path: str
    parameters: dict[str, str] | None
    ticket: bool

    @classmethod
    def of(cls, method: str, path: str) -> "Route":
        """The route of `method path`; the id in `path` is taken literally."""
        first, *rest = path.strip("/").split("/")
        if first == "api":
            first, rest = "api/chat", rest[1:]
        identifier, *rest = rest or [""]
        if first == "tickets":
            identifier = unquote(identifier)  # a hostile one may hold anything
        parameter = {"runs": "run_id", "tickets": "ticket"}.get(first, "chat_id")
        verbs = {"stop": "stop", "answers": "answer", "runs": "start", "ticket": "tail", "files": "file"}
        verb = verbs.get(rest[-1] if rest else "", "read")
        if method == "GET":
            verb = "tail" if rest[-1:] == ["events"] else "read"
        if first == "api/chat":
            verb = "chat"
        raw = "/" + "/".join([first, *([quote(identifier, safe="")] if identifier else []), *rest])
        parameters = {parameter: identifier} if identifier else {}
        if rest[:1] == ["files"] and rest[1:]:
            verb, parameters["file_id"], rest = "file", rest[1], ["files", "{file_id}"]
        key = f"{method} /" + "/".join([first, *(["{" + parameter + "}"] if identifier else []), *rest])
        return cls(key, verb, raw, parameters or None, first == "tickets")


def http_event(
    method: str,
    route: Route,
    body: str | None,
    claims: dict[str, Any],
    headers: dict[str, str] | None,
    query: dict[str, str] | None,
) -> dict[str, Any]:
    """The event that API Gateway makes of a call."""
    request = copy.deepcopy(event("read"))
    request["routeKey"] = request["requestContext"]["routeKey"] = route.key
    request["rawPath"] = request["requestContext"]["http"]["path"] = route.path
    request["requestContext"]["http"]["method"] = method
    request["pathParameters"] = route.parameters
    request["queryStringParameters"] = query
    request["headers"] |= {name.lower(): value for name, value in (headers or {}).items()}
    request["requestContext"]["authorizer"]["jwt"]["claims"] = claims
    if route.ticket:
        del request["requestContext"]["authorizer"]
    request["body"], request["isBase64Encoded"] = body, False
    return request


def answer_of(returned_value: dict[str, Any]) -> Answer:
    """The answer that API Gateway makes of what a handler returned."""
    headers = {name.lower(): value for name, value in (returned_value.get("headers") or {}).items()}
    headers |= {name.lower(): values[0] for name, values in (returned_value.get("multiValueHeaders") or {}).items()}
    returned = json.dumps(returned_value)
    returned_value = json.loads(returned)
    packed = (returned_value.get("body") or "").encode()
    if returned_value.get("isBase64Encoded"):
        packed = base64.b64decode(returned_value["body"])
    text = (gzip.decompress(packed) if headers.get("content-encoding") == "gzip" else packed).decode()
    body = json.loads(text) if "json" in headers.get("content-type", "") else text
    return Answer(returned_value["statusCode"], body, headers, len(returned))
