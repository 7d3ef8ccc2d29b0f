"""A chat's history as messages that any provider accepts, also after aborted runs."""

import logging
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
)

from engine.files import prompt_with
from engine.pairing import GO_ON, Conversation
from outlive.agent import Turn
from outlive.text import clean

log = logging.getLogger(__name__)


def messages_of(history: Iterable[Turn], keep_open: Container[str] = (), chat_id: str = "") -> list[ModelMessage]:
    """The history as messages for a model: it begins with a prompt, ends with a request, and every call has its result.

    The calls of the last answer that are in `keep_open` have none: the library is given theirs apart. A stored step that
    cannot be read is sent as its text, and left out if it has no text. One warning in the log counts these steps. Files are
    references to files of the chat.
    """
    conversation = Conversation()
    unreadable = 0
    for turn in history:
        if turn.role == "user":
            conversation.add_prompt(prompt_with(str(clean(turn.text)), turn.files, chat_id))
        elif conversation.has_begun:  # providers refuse a conversation that begins with an answer
            step = None if turn.messages is None else readable_messages(turn.messages)
            unreadable += step is None and turn.messages is not None
            for message in _text_answer(turn.text) if step is None else step:
                conversation.add(message)
    conversation.end(keep_open)
    if unreadable:
        log.warning("%d stored steps cannot be read and are sent as their text", unreadable)
    messages = conversation.messages
    if messages and isinstance(messages[-1], ModelResponse) and not keep_open:
        # Pydantic AI asks the model only if the history ends with a request.
        conversation.add_prompt(GO_ON)
    return messages


def readable_messages(text: str) -> list[ModelMessage] | None:
    """One step's messages as they can be sent; None if the stored text cannot be read."""
    try:
        messages = [_without_blank_text(message) for message in ModelMessagesTypeAdapter.validate_json(text)]
        # What is damaged may show only when it is looked at.
        for message in messages:
            _ = message.tool_calls if isinstance(message, ModelResponse) else message.parts
        return messages
    except Exception:
        # No damage of a stored row may fail a run, and the library raises errors of its own for some of it.
        return None


def _without_blank_text(message: ModelMessage) -> ModelMessage:
    """The message without blank text parts, which some providers refuse."""
    if isinstance(message, ModelRequest):
        return message
    return replace(message, parts=[part for part in message.parts if not _is_blank(part)])


def _is_blank(part: object) -> bool:
    return isinstance(part, TextPart) and not part.content.strip()


def _text_answer(text: str) -> Sequence[ModelMessage]:
    return [ModelResponse(parts=[TextPart(clean(text))])] if text.strip() else []
