"""Structured output: what a step of an agent with an output type hands back, and when a model may try no more."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, TextOutput, ToolOutput
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from engine.turn import PydanticAgent
from outlive.agent import Ask, Interrupt, Outcome, Turn
from outlive.agents import StepDeps
from outlive.follow.passages import OUTPUT_PART, Other, Result, passages
from outlive.packing import MAX_OUTPUT_BYTES, TooLarge, packed
from outlive.store.body import unpack

MAX_STEPS = 20


class City(BaseModel):
    """A city."""

    name: str
    people: int


@dataclass
class Town:
    """A town."""

    name: str


def number(text: str) -> int:
    return int(text)


def loud(text: str) -> str:
    return text.upper()


class Odd:
    """What has no JSON form."""


def gives(arguments: str) -> list[Any]:
    """An answer that calls the output tool."""
    return [{1: DeltaToolCall("final_result", arguments, tool_call_id="output")}]


RIGHT, WRONG = gives('{"name":"Ulm","people":7}'), gives('{"name":"Ulm","people":"many"}')
LOOK = [{1: DeltaToolCall("look", "{}", tool_call_id="look")}]


def play(agent_type: Any, *answers: list[Any], max_steps: int = MAX_STEPS, **options: Any) -> list[Outcome]:
    """The outcomes of a run's steps, up to its last one."""
    script = iter(answers)

    async def model(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        for item in next(script):
            yield item

    def look() -> str:
        if options.get("fails"):
            raise ModelRetry("look again")
        return "seen"

    retries = options.get("retries")
    agent = Agent(
        FunctionModel(stream_function=model), output_type=agent_type, deps_type=StepDeps, tools=[look],
        **({"retries": {"output": retries}} if retries is not None else {}),
    )  # fmt: skip
    turns, outcomes = [Turn("user", "Hello")], list[Outcome]()
    for step in range(max_steps):
        ask = Ask("acme", "chat-1", "run-1", step, 1, tuple(turns), step == max_steps - 1, 30)
        outcomes.append(PydanticAgent(agent, "unused")(ask, lambda _: None, Interrupt()))
        if outcomes[-1].kind != "step":
            break
        turns.append(Turn("assistant", "", outcomes[-1].messages))
    return outcomes


def code(outcome: Outcome) -> str | None:
    return outcome.error and outcome.error.code


@pytest.mark.parametrize(
    ("output_type", "answer", "output"),
    [
        (City, RIGHT, {"name": "Ulm", "people": 7}),
        (Town, gives('{"name":"Ulm"}'), {"name": "Ulm"}),
        (list[int], gives('{"response":[1,2]}'), [1, 2]),
        (NativeOutput(City), ['{"name":"Ulm",', '"people":7}'], {"name": "Ulm", "people": 7}),
        (PromptedOutput(City), ['{"name":"Ulm","people":7}'], {"name": "Ulm", "people": 7}),
        (ToolOutput(str), gives('{"response":"text"}'), "text"),
        (TextOutput(number), ["4"], 4),
        (TextOutput(loud), ["loud"], "LOUD"),
    ],
)
def test_the_output_comes_back_as_json_for_any_type_and_mode(output_type: Any, answer: list[Any], output: Any) -> None:
    (outcome,) = play(output_type, answer)
    assert (outcome.kind, outcome.finish_reason, outcome.error) == ("final", "stop", None)
    assert outcome.output == output


@pytest.mark.parametrize("output_type", [str, [City, str]])
def test_an_answer_in_text_is_no_output(output_type: Any) -> None:
    (outcome,) = play(output_type, ["Just text."])
    assert (outcome.kind, outcome.output) == ("final", None)
    assert outcome.parts[-1]["text"] == "Just text."


def test_a_refused_output_goes_back_to_the_model_in_the_next_step() -> None:
    first, second = play(City, WRONG, RIGHT)
    assert (first.kind, first.output) == ("step", None)
    assert first.parts[-1]["state"] == "output-error"
    assert (second.kind, second.output) == ("final", {"name": "Ulm", "people": 7})


@pytest.mark.parametrize(
    ("output_type", "answer"),
    [(City, WRONG), (City, ["Just text."]), (City, [""]), (NativeOutput(City), ['{"name":"Ulm"}'])],
)
def test_the_second_refused_output_fails_the_run_for_good(output_type: Any, answer: list[Any]) -> None:
    """[79] A model that never gives a valid output costs two requests, and not the whole budget."""
    outcomes = play(output_type, *[answer] * MAX_STEPS)
    assert [outcome.kind for outcome in outcomes] == ["step", "partial"]
    assert outcomes[-1].error is not None
    assert (outcomes[-1].error.kind, outcomes[-1].error.code) == ("permanent", "output_invalid")
    assert outcomes[-1].error.message.startswith("The model gave no valid output in 2 tries. ")


def test_tries_are_counted_over_the_whole_run_and_other_tools_count_none() -> None:
    outcomes = play(City, LOOK, WRONG, LOOK, WRONG, RIGHT)
    assert [outcome.kind for outcome in outcomes] == ["step", "step", "step", "partial"]
    outcomes = play(City, LOOK, LOOK, LOOK, RIGHT, fails=True)
    assert [outcome.kind for outcome in outcomes] == ["step", "step", "step", "final"]


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize(
    ("output_type", "answer"), [(City, WRONG), (City, ["Just text."]), (NativeOutput(City), ["no JSON"])]
)
def test_an_agent_sets_how_many_tries_there_are(output_type: Any, answer: list[Any], retries: int) -> None:
    """Pydantic AI's own setting: `retries={"output": n}`."""
    outcomes = play(output_type, *[answer] * MAX_STEPS, retries=retries)
    assert (len(outcomes), code(outcomes[-1])) == (1 + retries, "output_invalid")


def test_the_last_step_of_the_budget_may_bring_the_output() -> None:
    outcomes = play(City, LOOK, RIGHT, max_steps=2)
    assert (outcomes[-1].kind, outcomes[-1].output) == ("final", {"name": "Ulm", "people": 7})


@pytest.mark.parametrize("answer", [WRONG, LOOK, ["Just text."], [""]])
def test_the_last_step_of_the_budget_without_an_output_fails_the_run(answer: list[Any]) -> None:
    """[79] No text stands in for the output, and no other tool runs."""
    first, last = play(City, LOOK, answer, max_steps=2)
    assert (first.kind, last.kind, code(last)) == ("step", "partial", "output_invalid")
    assert not [part for part in last.parts if part["type"] == "tool-look"]


def test_an_output_without_a_json_form_fails_the_run() -> None:
    def odd(name: str) -> Any:
        return Odd()

    (outcome,) = play(odd, gives('{"name":"Ulm"}'))
    assert (outcome.kind, code(outcome)) == ("partial", "output_invalid")
    assert "no JSON form" in (outcome.error.message if outcome.error else "")


def test_the_output_is_the_last_part_of_a_record_and_of_its_passages() -> None:
    """Also behind the results of tools that ran in the same step."""
    (outcome,) = play(City, [RIGHT[0], {2: DeltaToolCall("look", "{}", tool_call_id="other")}])
    body = unpack(packed(outcome, 0)[0])
    assert body.output == {"name": "Ulm", "people": 7}
    assert body.parts[-1] == {"type": OUTPUT_PART, "data": body.output}
    assert [type(passage) for passage in passages(body.parts)][-3:] == [Result, Result, Other]


def test_a_record_without_an_output_has_none() -> None:
    (outcome,) = play(str, ["Just text."])
    assert unpack(packed(outcome, 0)[0]).output is None


def test_an_output_that_is_too_large_for_a_run_fails_its_step() -> None:
    """[27] The message says how large it is; nothing is cut."""
    assert packed(Outcome("final", [], None, output="x" * (MAX_OUTPUT_BYTES - 2)), 0)
    with pytest.raises(TooLarge, match="the output takes 100,001 bytes") as found:
        packed(Outcome("final", [], None, output="x" * (MAX_OUTPUT_BYTES - 1)), 0)
    assert found.value.code == "step_too_large"
