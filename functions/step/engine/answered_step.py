"""A step that runs the answered calls of the step before. It asks no model."""

from typing import Any

from msgspec import UNSET
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
)

from engine.agent_step import AgentStep
from engine.deferred import RunOnce, results_of
from engine.errors import ToolBroke, agent_error, public_message
from engine.files import with_references
from engine.gone_tools import GoneTools
from engine.history import messages_of
from engine.parts import UNSTORABLE, approval_requested, closing_return, messages_json, ui_parts
from outlive.agent import Outcome
from outlive.asked import AskedCall


class AnsweredStep(AgentStep):
    """One step of `agent` that runs answered calls."""

    async def take(self) -> None:
        """Run the calls. Raises every error of tools and agent; `result` then has what the step produced before it."""
        ask, result = self.ask, self.result
        to_run = frozenset(call.tool_name for call in ask.asked if call.kind == "approval")
        async with self.agent.iter(
            message_history=messages_of(ask.history, {call.tool_call_id for call in ask.asked}, ask.chat_id),
            conversation_id=ask.chat_id,
            model=self.model,
            deps=self.deps,
            deferred_tool_results=results_of(ask.asked, ask.decisions, ask.answered_by),
            cancellation_token=self.token,
            capabilities=[self.tools, RunOnce(), GoneTools(to_run), self.asked],
        ) as run:
            result.run = run
            node = run.next_node
            while not Agent.is_call_tools_node(node):
                node = await run.next(node)  # type: ignore[arg-type]
            node = await self.run_calls(run, node)
            if Agent.is_model_request_node(node):
                result.next_request = node.request
            result.kind = "asked" if result.asked else "step"

    def outcome(self, *, interrupted: bool, error: BaseException | None) -> Outcome:
        """The outcome of the step: the results alone. An error of an interrupted step is ignored."""
        failure = None if interrupted else error
        broke_off = self.result.kind == "partial" or failure is not None
        failures = {failure.tool_call_id: public_message(failure.error)} if isinstance(failure, ToolBroke) else {}
        try:
            return self._outcome(failures, failure, broke_off=broke_off)
        except UNSTORABLE:
            broken = self.result.unstorable_returns()
            if not broken:
                raise
            failures |= {each.tool_call_id: public_message(each.error) for each in broken}
            return self._outcome(failures, failure or broken[0], broke_off=True)

    def _outcome(self, failures: dict[str, str], failure: BaseException | None, *, broke_off: bool) -> Outcome:
        asked = {} if broke_off else dict(self.result.asked)
        calls = [call for call in self.ask.asked if call.tool_call_id not in asked]
        returns = {call.tool_call_id: self._return_of(call, failures) for call in calls}
        results: list[ModelRequestPart] = list(returns.values())
        if not broke_off:
            results += [part for part in self.result.next_parts if not isinstance(part, ToolReturnPart)]
        request = with_references([ModelRequest(parts=results)], self.result.files)
        stored = [part for message in request if isinstance(message, ModelRequest) for part in message.parts]
        returns |= {part.tool_call_id: part for part in stored if isinstance(part, ToolReturnPart)}
        messages = messages_json([ModelRequest(parts=stored)]) if results else None
        parts = [self._part(call, returns[call.tool_call_id]) for call in calls]
        parts += [self._open_part(call) for call in asked.values()]
        kind = "partial" if broke_off else self.result.kind
        agent_failure = None if failure is None else agent_error(failure)
        return Outcome(kind, parts, messages, self.result.usage, None, agent_failure, tuple(asked.values()))

    def _return_of(self, call: AskedCall, failures: dict[str, str]) -> ToolReturnPart:
        stored = self.result.tool_returns.get(call.tool_call_id)
        if stored is not None and call.tool_call_id not in failures:
            return stored
        return closing_return(self._as_run(call), failures.get(call.tool_call_id))

    def _as_run(self, call: AskedCall) -> ToolCallPart:
        """The call with the arguments that were approved."""
        decision = self.ask.decisions.get(call.tool_call_id)
        arguments = call.input if decision is None or decision.input is UNSET else decision.input
        return ToolCallPart(call.tool_name, arguments, call.tool_call_id)

    def _part(self, call: AskedCall, result: ToolReturnPart) -> dict[str, Any]:
        """The call with its result, as a UI part."""
        _, part = ui_parts([ModelResponse(parts=[self._as_run(call)]), ModelRequest(parts=[result])])
        decision = self.ask.decisions.get(call.tool_call_id)
        if decision is not None and decision.approved is not UNSET:
            # The person's own reason, if any: the library would add one.
            reason = {} if decision.reason is UNSET else {"reason": decision.reason}
            part["approval"] = {"id": call.approval_id, "approved": decision.approved, **reason}
        return part

    def _open_part(self, call: AskedCall) -> dict[str, Any]:
        """A call that is asked about once more, as a UI part."""
        _, part = ui_parts([ModelResponse(parts=[self._as_run(call)])], {call.tool_call_id: call})
        return {**part, **approval_requested(call)} if call.kind == "approval" else part
