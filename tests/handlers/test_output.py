"""Structured output from the model to every answer: the run, its message, its events and the AI SDK's chunks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic_ai import Agent, Tool

from agents.tools import clock
from engine.turn import PydanticAgent
from outlive.agent import Ask, Interrupt, Outcome
from outlive.agents import StepDeps
from outlive.follow.passages import Words
from outlive.packing import MAX_OUTPUT_BYTES
from proof.stacks.handlers import Stack
from tests.handlers.chunks import Client
from tests.handlers.event_reader import EventReader, content_parts, events_of_stream

ULM = {"name": "Ulm", "people": 7}
PART = {"type": "data-output", "data": ULM}
SCRIPT: list[dict[str, Any]] = [
    {"text": "Let me see. ", "tools": [["clock", {}]]},
    {"tools": [["final_result", ULM]]},
]


@dataclass
class City:
    """A city."""

    name: str
    people: int


@pytest.fixture(autouse=True)
def typed(stack: Stack) -> None:
    """The deployed agent has an output type."""
    agent = Agent(output_type=City, deps_type=StepDeps, tools=[Tool(clock)])
    stack.equip(agent=PydanticAgent(agent, "offline"))


def prompt(*entries: dict[str, Any]) -> str:
    return f"#script {json.dumps(entries)}"


def test_the_output_is_the_runs_and_the_last_part_of_its_message(stack: Stack) -> None:
    """Null while the run is active. Every answer with the run has it once the run has ended."""
    started = stack.script("chat-1", *SCRIPT, headers={"Idempotency-Key": "once"}).body["run"]
    assert started["output"] is None
    stack.deliver(stack.take() or {})
    assert stack.run_of(started["id"])["output"] is None
    stack.work()
    shown = stack.call("GET", f"/runs/{started['id']}").body
    assert (shown["run"]["status"], shown["run"]["output"]) == ("succeeded", ULM)
    assert shown["message"]["parts"][-1] == PART
    assert shown["message"]["content"] == "Let me see. "
    assert stack.transcript()[-1]["parts"] == shown["message"]["parts"]
    assert stack.call("GET", "/chats/chat-1/runs").body["runs"] == [shown["run"]]
    assert stack.call("POST", f"/runs/{started['id']}/stop").body["run"]["output"] == ULM
    assert stack.script("chat-1", *SCRIPT, headers={"Idempotency-Key": "once"}).body["run"] == shown["run"]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_the_events_bring_the_output_last(stack: Stack, kind: str) -> None:
    """[64] Also behind the results of the step; the end of the run has it as well."""
    run_id = stack.script("chat-1", *SCRIPT).body["run"]["id"]
    stack.work()
    answer = stack.call("GET", f"/runs/{run_id}/events", headers={"Accept": kind})
    events = answer.body["events"] if kind == "application/json" else events_of_stream(answer.body)[0]
    *_, part, finished, settled = events
    assert (part["type"], part["part"]) == ("part", PART)
    assert (finished["type"], finished["kind"], settled["type"]) == ("step", "final", "settled")
    assert settled["run"]["output"] == ULM
    reader = EventReader()
    reader.take(events)
    assert reader.parts == content_parts(stack.transcript()[-1]["parts"])


def test_a_chat_page_gets_the_output_as_a_chunk(stack: Stack) -> None:
    """[69] `data-output` with `data`, within its step."""
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": prompt(*SCRIPT)}]}
    body = {"id": "chat-1", "messages": [message], "trigger": "submit-message"}
    client = Client()
    client.read(stack.call("POST", "/api/chat", body, query={"wait": "0"}).body)
    stack.work()
    answer = stack.call("GET", "/api/chat/chat-1/stream", query={"after": client.cursor or "", "wait": "0"})
    chunks = client.read(answer.body)
    assert [chunk["type"] for chunk in chunks][-3:] == ["data-output", "finish-step", "finish"]
    assert chunks[-3] == PART
    assert client.parts[-1] == PART


def test_a_model_that_gives_no_valid_output_costs_two_requests(stack: Stack) -> None:
    """[79] The run fails with `output_invalid`, with any budget, and its steps are kept."""
    wrong = {"tools": [["final_result", {"name": "Ulm", "people": "many"}]]}
    run_id = stack.script("chat-1", *[wrong] * 10).body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["usage"]["requests"]) == ("failed", "output_invalid", 2)
    assert run["output"] is None
    parts = stack.transcript()[-1]["parts"]
    assert [part["type"] for part in parts] == ["step-start", "tool-final_result"] * 2


def test_the_last_step_of_the_budget_brings_the_output_or_fails_the_run(stack: Stack) -> None:
    """[79] The model may call the output tool there, and no other tool."""
    right = stack.script("chat-1", *SCRIPT, budget={"max_steps": 2}).body["run"]["id"]
    wrong = stack.script("chat-2", *SCRIPT, budget={"max_steps": 1}).body["run"]["id"]
    stack.work()
    run = stack.run_of(right)
    assert (run["status"], run["finish_reason"], run["output"]) == ("succeeded", "max_steps", ULM)
    run = stack.run_of(wrong)
    assert (run["status"], run["error"]["code"], run["output"]) == ("failed", "output_invalid", None)
    assert "Let me see. " in stack.transcript("chat-2")[-1]["content"]


def test_an_answer_found_under_a_stop_keeps_its_output(stack: Stack) -> None:
    """[9] The stop came after the final record was stored: the run is aborted and its message is complete."""
    run_id = stack.script("chat-1", SCRIPT[1]).body["run"]["id"]
    stack.faults.then("PutItem", lambda: stack.call("POST", f"/runs/{run_id}/stop"))
    stack.work()
    run = stack.run_of(run_id)
    assert run["status"] == "aborted"
    assert stack.transcript()[-1]["parts"][-1] == PART
    assert run["output"] == ULM


def outputs(value: Any) -> Callable[..., Outcome]:
    def answer(ask: Ask, show: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        return Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "done"}], "[]", output=value)

    return answer


def test_runs_with_large_outputs_are_listed_page_by_page(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """[55] A page ends before it is too large for an answer, and no run is left out."""
    monkeypatch.setattr("outlive.read.PAGE_BYTES", 2 * MAX_OUTPUT_BYTES + 10_000)
    stack.answer_with(outputs("é" * (MAX_OUTPUT_BYTES // 2 - 1)))
    ids = []
    for _ in range(5):
        ids.append(stack.begin().body["run"]["id"])
        stack.work()
    pages, cursor = [], ""
    while cursor is not None:
        body = stack.call("GET", "/chats/chat-1/runs", query={"cursor": cursor} if cursor else None).body
        pages.append([run["id"] for run in body["runs"]])
        cursor = body["cursor"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [run_id for page in pages for run_id in page] == ids[::-1]


def test_an_output_that_is_too_large_fails_the_run(stack: Stack) -> None:
    """[27] Nothing is cut silently."""
    stack.answer_with(outputs("x" * MAX_OUTPUT_BYTES))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    assert stack.run_of(run_id)["error"] == {
        "code": "step_too_large",
        "message": "the output takes 100,002 bytes as JSON, stored are 100,000",
    }
