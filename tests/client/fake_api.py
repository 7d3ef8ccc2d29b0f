"""A fake API in one function. It stores the events of one run, serves them in windows, and produces faults on request."""

import json
from collections.abc import Callable
from typing import Any

import httpx

Fault = Callable[[httpx.Request], httpx.Response]
"""Makes the response that replaces the real one, or raises a network error."""

BASE = "http://api.test/base"
TOKEN = "s3cret-t0ken"


def run_body(**other: Any) -> dict[str, Any]:
    """A run as the API sends it, with a field that the client does not support."""
    return {
        "id": "r1",
        "chat_id": "c1",
        "status": "running",
        "trigger": "user",
        "created_by": "ada",
        "agent": "assistant",
        "assistant_message_id": "r1-answer",
        "queue_position": None,
        "next_run_id": None,
        "step_count": 0,
        "asked": None,
        "error": None,
        "retrying": None,
        "finish_reason": None,
        "output": None,
        "usage": {"input_tokens": 0, "output_tokens": 0, "requests": 0, "cached_tokens": 7},
        "budget": {"max_steps": 20, "max_tokens": 1},
        "metadata": {},
        "created_at": "2026-11-21T09:10:00.000Z",
        "started_at": None,
        "updated_at": "2026-11-21T09:10:00.000Z",
        "stop_requested_at": None,
        "finished_at": None,
        "mood": "good",
    } | other


def problem(status: int, code: str, **fields: Any) -> httpx.Response:
    body = {
        "type": f"urn:outlive:problem:{code}",
        "title": "T",
        "status": status,
        "detail": "D",
        "code": code,
        **fields,
    }
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def problem_fault(status: int, code: str, **fields: Any) -> Fault:
    return lambda request: problem(status, code, **fields)


def response_fault(status: int, content: bytes | str, **headers: str) -> Fault:
    return lambda request: httpx.Response(status, content=content, headers=headers)


def network_fault(kind: type[httpx.TransportError]) -> Fault:
    def fault(request: httpx.Request) -> httpx.Response:
        raise kind("broken", request=request)

    return fault


class FakeApi:
    """Answers every call. Each request takes the next of `faults`; None answers the request."""

    def __init__(self, events: list[dict[str, Any]] | None = None, *, window_size: int = 1000) -> None:
        self.events = events or []
        self.window_size = window_size
        self.requests: list[httpx.Request] = []
        self.faults: list[Fault | None] = []
        self.starts: dict[str, str] = {}
        self.queue: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        fault = self.faults.pop(0) if self.faults else None
        return fault(request) if fault else self.answer(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        path = request.url.path.removeprefix("/base")
        if path.endswith("/events"):
            return self.window(request.url.params.get("after"))
        if request.method == "POST" and path.endswith("/runs"):
            key = request.headers["idempotency-key"]
            replayed = {"Idempotency-Replayed": "true"} if key in self.starts else {}
            run = run_body(id=self.starts.setdefault(key, f"r{len(self.starts) + 1}"))
            return httpx.Response(202, json={"run": run, "more": 1}, headers=replayed)
        if path.endswith("/stop"):
            return httpx.Response(200, json={"stopped": True, "run": run_body(id=path.split("/")[2])})
        if path.endswith("/queue"):
            return httpx.Response(200, json={"queue": self.queue, "more": 1})
        if path == "/chats/none/run":
            return httpx.Response(200, json={"run": None, "message": None})
        return httpx.Response(200, json={"run": run_body(), "message": None})

    def window(self, after: str | None) -> httpx.Response:
        ids = [event["id"] for event in self.events]
        begin = ids.index(after) + 1 if after else 0
        if begin == len(ids) and ids and self.events[-1]["type"] == "settled":
            return httpx.Response(204)
        events = self.events[begin : begin + self.window_size]
        cursor = events[-1]["id"] if events else after
        return httpx.Response(200, json={"events": events, "cursor": cursor})


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """The events with ids and times, and before each text an event of a type that the client does not support."""
    full: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "text":
            full.append({"type": "weather", "sun": True})
        full.append({**event, "extra": {"new": 1}})
    return [
        {**event, "id": f"id-{number}", "at": "2026-11-21T09:10:01.5Z"} for number, event in enumerate(full, start=1)
    ]


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content)
