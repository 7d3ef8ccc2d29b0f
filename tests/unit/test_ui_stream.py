"""Chunks for AI SDK clients: the same message as Pydantic AI's own encoder makes, from any place on."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRetry, Tool, ToolFailed
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.ui.vercel_ai import VercelAIEventStream
from pydantic_ai.ui.vercel_ai.response_types import BaseChunk

from engine.parts import both_forms
from outlive.ai_sdk.chunks import Encoder, framed
from outlive.caller import Caller
from outlive.clock import Clock
from outlive.follow.events import Event
from outlive.follow.reader_state import reader_state_of
from outlive.store.body import Body, pack
from outlive.store.rows import Record, Run
from outlive.tail import Tail
from outlive.usage import Usage
from tests.handlers.chunks import Client

Step = list[Any]


def look(what: str) -> dict[str, Any]:
    """A tool that works."""
    return {"seen": what, "letters": [*what]}


def fail() -> str:
    """A tool that does not."""
    raise ToolFailed("nothing there")


def again(what: str) -> str:
    """A tool that wants to be called otherwise."""
    if what == "x":
        raise ModelRetry("not x")
    return what


TURNS: dict[str, list[Step]] = {
    "text": [["Hello", ", ", "world"]],
    "reasoning": [[{0: DeltaThinkingPart(content="Hm")}, {0: DeltaThinkingPart(content="m.")}, "Yes."]],
    "tools": [
        ["Let me see. ", {1: DeltaToolCall("look", '{"what": "a"}', tool_call_id="c1")}, {2: DeltaToolCall("look", '{"what": "b"}', tool_call_id="c2")}],
        [{0: DeltaToolCall("look", '{"what": "ü"}', tool_call_id="c3")}],
        ["Two letters."],
    ],
    "failed tools": [[{0: DeltaToolCall("fail", "{}", tool_call_id="c1")}], ["A pity."]],
    "retried tools": [[{0: DeltaToolCall("again", '{"what": "x"}', tool_call_id="c1")}], [{0: DeltaToolCall("again", '{"what": "y"}', tool_call_id="c2")}], ["y."]],
}  # fmt: skip


def agent(steps: list[Step]) -> Agent[None, str]:
    """An agent whose model says these steps."""

    async def say(messages: list[ModelMessage], info: AgentInfo) -> Any:
        for item in steps[sum(isinstance(message, ModelResponse) for message in messages)]:
            yield item

    return Agent(FunctionModel(stream_function=say), tools=[Tool(look), Tool(fail), Tool(again)])


async def theirs(steps: list[Step]) -> tuple[list[dict[str, Any]], list[ModelMessage]]:
    """The chunks of Pydantic AI's encoder, and the run's messages."""
    chunks: list[dict[str, Any]] = []
    messages: list[ModelMessage] = []
    encoder: VercelAIEventStream[None, str] = VercelAIEventStream(sdk_version=6, server_message_id="run-1-answer")

    async def events() -> Any:
        async with agent(steps).run_stream_events("Hello") as stream:
            async for event in stream:
                if hasattr(event, "result") and hasattr(event.result, "new_messages"):
                    messages.extend(event.result.new_messages())
                yield event

    async for chunk in encoder.transform_stream(events()):
        assert isinstance(chunk, BaseChunk)
        text = chunk.encode(6)
        if text != "[DONE]":
            chunks.append(json.loads(text))
    return chunks, messages


def events_of(messages: list[ModelMessage]) -> list[Event]:
    """The events of the run that has stored these messages, step by step."""
    steps: list[list[ModelMessage]] = []
    for message in messages[1:]:
        if isinstance(message, ModelResponse):
            steps.append([message])
        elif steps:
            steps[-1].append(message)
    log = [
        Record(
            "acme#chat-1", Record.sort_key(2, number), run_id="run-1", step=number, created_at=0, usage=Usage(),
            kind="final" if number == len(steps) - 1 else "step",
            packed=pack(Body(both_forms(step, keep_reasoning=True)[0])),
        )
        for number, step in enumerate(steps)
    ]  # fmt: skip
    run = Run(
        "acme#run-1", Run.SK, id="run-1", workspace_id="acme", chat_id="chat-1", owner="ada", created_by="ada",
        trigger="user", status="succeeded", budget={"max_steps": 9}, metadata={}, step_count=len(log), attempt=1,
        claimed_step=len(log) - 1, created_at=0, updated_at=0, finished_at=0, finish_reason="stop", usage=Usage(),
    )  # fmt: skip
    rows: Any = SimpleNamespace(
        reload=lambda _: run, live=lambda *_: ([], run),
        records=lambda _, first: [record for record in log if record.step >= first],
    )  # fmt: skip
    window = Tail(rows, Clock(), str).after(Caller("acme", "ada"), "run-1", None, 0)
    assert window is not None
    return window.events


def made(chunks: list[dict[str, Any]]) -> Client:
    """The message that chunks make."""
    client = Client()
    for chunk in chunks:
        if not (chunk["type"] == "message-metadata" or chunk["type"].startswith("data-")):
            client.take(chunk)
    return client


@pytest.mark.parametrize("name", TURNS)
def test_chunks_make_the_same_message_as_pydantic_ais_encoder(name: str) -> None:
    """Id, parts, their order, states, inputs and outputs are the same for every turn."""
    chunks, messages = asyncio.run(theirs(TURNS[name]))
    expected = made(chunks)
    encoder = Encoder()
    client = made([chunk for event in events_of(messages) for chunk in encoder.chunks(event)])
    assert client.id == expected.id
    assert client.parts == expected.parts
    assert client.ended is not None
    assert expected.ended is not None
    assert client.ended["finishReason"] == "stop"
    assert not client.open


@pytest.mark.parametrize("name", TURNS)
def test_a_stream_can_be_cut_between_any_two_events(name: str) -> None:
    """An encoder that starts at a cursor goes on with the very chunks that the first one would have gone on with."""
    _, messages = asyncio.run(theirs(TURNS[name]))
    events = events_of(messages)
    encoder = Encoder()
    whole = [list(encoder.chunks(event)) for event in events]
    for cut, event in enumerate(events):
        rest = Encoder.at(reader_state_of(event.id, "acme", "run-1"))
        assert [list(rest.chunks(one)) for one in events[cut + 1 :]] == whole[cut + 1 :]


def test_a_frame_is_one_line_of_data_and_the_last_has_the_cursor() -> None:
    """For any text, a parser of server-sent events finds as many chunks as there are."""
    chunks = [{"type": "text-start", "id": "t"}, {"type": "text-delta", "id": "t", "delta": "a\r\nb\n\nc\u2028d\x85"}]
    lines = framed(chunks, "here").split("\n")
    assert [line.partition(":")[0] for line in lines] == ["data", "", "id", "data", "", ""]
    assert json.loads(lines[3].removeprefix("data: ")) == chunks[1]
    assert framed([], "here") == ""
