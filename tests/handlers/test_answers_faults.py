"""Each write of a run that waits: its process dies before or after it, its answer is lost, it comes twice, or is throttled."""

import json
from collections import Counter
from typing import Any

import pytest

from outlive.agent import AgentError, Outcome
from proof.stacks.handlers import Stack
from tests.handlers.fates import FATES, Died, strike
from tests.handlers.test_answers import APPROVED, BLUE, CALLS, DAY, FINAL, answered, asking, send, waiting

BOTH = {**APPROVED, **BLUE}


def survived(stack: Stack, do: Any) -> Any:
    """What `do` returns; it is done once more if its process died."""
    for _ in range(2):
        try:
            return do()
        except Died:
            stack.clock.forward(60)
    raise AssertionError("it died twice")


def kinds(stack: Stack, run_id: str) -> list[str]:
    return [item["kind"]["S"] for item in stack.records(run_id)]


def answer_rows(stack: Stack) -> list[str]:
    return [item["sk"]["S"] for item in stack.items() if "#ANSWER#" in item["sk"]["S"]]


@pytest.mark.parametrize("fate", FATES)
def test_a_step_that_asks_is_stored_once(stack: Stack, fate: str) -> None:
    """[72] The model is asked again only if nothing was stored, and a person is asked once."""
    asks = stack.answer_with(asking(*CALLS))
    run_id = stack.begin().body["run"]["id"]
    strike(stack, fate, "TransactWriteItems")
    survived(stack, lambda: stack.deliver(stack.message(run_id, 0)))
    assert kinds(stack, run_id) == ["asked"]
    assert stack.run_of(run_id)["status"] == "waiting"
    assert len(asks) == (2 if fate == "dies before" else 1)
    stack.answer_with(answered, FINAL)
    send(stack, run_id, BOTH)
    stack.work()
    assert (stack.run_of(run_id)["status"], kinds(stack, run_id)) == ("succeeded", ["asked", "step", "final"])


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("before", [{}, BLUE], ids=["all at once", "the last one"])
def test_answers_that_move_a_run_on_are_stored_once(stack: Stack, fate: str, before: dict[str, Any]) -> None:
    """[73] [74] The client sends them again if it gets no answer; the run goes on without a sweep."""
    run_id = waiting(stack)
    if before:
        send(stack, run_id, before)
    strike(stack, fate, "TransactWriteItems")
    done = survived(stack, lambda: send(stack, run_id, BOTH))
    assert (done.status, done.body["run"]["status"], len(answer_rows(stack))) == (200, "running", 2)
    asks = stack.answer_with(answered, FINAL)
    stack.work()
    assert [ask.step for ask in asks] == [1, 2]
    assert (stack.run_of(run_id)["status"], kinds(stack, run_id)) == ("succeeded", ["asked", "step", "final"])


@pytest.mark.parametrize("fate", FATES)
def test_an_answer_that_leaves_others_open_is_stored_once(stack: Stack, fate: str) -> None:
    """[74] The run waits for the rest."""
    run_id = waiting(stack)
    strike(stack, fate, "TransactWriteItems")
    done = survived(stack, lambda: send(stack, run_id, BLUE))
    assert (done.status, len(answer_rows(stack))) == (200, 1)
    assert [call["tool_call_id"] for call in done.body["run"]["asked"]["open"]] == ["c1"]
    assert stack.work() == 0


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("by", ["sweep", "start"])
def test_a_run_that_nobody_answered_is_ended_once(stack: Stack, fate: str, by: str) -> None:
    """[75] Its calls are closed and its chat is free, whether a sweep or the chat's next start ends it."""
    run_id = waiting(stack)
    stack.clock.ahead += 8 * DAY
    strike(stack, fate, "TransactWriteItems")
    counted: Counter[str] = Counter()

    def sweep() -> None:
        counted.update(stack.sweep_now()["settled"])

    if by == "sweep":
        survived(stack, sweep)
    else:
        assert survived(stack, lambda: stack.begin(headers={"Idempotency-Key": "k"})).status == 202
    sweep()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], kinds(stack, run_id)) == (
        "aborted",
        "unanswered",
        ["asked", "partial"],
    )
    assert counted == ({"unanswered": 1} if by == "sweep" and fate != "dies after" else {})
    assert [run["status"] for run in stack.call("GET", "/chats/chat-1/runs").body["runs"]][
        1 if by == "start" else 0 :
    ] == ["aborted"]


class TestHandOver:
    """A message typed in place of answers: one write ends the waiting run and starts the next one."""

    @pytest.fixture
    def environment(self) -> dict[str, str]:
        # One token: whoever is charged twice for the message is refused.
        return {"STARTS_PER_MINUTE": "1"}

    @pytest.mark.parametrize("fate", FATES)
    def test_the_message_is_taken_once(self, stack: Stack, fate: str) -> None:
        """[78] [88] The page sends the same message again if it gets no answer."""
        run_id = waiting(stack)
        stack.clock.forward(60)
        message = {"id": "m2", "role": "user", "parts": [{"type": "text", "text": "no, do X"}]}
        body = {"id": "chat-1", "messages": [message], "trigger": "submit-message"}
        strike(stack, fate, "TransactWriteItems")
        started = survived(stack, lambda: stack.call("POST", "/api/chat", body, query={"wait": "0"}))
        assert started.status == 200, started.body
        old = stack.run_of(run_id)
        assert (old["status"], old["finish_reason"], kinds(stack, run_id)) == (
            "succeeded",
            "handed_over",
            ["asked", "partial"],
        )
        new, _ = stack.call("GET", "/chats/chat-1/runs").body["runs"]
        assert started.headers["location"] == f"/runs/{new['id']}"
        stack.answer_with(FINAL)
        stack.work()
        assert stack.run_of(new["id"])["status"] == "succeeded"
        assert [message["role"] for message in stack.transcript()] == ["user", "assistant"] * 2


class TestKeep:
    """Before a run waits, what it has so far is kept for as long: one write a row."""

    @pytest.fixture
    def environment(self) -> dict[str, str]:
        return {"RETENTION_DAYS": "1", "ANSWER_SECONDS": str(14 * 86_400)}

    @pytest.mark.parametrize("fate", FATES)
    @pytest.mark.parametrize("row", ["MSG#000000000001", "MSG#000000000002#STEP#000000"])
    def test_every_row_is_kept_for_as_long_as_the_run_waits(self, stack: Stack, fate: str, row: str) -> None:
        """[62] Whatever becomes of one of the writes, and no row is kept for less than before."""
        stack.answer_with(Outcome("step", [], "[]"), asking(*CALLS))
        run_id = stack.begin().body["run"]["id"]
        strike(stack, fate, f"UpdateItem {row}")
        survived(stack, stack.work)
        stack.deliver(stack.message(run_id, 1))
        assert stack.run_of(run_id)["status"] == "waiting"
        assert stack.faults.planned == []
        until = (stack.step.clock.now() + 13 * DAY) // 1000
        expiries = {
            item["sk"]["S"]: item.get("expires_at")
            for item in stack.items()
            if "#STEP#" in item["sk"]["S"] or item["sk"]["S"].startswith("MSG")
        }
        assert len(expiries) == 4
        assert all(expiry is None or int(expiry["N"]) > until for expiry in expiries.values()), expiries

    def test_a_stop_between_keeping_and_asking_leaves_nothing_that_never_expires(self, stack: Stack) -> None:
        """[62] The run does not wait, and all of it expires."""
        run_id = ""
        stack.look_once()
        stack.answer_with(asking(*CALLS))
        run_id = stack.begin().body["run"]["id"]
        stack.faults.then("UpdateItem MSG#000000000001", lambda: stack.call("POST", f"/runs/{run_id}/stop"))
        stack.work()
        assert stack.run_of(run_id)["status"] == "aborted"
        assert [item["sk"]["S"] for item in stack.items() if "expires_at" not in item] == ["CHAT"]


@pytest.mark.parametrize("fate", ["lost", "twice", "throttled"])
def test_a_step_that_is_given_back_because_its_provider_is_busy_uses_up_no_attempt(stack: Stack, fate: str) -> None:
    """[84] [60] Whatever becomes of the write: it is counted once as a wait for the provider."""

    def busy(*_: Any) -> Outcome:
        strike(stack, fate, "UpdateItem RUN")
        return Outcome("partial", [], None, error=AgentError("busy", "model_rate_limited", "slow down"))

    stack.answer_with(busy, FINAL)
    run_id = stack.begin().body["run"]["id"]
    assert not stack.deliver(stack.take() or {})
    item = stack.item(run_id)
    assert (item["retries"]["N"], item["attempt"]["N"], "lease_id" in item) == ("1", "1", False)
    assert json.loads(item["last_error"]["S"])["kind"] == "busy"
    stack.clock.forward(60)
    stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "succeeded"


@pytest.mark.parametrize("fate", ["dies before", "dies after"])
def test_a_worker_that_dies_as_it_gives_a_step_back_delays_it(stack: Stack, fate: str) -> None:
    """[84] [22] Before the write the death is an attempt, after it the wait for the provider is none."""

    def busy(*_: Any) -> Outcome:
        strike(stack, fate, "UpdateItem RUN")
        return Outcome("partial", [], None, error=AgentError("busy", "model_rate_limited", "slow down"))

    stack.answer_with(busy, FINAL)
    run_id = stack.begin().body["run"]["id"]
    with pytest.raises(Died):
        stack.deliver(stack.take() or {})
    assert stack.item(run_id).get("retries") == (None if fate == "dies before" else {"N": "1"})
    stack.clock.forward(60)
    stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_step_that_the_table_lets_nobody_give_back_keeps_its_message(stack: Stack) -> None:
    """[84] [85] It is redelivered once the lease is over, and the run goes on."""

    def busy(*_: Any) -> Outcome:
        stack.faults.refuse("UpdateItem RUN", times=6)
        return Outcome("partial", [], None, error=AgentError("busy", "model_rate_limited", "slow down"))

    stack.answer_with(busy, FINAL)
    run_id = stack.begin().body["run"]["id"]
    assert not stack.deliver(stack.take() or {})
    assert stack.faults.planned == []
    stack.clock.forward(60)
    stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "succeeded"
