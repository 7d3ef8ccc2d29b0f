"""Watching yields each event once and in order when windows are cut, lost, repeated or spoiled."""

import gzip
import itertools
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlive_client import (
    BadAnswer,
    InvalidRequest,
    ReadFailed,
    RunNotFound,
    TextEvent,
    Unauthorized,
    Unreachable,
    calls,
)
from outlive_client.plans import Item

from .both import Async, Sync
from .fake_api import FakeApi, network_fault, numbered, problem_fault, response_fault, run_body

STORY = numbered(
    {"type": "run", "run": run_body(status="pending")},
    {"type": "run", "run": run_body(status="running")},
    {"type": "step", "step": 0, "state": "started", "attempt": 1},
    {"type": "text", "step": 0, "kind": "reasoning", "text": "Hm."},
    {"type": "text", "step": 0, "kind": "text", "text": "Let me "},
    {"type": "step", "step": 0, "state": "started", "attempt": 2},
    {"type": "text", "step": 0, "kind": "text", "text": "Let me see."},
    {"type": "tool-call", "step": 0, "tool_call_id": "t1", "tool_name": "clock", "input": {}},
    {
        "type": "tool-result",
        "step": 0,
        "tool_call_id": "t1",
        "tool_name": "clock",
        "state": "output-available",
        "output": 1,
    },
    {"type": "step", "step": 0, "state": "finished", "kind": "step", "usage": {"requests": 1, "new": 2}},
    {"type": "step", "step": 1, "state": "started", "attempt": None},
    {"type": "text", "step": 1, "kind": "text", "text": "Done."},
    {"type": "step", "step": 1, "state": "finished", "kind": "final"},
    {"type": "settled", "run": run_body(status="succeeded")},
)
STORY_IDS = [event["id"] for event in STORY if event["type"] != "weather"]

MAX_FAILURES = 12


def spoiled(window):
    """Damaged forms of a good window."""
    body = window.content
    return [
        httpx.Response(200, content=body[: len(body) // 2]),
        httpx.Response(200, content=body[:-1]),
        httpx.Response(200, content=body, headers={"content-encoding": "gzip"}),
        httpx.Response(200, content=gzip.compress(body)[:-9], headers={"content-encoding": "gzip"}),
        httpx.Response(200, content=body.replace(b'"text"', b'"\xff"')) if b'"text"' in body else httpx.Response(500),
        httpx.Response(200, content=b"retry: 1000\n\nid: id-1\nevent: run\ndata: {"),
        httpx.Response(502, content="<html>Bad gateway</html>"),
        httpx.Response(200, content="<html>Welcome to our hotel</html>"),
        httpx.Response(503, json={"message": "Service Unavailable"}),
        httpx.Response(200, json={"events": [{"type": "text", "id": "id-4"}], "cursor": "id-4"}),
        httpx.Response(200, json={"events": [{"type": 7}], "cursor": None}),
    ]


class FaultyApi:
    """An API that cuts, spoils, loses and repeats windows as drawn, but never so often in a row that the client gives up."""

    def __init__(self, draw):
        self.draw = draw
        self.served: list[httpx.Response] = []
        self.bad = 0

    def __call__(self, request):
        api = FakeApi(STORY, window_size=self.draw(st.integers(1, 6)))
        window = api.answer(request)
        kind = self.draw(st.sampled_from(["good"] * 4 + ["spoiled", "lost", "repeated", "empty"]))
        if kind == "spoiled" and self.bad < MAX_FAILURES - 1 and window.status_code == 200:
            self.bad += 1
            return self.draw(st.sampled_from(spoiled(window)))
        if kind == "lost" and self.bad < MAX_FAILURES - 1:
            self.bad += 1
            raise self.draw(st.sampled_from([httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError]))("broken")
        if kind == "repeated" and self.served:
            # A proxy that answers from its cache.
            window = self.draw(st.sampled_from(self.served))
        if kind == "empty" and window.status_code == 200:
            window = httpx.Response(200, json={"events": [], "cursor": request.url.params.get("after")})
        self.bad = 0
        if window.status_code == 200:
            self.served.append(window)
        return httpx.Response(window.status_code, content=window.content)


@pytest.mark.parametrize("make_client", [Sync, Async])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_windows_cut_lost_repeated_or_spoiled_yield_the_same_events(make_client, data):
    """From any cursor, no event is lost or repeated, and the order stays."""
    begin = data.draw(st.integers(0, len(STORY_IDS) - 1))
    after = STORY_IDS[begin - 1] if begin else None
    events = make_client(FaultyApi(data.draw))("watch", "r1", after)
    assert [event.id for event in events] == STORY_IDS[begin:]


def test_events_are_typed_and_events_of_an_unknown_type_are_ignored(make_client):
    events = make_client(FakeApi(STORY))("watch", "r1")
    kinds = "RunEvent StepEvent TextEvent ToolCallEvent ToolResultEvent SettledEvent".split()
    assert {type(event).__name__ for event in events} == set(kinds)
    assert events[4] == TextEvent(id=STORY_IDS[4], step=0, kind="text", text="Let me ", at=events[4].at)
    assert events[-1].run.status == "succeeded"
    assert events[0].at.isoformat() == "2026-11-21T09:10:01.500000+00:00"


def test_watching_requests_a_wait_and_its_timeout_is_longer(make_client):
    api = FakeApi(STORY)
    make_client(api)("watch", "r1", STORY_IDS[0])
    assert dict(api.requests[0].url.params) == {"wait": "20", "after": STORY_IDS[0]}
    assert api.requests[0].extensions["timeout"]["read"] > 20


def test_watching_ends_with_the_run_and_sends_no_further_request(make_client):
    api = FakeApi(STORY)
    make_client(api)("watch", "r1")
    assert len(api.requests) == 1
    assert make_client(api)("watch", "r1", STORY_IDS[-1]) == []


def test_the_client_pauses_after_a_window_without_new_events(make_client):
    """A server that does not wait, or a proxy that repeats an answer, causes no busy loop."""
    api = FakeApi(STORY, window_size=5)
    empty = response_fault(200, json.dumps({"events": [], "cursor": "id-5"}))
    api.faults = [None, empty, empty, lambda request: api.window(None), None]
    client = make_client(api)
    assert [event.id for event in client("watch", "r1")] == STORY_IDS
    assert len(client.pauses) == 3
    assert min(client.pauses) > 0


def test_a_repeated_window_does_not_move_the_cursor_back(make_client):
    """The client forgets old event ids, so only the cursor prevents that old events are yielded again."""
    api = FakeApi(STORY, window_size=4)
    api.faults = [None, None, lambda request: api.window(None)]
    assert [event.id for event in make_client(api)("watch", "r1")] == STORY_IDS
    afters = [request.url.params.get("after") for request in api.requests]
    assert afters[:4] == [None, "id-4", "id-8", "id-8"]


@pytest.mark.parametrize(
    "fault",
    [
        network_fault(httpx.ConnectError),
        network_fault(httpx.ReadTimeout),
        response_fault(502, "<html>"),
        response_fault(200, '{"events": ['),
        problem_fault(503, "read_failed"),
    ],
    ids=["no connection", "silence", "html", "truncated", "store"],
)
def test_consecutive_failures_end_the_watch_and_a_success_resets_their_count(make_client, fault):
    api = FakeApi(STORY, window_size=4)
    api.faults = [fault] * (MAX_FAILURES - 1) + [None] + [fault] * (MAX_FAILURES - 1) + [None]
    client = make_client(api)
    assert [event.id for event in client("watch", "r1")] == STORY_IDS
    assert sum(client.pauses) < 2 * 60
    api.faults = [fault] * MAX_FAILURES
    with pytest.raises((Unreachable, BadAnswer, ReadFailed)):
        client("watch", "r1")
    assert api.faults == []


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(404, "run_not_found", RunNotFound), (422, "invalid_request", InvalidRequest), (401, "", Unauthorized)],
)
def test_an_error_that_is_not_retryable_ends_the_watch_at_once(make_client, status, code, error):
    api = FakeApi(STORY)
    api.faults = [problem_fault(status, code) if code else response_fault(status, '{"message": "Unauthorized"}')]
    with pytest.raises(error):
        make_client(api)("watch", "r1")
    assert len(api.requests) == 1


def test_resuming_from_any_event_of_a_window_loses_nothing():
    """An event's id is a cursor, also within a window."""
    for cut in range(1, len(STORY_IDS)):
        client = Sync(FakeApi(STORY)).client
        first = list(itertools.islice(client.watch("r1"), cut))
        rest = list(client.watch("r1", first[-1].id))
        assert [event.id for event in first + rest] == STORY_IDS


def test_one_window_can_be_read_alone(make_client):
    client = make_client(FakeApi(STORY, window_size=3))
    window = client("events", "r1", wait=1.5)
    assert ([event.id for event in window.events], window.cursor, window.over) == (STORY_IDS[:3], "id-3", False)
    assert client("events", "r1", STORY_IDS[-1]).over


def test_long_watches_remember_a_bounded_number_of_events():
    many = [{"type": "text", "step": 0, "text": "x"} for _ in range(12_000)]
    story = numbered({"type": "run", "run": run_body()}, *many, {"type": "settled", "run": run_body(status="aborted")})
    client, plan, reply, sizes = Sync(FakeApi(story, window_size=500)).client, calls.watch("r1", None), None, set()
    while True:
        action = plan.send(reply)
        reply = None if isinstance(action, Item) else client._perform(action)
        if isinstance(action, Item) and action.value.id == story[-1]["id"]:
            break
        sizes.add(len(plan.gi_frame.f_locals["seen_ids"]))
    assert calls.MAX_SEEN_IDS <= max(sizes) <= calls.MAX_SEEN_IDS + 2 * 500
