"""What every kind of step of a Pydantic AI agent has in common."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import Agent, CallToolsNode, CancellationToken
from pydantic_ai.messages import FunctionToolResultEvent, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.run import AgentRun

from engine.broken_tools import BrokenTools
from engine.deferred import AskedCalls
from engine.output import is_typed
from engine.step_result import StepResult
from outlive.agent import Ask
from outlive.agents import StepDeps
from outlive.follow.passages import Call, Words


@dataclass
class AgentStep:
    """One step of `agent` with `model`. `take` runs in the loop's thread and writes `result` as it goes."""

    ask: Ask
    agent: Agent[StepDeps, Any]
    model: Model
    show: Callable[[Words | Call], None] = lambda _: None
    token: CancellationToken = field(default_factory=CancellationToken)
    tools: BrokenTools = field(default_factory=BrokenTools)
    asked: AskedCalls = field(default_factory=AskedCalls)
    result: StepResult = field(init=False)
    deps: StepDeps = field(init=False)

    def __post_init__(self) -> None:
        ask = self.ask
        self.result = StepResult(ask.text_only and not is_typed(self.agent), asked=self.asked.asked, files=ask.files)
        self.deps = StepDeps(
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

    async def take(self) -> None:
        """Take the step. Raises every error of model, tools and agent; `result` then has what the step produced before it."""
        raise NotImplementedError

    async def run_calls(self, run: AgentRun[StepDeps, Any], node: CallToolsNode[StepDeps, Any]) -> Any:
        """Run the calls of the answer in `node`. Returns the node after that: the next request, or the end."""
        calls = node.model_response.tool_calls
        self.deps.number_calls((call.tool_name, call.args_as_dict(), call.tool_call_id) for call in calls)
        async with node.stream(run.ctx) as events:
            async for event in events:
                if isinstance(event, FunctionToolResultEvent) and isinstance(event.part, ToolReturnPart):
                    self.result.early_returns[event.part.tool_call_id] = event.part
        return await run.next(node)
