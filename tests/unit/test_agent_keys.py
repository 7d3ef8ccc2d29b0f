"""The idempotency key of a tool call (guarantee 6)."""

import pytest
from pydantic_ai.messages import ToolCallPart

from outlive.agents import StepDeps


def keys(*calls: ToolCallPart, run_id: str = "run-1", step: int = 0, attempt: int = 1) -> list[str]:
    deps = StepDeps("acme", "chat-1", run_id, step, attempt)
    deps.number_calls((call.tool_name, call.args_as_dict(), call.tool_call_id) for call in calls)
    return [deps.idempotency_key(call.tool_call_id) for call in calls]


def call(name: str, arguments: str, call_id: str) -> ToolCallPart:
    return ToolCallPart(name, arguments, call_id)


def test_the_key_is_the_same_when_a_step_is_executed_again_under_other_call_ids() -> None:
    first = keys(call("book", '{"seats": 2, "name": "Ada"}', "x"), attempt=1)
    again = keys(call("book", '{ "name":"Ada","seats":2 }', "y"), attempt=2)
    assert first == again


def test_the_key_differs_by_run_step_tool_and_input() -> None:
    made = [
        *keys(call("book", '{"seats": 2}', "x")),
        *keys(call("book", '{"seats": 3}', "x")),
        *keys(call("cancel", '{"seats": 2}', "x")),
        *keys(call("book", '{"seats": 2}', "x"), step=1),
        *keys(call("book", '{"seats": 2}', "x"), run_id="run-2"),
    ]
    assert len(set(made)) == len(made)


def test_the_same_call_twice_in_a_step_is_two_things_in_the_models_order() -> None:
    first, other, second = keys(call("book", "{}", "b"), call("book", '{"seats": 1}', "c"), call("book", "", "a"))
    assert first != second
    assert (first.rpartition(":")[0], first[-1], second[-1], other[-1]) == (second.rpartition(":")[0], "0", "1", "0")


def test_tool_name_and_input_cant_be_mixed_up() -> None:
    assert keys(ToolCallPart("a\n{}", {}, "x")) != keys(ToolCallPart("a", {"x": "\n{}"}, "x"))


@pytest.mark.parametrize("arguments", ['{"broken', "[1]", '{"a": "\\ud800"}'])
def test_arguments_that_are_no_object_have_a_key_too(arguments: str) -> None:
    assert keys(call("book", arguments, "x"))[0].startswith("run-1:0:")


@pytest.mark.parametrize("call_id", [None, "unknown"])
def test_a_call_the_model_did_not_make_has_no_key(call_id: str | None) -> None:
    with pytest.raises(LookupError):
        StepDeps("acme", "chat-1", "run-1", 0, 1).idempotency_key(call_id)
