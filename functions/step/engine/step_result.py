"""The result of a step so far, in the forms of Pydantic AI."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelRequestPart, ModelResponse, ToolReturnPart
from pydantic_ai.result import AgentStream
from pydantic_ai.run import AgentRun
from pydantic_ai.usage import RunUsage

from engine.errors import ToolBroke
from engine.parts import UNSTORABLE, messages_json
from outlive.agent import Files
from outlive.agents import StepDeps
from outlive.asked import AskedCall
from outlive.usage import DIGITS, Usage


@dataclass
class StepResult:
    """The result of one step so far. The loop's thread writes it; the caller's thread reads it afterwards.

    A step that was left behind may go on writing.
    """

    text_only: bool
    """The model was asked for text and nothing else: the last step of an agent without an output type."""
    kind: Literal["step", "asked", "final", "partial"] = "partial"
    run: AgentRun[StepDeps, Any] | None = None
    stream: AgentStream[StepDeps, Any] | None = None
    output: Any = None
    """The structured output of a final step as a JSON value."""
    next_request: ModelRequest | None = None
    """The request that the next step would send: it begins with the results of the tools."""
    early_returns: dict[str, ToolReturnPart] = field(default_factory=dict)
    """Results of single tools while others still run, by call id."""
    asked: dict[str, AskedCall] = field(default_factory=dict)
    """The calls that wait for an answer, by id. Their results are placeholders."""
    files: Files | None = None
    """Where files of tools are stored."""

    @property
    def usage(self) -> Usage:
        """Tokens and requests of this step."""
        used = RunUsage() if self.run is None else self.run.usage
        cost = None if used.cost is None else round(float(used.cost), DIGITS)
        cached = used.cache_read_tokens, used.cache_write_tokens
        return Usage(used.input_tokens, used.output_tokens, used.requests, *cached, cost)

    @property
    def new_messages(self) -> list[ModelMessage]:
        """The messages that this step added to the history."""
        return [] if self.run is None else self.run.new_messages()

    @property
    def response(self) -> ModelResponse | None:
        """The model's answer, as far as it came; None if nothing came."""
        for message in reversed(self.new_messages):
            if isinstance(message, ModelResponse):
                return message
        # A step that was left behind in mid-stream has its answer in the stream only.
        return None if self.stream is None else self.stream.response

    @property
    def tool_returns(self) -> dict[str, ToolReturnPart]:
        """The results of the tools that answered, by call id."""
        requests = [message for message in [*self.new_messages, self.next_request] if isinstance(message, ModelRequest)]
        parts = [part for request in requests for part in request.parts if isinstance(part, ToolReturnPart)]
        returns = {part.tool_call_id: part for part in [*self.early_returns.values(), *parts]}
        return {call_id: part for call_id, part in returns.items() if call_id not in self.asked}

    @property
    def next_parts(self) -> list[ModelRequestPart]:
        """The parts of the next request, without placeholders."""
        parts = self.next_request.parts if self.next_request is not None else ()
        return [part for part in parts if not (isinstance(part, ToolReturnPart) and part.tool_call_id in self.asked)]

    def unstorable_returns(self) -> list[ToolBroke]:
        """An error for each tool whose result has no JSON form."""
        broken: list[ToolBroke] = []
        for part in self.tool_returns.values():
            try:
                messages_json([ModelRequest(parts=[part])])
            except UNSTORABLE as error:
                broken.append(ToolBroke(part.tool_name, part.tool_call_id, error))
        return broken
