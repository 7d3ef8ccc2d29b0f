"""Watching: each event once and in order, however the windows are cut, lost, repeated or spoiled."""

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
from outlive_client.asking import Item

from .both import Async, Sync
from .fake_api import FakeApi, breaks, numbered, refused, run_body, says

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
KNOWN = [event["id"] for event in STORY if event["type"] != "weather"]

GIVE_UP = 12


def spoiled(window):
    """Ways in which a good window may reach the client."""
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


class Weather:
    """An API whose windows are cut and spoiled as drawn: never spoiled so often in a row that anybody gives up."""

    def __init__(self, draw):
        self.draw = draw
        self.served: list[httpx.Response] = []
        self.bad = 0

    def __call__(self, request):
        api = FakeApi(STORY, at_most=self.draw(st.integers(1, 6)))
        window = api.answer(request)
        what = self.draw(st.sampled_from(["good"] * 4 + ["spoiled", "lost", "repeated", "empty"]))
        if what == "spoiled" and self.bad < GIVE_UP - 1 and window.status_code == 200:
            self.bad += 1
            return self.draw(st.sampled_from(spoiled(window)))
        if what == "lost" and self.bad < GIVE_UP - 1:
            self.bad += 1
            raise self.draw(st.sampled_from([httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError]))("broken")
        if what == "repeated" and self.served:
            # A proxy that answers from its cache.
            window = self.draw(st.sampled_from(self.served))
        if what == "empty" and window.status_code == 200:
            window = httpx.Response(200, json={"events": [], "cursor": request.url.params.get("after")})
        self.bad = 0
        if window.status_code == 200:
            self.served.append(window)
        return httpx.Response(window.status_code, content=window.content)


@pytest.mark.parametrize("shell", [Sync, Async])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_windows_cut_lost_repeated_or_spoiled_tell_the_same_events(shell, data):
    """None is lost, none comes twice, and the order stays, from whatever event one goes on."""
    begin = data.draw(st.integers(0, len(KNOWN) - 1))
    after = KNOWN[begin - 1] if begin else None
    told = shell(Weather(data.draw))("watch", "r1", after)
    assert [event.id for event in told] == KNOWN[begin:]


def test_events_come_typed_and_those_of_tomorrow_are_passed_over(shell):
    told = shell(FakeApi(STORY))("watch", "r1")
    kinds = "RunEvent StepEvent TextEvent ToolCallEvent ToolResultEvent SettledEvent".split()
    assert {type(event).__name__ for event in told} == set(kinds)
    assert told[4] == TextEvent(id=KNOWN[4], step=0, kind="text", text="Let me ", at=told[4].at)
    assert told[-1].run.status == "succeeded"
    assert told[0].at.isoformat() == "2026-11-21T09:10:01.500000+00:00"


def test_watching_asks_to_wait_and_gives_the_answer_time_to_come(shell):
    api = FakeApi(STORY)
    shell(api)("watch", "r1", KNOWN[0])
    assert dict(api.requests[0].url.params) == {"wait": "20", "after": KNOWN[0]}
    assert api.requests[0].extensions["timeout"]["read"] > 20


def test_watching_ends_with_the_run_and_asks_no_more(shell):
    api = FakeApi(STORY)
    shell(api)("watch", "r1")
    assert len(api.requests) == 1
    assert shell(api)("watch", "r1", KNOWN[-1]) == []


def test_windows_without_news_are_not_asked_for_without_a_breath(shell):
    """A server that does not wait, or a proxy that repeats itself, makes no busy loop."""
    api = FakeApi(STORY, at_most=5)
    nothing = says(200, json.dumps({"events": [], "cursor": "id-5"}))
    api.misdeeds = [None, nothing, nothing, lambda request: api.window(None), None]
    client = shell(api)
    assert [event.id for event in client("watch", "r1")] == KNOWN
    assert len(client.pauses) == 3
    assert min(client.pauses) > 0


def test_a_repeated_window_does_not_lead_back(shell):
    """What was told long ago is no longer remembered: only the cursor keeps it from being told again."""
    api = FakeApi(STORY, at_most=4)
    api.misdeeds = [None, None, lambda request: api.window(None)]
    assert [event.id for event in shell(api)("watch", "r1")] == KNOWN
    afters = [request.url.params.get("after") for request in api.requests]
    assert afters[:4] == [None, "id-4", "id-8", "id-8"]


@pytest.mark.parametrize(
    "misdeed",
    [
        breaks(httpx.ConnectError),
        breaks(httpx.ReadTimeout),
        says(502, "<html>"),
        says(200, '{"events": ['),
        refused(503, "read_failed"),
    ],
    ids=["no connection", "silence", "html", "truncated", "store"],
)
def test_failures_in_a_row_end_in_an_error_and_a_success_between_starts_anew(shell, misdeed):
    api = FakeApi(STORY, at_most=4)
    api.misdeeds = [misdeed] * (GIVE_UP - 1) + [None] + [misdeed] * (GIVE_UP - 1) + [None]
    client = shell(api)
    assert [event.id for event in client("watch", "r1")] == KNOWN
    assert sum(client.pauses) < 2 * 60
    api.misdeeds = [misdeed] * GIVE_UP
    with pytest.raises((Unreachable, BadAnswer, ReadFailed)):
        client("watch", "r1")
    assert api.misdeeds == []


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(404, "run_not_found", RunNotFound), (422, "invalid_request", InvalidRequest), (401, "", Unauthorized)],
)
def test_what_will_not_pass_ends_the_watch_at_once(shell, status, code, error):
    api = FakeApi(STORY)
    api.misdeeds = [refused(status, code) if code else says(status, '{"message": "Unauthorized"}')]
    with pytest.raises(error):
        shell(api)("watch", "r1")
    assert len(api.requests) == 1


def test_leaving_in_mid_window_and_going_on_from_the_last_event_loses_nothing():
    """The id of an event is where the next watch begins, also within a window."""
    for cut in range(1, len(KNOWN)):
        client = Sync(FakeApi(STORY)).client
        first = list(itertools.islice(client.watch("r1"), cut))
        rest = list(client.watch("r1", first[-1].id))
        assert [event.id for event in first + rest] == KNOWN


def test_a_window_can_be_asked_for_alone(shell):
    client = shell(FakeApi(STORY, at_most=3))
    window = client("events", "r1", wait=1.5)
    assert ([event.id for event in window.events], window.cursor, window.over) == (KNOWN[:3], "id-3", False)
    assert client("events", "r1", KNOWN[-1]).over


def test_long_watches_remember_a_bounded_number_of_events():
    many = [{"type": "text", "step": 0, "text": "x"} for _ in range(12_000)]
    story = numbered({"type": "run", "run": run_body()}, *many, {"type": "settled", "run": run_body(status="aborted")})
    shell, flow, reply, sizes = Sync(FakeApi(story, at_most=500)).client, calls.watch("r1", None), None, set()
    while True:
        wanted = flow.send(reply)
        reply = None if isinstance(wanted, Item) else shell._do(wanted)
        if isinstance(wanted, Item) and wanted.value.id == story[-1]["id"]:
            break
        sizes.add(len(flow.gi_frame.f_locals["told"]))
    assert calls.REMEMBERED <= max(sizes) <= calls.REMEMBERED + 2 * 500
