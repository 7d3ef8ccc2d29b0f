"""Structured output: an agent with an output type ends a run with a value of that type instead of a text.

A refused output is sent back to the model, which tries again in the next step. Pydantic AI counts these tries within one
of its own runs, and each of our steps is one. So the tries of a run are counted here, over its stored steps.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

from pydantic import TypeAdapter
from pydantic_ai import Agent
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelRequest, ModelResponse, RetryFeedbackPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.result import FinalResult
from pydantic_ai.run import AgentRun

from engine.errors import OutputInvalid
from engine.history import readable_messages
from outlive.agent import Turn
from outlive.agents import StepDeps

ANYTHING = TypeAdapter[Any](Any)


def is_typed(agent: Agent[StepDeps, Any]) -> bool:
    """True if the agent has an output type, so that text alone does not end its run."""
    return agent.output_type is not str


def output_json(result: FinalResult[Any], response: ModelResponse | None) -> Any:
    """The output as a JSON value; None if it is the text of `response`. Raises OutputInvalid if it has no JSON form."""
    parts = response.parts if response is not None else []
    if result.tool_name is None and result.output == "".join(
        part.content for part in parts if isinstance(part, TextPart)
    ):
        return None
    try:
        return ANYTHING.dump_python(result.output, mode="json")
    except (ValueError, TypeError, RecursionError) as error:
        raise OutputInvalid(f"The output has no JSON form: {error}") from error


class OutputTries:
    """How often the model tried to give an output in a run, of which `steps` are the earlier steps."""

    def __init__(self, run: AgentRun[StepDeps, Any], steps: Sequence[Turn]) -> None:
        toolset = run.ctx.deps.output_schema.toolset
        self._tools = frozenset(toolset.processors) if toolset is not None else frozenset[str]()
        self._allowed = 1 + run.ctx.deps.max_output_retries
        self._steps = steps

    def keep_outputs(self, response: ModelResponse) -> None:
        """Drop the calls of all other tools: the last step of the budget runs none."""
        response.parts = [
            part for part in response.parts if not isinstance(part, ToolCallPart) or part.tool_name in self._tools
        ]

    def check(self, request: ModelRequest, *, is_last: bool) -> None:
        """Raises OutputInvalid if `request`, the next one, sends an output back and there is no further try."""
        refusal = next((part for part in request.parts if self._is_refusal(part)), None)
        if refusal is None:
            return
        tries = 1 + sum(self._was_refused(step) for step in self._steps)
        if is_last or tries >= self._allowed:
            why = refusal.content if isinstance(refusal.content, str) else _problems(refusal.content)
            raise OutputInvalid(f"The model gave no valid output in {_times(tries)}. {why}")

    def explained(self, error: UnexpectedModelBehavior, response: ModelResponse) -> Exception:
        """`error`, as an OutputInvalid if only the output can have raised it, because it allows no second try."""
        others = [call for call in response.tool_calls if call.tool_name not in self._tools]
        if others or type(error) is not UnexpectedModelBehavior:
            return error
        return OutputInvalid(f"The model gave no valid output. {error.__cause__ or error}")

    def _is_refusal(self, part: object) -> TypeGuard[RetryFeedbackPart | ToolReturnPart]:
        if isinstance(part, ToolReturnPart):
            return part.outcome == "retried" and part.tool_name in self._tools
        return isinstance(part, RetryFeedbackPart)

    def _was_refused(self, step: Turn) -> bool:
        messages = readable_messages(step.messages or "[]") or []
        return any(
            self._is_refusal(part)
            for message in messages
            if isinstance(message, ModelRequest)
            for part in message.parts
        )


def _problems(details: Any) -> str:
    """The errors of a validation in one line: where, and what is wrong."""
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'output'}: {each['msg']}" for each in details)


def _times(tries: int) -> str:
    return "1 try" if tries == 1 else f"{tries} tries"
