"""Examples for the API document, made by the code that makes the real answers."""

import json
from types import SimpleNamespace
from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import Response

from docs.generator.answers import (
    Accepted,
    Download,
    Events,
    Messages,
    Queue,
    Runs,
    Shown,
    Stopped,
    TicketMade,
    Upload,
)
from docs.generator.calls import first_details
from docs.generator.template import ROOT, Drift
from outlive.agent import Usage
from outlive.ai_sdk.chunks import Encoder
from outlive.caller import Caller
from outlive.chat import ChatReader
from outlive.clock import SECOND, Clock, from_iso, iso
from outlive.cursor import cursor_at
from outlive.errors import (
    AnsweredOtherwise,
    InvalidRequest,
    NotWaiting,
    Problem,
    PromptTooLong,
    QueueFull,
    RunAlreadyActive,
    TooManyRequests,
    Unauthorized,
    UnknownAgent,
)
from outlive.file import DownloadView, FileView, UploadView
from outlive.file_ref import address_of
from outlive.follow.events import Event
from outlive.follow.ticket import TICKET_S, new_ticket
from outlive.http import Api, problem_of
from outlive.lifecycle import Status
from outlive.request import MAX_PROMPT, check_start
from outlive.store.body import Body, pack
from outlive.store.bucket import DOWNLOAD_S, UNUSED, UPLOAD_S
from outlive.store.rows import Message, Record, Run
from outlive.tail import Tail
from outlive.views import QueuedView, view_message, view_run

RUN_ID = "5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b"
CALLER = Caller("acme", "ada")
ASKED_AT = from_iso("2026-11-21T09:10:00.000Z")
TICKET = new_ticket("acme", RUN_ID, "0b8e1d5c6f7a4e3f9a2b4c6d8e0f1a3b")
FILE_ID = "5d1c9e3b7a2f4860b9d4e6f8a0c2b4d6"
UPLOAD = {"name": "map.png", "media_type": "image/png", "size": 48_211}
FIRST_STEP: list[dict[str, Any]] = [
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
LAST_STEP = [{"type": "step-start"}, {"type": "text", "text": "It is ten past nine in Lisbon.", "state": "done"}]


FILE = FileView(FILE_ID, "map.png", "image/png", 48_211, address_of("chat-1", FILE_ID))
SIGNED = "https://files.s3.eu-central-1.amazonaws.com/…?X-Amz-Signature=…"
UPLOAD_HEADERS = {
    "Content-Type": "image/png",
    "If-None-Match": "*",
    "x-amz-tagging": UNUSED,
    "x-amz-meta-name": "map.png",
}


def asked() -> dict[str, Any]:
    """The body of the start in `events/`."""
    body: dict[str, Any] = json.loads(json.loads((ROOT / "events" / "start.json").read_text())["body"])
    return body


def finished_run() -> tuple[Run, list[Record]]:
    """A run that ended well, and its records."""
    log = [_record(0, "step", FIRST_STEP, Usage(131, 24, 1)), _record(1, "final", LAST_STEP, Usage(306, 37, 2))]
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
    done, log = finished_run()
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
        "answer_calls": Accepted(view_run(_run(Status.RUNNING, started_at=ASKED_AT + 41, updated_at=ASKED_AT + 9120))),
        "stop_chat": stopped,
        "stop_run": stopped,
        "list_messages": Messages([view_message(prompt, [], "chat-1")], cursor_at(1, "acme", "chat-1", "messages")),
        "chat_queue": Queue([QueuedView(view_run(_run(Status.QUEUED), None, 1), asked()["prompt"], [])]),
        "list_runs": Runs([view_run(done)], None),
        "upload_file": Upload(FILE, UploadView(SIGNED, UPLOAD_HEADERS, iso(ASKED_AT + UPLOAD_S * SECOND))),
        "download_file": Download(FILE, DownloadView(SIGNED, iso(ASKED_AT + DOWNLOAD_S * SECOND))),
        "run_events": Events(*events_of(done, log)),
        "open_ticket": TicketMade(TICKET, iso(ASKED_AT + TICKET_S * SECOND), f"/tickets/{TICKET}/events"),
        "ticket_events": Events(*events_of(done, log)),
        "send_message": chunks(done, log, 3),
        "chat_stream": chunks(done, log, 100),
    }
    return {name: msgspec.to_builtins(answer) for name, answer in made.items()}


def chunks(run: Run, log: list[Record], most: int) -> str:
    """The first events as an AI SDK client gets them."""
    events, _ = events_of(run, log)
    return ChatReader(CALLER, "chat-1", RUN_ID, None, Encoder()).encode(events[:most])


def events_of(run: Run, log: list[Record]) -> tuple[list[Event], str]:
    """The events of a run from its start, and the cursor after them."""
    rows = SimpleNamespace(reload=lambda _: run, records=lambda *_: log)
    window = Tail(rows, Clock(), str).after(CALLER, RUN_ID, None, 0)  # type: ignore[arg-type]  # all that it reads
    assert window is not None
    assert window.cursor is not None
    return window.events, window.cursor


def example_of(kind: type[Problem]) -> dict[str, Any]:
    """A problem of this kind, as a client gets it."""
    if kind is Unauthorized:
        return _unauthorized()
    body: dict[str, Any] = json.loads(problem_of(_problem(kind)).body or "")
    return body


DETAILS: dict[type[Problem], str] = {
    AnsweredOtherwise: "call_1: the first answer counts",
    QueueFull: "10 runs wait already; stop one of them, or wait",
}
"""Details of problems that the code puts together."""
FIELDS: dict[type[Problem], dict[str, str]] = {
    RunAlreadyActive: {"active_run_id": RUN_ID},
    QueueFull: {"active_run_id": RUN_ID},
    NotWaiting: {"run_status": "succeeded"},
    AnsweredOtherwise: {
        "tool_call_id": "call_1",
        "answered_by": "ada",
        "answered_at": "2026-11-21T09:10:00.000Z",
    },
}


def _problem(kind: type[Problem]) -> Problem:
    if kind is UnknownAgent:
        return UnknownAgent("asistant", ["assistant"])
    if kind is InvalidRequest or kind is PromptTooLong:
        prompt = " " if kind is InvalidRequest else "x" * (MAX_PROMPT + 1)
        try:
            check_start("chat-1", None, json.dumps({"prompt": prompt}).encode(), 20)
        except Problem as refused:
            return refused
    if kind is TooManyRequests:
        return TooManyRequests("at most 60 starts a minute; send the same request again later", 1)
    detail = DETAILS.get(kind) or first_details().get(kind.__name__)
    if detail is None:
        raise Drift(f"no example can be made of the problem {kind.code}")
    return kind(detail, **FIELDS.get(kind, {}))


def _unauthorized() -> dict[str, Any]:
    event = json.loads((ROOT / "events" / "read.json").read_text())
    del event["requestContext"]["authorizer"]["jwt"]["claims"]["workspace_id"]
    api = Api("workspace_id")

    @api.get("/chats/<chat_id>/run")
    def _latest_run(caller: Caller) -> Response[str]:
        raise AssertionError(f"{caller} has no workspace")

    body: dict[str, Any] = json.loads(api.handle(event, None)["body"])
    return body


def _run(status: Status, **fields: Any) -> Run:
    request = check_start("chat-1", None, json.dumps(asked()).encode(), 20)
    defaults = {
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
    return Run("acme#" + RUN_ID, Run.SK, **{**defaults, **fields})


def _message(name: str, seq: int, **fields: Any) -> Message:
    fields |= {"id": f"{RUN_ID}-{name}", "run_id": RUN_ID, "created_at": ASKED_AT, "updated_at": ASKED_AT}
    return Message("acme#chat-1", Message.sort_key(seq), **fields)


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
