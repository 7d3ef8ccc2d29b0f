"""When the worker sends the agent's spans."""

from dataclasses import dataclass, field

import pytest

from outlive.agent import AgentError, Outcome, Usage
from proof.stacks.handlers import Stack

FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")
BUSY = Outcome("partial", [], None, error=AgentError("busy", "model_rate_limited", "Later."))


@dataclass
class Sent:
    """Takes the place of the spans, and notes how the run stood when they were sent."""

    stack: Stack
    run_id: str = ""
    at: list[tuple[str, float]] = field(default_factory=list)

    def send(self, seconds: float) -> None:
        self.at.append((self.stack.run_of(self.run_id)["status"], seconds))


@pytest.fixture
def sent(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Sent:
    made = Sent(stack)
    monkeypatch.setattr(stack.step, "spans", made)
    return made


@pytest.mark.parametrize(("outcome", "status", "acknowledged"), [(FINAL, "succeeded", True), (BUSY, "running", False)])
def test_spans_are_sent_after_the_runs_own_writes_and_before_the_message_is_answered(
    stack: Stack, sent: Sent, outcome: Outcome, status: str, acknowledged: bool
) -> None:
    """[92] [93] Whether the message is acknowledged or given back, and a second is left for the process to end."""
    stack.answer_with(outcome)
    sent.run_id = stack.begin().body["run"]["id"]
    message = stack.take()
    assert message is not None
    assert bool(stack.deliver(message)) == acknowledged
    assert sent.at == [(status, stack.context.seconds_left - 2)]
