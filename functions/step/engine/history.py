"""A chat's history as messages that any provider accepts, also after aborted runs."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from engine.parts import closing_return
from outlive.agent import Turn
from outlive.text import clean

log = logging.getLogger(__name__)

GO_ON = "Please go on."


def messages_of(history: Iterable[Turn]) -> list[ModelMessage]:
    """The history as messages for a model: it begins with a prompt, ends with a request, and every call has its result.

    A stored step that cannot be read is sent as its text, and left out if it has no text. One warning in the log counts
    these steps.
    """
    messages: list[ModelMessage] = []
    unreadable = 0
    for turn in history:
        if turn.role == "user":
            messages.append(ModelRequest(parts=[UserPromptPart(clean(turn.text))]))
        elif messages:  # providers refuse a conversation that begins with an answer
            step = None if turn.messages is None else _readable(turn.messages)
            unreadable += step is None and turn.messages is not None
            for message in _text_answer(turn.text) if step is None else step:
                _append(messages, message)
    if unreadable:
        log.warning("%d stored steps cannot be read and are sent as their text", unreadable)
    if messages and isinstance(messages[-1], ModelResponse):
        # Pydantic AI asks the model only if the history ends with a request.
        messages.append(_go_on())
    return messages


def _append(messages: list[ModelMessage], message: ModelMessage) -> None:
    # Some providers refuse two answers in a row. They occur only where a step is sent as its text, because the tool
    # results between them are lost.
    if isinstance(message, ModelResponse) and isinstance(messages[-1], ModelResponse):
        messages.append(_go_on())
    messages.append(message)


def _go_on() -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(GO_ON)])


def _readable(text: str) -> list[ModelMessage] | None:
    """One step's messages as they can be sent; None if the stored text cannot be read."""
    try:
        return _paired(map(_without_blank_text, ModelMessagesTypeAdapter.validate_json(text)))
    except Exception:
        # No damage of a stored row may fail a run, and the library raises errors of its own for some of it.
        return None


def _paired(messages: Iterable[ModelMessage]) -> list[ModelMessage]:
    """The messages with exactly one result for each call, right after it. Empty messages are left out.

    The library repairs histories as well, but it matches calls and results by id over the whole history, where ids need
    not be unique, and it keeps a second result of a call.
    """
    paired: list[ModelMessage] = []
    open_calls: list[ToolCallPart] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            if open_calls:
                paired.append(ModelRequest(parts=[closing_return(call) for call in open_calls]))
            open_calls = list(message.tool_calls)
            if message.parts:
                paired.append(message)
            continue
        results: list[ModelRequestPart] = []
        others: list[ModelRequestPart] = []
        for part in message.parts:
            if not isinstance(part, ToolReturnPart):
                others.append(part)
            elif call := next((each for each in open_calls if each.tool_call_id == part.tool_call_id), None):
                open_calls.remove(call)
                results.append(part)
        parts = [*results, *(closing_return(call) for call in open_calls), *others]
        open_calls = []
        if parts:
            paired.append(replace(message, parts=parts))
    if open_calls:
        paired.append(ModelRequest(parts=[closing_return(call) for call in open_calls]))
    return paired


def _without_blank_text(message: ModelMessage) -> ModelMessage:
    """The message without blank text parts, which some providers refuse."""
    if isinstance(message, ModelRequest):
        return message
    return replace(message, parts=[part for part in message.parts if not _is_blank(part)])


def _is_blank(part: object) -> bool:
    return isinstance(part, TextPart) and not part.content.strip()


def _text_answer(text: str) -> Sequence[ModelMessage]:
    return [ModelResponse(parts=[TextPart(clean(text))])] if text.strip() else []
