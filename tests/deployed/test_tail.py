"""Following a run on the deployed template, as a client does."""

from typing import Any

import pytest

from tests.handlers.told import Reader, events_in, plain

from .conftest import Stack
from .runs import begin, seen

TOOL: list[list[Any]] = [["clock", {}]]


def follow(stack: Stack, run: dict[str, Any], reader: Reader, wait: float = 10) -> None:
    """Let the reader read until it is told that it is over."""
    cursor = ""
    while True:
        answer = stack.call("GET", f"/runs/{run['id']}/events?wait={wait}{cursor}")
        if answer.status == 204:
            return
        assert answer.status == 200, answer
        reader.take(answer.body["events"])
        cursor = f"&after={answer.body['cursor']}"


@pytest.mark.together
def test_a_run_is_told_from_its_start_to_its_end(stack):
    """Each text, call and result once; then a 204."""
    run = begin(stack, {"text": "one ", "tools": TOOL}, {"text": "two ", "tools": TOOL}, {"text": "three"})
    reader = Reader()
    follow(stack, run, reader)
    shown = seen(stack, run)
    assert reader.settled
    assert reader.parts == plain(shown["message"]["parts"])
    assert reader.run == shown["run"]


@pytest.mark.together
def test_a_run_is_streamed_in_windows_that_the_gateway_carries(stack):
    """As an EventSource asks: with the last id, until the 204."""
    run = begin(stack, {"text": "one ", "tools": TOOL}, {"text": "two"})
    reader = Reader()
    headers = {"Accept": "text/event-stream"}
    while True:
        answer = stack.call("GET", f"/runs/{run['id']}/events", headers=headers)
        if answer.status == 204:
            break
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        events, retry = events_in(answer.body)
        assert retry == 1000
        reader.take(events)
        headers["Last-Event-ID"] = events[-1]["id"]
    assert reader.parts == plain(seen(stack, run)["message"]["parts"])
