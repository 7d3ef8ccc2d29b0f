"""Which agent answers a run, from the start to the end."""

from dataclasses import replace

import pytest

from outlive.store.slot import Succession
from outlive.store.table import Table
from tests.handlers.conftest import Stack

KEY = {"Idempotency-Key": "once"}


def deploy(stack: Stack, *names: str) -> None:
    """Have the functions that answer requests know these agents."""
    stack.start.start = replace(stack.start.start, settings=replace(stack.start.start.settings, agents=names))


def test_a_run_keeps_the_agent_it_was_started_with(stack: Stack) -> None:
    deploy(stack, "assistant", "support")
    asked = stack.watch_the_agent()
    for agent, kept in (("support", "support"), ("assistant", "assistant"), (None, "assistant")):
        run = stack.begin(f"chat-{agent}", agent=agent).body["run"]
        assert run["agent"] == kept
        stack.work()
        assert asked[-1].agent == stack.run_of(run["id"])["agent"] == kept


def test_an_unknown_agent_is_refused_with_the_names_there_are_and_nothing_is_stored(stack: Stack) -> None:
    deploy(stack, "billing", "support")
    for fields, detail in (
        ({"agent": "nobody"}, "agent: none is called 'nobody'; there are: billing, support"),
        ({}, "agent: a start has to name one; there are: billing, support"),
    ):
        answer = stack.begin(**fields)
        assert (answer.status, answer.body["code"], answer.body["field"]) == (422, "unknown_agent", "agent")
        assert answer.body["detail"] == detail
    assert stack.call("GET", "/chats/chat-1/runs").body["runs"] == []


@pytest.mark.parametrize("agent", ["", 7, "x" * 129])
def test_an_agents_name_is_a_short_text(stack: Stack, agent: object) -> None:
    answer = stack.begin(agent=agent)
    assert (answer.status, answer.body["code"], answer.body["field"]) == (422, "invalid_request", "agent")


def test_a_key_belongs_to_one_agent(stack: Stack) -> None:
    deploy(stack, "assistant", "support")
    first = stack.begin(agent="support", headers=KEY).body["run"]["id"]
    assert stack.begin(agent="support", headers=KEY).body["run"]["id"] == first
    assert stack.begin(agent="assistant", headers=KEY).body["code"] == "idempotency_key_reused"


def test_a_replay_comes_before_the_check_of_the_agent(stack: Stack) -> None:
    """[51] A deployment without the agent still finds the run that was started with it."""
    deploy(stack, "assistant", "support")
    first = stack.begin(agent="support", headers=KEY).body["run"]["id"]
    stack.work()
    deploy(stack, "assistant")
    assert stack.begin(agent="support", headers=KEY).body["run"]["id"] == first


def test_a_run_whose_agent_is_gone_fails_and_a_run_without_a_name_has_the_default(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(stack, "assistant", "retired")
    run_id = stack.begin(agent="retired").body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["usage"]["requests"]) == ("failed", "agent_unknown", 0)
    start = Table.start

    def nameless(self: Table, succession: Succession, now: int, holder: str | None = None) -> None:
        assert succession.successor is not None
        succession.successor.run.agent = None
        start(self, succession, now, holder)

    monkeypatch.setattr(Table, "start", nameless)
    before = stack.begin("chat-2").body["run"]["id"]
    stack.work()
    run = stack.run_of(before)
    assert (run["status"], run["agent"]) == ("succeeded", None)


def test_a_chat_client_names_the_agent_in_its_body(stack: Stack) -> None:
    deploy(stack, "assistant")
    stack.chat.start = stack.start.start
    body = {"id": "chat-1", "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}]}
    refused = stack.call("POST", "/api/chat", {**body, "agent": "support"}, query={"wait": "0"})
    assert (refused.status, refused.body["code"]) == (422, "unknown_agent")
    assert stack.call("POST", "/api/chat", {**body, "agent": "assistant"}, query={"wait": "0"}).status == 200
    (run,) = stack.call("GET", "/chats/chat-1/runs").body["runs"]
    assert run["agent"] == "assistant"


CLAIMS = {"workspace_id": "acme", "sub": "ada"}


@pytest.mark.parametrize("environment", [{"DEPS_CLAIMS": "plan, seats,admin,teams,absent"}])
def test_tools_get_the_claims_that_the_operator_names_and_no_answer_shows_them(
    stack: Stack, environment: dict[str, str]
) -> None:
    """As they were at the start, as texts; lists and objects are left out."""
    asked = stack.watch_the_agent()
    token = {**CLAIMS, "plan": "gold-plated", "seats": 7, "admin": True, "teams": ["a"], "email": "ada@acme.test"}
    answer = stack.begin(claims=token, metadata={"page": 3})
    run_id = answer.body["run"]["id"]
    stack.work()
    assert [ask.step for ask in asked] == [0, 1]
    for ask in asked:
        assert ask.claims == {"plan": "gold-plated", "seats": "7", "admin": "true"}
        assert (ask.user, ask.agent, ask.metadata) == ("ada", "assistant", {"page": 3})
        assert "gold" not in repr(ask)
    reads = ("/chats/chat-1/run", f"/runs/{run_id}", "/chats/chat-1/runs", "/chats/chat-1/messages")
    shown = [answer.body, *(stack.call("GET", path).body for path in reads)]
    assert "gold-plated" not in str(shown)


@pytest.mark.parametrize("environment", [{"DEPS_CLAIMS": "plan"}])
def test_a_run_keeps_the_claims_of_the_start_that_made_it(stack: Stack, environment: dict[str, str]) -> None:
    """A token that was renewed since is no other request."""
    asked = stack.watch_the_agent()
    first = stack.begin(claims={**CLAIMS, "plan": "gold"}, headers=KEY).body["run"]["id"]
    assert stack.begin(claims={**CLAIMS, "plan": "free"}, headers=KEY).body["run"]["id"] == first
    stack.work()
    assert [ask.claims for ask in asked] == [{"plan": "gold"}] * 2


@pytest.mark.parametrize("environment", [{"DEPS_CLAIMS": "plan"}])
def test_claims_that_take_more_than_2_kb_start_nothing(stack: Stack, environment: dict[str, str]) -> None:
    answer = stack.begin(claims={**CLAIMS, "plan": "x" * 2048})
    assert (answer.status, answer.body["code"]) == (401, "unauthorized")
    assert "2048 bytes" in answer.body["detail"]
    assert len(str(answer.body)) < 500
    assert stack.call("GET", "/chats/chat-1/runs").body["runs"] == []


def test_without_the_setting_a_run_keeps_no_claim(stack: Stack) -> None:
    asked = stack.watch_the_agent()
    stack.begin(claims={**CLAIMS, "plan": "gold"})
    stack.work()
    assert asked[0].claims == {}
