"""Calls that need an answer: asked in one step, run in the next, with Pydantic AI's own means."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import (
    Agent,
    ApprovalRequired,
    CallDeferred,
    ExternalToolset,
    ModelRetry,
    RunContext,
    Tool,
    ToolDefinition,
)
from pydantic_ai.capabilities import HandleDeferredToolCalls
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from engine.turn import PydanticAgent
from outlive.agent import Ask, Interrupt, Outcome, Turn
from outlive.agents import StepDeps
from outlive.asked import Decision

Calls = list[tuple[str, dict[str, Any], str]]
ASK = Ask("w", "c", "r", 0, 1, (Turn("user", "pay them"),), text_only=False, seconds=30, agent="assistant")


class Bench:
    """An agent whose model makes these calls first and then answers; what its tools did is in `ran`."""

    def __init__(self, calls: Calls, **options: Any) -> None:
        self.ran: list[Any] = []
        self.requests: list[list[ModelMessage]] = []

        async def stream(messages: list[ModelMessage], info: AgentInfo):
            self.requests.append(messages)
            if any(isinstance(message, ModelResponse) for message in messages):
                yield "All paid."
                return
            yield "Let me pay. "
            for index, (name, arguments, call_id) in enumerate(calls, start=1):
                yield {index: DeltaToolCall(name, json.dumps(arguments), tool_call_id=call_id)}

        async def pay(ctx: RunContext[StepDeps], amount: int) -> str:
            """Pay."""
            self.ran.append(("pay", amount, ctx.tool_call_approved, ctx.deps.idempotency_key(ctx.tool_call_id)))
            return f"paid {amount}"

        async def pay_once(ctx: RunContext[StepDeps], amount: int) -> str:
            """Pay, never twice."""
            self.ran.append(("pay_once", amount))
            return f"paid {amount}"

        async def look(ctx: RunContext[StepDeps]) -> str:
            """Look."""
            self.ran.append(("look",))
            return "42 EUR"

        async def large(ctx: RunContext[StepDeps], amount: int) -> str:
            """Pay, large sums by approval."""
            if amount > 10 and not ctx.tool_call_approved:
                raise ApprovalRequired(metadata={"why": "large"})
            self.ran.append(("large", amount, ctx.tool_call_metadata))
            return f"paid {amount}"

        async def ask_user(ctx: RunContext[StepDeps], question: str) -> str:
            """Ask."""
            raise CallDeferred(metadata={"question": question}, kind="question")

        async def break_down(ctx: RunContext[StepDeps]) -> str:
            """Break."""
            raise RuntimeError("no paper")

        browser = ExternalToolset(
            [ToolDefinition(name="get_location", parameters_json_schema={"type": "object", "properties": {}})]
        )
        tools = [
            Tool(pay, requires_approval=True),
            Tool(pay_once, requires_approval=True, metadata={"once": True}),
            Tool(break_down, requires_approval=True),
            look,
            large,
            ask_user,
        ]
        model = FunctionModel(stream_function=stream)
        self.agent = PydanticAgent(
            Agent(model, deps_type=StepDeps, tools=tools, toolsets=[browser], **options), "offline"
        )

    def step(self, ask: Ask) -> Outcome:
        return self.agent(ask, lambda _: None, Interrupt())


def after(ask: Ask, outcome: Outcome, by: str = "ada", **decisions: Decision) -> Ask:
    """The ask of the step after one that asked, with these answers."""
    turn = Turn("assistant", "", outcome.messages)
    return replace(
        ask, step=ask.step + 1, history=(*ask.history, turn), asked=outcome.asked, decisions=decisions,
        answered_by=dict.fromkeys(decisions, by),
    )  # fmt: skip


def then(ask: Ask, outcome: Outcome) -> Ask:
    """The ask of the step after one that did not ask."""
    turn = Turn("assistant", "", outcome.messages)
    return replace(ask, step=ask.step + 1, history=(*ask.history, turn), asked=(), decisions={}, answered_by={})


def states(outcome: Outcome) -> dict[str, str]:
    return {part["toolCallId"]: part["state"] for part in outcome.parts if "toolCallId" in part}


APPROVE, DENY = Decision(approved=True), Decision(approved=False, reason="too much")


def test_a_tool_that_needs_approval_is_asked_about_and_the_others_run_at_once() -> None:
    """[72] The step is not over with a wrong answer: it says which calls wait, and keeps the results it has."""
    bench = Bench([("look", {}, "c1"), ("pay", {"amount": 5}, "c2"), ("pay", {"amount": 7}, "c3")])
    outcome = bench.step(ASK)
    assert (outcome.kind, outcome.error) == ("asked", None)
    assert [(call.tool_call_id, call.kind, call.tool_name, call.input) for call in outcome.asked] == [
        ("c2", "approval", "pay", {"amount": 5}),
        ("c3", "approval", "pay", {"amount": 7}),
    ]
    assert states(outcome) == {"c1": "output-available", "c2": "approval-requested", "c3": "approval-requested"}
    assert bench.ran == [("look",)]


def test_a_question_and_a_tool_of_the_client_wait_as_well() -> None:
    """[72] `CallDeferred`, also of kind question, `ApprovalRequired`, and external tools."""
    bench = Bench(
        [("ask_user", {"question": "which?"}, "c1"), ("get_location", {}, "c2"), ("large", {"amount": 50}, "c3")]
    )
    outcome = bench.step(ASK)
    assert [(call.tool_call_id, call.kind, call.metadata) for call in outcome.asked] == [
        ("c3", "approval", {"why": "large"}),
        ("c1", "question", {"question": "which?"}),
        ("c2", "external", None),
    ]
    assert states(outcome) == {"c1": "input-available", "c2": "input-available", "c3": "approval-requested"}
    answers = {"c1": Decision(output="the blue one"), "c2": Decision(error_text="no GPS"), "c3": APPROVE}
    answered = bench.step(after(ASK, outcome, **answers))
    assert answered.kind == "step"
    assert states(answered) == {"c1": "output-available", "c2": "output-error", "c3": "output-available"}
    assert bench.ran == [("large", 50, {"why": "large"})]


def test_a_step_of_answered_calls_runs_them_and_asks_no_model() -> None:
    """[72] The model then reads one result for each call, the denied one with its reason."""
    bench = Bench([("look", {}, "c1"), ("pay", {"amount": 5}, "c2"), ("pay", {"amount": 7}, "c3")])
    outcome = bench.step(ASK)
    asked_step = after(ASK, outcome, c2=APPROVE, c3=DENY)
    answered = bench.step(asked_step)
    assert (answered.kind, answered.usage.requests, len(bench.requests)) == ("step", 0, 1)
    assert states(answered) == {"c2": "output-available", "c3": "output-denied"}
    assert not [part for part in answered.parts if part["type"] == "step-start"]
    assert [entry[:3] for entry in bench.ran] == [("look",), ("pay", 5, True)]
    final = bench.step(then(asked_step, answered))
    assert final.kind == "final"
    *_, response, request = bench.requests[-1]
    assert isinstance(response, ModelResponse)
    returns = [part for part in request.parts if isinstance(part, ToolReturnPart)]
    assert [(part.tool_call_id, part.content) for part in returns] == [
        ("c1", "42 EUR"), ("c2", "paid 5"), ("c3", "too much"),
    ]  # fmt: skip


def test_what_runs_is_what_was_approved() -> None:
    """[72] Edited arguments reach the tool and are shown; arguments that do not fit never reach it."""
    bench = Bench([("pay", {"amount": 500}, "c1")])
    outcome = bench.step(ASK)
    edited = bench.step(after(ASK, outcome, c1=Decision(approved=True, input={"amount": 5})))
    assert bench.ran[-1][:2] == ("pay", 5)
    assert edited.parts[0]["input"] == {"amount": 5}
    bench.ran.clear()
    wrong = bench.step(after(ASK, outcome, c1=Decision(approved=True, input={"amount": "many"})))
    assert (wrong.kind, bench.ran) == ("step", [])


def test_a_second_attempt_runs_with_the_same_keys_but_not_a_tool_marked_once() -> None:
    """[73] A worker that died inside an approved tool may have done it."""
    bench = Bench([("pay", {"amount": 5}, "c1"), ("pay_once", {"amount": 6}, "c2")])
    outcome = bench.step(ASK)
    first = after(ASK, outcome, c1=APPROVE, c2=APPROVE)
    bench.step(first)
    again = bench.step(replace(first, attempt=2))
    keys = {entry[3] for entry in bench.ran if entry[0] == "pay"}
    assert (len(keys), bench.ran.count(("pay_once", 6))) == (1, 1)
    part = next(part for part in again.parts if part["toolCallId"] == "c2")
    assert part["state"] == "output-error"
    assert "may have happened" in part["errorText"]


def test_an_approved_tool_that_breaks_fails_the_run_and_keeps_the_other_results() -> None:
    """[72] As in any other step."""
    bench = Bench([("pay", {"amount": 5}, "c1"), ("break_down", {}, "c2")])
    outcome = bench.step(ASK)
    broken = bench.step(after(ASK, outcome, c1=APPROVE, c2=APPROVE))
    assert broken.kind == "partial"
    assert broken.error is not None
    assert broken.error.code == "tool_failed"
    assert states(broken)["c2"] == "output-error"


def test_an_agents_own_handler_answers_before_a_person_is_asked() -> None:
    """[72] And what it leaves is asked about."""
    handler = HandleDeferredToolCalls(
        handler=lambda ctx, requests: requests.build_results(
            approvals={call.tool_call_id: True for call in requests.approvals if call.args_as_dict()["amount"] < 10}
        )
    )
    bench = Bench([("pay", {"amount": 5}, "c1"), ("pay", {"amount": 50}, "c2")], capabilities=[handler])
    outcome = bench.step(ASK)
    assert [call.tool_call_id for call in outcome.asked] == ["c2"]
    assert states(outcome) == {"c1": "output-available", "c2": "approval-requested"}


def test_an_agent_with_output_validators_can_ask() -> None:
    """[72] The library refuses its own way of asking for such agents."""
    bench = Bench([("pay", {"amount": 5}, "c1")])

    @bench.agent._agent.output_validator
    def never_empty(output: str) -> str:
        if not output:
            raise ModelRetry("say something")
        return output

    assert bench.step(ASK).kind == "asked"


@pytest.mark.parametrize("decided", [{}, {"c1": APPROVE}])
def test_a_call_whose_answer_is_gone_is_closed(decided: dict[str, Decision]) -> None:
    """[72] Rows that retention deleted fail no run."""
    bench = Bench([("pay", {"amount": 5}, "c1"), ("ask_user", {"question": "?"}, "c2")])
    outcome = bench.step(ASK)
    answered = bench.step(after(ASK, outcome, **decided))
    assert answered.kind == "step"
    assert set(states(answered)) == {"c1", "c2"}
    assert len(bench.ran) == len(decided)
