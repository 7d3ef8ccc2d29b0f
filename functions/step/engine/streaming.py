"""What a model streams, as passages for readers: text, reasoning, and each tool call as soon as it is complete."""

from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic_ai.messages import (
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.result import AgentStream

from engine.parts import call_passage
from outlive.agents import StepDeps
from outlive.follow.passages import Call, Words
from outlive.text import clean


class TextPieces:
    """Cleans a text that comes in pieces: half a surrogate pair is held until the next piece, which may have its other half."""

    def __init__(self) -> None:
        self._held = ""

    def add(self, piece: str) -> str:
        """The text to show now, of the held rest and `piece`."""
        text, self._held = self._held + piece, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return str(clean(text))

    def rest(self) -> str:
        """The held rest, at the end of the text."""
        text, self._held = self._held, ""
        return str(clean(text))


async def streamed_passages(stream: AgentStream[StepDeps, Any], *, with_calls: bool) -> AsyncIterator[Words | Call]:
    """The passages of a streamed answer, in order."""
    pieces: dict[Literal["text", "reasoning"], TextPieces] = {"text": TextPieces(), "reasoning": TextPieces()}
    async for event in stream:
        match event:
            case PartStartEvent(part=TextPart(content=text)):
                kind: Literal["text", "reasoning"] = "text"
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                kind = "text"
            case PartStartEvent(part=ThinkingPart(content=text)):
                kind = "reasoning"
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                kind = "reasoning"
            case PartEndEvent(part=ToolCallPart() as call) if with_calls:
                if (passage := call_passage(call)) is not None:
                    yield passage
                continue
            case _:  # the end event of any other part repeats the whole part
                continue
        if piece := pieces[kind].add(text):
            yield Words(kind, piece)
    for kind, text_pieces in pieces.items():
        if piece := text_pieces.rest():
            yield Words(kind, piece)
