"""Calls and their results side by side, as every provider requires it, also where results come in a later step."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from engine.parts import closing_return

GO_ON = "Please go on."


@dataclass
class _Results:
    """The request that follows a response: the results of its calls, and its other parts."""

    request: ModelRequest
    results: list[ModelRequestPart]
    others: list[ModelRequestPart]


@dataclass
class Conversation:
    """Messages with exactly one result for each call, in the request right after it.

    The library repairs histories as well, but it matches calls and results by id over the whole history, where ids need
    not be unique, and it keeps a second result of a call.
    """

    messages: list[ModelMessage] = field(default_factory=list)
    _open: list[ToolCallPart] = field(default_factory=list)
    _under_way: _Results | None = None

    @property
    def has_begun(self) -> bool:
        """True once there is a message."""
        return bool(self.messages)

    def add(self, message: ModelMessage) -> None:
        """The next message. Results of calls that are not open are left out, and so are empty messages."""
        if isinstance(message, ModelResponse):
            self._add_response(message)
        else:
            self._add_request(message)

    def add_prompt(self, content: str | Sequence[UserContent]) -> None:
        """The user's next prompt."""
        self.end()
        self.messages.append(ModelRequest(parts=[UserPromptPart(content)]))

    def end(self, keep_open: Container[str] = ()) -> None:
        """Close every open call but those in `keep_open`."""
        closing: list[ModelRequestPart] = [
            closing_return(call) for call in self._open if call.tool_call_id not in keep_open
        ]
        ended = self._under_way or _Results(ModelRequest(parts=[]), [], [])
        parts = [*ended.results, *closing, *ended.others]
        if parts:
            self.messages.append(replace(ended.request, parts=parts))
        self._open, self._under_way = [], None

    def _add_response(self, response: ModelResponse) -> None:
        self.end()
        self._open = list(response.tool_calls)
        if not response.parts:
            return
        if self.messages and isinstance(self.messages[-1], ModelResponse):
            # Some providers refuse two answers in a row. They occur only where a step is sent as its text, because the
            # tool results between them are lost.
            self.messages.append(ModelRequest(parts=[UserPromptPart(GO_ON)]))
        self.messages.append(response)

    def _add_request(self, request: ModelRequest) -> None:
        results: list[ModelRequestPart] = []
        others: list[ModelRequestPart] = []
        for part in request.parts:
            if not isinstance(part, ToolReturnPart):
                others.append(part)
            elif call := next((each for each in self._open if each.tool_call_id == part.tool_call_id), None):
                self._open.remove(call)
                results.append(part)
        if self._under_way is not None and results:
            self._under_way.results += results
            self._under_way.others += others
            return
        if self._under_way is not None:
            self.end()
        self._under_way = _Results(request, results, others)
