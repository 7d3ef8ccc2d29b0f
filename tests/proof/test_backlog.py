"""A backlog ends no run."""

from dataclasses import replace

import pytest

from outlive.settings import Settings
from proof.stress.backlog import Backlog

DEFAULTS = Settings(table_name="")


@pytest.mark.parametrize("hours", [0.1, 1.2])
def test_every_run_of_a_backlog_succeeds_with_hardly_a_message_more(hours: float) -> None:
    """[85] Also where each step waits for longer than `StaleSeconds` and `PendingSeconds`."""
    settings, step_ms = replace(DEFAULTS, maximum_concurrency=2), 3050
    runs = int(hours * 3_600_000 * settings.maximum_concurrency / step_ms)
    backlog = Backlog(runs, 3, settings, step_ms)
    assert backlog.play() == {"succeeded": runs}
    assert backlog.messages_a_step < 1.2


def test_the_defaults_carry_many_runs_at_once() -> None:
    """[85] Ten thousand runs on 50 workers."""
    backlog = Backlog(10_000, 2, DEFAULTS, 3050)
    assert backlog.play() == {"succeeded": 10_000}
    assert backlog.messages_a_step < 1.2
