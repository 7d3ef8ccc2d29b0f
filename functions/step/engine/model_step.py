"""One model request of a Pydantic AI agent, streamed, and the tool calls in its answer."""

from typing import Any

from pydantic_ai import Agent, CallToolsNode
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.run import AgentRun

from engine.agent_step import AgentStep
from engine.files import with_contents
from engine.history import messages_of
from engine.model import step_settings
from engine.output import OutputTries, is_typed, output_json
from engine.streaming import streamed_passages
from outlive.agents import StepDeps


class ModelStep(AgentStep):
    """One step of `agent` that asks `model` once and runs the tools that it calls.

    The files of the history are read when it is made, in the caller's thread, where an error of the store is the store's.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        ask = self.ask
        self.messages = with_contents(messages_of(ask.history, chat_id=ask.chat_id), ask.files)

    async def take(self) -> None:
        """Ask the model once and run the tools that it calls.

        Raises every error of model, tools and agent; `result` then has what the step produced before it.
        """
        ask, result = self.ask, self.result
        async with self.agent.iter(
            message_history=self.messages,
            conversation_id=ask.chat_id,
            model=self.model,
            deps=self.deps,
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
                node = await self._run_tools(run, node)
            if Agent.is_model_request_node(node):
                result.next_request = node.request
                result.kind = "asked" if result.asked else "step"
            elif Agent.is_end_node(node):
                if is_typed(self.agent):
                    result.output = output_json(node.data, result.response)
                result.kind = "final"

    async def _run_tools(self, run: AgentRun[StepDeps, Any], node: CallToolsNode[StepDeps, Any]) -> Any:
        """Run the tools that the model called. Returns the node after that: the next request, or the end."""
        ask, result, response = self.ask, self.result, node.model_response
        tries = OutputTries(run, ask.history[len(ask.history) - ask.step :]) if is_typed(self.agent) else None
        if tries is not None and ask.text_only:
            tries.keep_outputs(response)
        try:
            following = await self.run_calls(run, node)
        except UnexpectedModelBehavior as error:
            if tries is None:
                raise
            raise tries.explained(error, response) from error.__cause__
        if tries is not None and Agent.is_model_request_node(following):
            result.next_request = following.request
            tries.check(following.request, is_last=ask.text_only)
        return following
