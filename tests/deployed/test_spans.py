"""The agent's spans, from the worker's own process."""

from typing import Any

from proof.stacks.deployed import Stack, until
from tests.providers.otlp_receiver import Arrived, Receiver

from .runs import LOOK_EVERY, begin, ended, outcome
from .test_crashes import LEASE, own_stack

LOST = '"spans_not_sent"'
SECRET = "a secret of hers"
TOOL = [["calculate", {"expression": "6 * 7"}]]
STEPS = ({"text": SECRET, "tools": TOOL}, {"text": "done"})


def traced(own: Stack, receiver: Receiver) -> tuple[dict[str, Any], list[Arrived]]:
    """A run, and its spans as far as they arrived."""
    lost = own.log.count(LOST)
    run = begin(own, *STEPS)
    assert outcome(ended(own, run)["run"]) == ("succeeded", "stop", None)
    until(lambda: len(receiver.of(run["id"])) == 5 or own.log.count(LOST) > lost, every=LOOK_EVERY)
    return run, receiver.of(run["id"])


def test_the_spans_of_a_run_arrive_and_an_endpoint_that_is_gone_harms_no_run():
    """[92] [93] [94] Each with the run's id, and without any content. The run after that succeeds without the endpoint."""
    receiver = Receiver()
    with own_stack(**LEASE, OTLP_ENDPOINT=receiver.url) as own:
        try:
            # On a very busy machine a worker may not wait for its spans to be sent, and then rests.
            run, spans = until(lambda: traced(own, receiver), lambda found: len(found[1]) == 5, every=LOOK_EVERY)
            assert sorted({(span.name, span.attributes["outlive.step"]) for span in spans}) == [
                ("chat offline", 0), ("chat offline", 1), ("execute_tool calculate", 0),
                ("invoke_agent assistant", 0), ("invoke_agent assistant", 1),
            ]  # fmt: skip
            assert {span.attributes["outlive.run.id"] for span in spans} == {run["id"]}
            assert SECRET.encode() not in b"".join(receiver.bodies)
        finally:
            receiver.close()
        after = begin(own, *STEPS)
        assert outcome(ended(own, after)["run"]) == ("succeeded", "stop", None)
        until(lambda: LOST in own.log, every=LOOK_EVERY)
