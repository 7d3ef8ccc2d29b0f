"""A model provider that takes no requests for a while."""

import heapq
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.agents import Agents
from outlive.agent import AgentError, Outcome, Usage
from outlive.delivery import Delivery
from outlive.patience import LONGEST_S, SHORTEST_S, pause_before
from outlive.store.rows import Run
from proof.stacks.handlers import Stack
from tests.providers.provider_doubles import Double, OpenAIChat, Reply
from tests.providers.test_providers import disconnect

FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")
RUNS = 50
BAD_MINUTES = 5


def busy(code: str = "model_unavailable", retry_after: float | None = None) -> Outcome:
    return Outcome("partial", [], None, error=AgentError("busy", code, "overloaded", retry_after))


@dataclass
class Line:
    """The queue as a list of what is due when, on the clock that the test turns."""

    stack: Stack
    due: list[tuple[int, int, str, int]] = field(default_factory=list)
    hidden: float | None = None
    sent: int = 0

    def send(self, run: Run, step: int) -> None:
        self._put(self.stack.step.clock.now(), run.id, step)

    def hide(self, receipt: str, seconds: float) -> None:
        self.hidden = seconds

    def _put(self, at: int, run_id: str, step: int) -> None:
        self.sent += 1
        heapq.heappush(self.due, (at, self.sent, run_id, step))

    def deliver(self) -> None:
        """Turn the clock to when the next message is due and have a worker take it."""
        at, _, run_id, step = heapq.heappop(self.due)
        now = self.stack.step.clock.now()
        self.stack.clock.forward(max(0, at - now) / 1000)
        now = self.stack.step.clock.now()
        answer = self.stack.step.step.run(Delivery("acme", run_id, step, "receipt", now + 300_000, now))
        if answer.name == "GIVE_BACK":
            assert self.hidden is not None
            self._put(now + int(self.hidden * 1000), run_id, step)


@pytest.fixture
def line(stack: Stack) -> Line:
    return Line(stack)


@pytest.fixture
def between(stack: Stack) -> None:
    """Chance, the same in every test."""
    stack.equip(between=random.Random(7).uniform)


def begun(stack: Stack, line: Line, count: int = 1) -> list[str]:
    """So many runs, each in a chat of its own, whose messages wait in `line`."""
    ids = [stack.begin(f"chat-{number}").body["run"]["id"] for number in range(count)]
    stack.sqs.purge_queue(QueueUrl=stack.queue_url)
    stack.equip(queue=line)
    for run_id in ids:
        line._put(stack.step.clock.now(), run_id, 0)
    return ids


@pytest.mark.usefixtures("memory", "between")
def test_a_provider_that_is_out_for_five_minutes_ends_no_run_and_gets_few_requests(
    stack: Stack, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[84] All of 50 runs succeed, and the provider gets fewer than three requests a minute for each."""
    wire, server = OpenAIChat(), Double()
    monkeypatch.setenv(wire.url_setting, server.url + wire.url_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    server.replies = Replies(stack, wire)  # type: ignore[assignment]
    try:
        agents = Agents(("assistant",), "assistant", wire.model)
        stack.equip(agent=agents)
        ids = begun(stack, line, RUNS)
        server.replies.began = stack.step.clock.now()  # type: ignore[attr-defined]
        while line.due:
            line.deliver()
        statuses = Counter(stack.run_of(run_id)["status"] for run_id in ids)
        disconnect(agents._agents["assistant"])
    finally:
        server.close()
    assert statuses == {"succeeded": RUNS}
    refused = server.replies.refused  # type: ignore[attr-defined]
    assert RUNS < refused < 3 * BAD_MINUTES * RUNS


class Replies:
    """A provider's answers: 429, 503 and 529 in turn for five minutes, then text."""

    def __init__(self, stack: Stack, wire: OpenAIChat) -> None:
        self.stack, self.wire, self.began, self.refused = stack, wire, 0, 0

    def __getitem__(self, number: int) -> Reply:
        if self.stack.step.clock.now() - self.began >= BAD_MINUTES * 60_000:
            return self.wire.said("done")
        self.refused += 1
        status = (429, 503, 529)[number % 3]
        return self.wire.failed(status, "try later", *([("Retry-After", "20")] if status == 429 else []))


@pytest.mark.usefixtures("memory", "between")
@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("model_rate_limited", "model_rate_limited"),
        ("model_unavailable", "model_unavailable"),
        ("model_connection", "model_unavailable"),
    ],
)
def test_the_patience_is_bounded_and_then_the_run_fails_with_the_reason(
    stack: Stack, line: Line, code: str, end: str
) -> None:
    """[84] After `ProviderPatienceSeconds`, with one last request right then."""
    asked = stack.answer_with(busy(code))
    (run_id,) = begun(stack, line)
    began = stack.step.clock.now()
    while line.due:
        line.deliver()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["retrying"]) == ("failed", end, None)
    assert "900 seconds" in run["error"]["message"]
    assert f"{code}: overloaded" in run["error"]["message"]
    assert 900_000 <= stack.step.clock.now() - began < 910_000
    assert len(asked) < 3 * 15


@pytest.mark.usefixtures("memory", "between")
def test_waiting_uses_up_no_attempts_and_a_dead_worker_still_does(stack: Stack, line: Line) -> None:
    """[84] [22] Of many attempts only those count that the provider took or that died."""
    asked = stack.answer_with(*[busy()] * 4, SystemExit(), busy(), SystemExit(), busy(), SystemExit(), busy())
    (run_id,) = begun(stack, line)
    while line.due:
        try:
            line.deliver()
        except SystemExit:
            line._put(stack.step.clock.now() + 31_000, run_id, 0)
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "step_attempts")
    assert len(asked) == 9, "three workers died, and six requests were not taken"


@pytest.mark.usefixtures("memory", "between")
def test_the_next_step_begins_with_all_of_its_patience(stack: Stack, line: Line) -> None:
    """[84] A claim takes the wait of the step before off the row."""
    step = Outcome("step", [{"type": "text", "text": "more"}], "[]", Usage(1, 1, 1))
    began = stack.step.clock.now()
    stack.answer_with(*[busy()] * 20, step, *[busy()] * 20, FINAL)
    (run_id,) = begun(stack, line)
    while line.due:
        line.deliver()
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert stack.step.clock.now() - began > 900_000, "together the two steps waited for longer than one may"


@pytest.mark.usefixtures("memory", "between")
def test_what_the_provider_asks_for_is_heeded_and_no_sweep_ends_the_run_meanwhile(stack: Stack, line: Line) -> None:
    """[84] [40] Even if it is longer than `StaleSeconds`."""
    stack.answer_with(busy("model_rate_limited", 800.0), FINAL)
    (run_id,) = begun(stack, line)
    line.deliver()
    assert line.hidden is not None
    assert 800 <= line.hidden <= 900
    for _ in range(13):
        stack.clock.forward(60)
        counts = stack.sweep_now()
        assert (counts["resent"], counts["settled"]) == (0, {})
    line.deliver()
    assert stack.run_of(run_id)["status"] == "succeeded"


@pytest.mark.usefixtures("memory", "between")
def test_a_stop_during_the_wait_ends_the_run_at_once(stack: Stack, line: Line) -> None:
    """[84] [32] No worker holds the run, so the stop settles it."""
    stack.answer_with(busy())
    (run_id,) = begun(stack, line)
    line.deliver()
    assert stack.call("POST", f"/runs/{run_id}/stop").body["run"]["status"] == "aborted"
    line.deliver()
    assert line.due == []


@pytest.mark.usefixtures("memory", "between")
def test_the_run_shows_that_it_waits_and_why(stack: Stack, line: Line) -> None:
    """[84] In its view, and readers get a `run` event when the wait begins and when it is over."""
    stack.answer_with(busy("model_rate_limited"), busy("model_rate_limited"), Outcome("step", [], "[]"), FINAL)
    (run_id,) = begun(stack, line)
    assert stack.run_of(run_id)["retrying"] is None
    line.deliver()
    shown = stack.run_of(run_id)["retrying"]
    assert (shown["code"], shown["message"]) == ("model_rate_limited", "overloaded")
    line.deliver()
    assert stack.run_of(run_id)["retrying"]["since"] == shown["since"]
    first = stack.call("GET", f"/runs/{run_id}/events").body
    assert [one["run"]["retrying"] for one in first["events"] if one["type"] == "run"] == [shown]
    line.deliver()
    line.deliver()
    after = stack.call("GET", f"/runs/{run_id}/events", query={"after": first["cursor"]}).body["events"]
    assert after[-1]["run"]["retrying"] is None


def test_a_release_whose_answer_was_lost_counts_once(stack: Stack) -> None:
    """[84] [60] The lease goes with the first write, so the second one is refused and recognised."""

    def refuse(*_: Any) -> Outcome:
        stack.faults.twice("UpdateItem")
        return busy()

    stack.answer_with(refuse)
    run_id = stack.begin().body["run"]["id"]
    assert not stack.deliver(stack.take() or {})
    item = stack.item(run_id)
    assert (item["retries"]["N"], item["attempt"]["N"]) == ("1", "1")
    assert json.loads(item["last_error"]["S"])["kind"] == "busy"


@pytest.mark.parametrize("retries", [0, 1, 2, 3, 50])
def test_pauses_have_full_jitter_between_two_and_sixty_seconds(retries: int) -> None:
    """[84] And they end with the patience."""
    shortest = pause_before(retries, None, 900, lambda low, high: low)
    longest = pause_before(retries, None, 900, lambda low, high: high)
    assert SHORTEST_S == shortest < longest <= LONGEST_S
    assert pause_before(retries, 30.0, 900, lambda low, high: low) >= 30
    assert pause_before(retries, 300.0, 45.0, lambda low, high: high) == 45
