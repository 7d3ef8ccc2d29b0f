"""What the local AWS does otherwise than MiniStack by itself."""

import pytest

from local.emulator import HTTP_WORKERS, LONG_POLL_WORKERS, with_worker_limits


@pytest.mark.parametrize(
    ("function", "workers"), [("Tail", LONG_POLL_WORKERS), ("Chat", LONG_POLL_WORKERS), ("Start", HTTP_WORKERS)]
)
def test_a_function_whose_callers_wait_for_events_gets_a_worker_for_each_of_them(function, workers):
    """A page of the AI SDK waits in `chat` as others do in `tail`: a few open ones must not have the next refused."""
    limits = []

    def acquire(name, config, code, *, qualifier, max_concurrency):
        limits.append(max_concurrency)
        return object(), ""

    with_worker_limits(acquire)(f"outlive-{function}-1A2B3C", {"Timeout": 29}, b"")
    assert limits == [workers]
