"""The API as an OpenAPI 3.1 document.

Routes come from the template, what they take and which problems they answer with from the functions (see `calls.py`),
schemas from the structs that the code itself reads and writes, examples from the code that makes the real answers.
What is left to this file is prose.
"""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

import msgspec

from docs import lifecycle, template
from docs.calls import Call, calls_of, said_with
from docs.template import ROOT
from local.state import DEFAULT_PORT
from outlive import lifecycle as states
from outlive.agent import Usage
from outlive.ai_sdk.chunks import Encoder
from outlive.chat import Listener
from outlive.clock import SECOND, Clock, from_iso, iso
from outlive.cursor import cursor_at
from outlive.errors import InvalidRequest, Problem, PromptTooLong, RunAlreadyActive, Unauthorized, UnknownAgent
from outlive.follow.events import Event
from outlive.follow.sse import KIND, streamed
from outlive.follow.ticket import TICKET_SECONDS, new_ticket
from outlive.http import MAX_IDENTITY, Api, problem
from outlive.lifecycle import Status
from outlive.request import (
    DEFAULT_LIMIT,
    ID,
    IDEMPOTENCY_KEY,
    MAX_LIMIT,
    MAX_PROMPT,
    MAX_WAIT,
    StartBody,
    check_start,
)
from outlive.store.rows import Body, Message, Record, Run, pack
from outlive.tail import Tail
from outlive.views import MessageView, Moment, RunView, view_message, view_run


class Drift(Exception):
    """Template, code and this document do not fit together; the message says where."""


# ------------------------------------------------------------------ what the calls answer


class Accepted(msgspec.Struct):
    """The run, as it is now."""

    run: RunView


class Shown(msgspec.Struct):
    """A run and its assistant message. Both null: there is none. Message null: it was deleted."""

    run: RunView | None
    message: MessageView | None


class Stopped(msgspec.Struct):
    """Whether this call's stop took effect, and the run it acted on or was asked about."""

    stopped: bool
    run: RunView | None


class Messages(msgspec.Struct):
    """A page of the transcript, and where the next one begins; null at the end."""

    messages: list[MessageView]
    cursor: str | None


class Runs(msgspec.Struct):
    """A page of runs, and where the next one begins; null at the end."""

    runs: list[RunView]
    cursor: str | None


class Events(msgspec.Struct):
    """What is new, and the cursor behind it: for `after` of the next call."""

    events: list[Event]
    cursor: str


class TicketMade(msgspec.Struct):
    """The ticket, when it is over, and the path it opens."""

    ticket: str
    expires_at: Moment
    url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answers when all goes well, and what its reader should know."""

    status: int
    body: type[msgspec.Struct] | None
    """None: a stream of chunks."""
    about: str
    headers: tuple[str, ...] = ()
    over: str = ""
    """What a 204 means; empty if there is none."""


OVER = "The run has ended and all of it was told: there is nothing more to ask for."

ANSWERS = {
    "start_run": Answer(
        202,
        Accepted,
        "The run is stored and goes on by itself: nobody needs to stay connected. A chat has at most one active run; "
        "while there is one, a start is refused with its id.\n\n"
        "Send an `Idempotency-Key` and a lost answer costs nothing: the same request with the same key is answered with "
        "the same run, also while it is active. Such an answer carries `Idempotency-Replayed: true`.",
        ("Location", "Idempotency-Replayed"),
    ),
    "latest_run": Answer(
        200,
        Shown,
        "In flight or finished. Both are null for a chat that never had a run, and for one that is not yours. Right "
        "after a start or an end this is never stale; while the run is active the message shows every stored step.",
    ),
    "one_run": Answer(200, Shown, "The same as for a chat, by the id of the run."),
    "stop_chat": Answer(
        200,
        Stopped,
        "Stops the run that is active in the chat now, and no later one. `stopped: true`: the run ends `aborted`, and "
        "what was said so far is kept. `stopped: false`: nothing was active and nothing was written.",
    ),
    "stop_run": Answer(
        200,
        Stopped,
        "The same as for a chat, by the id of the run. A run that has ended stays as it is: `stopped: false`, with the "
        "run. So is one that is unknown or not yours, without it.",
    ),
    "list_messages": Answer(
        200,
        Messages,
        "A page ends early, with a cursor, before it grows past 4.6 MB, which is what one answer can carry. A chat that is unknown or not yours is empty.",
    ),
    "list_runs": Answer(
        200, Runs, "The list may lag a moment behind; each run in it is current. A chat that is not yours is empty."
    ),
    "run_events": Answer(
        200,
        Events,
        "Everything the run says, in order, none of it twice, live text included. Ask again with the `cursor` of the "
        "answer, and stop at a 204. Applied one by one the events make the run's message; `step` with state `started` "
        "voids what was shown of that step before, for a step can begin anew after its worker died.\n\n"
        "With `Accept: text/event-stream` the same comes as server-sent events, each with the cursor as its id: a "
        "window that ends after what is new, or after `wait` seconds. A browser's EventSource comes back by itself "
        "after what it got last, and ends with the 204.",
        over=OVER,
    ),
    "open_ticket": Answer(
        201,
        TicketMade,
        "For a browser's EventSource, which can send no token, and for nobody else: a token in an address ends up in "
        "logs. A ticket opens the events of this one run, as often as they are asked for, until it is over.",
    ),
    "ticket_events": Answer(
        200,
        Events,
        "The same as the events of the run, for whoever holds a ticket for it; no token is asked for.",
        over=OVER,
    ),
    "send_message": Answer(
        200,
        None,
        "What the AI SDK's `useChat` sends. Only the last message is looked at, and it must be a user's text: the rest of "
        "the chat is what is stored here. Its id is the idempotency key, so sending it again after a lost answer "
        "makes no second run. The answer is a UI message stream as for the chat's stream.",
        ("Location", "Idempotency-Replayed"),
    ),
    "chat_stream": Answer(
        200,
        None,
        "The active run as a UI message stream of the AI SDK, from its start, with the id of the stored message. A "
        "window that ends before the run does has no `finish`; whoever wants to read on asks again with the last `id` "
        "of the stream as `after`, and stops at a 204. Clients that do so give `wait` and are answered as soon as "
        "there is something new; without it a window goes on for up to 20 seconds or until the run ends. A `data-void` chunk, "
        "which ends its window, says that what was shown since the last `start-step` is void.",
        over="Nothing is active, or all of it was told.",
    ),
}

SCHEMA_NAMES = {
    "RunView": "Run",
    "MessageView": "Message",
    "ErrorView": "RunError",
    "BudgetView": "Budget",
    "Budget": "AskedBudget",
    "StartBody": "Start",
    "TicketMade": "Ticket",
}

# ------------------------------------------------------------------ examples, made by the code they show

RUN_ID = "5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b"
ASKED_AT = from_iso("2026-11-21T09:10:00.000Z")
TICKET = new_ticket("acme", RUN_ID, "0b8e1d5c6f7a4e3f9a2b4c6d8e0f1a3b")
SAID: list[dict[str, Any]] = [
    {"type": "step-start"},
    {"type": "text", "text": "Let me look at the clock. ", "state": "done"},
    {
        "type": "tool-clock",
        "toolCallId": "call_7d0348cd246875ac2ffb46cf",
        "state": "output-available",
        "input": {"time_zone": "Europe/Lisbon"},
        "output": "2026-11-21T09:10:01+00:00",
    },
]
ANSWERED = [{"type": "step-start"}, {"type": "text", "text": "It is ten past nine in Lisbon.", "state": "done"}]


def asked() -> dict[str, Any]:
    """The body of the start in `events/`."""
    body: dict[str, Any] = json.loads(json.loads((ROOT / "events" / "start.json").read_text())["body"])
    return body


def _told_of() -> tuple[Run, list[Record]]:
    log = [_record(0, "step", SAID, Usage(131, 24, 1)), _record(1, "final", ANSWERED, Usage(306, 37, 2))]
    done = _run(
        Status.SUCCEEDED,
        claimed_step=1,
        attempt=1,
        started_at=ASKED_AT + 41,
        updated_at=ASKED_AT + 3120,
        finished_at=ASKED_AT + 3120,
        finish_reason="stop",
        step_count=2,
        usage=log[-1].usage,
    )
    return done, log


def examples() -> dict[str, Any]:
    """An answer of each call, by the name of its function."""
    done, log = _told_of()
    prompt = _message("prompt", 1, role="user", status="completed", text=asked()["prompt"])
    answer = _message("answer", 2, role="assistant", status="streaming")
    stopping = _run(
        Status.RUNNING, started_at=ASKED_AT + 41, updated_at=ASKED_AT + 2045, stop_requested_at=ASKED_AT + 2040
    )
    shown = Shown(view_run(done), view_message(answer, log, "chat-1", done))
    stopped = Stopped(stopped=True, run=view_run(stopping, log[0]))
    made = {
        "start_run": Accepted(view_run(_run(Status.PENDING))),
        "latest_run": shown,
        "one_run": shown,
        "stop_chat": stopped,
        "stop_run": stopped,
        "list_messages": Messages([view_message(prompt, [], "chat-1")], cursor_at(1, "acme", "chat-1", "messages")),
        "list_runs": Runs([view_run(done)], None),
        "run_events": Events(*told(done, log)),
        "open_ticket": TicketMade(TICKET, iso(ASKED_AT + TICKET_SECONDS * SECOND), f"/tickets/{TICKET}/events"),
        "ticket_events": Events(*told(done, log)),
        "send_message": chunks(done, log, 3),
        "chat_stream": chunks(done, log, 100),
    }
    return {name: msgspec.to_builtins(answer) for name, answer in made.items()}


def chunks(run: Run, log: list[Record], most: int) -> str:
    """The first events as an AI SDK client gets them."""
    events, _ = told(run, log)
    return Listener("acme", "ada", "chat-1", RUN_ID, None, Encoder()).hear(events[:most])


def told(run: Run, log: list[Record]) -> tuple[list[Event], str]:
    """The events of a run that was followed from its start, and the cursor behind them."""
    rows = SimpleNamespace(again=lambda _: run, records=lambda *_: log)
    window = Tail(rows, Clock(), str).after("acme", "ada", RUN_ID, None, 0)  # type: ignore[arg-type]  # all it asks for
    assert window is not None
    assert window.cursor is not None
    return window.events, window.cursor


def example_of(kind: type[Problem]) -> dict[str, Any]:
    """A problem of this kind, as a client gets it."""
    if kind is Unauthorized:
        return _nobody()
    body: dict[str, Any] = json.loads(problem(_problem(kind)).body or "")
    return body


def _problem(kind: type[Problem]) -> Problem:
    if kind is InvalidRequest or kind is PromptTooLong:
        prompt = " " if kind is InvalidRequest else "x" * (MAX_PROMPT + 1)
        try:
            check_start("chat-1", None, json.dumps({"prompt": prompt}).encode(), 20)
        except Problem as refused:
            return refused
    if kind is UnknownAgent:
        return UnknownAgent("asistant", ["assistant"])
    detail = said_with().get(kind.__name__)
    if detail is None:
        raise Drift(f"no example can be made of the problem {kind.code}")
    return kind(detail, active_run_id=RUN_ID) if kind is RunAlreadyActive else kind(detail)


def _nobody() -> dict[str, Any]:
    event = json.loads((ROOT / "events" / "read.json").read_text())
    del event["requestContext"]["authorizer"]["jwt"]["claims"]["workspace_id"]
    api = Api("workspace_id")
    api.get("/chats/<chat_id>/run")(lambda chat_id: str(api.caller))
    body: dict[str, Any] = json.loads(api.handle(event, None)["body"])
    return body


def _run(status: Status, **said: Any) -> Run:
    request = check_start("chat-1", None, json.dumps(asked()).encode(), 20)
    told = {
        "id": RUN_ID,
        "workspace_id": "acme",
        "chat_id": request.chat_id,
        "owner": "ada",
        "created_by": "ada",
        "agent": "assistant",
        "trigger": "user",
        "status": status,
        "budget": {"max_steps": request.max_steps},
        "metadata": request.metadata,
        "step_count": 0,
        "created_at": ASKED_AT,
        "updated_at": ASKED_AT,
    }
    return Run("acme#" + RUN_ID, Run.SK, **{**told, **said})


def _message(name: str, seq: int, **said: Any) -> Message:
    said |= {"id": f"{RUN_ID}-{name}", "run_id": RUN_ID, "created_at": ASKED_AT, "updated_at": ASKED_AT}
    return Message("acme#chat-1", Message.sort_key(seq), **said)


def _record(step: int, kind: str, parts: list[dict[str, Any]], usage: Usage) -> Record:
    at = ASKED_AT + 1400 * (step + 1)
    return Record(
        "acme#chat-1",
        Record.sort_key(2, step),
        run_id=RUN_ID,
        step=step,
        kind=kind,
        packed=pack(Body(parts)),
        usage=usage,
        created_at=at,
    )


# ------------------------------------------------------------------ the document


def calls() -> list[Call]:
    """Every route of the template, with what its function says. Raises Drift if the two don't fit."""
    routes = template.routes(template.read())
    found = {(call.method, call.path): call for name in sorted(set(routes.values())) for call in calls_of(name)}
    for route in found.keys() ^ routes.keys():
        where = "template.yaml" if route in found else "functions/"
        raise Drift(f"{' '.join(route)} is missing in {where}")
    for call in found.values():
        if call.function != routes[call.method, call.path]:
            raise Drift(f"{call.method} {call.path} leads to another function in template.yaml")
        if call.name not in ANSWERS:
            raise Drift(f"docs/openapi.py does not know what {call.name} answers")
    return [found[route] for route in routes]


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
            "body are refused. Workspace and user come from the token alone; to anybody but its owner a chat or a run "
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
            {"name": "read", "description": "Watching runs, reading what was said"},
            {"name": "tail", "description": "Following a run as it speaks"},
            {"name": "chat", "description": "The same for chat clients of the AI SDK"},
            {"name": "stop", "description": "Stopping a run: the only thing a client can do that ends one"},
        ],
        "paths": paths,
        "components": {"schemas": schemas(), "securitySchemes": {"Token": _token()}},
    }


SOMETIMES = {"content_omitted"}
"""Members of an answer that are left out where they have nothing to say."""


def schemas() -> dict[str, Any]:
    """Every schema by its name."""
    bodies = [StartBody, *dict.fromkeys(answer.body for answer in ANSWERS.values() if answer.body)]
    _, found = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    for name, schema in found.items():
        if schema.get("type") == "object" and name not in ("StartBody", "Budget") and not name.endswith("Event"):
            # What we write is always there, whether it has a default in the code or not.
            schema["required"] = [member for member in schema["properties"] if member not in SOMETIMES]
            for member in schema["properties"].values():
                member.pop("default", None)
        kind = getattr(states, name, None)
        if isinstance(kind, type) and issubclass(kind, Enum):
            schema["enum"] = [member.value for member in kind]
            schema["type"] = "string"
            schema["description"] = _explained(kind)
    found["StartBody"]["properties"]["prompt"] |= {"maxLength": MAX_PROMPT, "pattern": r"\S"}
    found["StartBody"]["examples"] = [asked()]
    found |= {"ChatMessage": _chat_schema(), "Problem": _problem_schema(), "Refusal": _refusal_schema()}
    found |= {
        "EventFrame": _event_frame(found["Events"]["properties"]["events"]["items"]),
        "ChunkFrame": _chunk_frame(),
    }
    return {
        new: _renamed(found[old], new) for old, new in sorted((name, SCHEMA_NAMES.get(name, name)) for name in found)
    }


def _renamed(schema: Any, title: str = "") -> Any:
    if isinstance(schema, list):
        return [_renamed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {name: _renamed(inner) for name, inner in schema.items()}
    if "$ref" in schema:
        prefix, _, name = schema["$ref"].rpartition("/")
        renamed["$ref"] = f"{prefix}/{SCHEMA_NAMES.get(name, name)}"
    return renamed | ({"title": title} if title else {})


def _explained(kind: type[Enum]) -> str:
    members = lifecycle.explained(kind)
    said = [f"- `{member.value}`: {members[member.name]}" for member in kind if member.name in members]
    return "\n".join([(kind.__doc__ or "").strip(), *([""] if said else []), *said])


def _event_frame(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "One server-sent event of a run's events; its `id`, sent back as `Last-Event-ID`, is the place to "
        "go on from.",
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "The event's own `id`."},
            "event": {"type": "string", "enum": list(event["discriminator"]["mapping"])},
            "data": _as_json(event),
        },
        "required": ["id", "event", "data"],
    }


def _chunk_frame() -> dict[str, Any]:
    return {
        "description": "One server-sent event of a UI message stream, version 1 of the AI SDK's protocol. An `id` stands "
        "for all events up to its own, and is the `after` to go on from.",
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "event": {"type": "string", "const": "message"},
            "data": {
                "description": "A chunk; or `[DONE]`, after which nothing comes.",
                "anyOf": [
                    _as_json({"type": "object", "required": ["type"]}),
                    {"type": "string", "const": "[DONE]"},
                ],
            },
        },
        "required": ["data"],
    }


def _as_json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}


def _problem_schema() -> dict[str, Any]:
    codes = sorted({kind.code for call in calls() for kind in call.problems})
    return {
        "title": "Problem",
        "description": "What went wrong, in the form of RFC 9457.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "description": "`urn:outlive:problem:` and the code."},
            "title": {"type": "string", "description": "The same for every problem of this code."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "What went wrong this time."},
            "code": {"type": "string", "enum": codes, "description": "What a program should look at."},
            "field": {"type": "string", "description": "With `invalid_request`: what is wrong in the request."},
            "active_run_id": {"type": "string", "description": "With `run_already_active`: the run that is active."},
        },
        "required": ["type", "title", "status", "detail", "code"],
    }


CHAT_MESSAGE = {
    "id": "chat-1",
    "messages": [
        {
            "id": "msg-8c1f9a526d0e4b53",
            "role": "user",
            "parts": [{"type": "text", "text": "What time is it in Lisbon?"}],
        }
    ],
    "trigger": "submit-message",
}


def _chat_schema() -> dict[str, Any]:
    return {
        "title": "ChatMessage",
        "description": "The body of `useChat`, with what an application may add to it.",
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": f"^{ID.pattern}$", "description": "The chat."},
            "messages": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "object"},
                "description": "The last one is asked: a user's, of text parts alone. Those before it are ignored.",
            },
            "trigger": {"type": "string", "const": "submit-message"},
            "messageId": {"type": ["string", "null"], "description": "None, or the id of the last message."},
            "budget": {"$ref": "#/components/schemas/Budget"},
            "agent": {"type": "string", "description": "The agent that answers. Default: the only one, or `assistant`."},
            "metadata": {"type": "object", "description": "The run's: at most 2 KB as JSON."},
        },
        "required": ["id", "messages"],
        "additionalProperties": False,
    }


def _refusal_schema() -> dict[str, Any]:
    return {
        "title": "Refusal",
        "description": "What the gateway says by itself, before any function is asked.",
        "type": "object",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
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
            *map(_parameter, _asked_in_path(call)),
            *map(_parameter, sorted((call.headers - {"Accept"}) | call.queries)),
        ],
    }
    if call.takes_body:
        schema, sent = ("ChatMessage", CHAT_MESSAGE) if call.function == "chat" else ("Start", asked())
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
        events, _ = told(*_told_of())
        responses[str(answer.status)]["content"] |= _stream("EventFrame", streamed(events[:3]))
    if answer.over:
        responses["204"] = {"description": answer.over}
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


HEADERS = {
    "Location": {
        "description": "The path of the run.",
        "required": True,
        "schema": {"type": "string"},
        "example": f"/runs/{RUN_ID}",
    },
    "Idempotency-Replayed": {
        "description": "Only there if an earlier request with this key had started the run.",
        "schema": {"type": "string", "const": "true"},
    },
}

PARAMETERS: dict[str, dict[str, Any]] = {
    "chat_id": {
        "in": "path",
        "required": True,
        "description": "The chat, by an id of your choice; its first run makes it yours.",
        "schema": {"type": "string", "pattern": f"^{ID.pattern}$"},
        "example": "chat-1",
    },
    "run_id": {
        "in": "path",
        "required": True,
        "description": "The run, by the id its start was answered with.",
        "schema": {"type": "string"},
        "example": RUN_ID,
    },
    "Idempotency-Key": {
        "in": "header",
        "description": "Makes it safe to send the same start again. A fresh one for each new question, such as a UUID.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
        "example": "8c1f9a52-6d0e-4b53-9d7a-2f64c0b1e3a7",
    },
    "limit": {
        "in": "query",
        "description": "How many at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    },
    "ticket": {
        "in": "path",
        "required": True,
        "description": "The ticket, as it was made.",
        "schema": {"type": "string"},
        "example": TICKET,
    },
    "after": {
        "in": "query",
        "description": "The `cursor` of the answer before, or the `id` of any event; without it everything. Opaque, and "
        "good only for this call on this run or chat.",
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "in": "header",
        "description": "The same, as a browser's EventSource sends it by itself; it counts more than `after`.",
        "schema": {"type": "string"},
    },
    "wait": {
        "in": "query",
        "description": "How many seconds to wait for something new; 0 unless given, "
        f"{MAX_WAIT} for streams. The answer comes as soon as there is something.",
        "schema": {"type": "number", "minimum": 0, "maximum": MAX_WAIT},
    },
    "cursor": {
        "in": "query",
        "description": "Where the page before ended. Opaque, and good only for this call on this chat.",
        "schema": {"type": "string"},
    },
}


def _parameter(name: str) -> dict[str, Any]:
    if name not in PARAMETERS:
        raise Drift(f"docs/openapi.py does not know the parameter {name}")
    return {"name": name, **PARAMETERS[name]}


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
    said = " ".join(f"`{kind.code}`: {(kind.__doc__ or '').strip()}" for kind in ordered)
    return {"description": said, "content": content}


GATEWAYS_OWN = {401: "Unauthorized", 413: "Request Entity Too Large"}
"""What the gateway refuses by itself on a route that exists, and the words it has for it."""


def _json(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "example": example}}
