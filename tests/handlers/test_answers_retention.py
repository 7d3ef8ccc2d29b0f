"""Nothing of a run that waits expires before it is answered, however long that takes."""

from typing import Any

import pytest

from proof.stacks.handlers import Stack
from tests.handlers.test_answers import APPROVED, BLUE, CALLS, DAY, FINAL, answered, asking, send, waiting

WEEK = 7 * DAY


@pytest.fixture
def environment() -> dict[str, str]:
    return {"RETENTION_DAYS": "1", "ANSWER_SECONDS": str(14 * 86_400)}


def expire(stack: Stack) -> list[str]:
    """Delete what has expired by now, as DynamoDB does; returns its sort keys."""
    now = stack.start.start.clock.now() // 1000
    gone = [item for item in stack.items() if "expires_at" in item and int(item["expires_at"]["N"]) <= now]
    for item in gone:
        stack.dynamodb.delete_item(TableName="outlive", Key={"pk": item["pk"], "sk": item["sk"]})
    return [item["sk"]["S"] for item in gone]


def test_a_run_that_waits_longer_than_its_rows_would_be_kept_loses_none(stack: Stack) -> None:
    """[62] Prompt, records and the answers given so far: with a retention of a day and two weeks to answer."""
    run_id = waiting(stack)
    send(stack, run_id, BLUE)
    stack.clock.ahead += 14 * DAY - 60_000
    expire(stack)
    assert send(stack, run_id, APPROVED).body["run"]["status"] == "running"
    asks = stack.answer_with(answered, FINAL)
    stack.work()
    assert set(asks[0].decisions) == {"c1", "c2"}
    run = stack.run_of(run_id)
    assert (run["status"], run["error"], run["step_count"]) == ("succeeded", None, 3)


def test_a_run_that_asks_week_after_week_loses_nothing(stack: Stack) -> None:
    """[62] Each question moves the expiry of all that the run has so far."""
    asks: list[Any] = stack.answer_with(*[asking(*CALLS), answered] * 4, FINAL)
    run_id = stack.begin().body["run"]["id"]
    for _ in range(4):
        stack.work()
        assert stack.run_of(run_id)["status"] == "waiting"
        stack.clock.ahead += 13 * DAY
        assert [key for key in expire(stack) if key.startswith("MSG#")] == []
        # The same ids come again in another step: they are other calls, and which are meant the step says.
        body = {"answers": {**APPROVED, **BLUE}, "step": stack.run_of(run_id)["asked"]["step"]}
        assert stack.call("POST", f"/runs/{run_id}/answers", body).body["run"]["status"] == "running"
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"], len(asks)) == ("succeeded", 9, 9)


def test_what_was_kept_for_a_waiting_run_expires_all_the_same(stack: Stack) -> None:
    """[62] The chat's row alone stays."""
    run_id = waiting(stack)
    send(stack, run_id, {**APPROVED, **BLUE})
    stack.answer_with(answered, FINAL)
    stack.work()
    stack.clock.ahead += 60 * DAY
    expire(stack)
    assert [item["sk"]["S"] for item in stack.items()] == ["CHAT"]
