"""Answers that come after another deployment: the tool, the agent or the tool's form is not what it was when it asked."""

import json
from typing import Any

import pytest
from pydantic_ai import Agent, CallDeferred, ExternalToolset, RunContext, Tool, ToolDefinition
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from engine.agents import Agents
from engine.deferred import MAY_HAVE_HAPPENED
from engine.turn import PydanticAgent
from outlive.agents import StepDeps
from proof.stacks.handlers import Stack
from tests.handlers.fates import FATES, Died, strike
from tests.handlers.test_answers import send

CALLS = {"pay": {"amount": 5}, "ask_user": {"question": "which?"}, "get_location": {}}


class Deployments:
    """An agent whose model calls three tools that wait, and then answers; its tools differ by deployment."""

    def __init__(self) -> None:
        self.paid: list[Any] = []
        self.told: dict[str, Any] = {}

    async def _stream(self, messages: list[ModelMessage], _: AgentInfo) -> Any:
        returned = [
            part
            for message in messages
            if isinstance(message, ModelRequest)
            for part in message.parts
            if isinstance(part, ToolReturnPart) or part.part_kind == "retry-prompt"
        ]
        self.told = {part.tool_name: part.content for part in returned}
        if returned:
            yield "Well."
            return
        for index, (name, arguments) in enumerate(CALLS.items()):
            yield {index: DeltaToolCall(name, json.dumps(arguments), tool_call_id=f"call-{name}")}

    def agent(self, *tools: Any, external: tuple[str, ...] = (), **options: Any) -> PydanticAgent:
        """The agent with these tools alone."""
        none = {"type": "object", "properties": {}}
        browser = ExternalToolset([ToolDefinition(name=name, parameters_json_schema=none) for name in external])
        model = FunctionModel(stream_function=self._stream)
        return PydanticAgent(Agent(model, deps_type=StepDeps, tools=tools, toolsets=[browser], **options), "offline")

    async def pay(self, ctx: RunContext[StepDeps], amount: int) -> str:
        """Pay."""
        self.paid.append(amount)
        return f"paid {amount}"

    async def ask_user(self, ctx: RunContext[StepDeps], question: str) -> str:
        """Ask."""
        raise CallDeferred(kind="question")

    def all_tools(self) -> PydanticAgent:
        return self.agent(Tool(self.pay, requires_approval=True), self.ask_user, external=("get_location",))


DECISIONS = {
    "call-pay": {"approved": True}, "call-ask_user": {"output": "blue"}, "call-get_location": {"output": "home"},
}  # fmt: skip


def answered_after(stack: Stack, deployments: Deployments, then: Any, **decisions: Any) -> dict[str, Any]:
    """The run that asked for three answers and got them after `then` was deployed."""
    stack.equip(agent=deployments.all_tools())
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    assert len(stack.run_of(run_id)["asked"]["open"]) == 3
    stack.equip(agent=then)
    assert send(stack, run_id, {**DECISIONS, **decisions}).status == 200
    stack.work()
    return stack.run_of(run_id)


def results(stack: Stack) -> dict[str, Any]:
    """What the transcript has as the result of each call, by tool."""
    parts = [part for part in stack.transcript()[-1]["parts"] if "toolCallId" in part]
    return {part["type"].removeprefix("tool-"): part.get("output", part.get("errorText")) for part in parts}


GONE = "The tool pay no longer exists. It was not run."


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("external", [(), ("pay", "ask_user")], ids=["gone", "the client's by now"])
def test_an_approved_tool_that_is_gone_is_not_run_and_the_model_is_told(
    stack: Stack, retries: int, external: tuple[str, ...]
) -> None:
    """[89] The other answers are results as ever, and the run goes on, also if the agent allows its model no mistake."""
    deployments = Deployments()
    run = answered_after(stack, deployments, deployments.agent(external=external, retries=retries))
    assert (run["status"], run["error"], deployments.paid) == ("succeeded", None, [])
    assert results(stack) == deployments.told == {"pay": GONE, "ask_user": "blue", "get_location": "home"}


def test_a_tool_that_is_gone_can_be_denied(stack: Stack) -> None:
    """[89] The model reads the reason and not that the tool is gone."""
    deployments = Deployments()
    denied = {"call-pay": {"approved": False, "reason": "too much"}}
    run = answered_after(stack, deployments, deployments.agent(), **denied)
    assert (run["status"], deployments.told["pay"]) == ("succeeded", "too much")


def test_a_tool_that_needs_no_approval_by_now_runs_as_it_was_approved(stack: Stack) -> None:
    """[89] Once, with the arguments that were approved."""
    deployments = Deployments()
    run = answered_after(
        stack,
        deployments,
        deployments.agent(deployments.pay),
        **{"call-pay": {"approved": True, "input": {"amount": 4}}},
    )
    assert (run["status"], deployments.paid, results(stack)["pay"]) == ("succeeded", [4], "paid 4")


def test_approved_arguments_that_the_tool_no_longer_takes_go_back_to_the_model(stack: Stack) -> None:
    """[89] The tool does not run with anything that nobody approved."""
    deployments = Deployments()

    async def pay(ctx: RunContext[StepDeps], cents: int) -> str:
        """Pay."""
        raise AssertionError(cents)

    run = answered_after(stack, deployments, deployments.agent(Tool(pay, requires_approval=True)))
    assert (run["status"], results(stack)["ask_user"]) == ("succeeded", "blue")
    assert "cents" in results(stack)["pay"]


def test_a_run_whose_agent_is_gone_when_it_is_answered_fails_by_name(stack: Stack) -> None:
    """[89] Its calls are closed, and its chat is free."""
    run = answered_after(stack, Deployments(), Agents((), None, "offline"))
    assert (run["status"], run["error"]["code"]) == ("failed", "agent_unknown")
    assert set(results(stack).values()) == {"Interrupted before it finished."}
    assert stack.begin().status == 202


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("write", ["UpdateItem RUN", "PutItem"], ids=["claim", "record"])
def test_a_tool_that_is_marked_once_runs_at_most_once(stack: Stack, fate: str, write: str) -> None:
    """[73] Whatever becomes of the claim before it and of the record after it; the model is told what is known."""
    deployments = Deployments()
    pay = Tool(deployments.pay, requires_approval=True, metadata={"once": True})
    stack.equip(agent=deployments.agent(pay, deployments.ask_user, external=("get_location",)))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    send(stack, run_id, DECISIONS)
    strike(stack, fate, write)
    try:
        stack.work()
    except Died:
        stack.clock.forward(60)
        stack.deliver(stack.message(run_id, 1))
        stack.work()
    assert stack.faults.planned == []
    assert stack.run_of(run_id)["status"] == "succeeded"
    known = results(stack)["pay"]
    # A claim that was made may be of a worker that ran the tool.
    assert (deployments.paid, known) in [([5], "paid 5"), ([5], MAY_HAVE_HAPPENED), ([], MAY_HAVE_HAPPENED)]
    doubtful = (write, fate) in [("UpdateItem RUN", "dies after"), ("PutItem", "dies before")]
    assert (known == MAY_HAVE_HAPPENED) == doubtful
