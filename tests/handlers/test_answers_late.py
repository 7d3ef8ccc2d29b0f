"""Answers under trouble: repeated late, after a worker's failure, from stale hands, over damaged or missing rows."""

from dataclasses import replace
from typing import Any

import pytest

from outlive.agent import AgentError, Ask, Outcome, Usage
from outlive.asked import AskedCall
from outlive.store.rows import Answer
from proof.stacks.handlers import Stack
from tests.handlers.test_answers import (
    APPROVED,
    BLUE,
    CALLS,
    FINAL,
    answered,
    asking,
    post,
    send,
    waiting,
)

BUSY = Outcome("partial", [], None, Usage(), error=AgentError("transient", "model_busy", "try later"))
BOTH = {**APPROVED, **BLUE}


def clear(stack: Stack) -> None:
    """Lose every message."""
    while (message := stack.take()) is not None:
        stack.sqs.delete_message(QueueUrl=stack.queue_url, ReceiptHandle=message["ReceiptHandle"])


def kinds(stack: Stack, run_id: str) -> list[str]:
    return [item["kind"]["S"] for item in stack.records(run_id)]


def test_answers_that_are_repeated_while_the_next_step_is_given_back_skip_no_step(stack: Stack) -> None:
    """[74] A worker let go of the step that runs the answered calls: a double click then sends nothing further."""
    run_id = waiting(stack)
    send(stack, run_id, BOTH)
    stack.answer_with(BUSY)
    message = stack.take()
    assert message is not None
    stack.deliver(message)
    clear(stack)
    assert send(stack, run_id, BOTH).body["run"]["status"] == "running"
    stack.answer_with(answered, FINAL)
    stack.work()
    stack.clock.forward(120)
    stack.sweep_now()
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"], kinds(stack, run_id)) == ("succeeded", None, ["asked", "step", "final"])


def test_an_overtaken_worker_that_finds_the_calls_answered_runs_them_as_they_were(stack: Stack) -> None:
    """[73] What it read before the answers came is not what the next step is asked with."""
    asks: list[Ask] = []
    run_id = ""

    def agent(ask: Ask, *_: Any) -> Outcome:
        asks.append(ask)
        if ask.asked:
            return answered(ask)
        if len(asks) == 1:
            stack.clock.forward(60)
            assert stack.deliver(stack.message(run_id, 0))
            assert send(stack, run_id, BOTH).body["run"]["status"] == "running"
        return FINAL if ask.step else asking(*CALLS)

    stack.equip(settings=replace(stack.step.settings, steps_per_message=2), agent=agent)
    run_id = stack.begin().body["run"]["id"]
    message = stack.take()
    assert message is not None
    stack.deliver(message)
    stack.work()
    assert [(ask.step, set(ask.decisions)) for ask in asks] == [(0, set()), (0, set()), (1, {"c1", "c2"}), (2, set())]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_damaged_answer_is_no_approval(stack: Stack) -> None:
    """[74] The call is closed as interrupted: the agent receives no decision."""
    run_id = waiting(stack)
    send(stack, run_id, BOTH)
    for row in [item for item in stack.items() if "#ANSWER#" in item["sk"]["S"]]:
        stack.change(row["pk"]["S"], row["sk"]["S"], decision={"S": "?"})
    asks = stack.answer_with(answered, FINAL)
    stack.work()
    assert asks[0].decisions == {}
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_repeated_answer_whose_row_is_damaged_says_so(stack: Stack) -> None:
    """[74] It changes nothing, and is not taken for a call that was never made."""
    run_id = waiting(stack)
    send(stack, run_id, BLUE)
    (row,) = [item for item in stack.items() if "#ANSWER#" in item["sk"]["S"]]
    stack.change(row["pk"]["S"], row["sk"]["S"], decision={"S": "?"})
    assert send(stack, run_id, BLUE).status == 422
    assert send(stack, run_id, APPROVED).body["run"]["status"] == "running"


@pytest.mark.parametrize("value", [{"S": "?"}, {"S": "[]"}, {"N": "1"}, None])
def test_a_run_whose_question_is_damaged_is_ended_when_it_is_due_and_stays_stoppable(
    stack: Stack, value: dict[str, Any] | None
) -> None:
    """[75] A run that can't be read takes no answers; the sweep ends it and frees its chat."""
    run_id = waiting(stack)
    stack.change(f"acme#{run_id}", "RUN", asked=value)
    refused = send(stack, run_id, APPROVED)
    assert refused.body["code"] == ("not_waiting" if value is None else "answer_failed")
    stack.clock.forward(8 * 86_400)
    counts = stack.sweep_now()
    assert counts["failed"] == 0
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("aborted", "unanswered" if value is None else "unreadable")
    assert stack.begin().status == 202


def test_an_answer_of_a_run_whose_chat_is_gone_moves_it_on(stack: Stack) -> None:
    """[73] The chat's row is not part of an answer; the run ends as any other."""
    run_id = waiting(stack)
    stack.dynamodb.delete_item(TableName="outlive", Key={"pk": {"S": "acme#chat-1"}, "sk": {"S": "CHAT"}})
    assert send(stack, run_id, BOTH).body["run"]["status"] == "running"
    stack.answer_with(answered, FINAL)
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_clock_that_is_off_by_an_hour_loses_no_answer(stack: Stack, ahead: int) -> None:
    """[74] An answer has no deadline of its own: what it meets is the run as it stands."""
    run_id = waiting(stack)
    stack.clock.forward(ahead)
    assert send(stack, run_id, BOTH).body["run"]["status"] == "running"
    stack.clock.forward(-ahead)
    stack.answer_with(answered, FINAL)
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_an_answer_beats_the_deadline_that_a_sweep_has_seen(stack: Stack) -> None:
    """[75] The sweep read the run as due; the answer landed before its write."""
    run_id = waiting(stack)
    stack.clock.forward(8 * 86_400)
    stack.faults.first("TransactWriteItems", lambda: send(stack, run_id, BOTH))
    assert stack.sweep_now()["settled"] == {}
    stack.answer_with(answered, FINAL)
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_text_that_no_store_takes_is_the_same_answer_when_it_is_repeated(stack: Stack) -> None:
    """[74] NUL and halves of surrogate pairs are replaced before anything is compared."""
    run_id = waiting(stack)
    odd = {"c1": {"approved": False, "reason": "a\0b\ud800c"}, "c2": {"output": {"k\0": ["\udfff", 1e300, 2**70]}}}
    assert send(stack, run_id, odd).status == 200
    assert send(stack, run_id, odd).status == 200
    asks = stack.answer_with(answered, FINAL)
    stack.work()
    assert asks[0].decisions["c1"].reason == "a\ufffdb\ufffdc"
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_an_answer_as_deep_as_a_body_may_be_is_kept(stack: Stack) -> None:
    """[74] And one level deeper is refused with its field."""
    run_id = waiting(stack)
    deep: Any = "x"
    for _ in range(96):
        deep = [deep]
    asks = stack.answer_with(answered, FINAL)
    assert send(stack, run_id, {**APPROVED, "c2": {"output": [[[[[deep]]]]]}}).status == 422
    assert send(stack, run_id, {**APPROVED, "c2": {"output": deep}}).status == 200
    stack.work()
    assert asks[0].decisions["c2"].output == deep


MANY = tuple(AskedCall(f"call-{number}", "approval", "pay", {"amount": number}) for number in range(200))


def test_two_hundred_calls_of_one_step_are_answered_in_any_portions(stack: Stack) -> None:
    """[74] Fifty at a time; each portion is one transaction."""
    run_id = waiting(stack, *MANY)
    decisions = {call.tool_call_id: {"approved": True} for call in MANY}
    assert send(stack, run_id, decisions).status == 422
    for first in range(0, 200, 50):
        portion = dict(list(decisions.items())[first : first + 50])
        assert send(stack, run_id, portion).status == 200
    asks = stack.answer_with(answered, FINAL)
    stack.work()
    assert len(asks[0].decisions) == 200
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_two_hundred_calls_are_answered_by_one_message_of_a_chat_client(stack: Stack) -> None:
    """[78] Such a client sends all of them at once and can't send fewer."""
    run_id = waiting(stack, *MANY)
    parts = [
        {
            "type": "tool-pay", "toolCallId": call.tool_call_id, "input": call.input, "state": "approval-responded",
            "approval": {"id": call.tool_call_id, "approved": True},
        }
        for call in MANY
    ]  # fmt: skip
    assert post(stack, parts, run_id).status == 200
    assert stack.run_of(run_id)["status"] == "running"


def test_a_chat_client_gets_the_same_bounds(stack: Stack) -> None:
    """[78] A reason or output that no row holds is refused before anything is written."""
    run_id = waiting(stack)
    before = stack.items()
    tool = {"type": "tool-pay", "toolCallId": "c1", "input": {}, "state": "approval-responded"}
    long = {**tool, "approval": {"id": "c1", "approved": False, "reason": "x" * 500_000}}
    assert post(stack, [long], run_id).status == 422
    answered_part = {"type": "tool-ask_user", "toolCallId": "c2", "state": "output-available", "output": "x" * 500_000}
    assert post(stack, [answered_part], run_id).status == 422
    assert stack.items() == before


def test_calls_whose_names_do_not_fit_into_the_run_fail_it(stack: Stack) -> None:
    """[72] An item holds 400 KB: a step that asks for more fails the run by name, and the chat is free."""
    calls = tuple(AskedCall(f"{number:05}" + "x" * 250, "approval", "pay", {}) for number in range(1600))
    stack.answer_with(asking(*calls))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "step_too_large")


def test_the_rows_of_an_answer_never_change(stack: Stack) -> None:
    """[74] In every status of the run."""
    run_id = waiting(stack)
    send(stack, run_id, BLUE)

    def answers() -> list[Any]:
        return [item for item in stack.items() if "#ANSWER#" in item["sk"]["S"]]

    before = answers()
    send(stack, run_id, {"c2": {"output": "red"}})
    stack.call("POST", f"/runs/{run_id}/stop")
    assert answers() == before
    assert [Answer.of(item).decision.output for item in before] == ["the blue one"]


def test_an_overtaken_worker_that_reads_the_question_leaves_it_to_who_answers(stack: Stack) -> None:
    """[73] It claimed the step, another worker claimed it again and asked: what it read is older than the answers."""
    asks: list[Ask] = []
    run_id = ""

    def agent(ask: Ask, *_: Any) -> Outcome:
        asks.append(ask)
        if ask.asked:
            return answered(ask)
        return FINAL if ask.step else asking(*CALLS)

    def meanwhile() -> None:
        stack.clock.forward(60)
        assert stack.deliver(stack.message(run_id, 0))
        stack.faults.then("Query", lambda: send(stack, run_id, BOTH))

    stack.equip(settings=replace(stack.step.settings, steps_per_message=2), agent=agent)
    run_id = stack.begin().body["run"]["id"]
    message = stack.take()
    assert message is not None
    stack.faults.then("UpdateItem", meanwhile)
    stack.deliver(message)
    stack.work()
    assert [(ask.step, set(ask.decisions)) for ask in asks] == [(0, set()), (1, {"c1", "c2"}), (2, set())]
    assert stack.run_of(run_id)["status"] == "succeeded"
