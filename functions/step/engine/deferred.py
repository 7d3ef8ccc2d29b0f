"""Calls that need an answer: one step notes them, and the step after the answer runs them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET
from pydantic_ai import DeferredToolRequests, DeferredToolResults, RunContext, ToolApproved, ToolDenied, ToolFailed
from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_jsonable_python

from outlive.agents import StepDeps
from outlive.asked import INTERRUPTED, AskedCall, Decision
from outlive.text import clean

MAY_HAVE_HAPPENED = "The worker died while this tool ran: what it does may have happened. It is not run again."


@dataclass
class AskedCalls(AbstractCapability[StepDeps]):
    """Notes the calls that need an answer, and lets the library go on without them.

    It stands innermost, so that an agent's own handlers answer first. Each remaining call gets a denial as a placeholder for
    its result, which `StepResult` leaves out. Raising here would lose the decisions of the other handlers.
    """

    asked: dict[str, AskedCall] = field(default_factory=dict)
    """The calls by their ids."""

    def get_ordering(self) -> CapabilityOrdering:
        """Innermost."""
        return CapabilityOrdering(position="innermost")

    async def handle_deferred_tool_calls(
        self,
        ctx: RunContext[StepDeps],
        *,
        requests: DeferredToolRequests,
    ) -> DeferredToolResults:
        """Note the calls, and deny them for now."""
        for call in [*requests.approvals, *requests.calls]:
            metadata = requests.metadata.get(call.tool_call_id)
            kind = requests.kind(call.tool_call_id)
            self.asked[call.tool_call_id] = AskedCall(
                call.tool_call_id,
                kind,
                call.tool_name,
                clean(to_jsonable_python(call.args_as_dict())),
                clean(to_jsonable_python(metadata)) if metadata else None,
                f"{ctx.deps.step}:{call.tool_call_id}" if kind == "approval" else "",
            )
        return requests.build_results(
            approvals={call.tool_call_id: ToolDenied("") for call in requests.approvals},
            calls={call.tool_call_id: "" for call in requests.calls},
        )


@dataclass
class RunOnce(AbstractCapability[StepDeps]):
    """Does not run a tool with `metadata={"once": True}` on a later attempt: the earlier one may have run it."""

    async def wrap_tool_execute(
        self,
        ctx: RunContext[StepDeps],
        *,
        call: ToolCallPart,  # noqa: ARG002  # as above
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: Callable[[dict[str, Any]], Awaitable[Any]],
    ) -> Any:
        """Run the tool, or fail its call."""
        if ctx.deps.attempt > 1 and (tool_def.metadata or {}).get("once"):
            raise ToolFailed(MAY_HAVE_HAPPENED)
        return await handler(args)


def results_of(
    calls: Iterable[AskedCall], decisions: Mapping[str, Decision], answered_by: Mapping[str, str]
) -> DeferredToolResults:
    """One result for each call, in the library's form. A call without a decision is closed as interrupted."""
    results = DeferredToolResults(answered_by=dict(answered_by))
    for call in calls:
        decision = decisions.get(call.tool_call_id)
        if call.kind == "approval":
            results.approvals[call.tool_call_id] = _approval(decision)
        elif decision is None:
            results.calls[call.tool_call_id] = ToolFailed(INTERRUPTED)
        elif decision.error_text is not UNSET:
            results.calls[call.tool_call_id] = ToolFailed(decision.error_text)
        else:
            results.calls[call.tool_call_id] = decision.output
        if isinstance(call.metadata, dict):
            results.metadata[call.tool_call_id] = call.metadata
    return results


def _approval(decision: Decision | None) -> ToolApproved | ToolDenied:
    if decision is None:
        return ToolDenied(INTERRUPTED)
    if decision.approved is True:
        return ToolApproved(override_args=None if decision.input is UNSET else decision.input)
    return ToolDenied() if decision.reason is UNSET else ToolDenied(decision.reason)
