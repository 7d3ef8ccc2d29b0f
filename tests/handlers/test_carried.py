"""What one answer can carry: Lambda takes a function's whole return value, as JSON, up to 6,291,556 bytes."""

import base64
import json
import random
from itertools import product
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response

from outlive.agent import Outcome
from outlive.http import Api
from outlive.packing import MAX_PARTS_BYTES
from outlive.page import PAGE_BYTES
from proof.stacks.handlers import Answer, Context, Stack, event

from .chunks import Client, shown
from .event_reader import EventReader, content_parts, events_of_stream

LAMBDA_LIMIT = 6_291_556
ACCEPTED = ["gzip", "identity"]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def noise(count: int) -> str:
    """Text that hardly compresses."""
    return base64.b64encode(random.Random(7).randbytes(count * 3 // 4 + 3)).decode()[:count]


def answered(stack: Stack, *texts: str) -> str:
    """A run whose steps say `texts`; returns its id."""
    parts: list[list[dict[str, Any]]] = [[{"type": "step-start"}, {"type": "text", "text": text}] for text in texts]
    return left(stack, *parts)


def left(stack: Stack, *steps: list[dict[str, Any]]) -> str:
    """A run whose steps leave these parts; returns its id."""
    *before, last = steps
    stack.answer_with(*(Outcome("step", parts, "[]") for parts in before), Outcome("final", last, "[]"))
    run_id: str = stack.begin().body["run"]["id"]
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"
    return run_id


def read(stack: Stack, path: str, accept: str, **how: Any) -> Answer:
    """An answer that Lambda can carry."""
    headers = {"Accept-Encoding": accept, **how.pop("headers", {})}
    answer = stack.call("GET", path, headers=headers, **how)
    assert answer.status < 400
    assert answer.carried <= LAMBDA_LIMIT
    assert (answer.headers.get("content-encoding") == "gzip") <= (accept == "gzip")
    return answer


def test_the_largest_message_is_readable_with_every_accept_header(stack: Stack) -> None:
    """[46] Nearly 4 MB of text that does not compress: `parts` hold it all, `content` is left out and says so."""
    text = noise(MAX_PARTS_BYTES - 2_000)
    texts = [text[at : at + 450_000] for at in range(0, len(text), 450_000)]
    run_id = answered(stack, *texts)
    for accept in ACCEPTED:
        one = read(stack, f"/runs/{run_id}", accept).body["message"]
        assert (one["content"], one["content_omitted"]) == ("", True)
        assert "".join(part.get("text", "") for part in one["parts"]) == text
        assert read(stack, "/chats/chat-1/run", accept).body["message"] == one

        page = read(stack, "/chats/chat-1/messages", accept).body
        assert (page["messages"][1:], page["cursor"]) == ([one], None)


def test_content_is_there_as_long_as_the_page_holds_it(stack: Stack) -> None:
    """Up to `PAGE_BYTES` for the message as JSON; one byte more, and it is in `parts` alone."""
    run_id = answered(stack, "a")
    around = len(json.dumps(stack.call("GET", f"/runs/{run_id}").body["message"], separators=(",", ":"))) - 2
    most = (PAGE_BYTES - around) // 2
    for length, omitted in ((most, False), (most + 1, True)):
        run_id = answered(stack, "a" * length)
        for path, accept in product((f"/runs/{run_id}", "/chats/chat-1/run"), ACCEPTED):
            message = read(stack, path, accept).body["message"]
            assert message["parts"][-1]["text"] == "a" * length
            assert ("content_omitted" in message, message["content"] == "") == (omitted, omitted)


def test_a_page_of_messages_is_cut_by_its_bytes(stack: Stack) -> None:
    """Messages that fit into one page by a hair share it; by two bytes more they don't, and nothing is missing."""

    def sizes() -> list[int]:
        return [len(json.dumps(one, separators=(",", ":"), ensure_ascii=False)) + 1 for one in messages]

    answered(stack, "a" * 1_000_000)
    answered(stack, "b")
    messages = stack.transcript()
    last = (PAGE_BYTES - sum(sizes())) // 2 + 1
    for length, pages in ((last, [4]), (last + 1, [3, 1])):
        for item in stack.items():
            stack.dynamodb.delete_item(TableName="outlive", Key={"pk": item["pk"], "sk": item["sk"]})
        answered(stack, "a" * 1_000_000)
        answered(stack, "b" * length)
        for accept in ACCEPTED:
            found, cursor = [], None
            while cursor or not found:
                page = read(stack, "/chats/chat-1/messages", accept, query={"cursor": cursor} if cursor else None).body
                found.append(page["messages"])
                cursor = page["cursor"]
            assert [len(page) for page in found] == pages
            assert found[-1][-1]["content"] == "b" * length


@pytest.mark.parametrize("character", ['"', "\\", "\u2028", "\x85", "\x01", "😀", "я"])
def test_no_character_makes_an_answer_too_large(stack: Stack, character: str) -> None:
    """As text in many bits, and as a tool's result in one: escaped twice, it would take up to three times its room."""
    room = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    text, output = character * (1_400_000 // room), character * (2_500_000 // room)
    tool = {"type": "tool-x", "toolCallId": "1", "state": "output-available", "input": {}, "output": output}
    run_id = left(stack, [{"type": "step-start"}, tool, {"type": "text", "text": text}])
    for accept, kind in product(ACCEPTED, ("application/json", "text/event-stream")):
        message = read(stack, f"/runs/{run_id}", accept).body["message"]
        assert message["parts"][1]["output"] == output
        reader, cursor = EventReader(), None
        while True:
            answer = read(
                stack, f"/runs/{run_id}/events", accept, query={"after": cursor, "wait": "0"} if cursor else {"wait": "0"},
                headers={"Accept": kind},
            )  # fmt: skip
            if answer.status == 204:
                break
            events = answer.body["events"] if kind == "application/json" else events_of_stream(answer.body)[0]
            reader.take(events)
            cursor = events[-1]["id"]
        assert reader.parts == content_parts(message["parts"])


def test_a_chat_stream_is_cut_by_its_bytes(stack: Stack) -> None:
    """Window after window until it is done, each one that Lambda can carry, also for a client that names no wait."""
    text = noise(3_900_000)
    texts = [text[at : at + 450_000] for at in range(0, len(text), 450_000)]
    parts = [[{"type": "step-start"}, {"type": "text", "text": one, "state": "done"}] for one in texts]
    big = {"type": "tool-x", "toolCallId": "1", "state": "output-available", "input": {}, "output": "\u2028" * 30_000}
    parts[-1].insert(1, big)
    *before, last = parts
    stack.answer_with(*(Outcome("step", one, "[]") for one in before), Outcome("final", last, "[]"))
    run_id = stack.begin().body["run"]["id"]
    first = stack.call("GET", "/api/chat/chat-1/stream", query={"wait": "0"})
    stack.work()
    for accept, query in product(ACCEPTED, ({}, {"wait": "0"})):
        client = Client()
        client.read(first.body)
        while not client.done:
            answer = read(stack, "/api/chat/chat-1/stream", accept, query={"after": client.cursor or "", **query})
            assert answer.status == 200
            client.read(answer.body)
        assert client.parts == shown(stack.call("GET", f"/runs/{run_id}").body["message"]["parts"])


@pytest.mark.parametrize("character", ["a", '"', "\x01", "я", "😀", "\u2028"])
def test_a_body_travels_as_text_as_long_as_that_fits(character: str) -> None:
    """Just below the limit and just over it; beyond it travels in base64, and the client gets the same bytes."""
    room = len(json.dumps(character)) - 2
    ways = []
    for count in ((LAMBDA_LIMIT - 60_000) // room, LAMBDA_LIMIT // room - 100, LAMBDA_LIMIT // room, PAGE_BYTES):
        text = character * min(count, PAGE_BYTES // len(character.encode()))
        api = Api("workspace_id")
        api.get("/runs/<run_id>")(lambda text=text: Response(200, "text/plain", text))
        asked = {**event("read"), "routeKey": "GET /runs/{run_id}", "pathParameters": {"run_id": "a"}, "headers": {}}
        got = api.handle(asked, Context())
        assert len(json.dumps(got)) <= LAMBDA_LIMIT
        body = base64.b64decode(got["body"]) if got["isBase64Encoded"] else got["body"].encode()
        assert body == text.encode()
        assert "Content-Encoding" not in got["headers"]
        ways.append(got["isBase64Encoded"])
    assert ways == sorted(ways)
    if room > 1:
        assert set(ways) == {False, True}


@pytest.mark.parametrize("length", [200, 201, 5_000, 1_000_000])
@pytest.mark.parametrize("where", ["start", "budget", "chat", "part", "message"])
def test_a_problem_repeats_little_of_what_was_sent(stack: Stack, where: str, length: int) -> None:
    """A field's name may be of any length: 200 characters of it are enough to find it."""
    name = "é" * length
    part = {"type": "text", "text": "a"}
    message = {"id": "m", "role": "user", "parts": [part]}
    body: dict[str, Any] = {
        "start": {"prompt": "a", name: 1},
        "budget": {"prompt": "a", "budget": {"max_steps": 1, name: 1}},
        "chat": {"id": "c", "messages": [message], name: 1},
        "message": {"id": "c", "messages": [{**message, name: 1}]},
        "part": {"id": "c", "messages": [{**message, "parts": [{**part, name: 1}]}]},
    }[where]
    answer = stack.call("POST", "/chats/c/runs" if where in ("start", "budget") else "/api/chat", body)
    assert answer.status == 422
    assert "é" * 150 in answer.body["field"]
    assert max(len(value) for value in answer.body.values() if isinstance(value, str)) < 500
    assert answer.carried < 6_000
