"""Who may: the token says, and nothing else."""

import json
from typing import Any

import pytest

from proof.stacks.handlers import Stack

CALLS = [
    ("POST", "/chats/{chat}/runs"),
    ("POST", "/chats/{chat}/stop"),
    ("POST", "/runs/{run}/stop"),
    ("GET", "/chats/{chat}/run"),
    ("GET", "/runs/{run}"),
    ("GET", "/chats/{chat}/messages"),
    ("GET", "/chats/{chat}/runs"),
]


@pytest.mark.parametrize(
    "claims",
    [{}, {"sub": "ada"}, {"workspace_id": "acme"}, {"sub": "", "workspace_id": "acme"}, {"sub": "ada", "workspace_id": ""},
     {"sub": "x" * 257, "workspace_id": "acme"}, {"sub": "ada", "workspace_id": "x" * 257}, {"sub": True, "workspace_id": "acme"}, {"sub": "ada", "workspace_id": "[acme]"},
     {"sub": "a\ud800", "workspace_id": "acme"}, {"sub": ["ada"], "workspace_id": "acme"}, {"sub": None, "workspace_id": "acme"}],
    ids=str,
)  # fmt: skip
def test_a_token_without_a_usable_identity_is_401_everywhere(stack: Stack, claims: dict[str, Any]) -> None:
    """[48] Workspace and user must be usable strings."""
    for method, path in CALLS:
        answer = stack.call(method, path.format(chat="c", run="r"), {"prompt": "a"}, claims=claims)
        assert (answer.status, answer.body["code"]) == (401, "unauthorized")
    assert stack.items() == []


def test_the_same_ids_in_another_workspace_are_other_things(stack: Stack) -> None:
    """[48] Neither workspace sees or changes the rows of the other."""
    ours = stack.begin().body["run"]["id"]
    theirs = stack.begin(workspace="other", user="ada")
    assert theirs.status == 202
    assert stack.call("GET", f"/runs/{ours}", workspace="other").status == 404
    assert stack.call("POST", f"/runs/{ours}/stop", workspace="other").body == {"stopped": False, "run": None}
    assert stack.call("POST", "/chats/chat-1/stop", workspace="other").body["run"]["id"] == theirs.body["run"]["id"]
    assert stack.run_of(ours)["status"] == "pending"


def test_to_another_user_a_chat_or_run_does_not_exist(stack: Stack) -> None:
    """[49] Every call answers as it would for ids that were never used, and no body holds theirs."""
    run_id = stack.begin().body["run"]["id"]
    before = stack.items()
    for method, path in CALLS:
        foreign = stack.call(method, path.format(chat="chat-1", run=run_id), {"prompt": "a"}, user="bob")
        if (method, path) == CALLS[0]:
            assert (foreign.status, foreign.body["code"]) == (404, "chat_not_found")
        else:
            never = stack.call(method, path.format(chat="never", run="never"), user="bob")
            assert (foreign.status, foreign.body) == (never.status, never.body)
        assert run_id not in json.dumps(foreign.body)
        assert "ada" not in json.dumps(foreign.body)
    assert [item for item in stack.items() if item["pk"]["S"].startswith("acme")] == before


def test_a_foreign_key_finds_nothing(stack: Stack) -> None:
    """[49] Not even with the owner's idempotency key and body."""
    stack.begin(headers={"Idempotency-Key": "k"})
    answer = stack.begin(headers={"Idempotency-Key": "k"}, user="bob")
    assert (answer.status, answer.body["code"]) == (404, "chat_not_found")


def test_the_owner_is_a_condition_of_the_write(stack: Stack) -> None:
    """[49] The chat becomes another user's between the read and the transaction."""
    stack.faults.first("TransactWriteItems", lambda: stack.begin(user="bob"))
    answer = stack.begin(user="ada")
    assert (answer.status, answer.body["code"]) == (404, "chat_not_found")
    assert len(stack.items()) == 4


def test_a_workspace_may_have_any_name(stack: Stack) -> None:
    """[48] No character in it lets one key look like another."""
    for workspace in ("Мастерская", "a#b", "a/b c", "x" * 256, "日本" * 100, "\U0001f600"):
        run_id = stack.begin(workspace=workspace).body["run"]["id"]
        stack.work()
        assert stack.run_of(run_id, workspace=workspace)["status"] == "succeeded"


def test_an_unknown_route_is_a_problem_too(stack: Stack) -> None:
    from proof.stacks.handlers import event

    asked = event("read")
    asked["routeKey"] = "GET /nowhere"
    answer = stack.read.handler(asked, stack.context)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"
