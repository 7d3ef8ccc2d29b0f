"""The history that a model receives is valid for it, for any stored rows and after aborted runs (guarantee 7)."""

import logging
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    RetryFeedbackPart,
    RetryInfo,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from engine.history import GO_ON, messages_of
from outlive.agent import Turn


def prompt(text: str) -> Turn:
    return Turn("user", text)


def stored(*messages: ModelMessage, text: str = "") -> Turn:
    return Turn("assistant", text, ModelMessagesTypeAdapter.dump_json(list(messages)).decode())


def response(*parts: ModelResponsePart) -> ModelResponse:
    return ModelResponse(parts=list(parts), model_name="m", provider_name="p")


def request(*parts: ModelRequestPart) -> ModelRequest:
    return ModelRequest(parts=list(parts))


def shape(history: list[Turn]) -> list[list[str]]:
    return [[part.part_kind for part in message.parts] for message in messages_of(history)]


def test_prompts_and_steps_come_in_their_order() -> None:
    history = [
        prompt("What time is it?"),
        stored(response(ToolCallPart("clock", {}, "1")), request(ToolReturnPart("clock", "noon", "1"))),
        stored(response(TextPart("Noon."))),
        prompt("Thanks."),
    ]
    assert shape(history) == [["user-prompt"], ["tool-call"], ["tool-return"], ["text"], ["user-prompt"]]


def test_two_prompts_in_a_row_both_stay() -> None:
    """[13]: a run stopped before its first word leaves only its prompt."""
    assert shape([prompt("One"), prompt("Two")]) == [["user-prompt"], ["user-prompt"]]


@pytest.mark.parametrize("text", ["not JSON", "{}", "[1]", '[{"kind": "response"}]', "", '[{"kind": "from-tomorrow"}]'])
def test_a_step_that_cant_be_read_is_sent_as_its_text_with_one_warning(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    history = [prompt("One"), Turn("assistant", "Words | Call.", text), prompt("Two")]
    with caplog.at_level(logging.WARNING):
        messages = messages_of(history)
    assert isinstance(messages[1], ModelResponse)
    assert messages[1].parts == [TextPart("Words | Call.")]
    assert len(caplog.records) == 1


def test_many_steps_that_cant_be_read_make_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        messages_of([prompt("One"), *[Turn("assistant", "Words | Call.", "?")] * 3])
    assert [record.getMessage()[:2] for record in caplog.records] == ["3 "]


def test_a_step_without_messages_is_sent_as_its_text_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert shape([prompt("One"), Turn("assistant", "Words | Call."), prompt("Two")]) == [
            ["user-prompt"],
            ["text"],
            ["user-prompt"],
        ]
    assert caplog.records == []


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_step_without_text_or_messages_is_left_out(text: str) -> None:
    assert shape([prompt("One"), Turn("assistant", text), prompt("Two")]) == [["user-prompt"], ["user-prompt"]]


def test_text_that_no_request_can_carry_is_mended() -> None:
    """[27] NUL and lone surrogates become U+FFFD before a model receives them."""
    messages = messages_of([prompt("a\0\ud800"), Turn("assistant", "b\udc00")])
    texts = [
        part.content for message in messages for part in message.parts if isinstance(part, UserPromptPart | TextPart)
    ]
    assert texts[:2] == ["a\ufffd\ufffd", "b\ufffd"]


def test_blank_text_is_not_sent_because_providers_refuse_it() -> None:
    assert shape([prompt("One"), stored(response(TextPart(" "))), prompt("Two")]) == [["user-prompt"], ["user-prompt"]]


def test_an_open_call_gets_a_result() -> None:
    history = [prompt("One"), stored(response(ToolCallPart("clock", {}, "1"), ToolCallPart("clock", {}, "2")))]
    assert shape(history) == [["user-prompt"], ["tool-call", "tool-call"], ["tool-return", "tool-return"]]


def test_a_result_without_its_call_is_dropped() -> None:
    history = [prompt("One"), stored(request(ToolReturnPart("clock", "noon", "1"))), prompt("Two")]
    assert shape(history) == [["user-prompt"], ["user-prompt"]]


def test_a_second_result_of_a_call_is_dropped() -> None:
    history = [
        prompt("One"),
        stored(response(ToolCallPart("clock", {}, "1")), request(*[ToolReturnPart("clock", "noon", "1")] * 2)),
    ]
    assert shape(history) == [["user-prompt"], ["tool-call"], ["tool-return"]]


def test_a_result_never_answers_a_call_of_another_step() -> None:
    """Some servers number their calls from 0 in each step."""
    history = [
        prompt("One"),
        stored(response(ToolCallPart("clock", {}, "0"))),
        stored(response(ToolCallPart("clock", {}, "0")), request(ToolReturnPart("clock", "noon", "0"))),
    ]
    assert shape(history) == [["user-prompt"], ["tool-call"], ["tool-return"], ["tool-call"], ["tool-return"]]


def test_a_history_never_starts_with_an_answer_or_a_result() -> None:
    history = [
        Turn("assistant", "Words | Call."),
        stored(response(ToolCallPart("clock", {}, "1")), request(ToolReturnPart("clock", "noon", "1"))),
        prompt("One"),
    ]
    assert shape(history) == [["user-prompt"]]


def test_a_step_sent_as_its_text_is_followed_by_a_request() -> None:
    messages = messages_of([prompt("One"), Turn("assistant", "Words | Call.", "?")])
    assert isinstance(messages[-1], ModelRequest)
    assert [part.content for part in messages[-1].parts if isinstance(part, UserPromptPart)] == [GO_ON]


def test_two_answers_never_stand_in_a_row() -> None:
    messages = messages_of(
        [prompt("One"), Turn("assistant", "Words | Call.", "?"), stored(response(TextPart("More.")))]
    )
    assert all({type(one), type(two)} == {ModelRequest, ModelResponse} for one, two in pairwise(messages))


def test_an_empty_answer_and_its_feedback_are_kept_as_feedback() -> None:
    feedback = RetryFeedbackPart(content="Please return text.", retry=RetryInfo(cause="no_output"))
    assert shape([prompt("One"), stored(request(feedback))]) == [["user-prompt"], ["retry-feedback"]]


calls = st.builds(lambda call_id: ToolCallPart("clock", {}, call_id), st.sampled_from("abc"))
results = st.builds(lambda call_id: ToolReturnPart("clock", "noon", call_id), st.sampled_from("abc"))
texts = st.builds(TextPart, st.sampled_from(["", " ", "Words | Call."]))
messages = st.one_of(
    st.builds(lambda parts: response(*parts), st.lists(calls | texts, max_size=3)),
    st.builds(lambda parts: request(*parts), st.lists(results, max_size=3)),
)
turns = st.one_of(
    st.builds(prompt, st.just("One")),
    st.builds(lambda some: stored(*some, text="Words | Call."), st.lists(messages, max_size=3)),
    st.builds(
        lambda text, raw: Turn("assistant", text, raw),
        st.sampled_from(["", "Words | Call."]),
        st.sampled_from([None, "?"]),
    ),
)


@settings(deadline=None)  # a busy machine breaks no promise
@given(st.lists(turns, max_size=6))
def test_the_history_is_valid_for_any_stored_rows(history: list[Turn]) -> None:
    """Guarantee 7: no orphan calls or results, a prompt first, a request last, no empty message."""
    open_calls: list[str] = []
    sent = messages_of(history)
    for message in sent:
        assert message.parts
        if isinstance(message, ModelResponse):
            assert open_calls == []
            open_calls = [part.tool_call_id for part in message.parts if isinstance(part, ToolCallPart)]
        else:
            answered = [part.tool_call_id for part in message.parts if isinstance(part, ToolReturnPart)]
            assert sorted(answered) == sorted(open_calls)
            open_calls = []
    assert open_calls == []
    if any(turn.role == "user" for turn in history):
        assert isinstance(sent[0], ModelRequest)
        assert isinstance(sent[0].parts[0], UserPromptPart)
        assert isinstance(sent[-1], ModelRequest)
    else:
        assert sent == []
