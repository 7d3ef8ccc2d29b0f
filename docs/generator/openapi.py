"""The API as an OpenAPI 3.1 document.

Routes come from the template, what they take and which problems they answer with from the functions (see `calls.py`),
schemas from the structs that the code itself reads and writes, examples from the code that makes the real answers.
What is left to these files is prose.
"""

import tomllib
from collections.abc import Iterable
from typing import Any

from docs.generator import template
from docs.generator.answers import ANSWERS, calls
from docs.generator.calls import Call
from docs.generator.examples import CHAT_MESSAGE, UPLOAD, asked, events_of, example_of, examples, finished_run
from docs.generator.parameters import HEADERS, parameter
from docs.generator.schemas import SCHEMA_NAMES, schemas
from docs.generator.template import ROOT
from local.state import DEFAULT_PORT
from outlive.errors import Problem
from outlive.follow.sse import KIND, streamed
from outlive.http import MAX_IDENTITY


def document() -> dict[str, Any]:
    """The whole document. Raises Drift."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    paths: dict[str, dict[str, Any]] = {}
    made = examples()
    for call in calls():
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, made[call.name])
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Outlive",
            "version": version,
            "summary": "AI agent runs that outlive the connection that started them",
            "description": "Times are ISO 8601 in UTC with milliseconds, ids are opaque strings, unknown fields in a "
            "body are refused. Workspace and user come from the token alone; to any other user than its owner a chat or a run "
            "does not exist. Errors are `application/problem+json` (RFC 9457) with a `code`; only what the gateway "
            "itself refuses (a token that is missing or wrong, an unknown route, far too large a body) has its form.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com",
                "description": "A deployed stack: its output ApiUrl",
                "variables": {"api": {"default": "a1b2c3d4e5"}, "region": {"default": "eu-central-1"}},
            },
            {
                "url": "http://127.0.0.1:{port}/_aws/execute-api/outlive",
                "description": "The local stack of `make serve`",
                "variables": {"port": {"default": str(DEFAULT_PORT)}},
            },
        ],
        "security": [{"Token": []}],
        "tags": [
            {"name": "start", "description": "Starting a run"},
            {"name": "file", "description": "Files that go with a prompt, and those that an agent made"},
            {"name": "read", "description": "Reading runs and messages"},
            {"name": "tail", "description": "Following a run while it is active"},
            {"name": "chat", "description": "The same for chat clients of the AI SDK"},
            {
                "name": "answer",
                "description": "Answering calls that a run waits for: approvals, questions, tools of the client",
            },
            {"name": "stop", "description": "Stopping a run: the only thing a client can do that ends one"},
        ],
        "paths": paths,
        "components": {"schemas": schemas(), "securitySchemes": {"Token": _token()}},
    }


def _token() -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the issuer the stack was deployed with. `sub` is the user, the claim named by the "
        "parameter `WorkspaceClaim` (`workspace_id` unless set) the workspace; each is a string of 1 to "
        f"{MAX_IDENTITY} characters.",
    }


def _operation(call: Call, example: Any) -> dict[str, Any]:
    answer = ANSWERS[call.name]
    operation: dict[str, Any] = {
        "operationId": call.name,
        "tags": [call.function],
        "summary": call.summary.rstrip("."),
        "description": answer.about,
        "parameters": [
            *map(parameter, _asked_in_path(call)),
            *map(parameter, sorted((call.headers - {"Accept"}) | call.queries)),
        ],
    }
    if call.takes_body:
        schema, sent = BODIES.get(call.function, ("Start", asked()))
        operation["requestBody"] = {
            "required": True,
            "content": _json({"$ref": f"#/components/schemas/{schema}"}, sent),
        }
    content = (
        _json({"$ref": f"#/components/schemas/{SCHEMA_NAMES.get(answer.body.__name__, answer.body.__name__)}"}, example)
        if answer.body
        else _stream("ChunkFrame", example)
    )
    responses: dict[str, Any] = {
        str(answer.status): {
            "description": (answer.body.__doc__ or "").strip() if answer.body else "A UI message stream.",
            "headers": {name: HEADERS[name] for name in answer.headers},
            "content": content,
        }
    }
    if not answer.headers:
        del responses[str(answer.status)]["headers"]
    if "Accept" in call.headers:
        events, _ = events_of(*finished_run())
        responses[str(answer.status)]["content"] |= _stream("EventFrame", streamed(events[:3]))
    if answer.over:
        responses["204"] = {"description": answer.over}
    if answer.elsewhere:
        address = {"required": True, "schema": {"type": "string", "format": "uri"}}
        responses["302"] = {"description": answer.elsewhere, "headers": {"Location": address}, "content": content}
    for status in sorted({kind.status for kind in call.problems}):
        responses[str(status)] = _problems(status, (kind for kind in call.problems if kind.status == status))
    if (call.method, call.path) in template.without_token(template.read()):
        operation["security"] = []
        del responses["401"]["content"]["application/json"]
    return operation | {"responses": responses}


def _stream(frame: str, sent: str) -> dict[str, Any]:
    """A stream of server-sent events. Before OpenAPI 3.2 the schema of one, here `frame`, stands for the stream."""
    first, *_ = frames_of(sent)
    return {KIND: {"schema": {"$ref": f"#/components/schemas/{frame}"}, "example": first}}


def frames_of(sent: str) -> list[dict[str, str]]:
    """The events of a stream as a reader of it has them; comments and the time to come back are none."""
    fields = [dict(line.split(": ", 1) for line in block.split("\n")) for block in sent.strip().split("\n\n")]
    return [field for field in fields if "data" in field]


def _asked_in_path(call: Call) -> list[str]:
    return [part[1:-1] for part in call.path.split("/") if part.startswith("{")]


def _problems(status: int, kinds: Iterable[type[Problem]]) -> dict[str, Any]:
    ordered = sorted(kinds, key=lambda kind: kind.code)
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"code": {"enum": [kind.code for kind in ordered]}},
    }
    content: dict[str, Any] = {
        "application/problem+json": {
            "schema": schema,
            "examples": {kind.code: {"summary": kind.title, "value": example_of(kind)} for kind in ordered},
        }
    }
    if status in GATEWAYS_OWN:
        refusal = {"message": GATEWAYS_OWN[status]}
        content |= _json({"$ref": "#/components/schemas/Refusal"}, refusal)
    description = " ".join(f"`{kind.code}`: {(kind.__doc__ or '').strip()}" for kind in ordered)
    return {"description": description, "content": content}


BODIES: dict[str, tuple[str, dict[str, Any]]] = {"chat": ("ChatMessage", CHAT_MESSAGE), "file": ("Upload", UPLOAD)}
"""The schema and an example of what the functions take, besides a start."""

GATEWAYS_OWN = {401: "Unauthorized", 413: "Request Entity Too Large"}
"""The statuses with which the gateway itself refuses a request of an existing route, and its messages."""


def _json(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "example": example}}
