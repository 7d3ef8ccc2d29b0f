"""The schemas of the API document, made from the structs that the code itself reads and writes."""

from enum import Enum
from typing import Any

import msgspec

from docs.generator import lifecycle
from docs.generator.answers import ANSWERS, calls
from docs.generator.examples import asked
from outlive import lifecycle as states
from outlive.file import UploadBody
from outlive.request import ID, MAX_PROMPT, StartBody

SCHEMA_NAMES = {
    "RunView": "Run",
    "MessageView": "Message",
    "ErrorView": "RunError",
    "BudgetView": "Budget",
    "Budget": "AskedBudget",
    "StartBody": "Start",
    "TicketMade": "Ticket",
    "UploadBody": "Upload",
    "Upload": "UploadMade",
    "UploadView": "UploadAddress",
    "DownloadView": "DownloadAddress",
    "FileView": "File",
}

SOMETIMES = {"content_omitted"}
"""Members of an answer that are left out where they have nothing to say."""


def schemas() -> dict[str, Any]:
    """Every schema by its name."""
    bodies = [StartBody, UploadBody, *dict.fromkeys(answer.body for answer in ANSWERS.values() if answer.body)]
    _, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    for name, schema in components.items():
        if (
            schema.get("type") == "object"
            and name not in ("StartBody", "UploadBody", "Budget")
            and not name.endswith("Event")
        ):
            # What we write is always there, whether it has a default in the code or not.
            schema["required"] = [member for member in schema["properties"] if member not in SOMETIMES]
            for member in schema["properties"].values():
                member.pop("default", None)
        kind = getattr(states, name, None)
        if isinstance(kind, type) and issubclass(kind, Enum):
            schema["enum"] = [member.value for member in kind]
            schema["type"] = "string"
            schema["description"] = _explained(kind)
    components["StartBody"]["properties"]["prompt"] |= {"maxLength": MAX_PROMPT, "pattern": r"\S"}
    components["StartBody"]["examples"] = [asked()]
    components |= {"ChatMessage": _chat_schema(), "Problem": _problem_schema(), "Refusal": _refusal_schema()}
    components |= {
        "EventFrame": _event_frame(components["Events"]["properties"]["events"]["items"]),
        "ChunkFrame": _chunk_frame(),
    }
    return {
        new: _renamed(components[old], new)
        for old, new in sorted((name, SCHEMA_NAMES.get(name, name)) for name in components)
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
    lines = [f"- `{member.value}`: {members[member.name]}" for member in kind if member.name in members]
    return "\n".join([(kind.__doc__ or "").strip(), *([""] if lines else []), *lines])


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
            "run_status": {"type": "string", "description": "With `not_waiting`: the status of the run."},
            "tool_call_id": {"type": "string", "description": "With `answered_otherwise`: the call."},
            "answered_by": {"type": "string", "description": "With `answered_otherwise`: the user who answered first."},
            "answered_at": {
                "type": "string",
                "format": "date-time",
                "description": "With `answered_otherwise`: when that was.",
            },
        },
        "required": ["type", "title", "status", "detail", "code"],
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
                "description": "The last one counts, those before it are ignored. A user's message, of text parts and of file "
                "parts with the `url` of a file of this chat, starts a run. An assistant's message answers calls of the run it belongs to.",
            },
            "trigger": {"type": "string", "const": "submit-message"},
            "messageId": {"type": ["string", "null"], "description": "None, or the id of the last message."},
            "budget": {"$ref": "#/components/schemas/Budget"},
            "agent": {
                "type": "string",
                "description": "The agent that answers. Default: the only one, or `assistant`.",
            },
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
