"""One model request of a Pydantic AI agent, streamed, and the tool calls in its answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import Agent, CancellationToken
from pydantic_ai.messages import FunctionToolResultEvent, ToolReturnPart
from pydantic_ai.models import Model

from engine.broken_tools import BrokenTools
from engine.history import messages_of
from engine.model import step_settings
from engine.step_result import StepResult
from engine.streaming import streamed_passages
from outlive.agent import Ask
from outlive.agents import StepDeps
from outlive.follow.passages import Call, Words


@dataclass
class ModelStep:
    """One step of `agent` with `model`. `take` runs in the loop's thread and writes `result` as it goes."""

    ask: Ask
    agent: Agent[StepDeps, Any]
    model: Model
    show: Callable[[Words | Call], None] = lambda _: None
    token: CancellationToken = field(default_factory=CancellationToken)
    tools: BrokenTools = field(default_factory=BrokenTools)
    result: StepResult = field(init=False)

    def __post_init__(self) -> None:
        self.result = StepResult(self.ask.text_only)

    async def take(self) -> None:
        """Ask the model once and run the tools that it calls.

        Raises every error of model, tools and agent; `result` then holds what there was until then.
        """
        ask, result, deps = self.ask, self.result, _deps_of(self.ask)
        async with self.agent.iter(
            message_history=messages_of(ask.history),
            conversation_id=ask.chat_id,
            model=self.model,
            deps=deps,
            model_settings=step_settings(self.model, ask.seconds, text_only=ask.text_only),
            cancellation_token=self.token,
            capabilities=[self.tools],
        ) as run:
            result.run = run
            node = run.next_node
            while not Agent.is_model_request_node(node):
                node = await run.next(node)  # type: ignore[arg-type]
            async with node.stream(run.ctx) as stream:
                result.stream = stream
                async for passage in streamed_passages(stream, with_calls=not ask.text_only):
                    self.show(passage)
            node = await run.next(node)
            if Agent.is_call_tools_node(node):
                if ask.text_only:
                    result.kind = "final"
                    return
                deps.number_calls(
                    (call.tool_name, call.args_as_dict(), call.tool_call_id) for call in node.model_response.tool_calls
                )
                async with node.stream(run.ctx) as events:
                    async for event in events:
                        if isinstance(event, FunctionToolResultEvent) and isinstance(event.part, ToolReturnPart):
                            result.early_returns[event.part.tool_call_id] = event.part
                node = await run.next(node)
            if Agent.is_model_request_node(node):
                result.next_request = node.request
                result.kind = "step"
            else:
                result.kind = "final"


def _deps_of(ask: Ask) -> StepDeps:
    return StepDeps(
        ask.workspace_id,
        ask.chat_id,
        ask.run_id,
        ask.step,
        ask.attempt,
        user=ask.user,
        agent=ask.agent or "",
        metadata=ask.metadata,
        claims=ask.claims,
    )
