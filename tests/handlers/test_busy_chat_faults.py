"""Each write of a busy chat: its process dies before or after it, its answer is lost, it comes twice, or is throttled."""

from typing import Any

import pytest

from proof.stacks.handlers import Stack
from tests.handlers.fates import FATES, strike
from tests.handlers.test_answers_faults import survived
from tests.handlers.test_busy_chat import FINAL, KEY, ends_well, enqueue, queue, statuses, stop, whole


@pytest.mark.parametrize("fate", FATES)
def test_a_run_is_queued_once(stack: Stack, fate: str) -> None:
    """[96] The client sends the same request again if it gets no answer."""
    active = stack.begin().body["run"]["id"]
    strike(stack, fate, "TransactWriteItems")
    begun: Any = survived(stack, lambda: stack.begin(prompt="second", on_busy="enqueue", headers=KEY))
    assert (begun.status, begun.body["run"]["queue_position"]) == (202, 1)
    second = begun.body["run"]["id"]
    assert queue(stack) == [second]
    whole(stack)
    stack.answer_with(FINAL)
    stack.work()
    assert statuses(stack, active, second) == ["succeeded"] * 2
    assert len(stack.transcript()) == 4


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("write", ["the refused try", "the promotion"])
@pytest.mark.parametrize("by", ["worker", "stop", "sweep"])
def test_a_run_is_promoted_once(stack: Stack, fate: str, write: str, by: str) -> None:
    """[97] Whoever ends the run before it, and whatever becomes of the write."""
    active = stack.begin().body["run"]["id"]
    second, third = enqueue(stack, "second"), enqueue(stack, "third")
    stack.answer_with(FINAL)
    if by == "sweep":
        while stack.take():
            pass
        stack.clock.forward(3700)
        stack.sweep_in_vain()
    if write == "the promotion":
        stack.faults.then("TransactWriteItems", lambda: strike(stack, fate, "TransactWriteItems"))
    else:
        strike(stack, fate, "TransactWriteItems")
    ends = {"worker": lambda: ends_well(stack, active), "stop": lambda: stop(stack, f"/runs/{active}")}
    survived(stack, ends.get(by, stack.sweep_now))
    assert statuses(stack, active, second, third) == ["succeeded" if by == "worker" else "aborted", "pending", "queued"]
    assert queue(stack) == [third]
    whole(stack)
    stack.clock.forward(120)
    stack.sweep_now()
    stack.work()
    assert statuses(stack, second, third) == ["succeeded"] * 2
    assert len(stack.transcript()) == 6
    whole(stack)


def test_a_promotion_that_is_not_sent_is_sent_by_the_next_delivery(stack: Stack) -> None:
    """[97] The message of the run before is redelivered, because its worker died before it was acknowledged."""
    active = stack.begin().body["run"]["id"]
    second = enqueue(stack)
    ends_well(stack, active)
    while stack.take():
        pass
    assert stack.deliver(stack.message(active, 0))
    stack.work()
    assert statuses(stack, second) == ["succeeded"]
    assert stack.deliver(stack.message(active, 0))
    assert stack.take() is None


def test_a_promotion_that_is_not_sent_is_sent_by_a_sweep(stack: Stack) -> None:
    """[97] The promoter dies between the write and the send."""
    active = stack.begin().body["run"]["id"]
    second = enqueue(stack)
    ends_well(stack, active)
    while stack.take():
        pass
    assert statuses(stack, second) == ["pending"]
    stack.clock.forward(120)
    assert stack.sweep_now()["resent"] == 1
    stack.work()
    assert statuses(stack, second) == ["succeeded"]


@pytest.mark.parametrize("fate", FATES)
def test_a_queued_run_is_taken_back_once(stack: Stack, fate: str) -> None:
    """[99] A stop that gets no answer is sent again: the run has ended by then."""
    active = stack.begin().body["run"]["id"]
    second, third = enqueue(stack), enqueue(stack, "third")
    strike(stack, fate, "TransactWriteItems")
    stopped: Any = survived(stack, lambda: stop(stack, f"/runs/{second}"))
    assert stopped["stopped"] is (fate != "dies after")
    assert statuses(stack, active, second, third) == ["pending", "aborted", "queued"]
    assert queue(stack) == [third]
    whole(stack)


@pytest.mark.parametrize("fate", FATES)
def test_a_stop_of_a_chat_ends_all_of_it(stack: Stack, fate: str) -> None:
    """[100] A stop that was cut short is sent again, and finds what is left."""
    runs = [stack.begin().body["run"]["id"], enqueue(stack), enqueue(stack, "third")]
    strike(stack, fate, "TransactWriteItems")
    stopped: Any = survived(stack, lambda: stop(stack))
    assert (stopped["stopped"], stopped["run"]["id"]) == (True, runs[0])
    assert statuses(stack, *runs) == ["aborted"] * 3
    assert queue(stack) == []
    whole(stack)
