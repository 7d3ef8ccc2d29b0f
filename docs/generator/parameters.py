"""The parameters and headers of the API document."""

from typing import Any

from docs.generator.examples import FILE_ID, RUN_ID, TICKET
from docs.generator.template import Drift
from outlive.request import DEFAULT_LIMIT, ID, IDEMPOTENCY_KEY, MAX_LIMIT, MAX_WAIT_S

HEADERS = {
    "Location": {
        "description": "The path of the run, or of the file.",
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
    "file_id": {
        "in": "path",
        "required": True,
        "description": "The file, by the id its upload was answered with.",
        "schema": {"type": "string"},
        "example": FILE_ID,
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
        f"{MAX_WAIT_S} for streams. The answer comes as soon as there is something.",
        "schema": {"type": "number", "minimum": 0, "maximum": MAX_WAIT_S},
    },
    "cursor": {
        "in": "query",
        "description": "Where the page before ended. Opaque, and good only for this call on this chat.",
        "schema": {"type": "string"},
    },
}


def parameter(name: str) -> dict[str, Any]:
    if name not in PARAMETERS:
        raise Drift(f"docs/generator/parameters.py has no parameter {name}")
    return {"name": name, **PARAMETERS[name]}
