"""Starting a run."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from proof.stacks.handlers import Stack, event
from tests.handlers.usage import used

KEY = {"Idempotency-Key": "once"}


def test_a_new_run_is_pending_and_everything_but_the_prompt_is_the_servers(stack: Stack) -> None:
    """[1] Ids, times, status and trigger come from the server."""
    answer = stack.begin()
    run = answer.body["run"]
    assert answer.status == 202
    assert answer.headers["location"] == f"/runs/{run['id']}"
    assert run == {
        "id": run["id"], "chat_id": "chat-1", "status": "pending", "trigger": "user", "created_by": "ada",
        "agent": "assistant",
        "assistant_message_id": run["assistant_message_id"], "queue_position": None, "next_run_id": None, "step_count": 0, "asked": None, "error": None, "retrying": None,
        "finish_reason": None, "output": None, "usage": used(), "budget": {"max_steps": 20}, "metadata": {},
        "created_at": run["created_at"], "started_at": None, "updated_at": run["created_at"],
        "stop_requested_at": None, "finished_at": None,
    }  # fmt: skip
    assert stack.run_of(run["id"]) == run


def test_started_is_the_first_claim_and_finished_the_settle(stack: Stack) -> None:
    """[3] A later claim does not change `started_at`."""
    run_id = stack.script("chat-1", {"text": "a", "tools": [["clock", {}]]}, {"text": "b"}).body["run"]["id"]
    stack.clock.forward(50)
    stack.deliver(stack.take() or {})
    mid = stack.run_of(run_id)
    assert mid["status"] == "running"
    assert mid["finished_at"] is None
    assert mid["created_at"] < mid["started_at"]
    stack.clock.forward(50)
    stack.work()
    done = stack.run_of(run_id)
    assert done["started_at"] == mid["started_at"] < done["finished_at"]


def test_a_start_is_one_read_one_transaction_and_one_send(stack: Stack) -> None:
    """[6] [63] In that order, and nothing else."""
    stack.faults.calls.clear()
    stack.begin()
    assert stack.faults.calls == ["GetItem", "TransactWriteItems"]
    stack.work()
    stack.faults.calls.clear()
    stack.begin(headers=KEY)
    assert stack.faults.calls == ["GetItem", "TransactWriteItems"]


def test_the_message_names_the_step_and_its_group_is_a_legal_one_for_any_workspace(stack: Stack) -> None:
    """[6] A workspace may be named in any script; a group id may not."""
    run_id = stack.begin(workspace="Мастерская").body["run"]["id"]
    message = stack.take() or {}
    assert json.loads(message["Body"]) == {"workspace_id": "Мастерская", "run_id": run_id, "step": 0}
    assert message["Attributes"]["MessageGroupId"] == hashlib.sha256("Мастерская".encode()).hexdigest()


def test_a_busy_chat_answers_409_with_the_active_run_and_leaves_nothing_behind(stack: Stack) -> None:
    """[7] [10] The refused start has written nothing."""
    active = stack.begin().body["run"]["id"]
    before = stack.items()
    answer = stack.begin()
    assert (answer.status, answer.body["code"], answer.body["active_run_id"]) == (409, "run_already_active", active)
    assert answer.headers["content-type"] == "application/problem+json"
    assert stack.items() == before


def test_a_start_that_loses_the_race_names_the_winner(stack: Stack) -> None:
    """[7] The other start lands between this one's read and its transaction."""
    won: dict[str, Any] = {}
    stack.faults.first("TransactWriteItems", lambda: won.update(stack.begin().body["run"]))
    answer = stack.begin()
    assert (answer.status, answer.body["active_run_id"]) == (409, won["id"])
    assert len(stack.items()) == 4


def test_a_start_refused_for_the_sequence_alone_goes_again(stack: Stack) -> None:
    """[8] A whole run may begin and end between the read and the transaction."""

    def another() -> None:
        stack.begin()
        stack.call("POST", "/chats/chat-1/stop")

    stack.faults.first("TransactWriteItems", another)
    assert stack.begin().status == 202
    assert [message["role"] for message in stack.transcript()] == ["user", "assistant"] * 2


@pytest.mark.parametrize("keyed", [False, True])
def test_a_conflict_or_throttling_is_tried_again_and_never_taken_for_a_busy_chat(stack: Stack, keyed: bool) -> None:
    """[8] The start retries and succeeds."""
    stack.faults.conflict()
    stack.faults.refuse("TransactWriteItems", "ProvisionedThroughputExceededException")
    stack.faults.refuse("TransactWriteItems", "ThrottlingException")
    assert stack.begin(headers=KEY if keyed else {}).status == 202


def test_a_store_that_stays_busy_is_503_and_nothing_was_written(stack: Stack) -> None:
    """[8] [10] After the last retry the answer is `start_failed`."""
    stack.faults.conflict(times=20)
    answer = stack.begin()
    assert (answer.status, answer.body["code"]) == (503, "start_failed")
    assert stack.items() == []
    stack.faults.planned.clear()
    stack.faults.refuse("GetItem", times=20)
    assert stack.begin().body["code"] == "start_failed"


def test_after_a_conflict_a_busy_chat_is_409(stack: Stack) -> None:
    """[8] The start reads the chat again after a conflict."""
    won: dict[str, Any] = {}
    stack.faults.first("TransactWriteItems", lambda: (won.update(stack.begin().body["run"]), stack.faults.conflict()))
    # The inner start takes the transaction after it; ours then meets the conflict, looks again, and finds the chat busy.
    stack.faults.conflict()
    answer = stack.begin()
    assert answer.status in (202, 409)
    busy = stack.begin()
    assert busy.status == 409


def test_an_unrelated_failure_is_itself_and_shows_nothing(stack: Stack) -> None:
    """[8] It is a 500 whose body names neither the cause nor the table."""
    stack.faults.refuse("TransactWriteItems", "AccessDeniedException")
    answer = stack.begin()
    assert (answer.status, answer.body["code"]) == (500, "internal_error")
    assert "AccessDenied" not in json.dumps(answer.body)
    assert "outlive" not in json.dumps(answer.body).replace("urn:outlive:", "")


@pytest.mark.parametrize("fault", ["lose", "twice"])
@pytest.mark.parametrize("keyed", [False, True])
def test_a_start_whose_own_answer_was_lost_finds_its_run(stack: Stack, fault: str, keyed: bool) -> None:
    """[8] A retried start never answers 409 to its own run, and its message is sent."""
    getattr(stack.faults, fault)("TransactWriteItems")
    answer = stack.begin(headers=KEY if keyed else {})
    assert answer.status == 202
    assert "idempotency-replayed" not in answer.headers
    assert stack.work() >= 1
    assert stack.run_of(answer.body["run"]["id"])["status"] == "succeeded"


def test_a_failed_send_does_not_strand_the_chat(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """[9] Still 202; the run stays pending and the sweep sends."""
    from botocore.exceptions import EndpointConnectionError

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://queue")

    with monkeypatch.context() as patch:
        patch.setattr(stack.start.start.queue._sqs, "send_message", fail)
        answer = stack.begin()
    assert answer.status == 202
    assert stack.take() is None
    stack.clock.forward(31)
    assert stack.sweep_now()["resent"] == 1
    stack.work()
    assert stack.run_of(answer.body["run"]["id"])["status"] == "succeeded"


def test_the_same_key_and_body_find_the_same_run_as_it_is_now(stack: Stack) -> None:
    """[51] While it is pending, running, and after it has ended."""
    first = stack.script("chat-1", {"text": "a", "tools": [["clock", {}]]}, {"text": "b"}, headers=KEY)
    run_id = first.body["run"]["id"]
    assert "idempotency-replayed" not in first.headers
    stack.clock.forward(1)
    for delivered in (0, 1, 99):
        for _ in range(delivered):
            message = stack.take()
            if message:
                stack.deliver(message)
        again = stack.script("chat-1", {"text": "a", "tools": [["clock", {}]]}, {"text": "b"}, headers=KEY)
        assert (again.status, again.headers["idempotency-replayed"]) == (202, "true")
        assert again.body["run"] == stack.run_of(run_id)
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert len(stack.call("GET", "/chats/chat-1/runs").body["runs"]) == 1


def test_a_replay_comes_before_the_busy_check(stack: Stack) -> None:
    """[51] The run of the key ended, another is active, and still the first is answered."""
    first = stack.begin(headers=KEY).body["run"]["id"]
    stack.work()
    stack.clock.forward(1)
    stack.begin()
    assert stack.begin(headers=KEY).body["run"]["id"] == first


@pytest.mark.parametrize("environment", [{"RUNS_ENABLED": "false"}, {"AGENT_MODEL": ""}])
def test_a_replay_comes_before_the_switch_and_the_model_check(stack: Stack, environment: dict[str, str]) -> None:
    """[12] [51] A replayed start succeeds while new starts are refused."""
    off = stack.start.start
    stack.start.start = replace(off, settings=replace(off.settings, runs_enabled=True, agent_model="offline"))
    first = stack.begin(headers=KEY).body["run"]["id"]
    stack.start.start = off
    stack.clock.forward(1)
    again = stack.begin(headers=KEY)
    assert (again.status, again.body["run"]["id"]) == (202, first)
    refused = stack.begin("chat-2")
    assert refused.status == (403 if environment.get("RUNS_ENABLED") else 503)
    assert refused.body["code"] == ("runs_disabled" if environment.get("RUNS_ENABLED") else "model_not_configured")
    assert stack.begin("chat-2", headers={"Idempotency-Key": "fresh"}).status == refused.status
    stack.work()
    run = stack.run_of(first)
    if environment.get("RUNS_ENABLED"):
        assert run["status"] == "succeeded", "running runs go on"
    else:
        assert (run["status"], run["error"]["code"]) == ("failed", "model_not_configured")
    assert stack.call("POST", "/chats/chat-1/stop").status == 200


def test_a_key_with_another_body_is_refused(stack: Stack) -> None:
    """[52] Whether the run is active or has ended."""
    stack.begin(headers=KEY)
    for _ in range(2):
        for change in (
            {"prompt": "other"},
            {"prompt": "hello", "metadata": {"a": 1}},
            {"prompt": "hello", "budget": {"max_steps": 3}},
        ):
            answer = stack.call("POST", "/chats/chat-1/runs", change, headers=KEY)
            assert (answer.status, answer.body["code"]) == (409, "idempotency_key_reused")
        stack.work()


def test_a_key_belongs_to_its_workspace_user_and_chat(stack: Stack) -> None:
    """[48] The same key elsewhere starts another run."""
    ids = {
        stack.begin(headers=KEY).body["run"]["id"],
        stack.begin("chat-2", headers=KEY).body["run"]["id"],
        stack.begin("chat-3", headers=KEY, user="bob").body["run"]["id"],
        stack.begin(headers=KEY, workspace="other").body["run"]["id"],
    }
    assert len(ids) == 4


def test_metadata_comes_back_as_it_was_given(stack: Stack) -> None:
    metadata = {"ticket": "T-1", "nested": {"list": [1, 2.5, None, True, "ä"]}}
    run_id = stack.begin(metadata=metadata).body["run"]["id"]
    assert stack.run_of(run_id)["metadata"] == metadata


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n\t"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "a", "budget": 5}, "budget"),
        ({"prompt": "a", "budget": {}}, "budget.max_steps"),
        ({"prompt": "a", "budget": {"max_steps": 0}}, "budget.max_steps"),
        ({"prompt": "a", "budget": {"max_steps": 21}}, "budget.max_steps"),
        ({"prompt": "a", "budget": {"max_steps": True}}, "budget.max_steps"),
        ({"prompt": "a", "budget": {"max_steps": "3"}}, "budget.max_steps"),
        ({"prompt": "a", "budget": {"max_steps": 2.5}}, "budget.max_steps"),
        ({"prompt": "a", "budget": {"max_steps": 3, "tokens": 1}}, "budget.tokens"),
        ({"prompt": "a", "metadata": []}, "metadata"),
        ({"prompt": "a", "metadata": {"x": "y" * 2048}}, "metadata"),
        ({"prompt": "a", "status": "succeeded"}, "status"),
        ({"prompt": "a", "trigger": "schedule"}, "trigger"),
        ({"prompt": "a", "workspace_id": "other"}, "workspace_id"),
        ({"prompt": "a", "user_id": "bob"}, "user_id"),
        ({"prompt": "a", "id": "mine"}, "id"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
    ],
    ids=str,
)
def test_bad_input_names_its_field_and_leaves_nothing_behind(stack: Stack, body: Any, field: str) -> None:
    """[10] [50] 422, and the table is empty."""
    answer = stack.call("POST", "/chats/chat-1/runs", raw=json.dumps(body))
    assert (answer.status, answer.body["code"], answer.body["field"]) == (422, "invalid_request", field)
    assert answer.body["detail"].startswith(field)
    assert stack.items() == []


@pytest.mark.parametrize("raw", ["", "{", "nonsense", '{"prompt": NaN}', "[" * 100_000, '{"prompt": "a"} x'])
def test_a_body_that_is_no_json_is_422(stack: Stack, raw: str) -> None:
    """[10] The field is `body`, and the table is empty."""
    answer = stack.call("POST", "/chats/chat-1/runs", raw=raw)
    assert (answer.status, answer.body["field"]) == (422, "body")
    assert stack.items() == []


def test_a_prompt_over_the_limit_is_413(stack: Stack) -> None:
    """[53] Counted in characters."""
    assert stack.begin(prompt="ж" * 32_768).status == 202
    answer = stack.begin("chat-2", prompt="x" * 32_769)
    assert (answer.status, answer.body["code"]) == (413, "prompt_too_long")


@pytest.mark.parametrize("chat", ["a b", "x" * 129, "a/b", "a#b", "ä", "a\u0000b", "%"])
def test_a_malformed_chat_id_is_422(stack: Stack, chat: str) -> None:
    """[53] On every call."""
    for method, rest in (("POST", "runs"), ("POST", "stop"), ("GET", "run"), ("GET", "runs"), ("GET", "messages")):
        answer = stack.call(method, f"/chats/{chat}/{rest}".replace("a/b", "a\u2215b"), {"prompt": "a"})
        assert (answer.status, answer.body["field"]) == (422, "chat_id")


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb", "a\nb"])
def test_a_malformed_idempotency_key_is_422(stack: Stack, key: str) -> None:
    answer = stack.begin(headers={"Idempotency-Key": key})
    assert (answer.status, answer.body["field"]) == (422, "Idempotency-Key")
    assert stack.items() == []


def test_text_no_store_or_provider_takes_does_not_break_a_chat(stack: Stack) -> None:
    """[27] NUL and lone surrogates are stored as U+FFFD."""
    answer = stack.call(
        "POST", "/chats/chat-1/runs", raw='{"prompt": "a\\u0000b\\ud800c", "metadata": {"\\udfff": "x"}}'
    )
    assert answer.status == 202
    stack.work()
    assert [message["status"] for message in stack.transcript()] == ["completed", "completed"]
    assert stack.transcript()[0]["content"] == "a\ufffdb\ufffdc"


def test_starting_on_a_run_the_sweep_would_settle_settles_it_first(stack: Stack) -> None:
    """[11] [40] A run that no worker touched for the stale window no longer keeps the chat busy."""
    old = stack.script("chat-1", {"text": "a", "seconds": 0, "tools": [["clock", {}]]}, {"text": "b"}).body["run"]["id"]
    stack.deliver(stack.take() or {})
    stack.take()
    assert stack.begin().status == 409
    stack.clock.forward(601)
    assert stack.begin().status == 409, "its message may still come"
    stack.sweep_in_vain()
    answer = stack.begin()
    assert answer.status == 202
    settled = stack.run_of(old)
    assert (settled["status"], settled["error"]["code"]) == ("aborted", "stale")
    assert stack.run_of(answer.body["run"]["id"])["status"] == "pending"


def test_starting_over_a_slot_whose_run_is_gone_is_possible(stack: Stack) -> None:
    """[11] A ghost run never blocks a chat."""
    ghost = stack.begin().body["run"]["id"]
    stack.dynamodb.delete_item(TableName="outlive", Key={"pk": {"S": f"acme#{ghost}"}, "sk": {"S": "RUN"}})
    assert stack.begin().status == 202


def test_a_run_that_one_read_does_not_find_keeps_its_chat(stack: Stack) -> None:
    """[11] A single wrong "no item" takes no slot: the start's own transaction looks for the run, and answers 409."""
    active = stack.begin().body["run"]["id"]
    stack.faults.blank("RUN")
    answer = stack.begin()
    assert (answer.status, answer.body.get("active_run_id")) == (409, active), (answer.status, answer.body)
    assert [run["id"] for run in stack.call("GET", "/chats/chat-1/runs").body["runs"]] == [active]


def test_a_slot_that_an_ended_run_still_holds_is_taken(stack: Stack) -> None:
    """[11] However it came to that: a run that has ended never blocks its chat."""
    ended = stack.begin().body["run"]["id"]
    stack.work()
    stack.change("acme#chat-1", "CHAT", active_run_id={"S": ended})
    assert stack.begin().status == 202


def test_ids_chosen_to_collide_reach_no_other_users_items(stack: Stack) -> None:
    """[48] Keys are injective."""
    first = stack.begin("c", workspace="a#b").body["run"]["id"]
    second = stack.begin("b.c", workspace="a").body["run"]["id"]
    assert stack.call("GET", f"/runs/b#{first}", workspace="a").status == 404
    assert stack.call("POST", f"/runs/b#{first}/stop", workspace="a").body == {"stopped": False, "run": None}
    assert stack.run_of(first, workspace="a#b")["status"] == "pending"
    # A chat may be named like a run: they share a partition and no item.
    assert stack.begin(second, workspace="a").status == 202
    assert stack.run_of(second, workspace="a")["chat_id"] == "b.c"


def test_a_stored_run_is_answered_even_if_the_last_try_had_no_answer(stack: Stack) -> None:
    """[54] 503 means that nothing was stored, while the store answers at all."""
    stack.faults.refuse("TransactWriteItems", times=5)
    stack.faults.lose("TransactWriteItems")
    answer = stack.begin()
    assert answer.status == 202
    stack.faults.lose("TransactWriteItems")
    stack.faults.then("TransactWriteItems", lambda: stack.faults.refuse("GetItem"))
    assert stack.begin("chat-2").status == 202


def test_two_requests_with_one_key_in_the_same_millisecond_are_one_run_and_one_replay(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = stack.start.start.clock.now()
    monkeypatch.setattr(type(stack.start.start.clock), "now", lambda self: at)
    first, second = stack.begin(headers=KEY), stack.begin(headers=KEY)
    assert first.body["run"]["id"] == second.body["run"]["id"]
    assert ["idempotency-replayed" in answer.headers for answer in (first, second)] == [False, True]


def test_a_run_id_collision_returns_no_other_users_run(stack: Stack) -> None:
    """[8] And is never reported as a busy chat."""
    ids = iter(["same", "request-1", "same", "request-2"])
    stack.start.start = replace(stack.start.start, new_id=lambda: next(ids))
    assert stack.begin(user="ada").body["run"]["id"] == "same"
    answer = stack.begin("chat-2", user="bob")
    assert (answer.status, answer.body["code"]) == (503, "start_failed")
    assert "ada" not in json.dumps(answer.body)


@pytest.mark.parametrize(
    "raw",
    ['{"prompt": "a", "metadata": {"n": 1e400}}', '{"prompt": "a", "metadata": ' + '{"a":' * 500 + "1" + "}" * 501],
)
def test_numbers_and_nesting_no_later_reader_can_take_are_refused(stack: Stack, raw: str) -> None:
    """[10] 422, and the table is empty."""
    answer = stack.call("POST", "/chats/chat-1/runs", raw=raw)
    assert (answer.status, answer.body["field"]) == (422, "body")
    assert stack.items() == []


def test_a_body_that_is_no_text_is_422(stack: Stack) -> None:
    """[10] The gateway hands over what is not text in base64."""
    asked = event("start")
    asked["body"], asked["isBase64Encoded"] = base64.b64encode(b'{"prompt": "\xff"}').decode(), True
    answer = stack.start.handler(asked, stack.context)
    assert answer["statusCode"] == 422
    asked["body"] = base64.b64encode(b'{"prompt": "hello"}').decode()
    assert stack.start.handler(asked, stack.context)["statusCode"] == 202
