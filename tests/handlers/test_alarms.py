"""What the handlers log when something is wrong is what the template's filters count."""

import json
import logging
from collections import Counter

import pytest

from outlive import log
from outlive.agent import AgentError, Outcome, Usage
from proof.stacks.handlers import Stack
from tests.operators import counted

FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 2, 1), "stop")
REJECTED = Outcome("partial", [], None, error=AgentError("permanent", "model_rejected", "bad request"))


def metrics(caplog: pytest.LogCaptureFixture, logs: str) -> Counter[str]:
    """How often each metric is counted for the lines since the last call, all of them in the log group `logs`."""
    form = log.logger.registered_handler.formatter
    assert form is not None
    # A library's lines have another form and another handler.
    lines = [form.format(record) for record in caplog.records if record.name == log.logger.name]
    caplog.clear()
    assert all(json.loads(line)["service"] for line in lines)
    found = counted(logs, lines)
    return Counter({metric.name: count for metric, count in found.items()})


def test_a_run_that_fails_is_counted_once(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """[80] And a run that succeeds as a success."""
    with caplog.at_level(logging.INFO):
        stack.answer_with(REJECTED)
        stack.begin("failing")
        stack.deliver(stack.take() or {})
        assert metrics(caplog, "StepLogs") == {"RunsFailed": 1}
        stack.answer_with(FINAL)
        stack.begin("succeeding")
        stack.work()
        assert metrics(caplog, "StepLogs") == {"RunsSucceeded": 1}


@pytest.mark.parametrize("logs", ["SweepLogs", "StartLogs"])
def test_a_run_that_is_given_up_is_counted_once_by_sweep_or_start(
    stack: Stack, caplog: pytest.LogCaptureFixture, logs: str
) -> None:
    """[80] By the sweep, or by the next start of its chat."""
    with caplog.at_level(logging.INFO):
        stack.begin()
        stack.take()
        stack.clock.forward(31)
        stack.sweep_in_vain()
        stack.clock.forward(3601)
        caplog.clear()
        if logs == "SweepLogs":
            assert stack.sweep_now()["settled"] == {"never_started": 1}
        else:
            assert stack.begin().status == 202
        assert metrics(caplog, logs) == {"RunsGivenUp": 1}


def test_a_sweep_that_runs_out_of_time_is_counted(
    stack: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[80] One that sees everything is not."""
    with caplog.at_level(logging.INFO):
        stack.begin()
        stack.clock.forward(60)
        caplog.clear()
        stack.sweep_now()
        assert metrics(caplog, "SweepLogs") == {}
        monkeypatch.setattr(stack.sweep, "MARGIN", 10**9)
        assert stack.sweep_now()["unfinished"]
        assert metrics(caplog, "SweepLogs") == {"SweepUnfinished": 1}


def test_a_table_that_does_not_answer_is_a_fault(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """[80] Every fault writes a line of level error."""
    stack.faults.refuse("TransactWriteItems", "InternalServerError", times=99)
    assert stack.begin().status == 503
    assert metrics(caplog, "StartLogs") == {"Faults": 1}
