"""Settling a run: once, in one transaction, also if rows are missing."""

import json
from typing import Any

import pytest

from outlive.agent import AgentError, Outcome, Usage
from proof.stacks.handlers import Stack
from tests.handlers.usage import used

FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 2, 1), "stop")
REJECTED = Outcome("partial", [], None, error=AgentError("permanent", "model_rejected", "bad request"))


@pytest.mark.parametrize("fault", ["lose", "twice"])
def test_a_settle_whose_answer_was_lost_recognises_its_own_write(stack: Stack, fault: str) -> None:
    """[36] The settler recognises its own write and does not settle twice."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    getattr(stack.faults, fault)("TransactWriteItems")
    assert stack.deliver(stack.take() or {})
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_the_second_settler_is_quiet_and_changes_nothing(stack: Stack) -> None:
    """[36] A sweep settles between the record and the worker's own settle."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]

    def sweep() -> None:
        stack.clock.forward(31)
        assert stack.sweep_now()["settled"] == {"answered": 1}

    stack.faults.then("PutItem", sweep)
    assert stack.deliver(stack.take() or {})
    run = stack.run_of(run_id)
    assert (run["status"], run["usage"]) == ("succeeded", used(1, 2, 1))


def test_a_settle_is_tried_three_times_then_logged_and_the_message_is_given_back(
    stack: Stack, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """[37] One ERROR line with a stable key, one metric; the final record keeps its outcome."""
    asked = stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.faults.calls.clear()
    stack.faults.refuse("TransactWriteItems", "InternalServerError", times=3)
    assert not stack.deliver(stack.take() or {})
    assert stack.faults.calls.count("TransactWriteItems") == 3
    errors = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    assert [(error["message"], error["run"], error["chat"]) for error in errors] == [
        ("settle_failed", run_id, "chat-1")
    ]
    assert '"SettleFailed"' in capsys.readouterr().out
    assert stack.run_of(run_id)["status"] == "running"
    assert stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert len(asked) == 1


def test_a_failure_that_could_not_be_settled_is_tried_again_from_what_was_kept(stack: Stack) -> None:
    """[37] And no model is asked again."""
    asked = stack.answer_with(REJECTED)
    run_id = stack.begin().body["run"]["id"]
    stack.faults.refuse("TransactWriteItems", times=3)
    assert not stack.deliver(stack.take() or {})
    assert json.loads(stack.item(run_id)["last_error"]["S"])["kind"] == "permanent"
    assert "error" not in stack.item(run_id)
    assert stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["error"] == {"code": "model_rejected", "message": "bad request"}
    assert len(asked) == 1


def test_slot_run_and_message_change_together_or_not_at_all(stack: Stack) -> None:
    """[38] After a failed settle the slot is held and the message streams; after the next one both have changed."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.faults.refuse("TransactWriteItems", times=3)
    stack.deliver(stack.take() or {})
    assert stack.call("GET", "/chats/chat-1/run").body["message"]["status"] == "streaming"
    chat = {"pk": {"S": "acme#chat-1"}, "sk": {"S": "CHAT"}}
    assert stack.dynamodb.get_item(TableName="outlive", Key=chat)["Item"]["active_run_id"]["S"] == run_id
    stack.deliver(stack.message(run_id, 0))
    assert stack.call("GET", "/chats/chat-1/run").body["message"]["status"] == "completed"
    assert stack.begin().status == 202


@pytest.mark.parametrize("gone", ["CHAT", "MSG#000000000002"])
def test_a_missing_chat_or_message_keeps_no_run_from_ending(stack: Stack, gone: str) -> None:
    """[59] And nothing comes back to life."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    key = {"pk": {"S": "acme#chat-1"}, "sk": {"S": gone}}
    stack.dynamodb.delete_item(TableName="outlive", Key=key)
    assert stack.deliver(stack.take() or {})
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert "Item" not in stack.dynamodb.get_item(TableName="outlive", Key=key)
    assert stack.call("GET", f"/runs/{run_id}").body["message"] is None if gone != "CHAT" else True


def test_retention_marks_what_may_go_and_never_the_chat(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """[62] 0 keeps everything; only pieces of live text, which a slow step writes, are always marked."""

    def kept() -> list[dict[str, Any]]:
        return [item for item in stack.items() if not item["sk"]["S"].startswith("LIVE#")]

    stack.begin()
    stack.work()
    assert not any("expires_at" in item for item in kept())
    for module in (stack.start.start, stack.step.step.tools):
        monkeypatch.setattr(module.table, "_retention", 2 * 86_400_000)
    stack.begin("chat-2")
    stack.work()
    marked = {item["sk"]["S"]: "expires_at" in item for item in kept() if item["pk"]["S"] != "acme#chat-1"}
    assert marked.pop("CHAT") is False
    assert [kept for sk, kept in marked.items() if sk != "RUN"] == [True] * 4
