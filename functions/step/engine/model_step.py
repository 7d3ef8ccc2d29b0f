"""One model request of a Pydantic AI agent, streamed, and the tool calls in its answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import Agent, CallToolsNode, CancellationToken
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import FunctionToolResultEvent, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.run import AgentRun

from engine.broken_tools import BrokenTools
from engine.deferred import AskedCalls
from engine.history import messages_of
from engine.model import step_settings
from engine.output import OutputTries, is_typed, output_json
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
    asked: AskedCalls = field(default_factory=AskedCalls)
    result: StepResult = field(init=False)

    def __post_init__(self) -> None:
        self.result = StepResult(self.ask.text_only and not is_typed(self.agent), asked=self.asked.asked)

    async def take(self) -> None:
        """Ask the model once and run the tools that it calls.

        Raises every error of model, tools and agent; `result` then holds what there was until then.
        """
        ask, result, deps = self.ask, self.result, deps_of(self.ask)
        async with self.agent.iter(
            message_history=messages_of(ask.history),
            conversation_id=ask.chat_id,
            model=self.model,
            deps=deps,
            model_settings=step_settings(self.model, ask.seconds, text_only=ask.text_only, caching=ask.prompt_caching),
            cancellation_token=self.token,
            capabilities=[self.tools, self.asked],
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
                if result.text_only:
                    result.kind = "final"
                    return
                node = await self._run_tools(run, node, deps)
            if Agent.is_model_request_node(node):
                result.next_request = node.request
                result.kind = "asked" if result.asked else "step"
            elif Agent.is_end_node(node):
                if is_typed(self.agent):
                    result.output = output_json(node.data, result.response)
                result.kind = "final"

    async def _run_tools(self, run: AgentRun[StepDeps, Any], node: CallToolsNode[StepDeps, Any], deps: StepDeps) -> Any:
        """Run the tools that the model called. Returns the node after that: the next request, or the end."""
        ask, result, response = self.ask, self.result, node.model_response
        tries = OutputTries(run, ask.history[len(ask.history) - ask.step :]) if is_typed(self.agent) else None
        if tries is not None and ask.text_only:
            tries.keep_outputs(response)
        deps.number_calls((call.tool_name, call.args_as_dict(), call.tool_call_id) for call in response.tool_calls)
        try:
            async with node.stream(run.ctx) as events:
                async for event in events:
                    if isinstance(event, FunctionToolResultEvent) and isinstance(event.part, ToolReturnPart):
                        result.early_returns[event.part.tool_call_id] = event.part
            following = await run.next(node)
        except UnexpectedModelBehavior as error:
            if tries is None:
                raise
            raise tries.explained(error, response) from error.__cause__
        if tries is not None and Agent.is_model_request_node(following):
            result.next_request = following.request
            tries.check(following.request, is_last=ask.text_only)
        return following


def deps_of(ask: Ask) -> StepDeps:
    """What the tools of the step get."""
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
