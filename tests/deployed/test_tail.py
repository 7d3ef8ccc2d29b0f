"""Following a run on the deployed template, as a client does."""

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from proof.stacks.deployed import Stack
from tests.handlers.event_reader import EventReader, content_parts, events_of_stream

from .runs import begin, held, new_chat, seen, showing, stop

TOOL: list[list[Any]] = [["clock", {}]]


def follow(stack: Stack, run: dict[str, Any], reader: EventReader, cursor: str = "") -> None:
    """Have the reader read until the API answers that the run is over."""
    while True:
        answer = stack.call("GET", f"/runs/{run['id']}/events?wait=10{cursor}")
        if answer.status == 204:
            return
        assert answer.status == 200, answer
        reader.take(answer.body["events"])
        cursor = f"&after={answer.body['cursor']}"


@pytest.mark.together
def test_events_cover_a_run_from_its_start_to_its_end(stack):
    """The reader gets each text, call and result once, then a 204."""
    run = begin(stack, {"text": "one ", "tools": TOOL}, {"text": "two ", "tools": TOOL}, {"text": "three"})
    reader = EventReader()
    follow(stack, run, reader)
    shown = seen(stack, run)
    assert reader.settled
    assert reader.parts == content_parts(shown["message"]["parts"])
    assert reader.run == shown["run"]


@pytest.mark.together
def test_a_run_is_streamed_in_windows_that_the_gateway_carries(stack):
    """Each window continues from the last id, as an EventSource does, until the 204."""
    run = begin(stack, {"text": "one ", "tools": TOOL}, {"text": "two"})
    reader = EventReader()
    headers = {"Accept": "text/event-stream"}
    while True:
        answer = stack.call("GET", f"/runs/{run['id']}/events", headers=headers)
        if answer.status == 204:
            break
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        events, retry = events_of_stream(answer.body)
        assert retry == 1000
        reader.take(events)
        if events:  # else nothing was new for as long as a window lasts
            headers["Last-Event-ID"] = events[-1]["id"]
    assert reader.parts == content_parts(seen(stack, run)["message"]["parts"])


@pytest.mark.together
def test_text_is_seen_while_its_step_still_streams(stack):
    """A reader has the first words long before the step is stored, and the rest of it exactly."""
    text, chat = "".join(f"word {number} " for number in range(200)), new_chat()
    run = begin(stack, held(text, chat), {"text": "over"}, chat=chat)
    reader, cursor = showing(stack, run, lambda reader: reader.steps.get(0))
    early = reader.steps[0][0]["text"]
    assert text.startswith(early)
    assert len(early) < len(text)
    assert seen(stack, run)["message"]["parts"] == []
    stack.release(chat)
    other = EventReader()
    follow(stack, run, other)
    follow(stack, run, reader, cursor=cursor)
    assert reader.parts == other.parts == content_parts(seen(stack, run)["message"]["parts"])
    assert reader.voided == other.voided == []


@pytest.mark.together
def test_a_tool_is_seen_at_work_before_there_is_a_result(stack):
    """The call runs until it is stopped, so a reader sees it without a result at any time before."""
    run = begin(stack, {"text": "Wait. ", "tools": [["wait", {"seconds": 120}]]}, {"text": "over"})
    reader, cursor = showing(stack, run, lambda reader: "tool-wait" in [part["type"] for part in reader.parts])
    (part,) = [part for part in reader.parts if part["type"] == "tool-wait"]
    assert (part["state"], part["input"]) == ("input-available", {"seconds": 120})
    assert stop(stack, run)["stopped"] is True
    follow(stack, run, reader, cursor=cursor)
    shown = seen(stack, run)["message"]["parts"]
    assert reader.parts == content_parts(shown)
    assert [part["state"] for part in shown if part["type"] == "tool-wait"] == ["output-error"]
    assert reader.voided == []


@pytest.mark.together
def test_a_stop_in_mid_stream_leaves_a_reader_with_what_the_transcript_has(stack):
    """[31] The reader gets the partial step and the end, and has the stored message."""
    run = begin(stack, {"text": "word " * 300, "seconds": 600})
    reader, cursor = showing(stack, run, lambda reader: reader.steps.get(0))
    assert stop(stack, run)["stopped"] is True
    follow(stack, run, reader, cursor=cursor)
    shown = seen(stack, run)
    assert shown["run"]["status"] == "aborted"
    assert reader.run == shown["run"]
    assert reader.parts == content_parts(shown["message"]["parts"])
    assert reader.voided == []
    assert reader.finished[0]["kind"] == "partial"


def test_the_text_of_a_killed_worker_is_void_and_is_then_delivered_once(stack):
    """[20] The reader gets the step's new beginning, and its text once."""
    chat = new_chat()
    run = begin(stack, held("word " * 300, chat), {"text": "over"}, chat=chat)
    reader, cursor = showing(stack, run, lambda reader: reader.steps.get(0))
    assert stack.kill_workers()
    # Not before the reader knows: one who comes late, to the record, finds that it goes on just so.
    reader, cursor = showing(stack, run, lambda reader: reader.voided, reader, cursor)
    stack.release(chat)
    follow(stack, run, reader, cursor=cursor)
    shown = seen(stack, run)
    assert shown["run"]["status"] == "succeeded"
    assert reader.parts == content_parts(shown["message"]["parts"])
    assert reader.voided == [0]


@pytest.mark.together
def test_a_ticket_opens_a_stream_where_no_token_can_be_sent(stack):
    """It opens no other call and no other run."""
    run = begin(stack, {"text": "one ", "tools": TOOL}, {"text": "two"})
    assert stack.call("GET", f"/runs/{run['id']}/events", token=None).status == 401
    made = stack.call("POST", f"/runs/{run['id']}/ticket")
    assert made.status == 201
    reader, headers = EventReader(), {"Accept": "text/event-stream"}
    while (answer := stack.call("GET", made.body["url"], token=None, headers=headers)).status == 200:
        events, _ = events_of_stream(answer.body)
        reader.take(events)
        if events:  # else nothing was new for as long as a window lasts
            headers["Last-Event-ID"] = events[-1]["id"]
    assert answer.status == 204
    assert reader.parts == content_parts(seen(stack, run)["message"]["parts"])
    ticket = made.body["ticket"]
    for path in (f"/runs/{run['id']}", f"/runs/{run['id']}/events", f"/chats/{run['chat_id']}/run"):
        assert stack.call("GET", path, token=ticket).status == 401
        assert stack.call("GET", f"{path}?ticket={ticket}", token=None).status == 401


@pytest.mark.together
@pytest.mark.parametrize("ticket", ["x", "%00", "A" * 4000, "W10", "WyJhY21lIiwieCIsInkiXQ", "%F0%9F%8E%AB", "a%23b"])
def test_a_hostile_ticket_is_answered_like_any_other_that_is_over(stack, ticket):
    answer = stack.call("GET", f"/tickets/{ticket}/events", token=None)
    assert (answer.status, answer.body["code"]) == (401, "ticket_expired")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.together
def test_readers_who_hang_up_or_never_read_change_nothing(stack):
    """[29] The run ends as it would have without them, and a reader who stayed has all of it."""
    run = begin(stack, {"text": "word " * 100, "seconds": 3, "tools": TOOL}, {"text": "over"})
    address = urlsplit(stack.url)
    asked = f"GET {address.path}/runs/{run['id']}/events?wait=20 HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {stack.token()}\r\n"
    silent = []
    for number in range(3):
        connection = socket.create_connection((address.hostname, address.port))
        # Half a request, a whole one that is hung up on at once, a whole one whose answer nobody takes.
        connection.sendall((asked if number == 0 else asked + "\r\n").encode())
        if number == 1:
            connection.close()
        else:
            silent.append(connection)
    reader = EventReader()
    follow(stack, run, reader)
    for connection in silent:
        connection.close()
    shown = seen(stack, run)
    assert shown["run"]["status"] == "succeeded"
    assert shown["run"]["stop_requested_at"] is None
    assert reader.parts == content_parts(shown["message"]["parts"])
    assert reader.voided == []
    assert stack.row(run, "attempt", "resends") == {"attempt": "1", "resends": "0"}
