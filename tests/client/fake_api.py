"""An API in a function: it keeps one run's events, serves them in windows, and can be made to misbehave."""

import json
from collections.abc import Callable
from typing import Any

import httpx

Misdeed = Callable[[httpx.Request], httpx.Response]
"""What comes in place of the answer; it may raise what the network raises."""

BASE = "http://api.test/base"
TOKEN = "s3cret-t0ken"


def run_body(**other: Any) -> dict[str, Any]:
    """A run as the API tells of it, with a field nobody knows yet."""
    return {
        "id": "r1",
        "chat_id": "c1",
        "status": "running",
        "trigger": "user",
        "created_by": "ada",
        "assistant_message_id": "r1-answer",
        "step_count": 0,
        "error": None,
        "finish_reason": None,
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


def refused(status: int, code: str, **fields: Any) -> Misdeed:
    return lambda request: problem(status, code, **fields)


def says(status: int, content: bytes | str, **headers: str) -> Misdeed:
    return lambda request: httpx.Response(status, content=content, headers=headers)


def breaks(kind: type[httpx.TransportError]) -> Misdeed:
    def misdeed(request: httpx.Request) -> httpx.Response:
        raise kind("broken", request=request)

    return misdeed


class FakeApi:
    """Answers every call. `misdeeds` come first, one a request; None lets a request through."""

    def __init__(self, events: list[dict[str, Any]] | None = None, *, at_most: int = 1000) -> None:
        self.events = events or []
        self.at_most = at_most
        self.requests: list[httpx.Request] = []
        self.misdeeds: list[Misdeed | None] = []
        self.starts: dict[str, str] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        misdeed = self.misdeeds.pop(0) if self.misdeeds else None
        return misdeed(request) if misdeed else self.answer(request)

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
            return httpx.Response(200, json={"stopped": True, "run": run_body()})
        if path == "/chats/none/run":
            return httpx.Response(200, json={"run": None, "message": None})
        return httpx.Response(200, json={"run": run_body(), "message": None})

    def window(self, after: str | None) -> httpx.Response:
        ids = [event["id"] for event in self.events]
        begin = ids.index(after) + 1 if after else 0
        if begin == len(ids) and ids and self.events[-1]["type"] == "settled":
            return httpx.Response(204)
        events = self.events[begin : begin + self.at_most]
        cursor = events[-1]["id"] if events else after
        return httpx.Response(200, json={"events": events, "cursor": cursor})


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """The events with ids and times, and one of a type nobody knows yet in front of each text."""
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
