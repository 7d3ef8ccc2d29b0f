"""However a row is damaged, a step is tried no oftener than its attempts allow, and its message does not come back for ever."""

from typing import Any

import pytest

from outlive.agent import Ask, Outcome, Usage
from proof.stacks.handlers import Stack

STEP = Outcome("step", [{"type": "step-start"}, {"type": "text", "text": "more"}], "[]", Usage(1, 1, 1))
FINAL = Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")
RECORD = {"pk": {"S": "acme#chat-1"}, "sk": {"S": "MSG#000000000002#STEP#000000"}}
ATTEMPTS = 3
READ_BY_WORKERS = (
    "status", "claimed_step", "attempt", "lease_until", "budget", "assistant_seq", "chat_id", "workspace_id",
)  # fmt: skip
JUNK = {"S": {"N": "7"}, "N": {"S": "junk"}, "B": {"B": b"junk"}}


def second_step_due(stack: Stack, *answers: Any) -> tuple[str, list[Ask]]:
    """A run whose first step is recorded, and what the agent is asked from there on."""
    asked = stack.answer_with(STEP, *answers)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    stack.take()
    return run_id, asked


def damage(stack: Stack, key: dict[str, Any], attribute: str, value: dict[str, Any] | None = None) -> None:
    """Take an attribute of an item away, or put `value` in its place."""
    changed = "REMOVE #a" if value is None else "SET #a = :v"
    values = {} if value is None else {"ExpressionAttributeValues": {":v": value}}
    stack.dynamodb.update_item(
        TableName="outlive", Key=key, UpdateExpression=changed, ExpressionAttributeNames={"#a": attribute}, **values
    )


def deliveries(stack: Stack, run_id: str, most: int = 12) -> int:
    """How often the second step's message is delivered until it is acknowledged, a lease apart."""
    for count in range(1, most + 1):
        stack.clock.forward(31)
        try:
            done = stack.deliver(stack.message(run_id, 1))
        except SystemExit:
            done = False
        if done:
            return count
    raise AssertionError(f"the message came back {most} times")


@pytest.mark.parametrize("how", ["missing", "junk"])
@pytest.mark.parametrize(
    "attribute", ["step", "kind", "packed", "size", "usage", "created_at", "run_id", "recorded_by"]
)
def test_a_damaged_record_keeps_its_place_and_the_run_goes_on(stack: Stack, attribute: str, how: str) -> None:
    """[23] [43] Its sort key says which step it is; what can't be read of it is taken as empty."""
    run_id, asked = second_step_due(stack, FINAL)
    ((kind, _),) = stack.records(run_id)[0][attribute].items()
    junk = {"S": "junk"} if attribute == "created_at" else JUNK[kind]  # an index's key: DynamoDB takes no other type
    damage(stack, RECORD, attribute, junk if how == "junk" else None)
    assert deliveries(stack, run_id) == 1
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"]) == ("succeeded", 2)
    assert [ask.step for ask in asked] == [0, 1]


@pytest.mark.parametrize("attribute", ["step", "size", "usage", "kind"])
def test_a_step_that_kills_its_workers_ends_failed_over_a_damaged_record(stack: Stack, attribute: str) -> None:
    """[22] [28] Attempts are counted before anything that was stored of the run is read."""
    run_id, asked = second_step_due(stack, SystemExit())
    damage(stack, RECORD, attribute)
    assert deliveries(stack, run_id) == ATTEMPTS + 1
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "step_attempts")
    assert len(asked) == 1 + ATTEMPTS


@pytest.mark.parametrize("how", ["missing", "junk"])
def test_a_damaged_run_is_tried_no_oftener_than_its_attempts_allow(stack: Stack, how: str) -> None:
    """[22] [28] For each attribute; the sweep ends what no worker can end."""
    for number, attribute in enumerate(READ_BY_WORKERS):
        stack.answer_with(STEP)
        run_id = stack.begin(f"run-{number}").body["run"]["id"]
        stack.deliver(stack.message(run_id, 0))
        asked = stack.answer_with(SystemExit())
        ((kind, _),) = stack.item(run_id)[attribute].items()
        key = {"pk": {"S": f"acme#{run_id}"}, "sk": {"S": "RUN"}}
        if how == "missing" or attribute != "assistant_seq":  # an index key can't hold another type
            damage(stack, key, attribute, JUNK[kind] if how == "junk" else None)
        assert deliveries(stack, run_id) <= ATTEMPTS + 1, attribute
        assert len(asked) <= ATTEMPTS, attribute


def test_what_was_streamed_and_cannot_be_stored_does_not_keep_a_run_from_failing(stack: Stack) -> None:
    """[23] An agent that breaks off with something unfit to be stored."""
    broken = Outcome("partial", [{"type": "step-start"}, {"type": "text", "text": "half"}], "[]", None)  # type: ignore[arg-type]
    run_id, asked = second_step_due(stack, broken)
    assert deliveries(stack, run_id) == 1
    assert stack.run_of(run_id)["status"] == "failed"
    assert len(asked) == 2


def test_a_step_recorded_by_its_last_attempt_is_carried_on(stack: Stack) -> None:
    """[21] [22] The worker died after the record; one claim more than attempts are allowed asks no model and goes on."""
    run_id, asked = second_step_due(stack, SystemExit(), SystemExit(), STEP, FINAL)
    send = stack.step.step.tools.queue._sqs.send_message

    def die(**_: Any) -> None:
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        for _ in range(ATTEMPTS):
            message = stack.message(run_id, 1)
            patch.setattr(stack.step.step.tools.queue._sqs, "send_message", die)
            with pytest.raises(SystemExit):
                stack.deliver(message)
            patch.setattr(stack.step.step.tools.queue._sqs, "send_message", send)
            stack.clock.forward(31)
    assert stack.deliver(stack.message(run_id, 1))
    stack.work()
    assert [ask.step for ask in asked] == [0, 1, 1, 1, 2]
    assert stack.run_of(run_id)["status"] == "succeeded"
