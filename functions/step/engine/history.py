"""A chat's history as messages that any provider takes, whatever was aborted before."""

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
from engine.storable import mend
from outlive.agent import Turn

log = logging.getLogger(__name__)

GO_ON = "Please go on."


def messages_of(history: Iterable[Turn]) -> list[ModelMessage]:
    """The history as a model may be sent it: starts with a prompt, ends with a request, every call has its result.

    A stored step that can't be read is sent as its text, with one warning for all of them; one with no text is left
    out.
    """
    messages: list[ModelMessage] = []
    unreadable = 0
    for turn in history:
        if turn.role == "user":
            messages.append(ModelRequest(parts=[UserPromptPart(mend(turn.text))]))
        elif messages:  # providers refuse a conversation that starts with an answer
            step = None if turn.messages is None else _read(turn.messages)
            unreadable += step is None and turn.messages is not None
            for message in _spoken(turn.text) if step is None else step:
                _append(messages, message)
    if unreadable:
        log.warning("%d stored steps can't be read and are sent as their text", unreadable)
    if messages and isinstance(messages[-1], ModelResponse):
        # Without a request at the end the model would not be asked at all.
        messages.append(_go_on())
    return messages


def _append(messages: list[ModelMessage], message: ModelMessage) -> None:
    # Two answers in a row, which some providers refuse, stand only where a step is sent as its text: what was between
    # them, its tool results, is lost.
    if isinstance(message, ModelResponse) and isinstance(messages[-1], ModelResponse):
        messages.append(_go_on())
    messages.append(message)


def _go_on() -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(GO_ON)])


def _read(text: str) -> list[ModelMessage] | None:
    """One step's messages as they can be sent, None if unreadable."""
    try:
        return _paired(map(_said, ModelMessagesTypeAdapter.validate_json(text)))
    except Exception:
        # Whatever is wrong with a stored row, also in ways only the library's own code notices, must fail no run.
        return None


def _paired(messages: Iterable[ModelMessage]) -> list[ModelMessage]:
    """The messages with one result for each call, right after it, and no other results. Empty messages are left out.

    The library repairs histories too, but matches calls and results over all of it, where ids need not be unique, and
    lets a second result of a call pass.
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
            elif call := next((one for one in open_calls if one.tool_call_id == part.tool_call_id), None):
                open_calls.remove(call)
                results.append(part)
        parts = [*results, *(closing_return(call) for call in open_calls), *others]
        open_calls = []
        if parts:
            paired.append(replace(message, parts=parts))
    if open_calls:
        paired.append(ModelRequest(parts=[closing_return(call) for call in open_calls]))
    return paired


def _said(message: ModelMessage) -> ModelMessage:
    """The message without blank text, which some providers refuse."""
    if isinstance(message, ModelRequest):
        return message
    return replace(message, parts=[part for part in message.parts if not _blank(part)])


def _blank(part: object) -> bool:
    return isinstance(part, TextPart) and not part.content.strip()


def _spoken(text: str) -> Sequence[ModelMessage]:
    return [ModelResponse(parts=[TextPart(mend(text))])] if text.strip() else []
