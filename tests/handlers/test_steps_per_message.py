"""One message for several steps: its worker goes on by itself, and no fault loses a step or executes it twice."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from outlive.agent import Ask, Interrupt, Outcome, Usage
from outlive.delivery import Delivery
from outlive.follow.passages import Words
from outlive.step import Answer
from proof.stacks.handlers import Context, Stack

FINAL = Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")
STEP = Outcome("step", [{"type": "step-start"}, {"type": "text", "text": "more"}], "[]", Usage(1, 1, 1))


@pytest.fixture
def environment() -> dict[str, str]:
    return {"STEPS_PER_MESSAGE": "3"}


def kinds(stack: Stack, run_id: str) -> list[tuple[int, str]]:
    return [(int(item["step"]["N"]), item["kind"]["S"]) for item in stack.records(run_id)]


def test_a_message_stands_for_that_many_steps_and_the_last_of_them_sends_the_next(stack: Stack) -> None:
    """[17] One message, three steps, one send."""
    asked = stack.answer_with(STEP, STEP, STEP, STEP, FINAL)
    run_id = stack.begin().body["run"]["id"]
    assert stack.deliver(stack.take() or {})
    assert [ask.step for ask in asked] == [0, 1, 2]
    due = stack.take()
    assert due is not None
    assert '"step": 3' in due["Body"]
    assert stack.take() is None
    assert stack.deliver(due)
    assert kinds(stack, run_id) == [(0, "step"), (1, "step"), (2, "step"), (3, "step"), (4, "final")]
    run = stack.run_of(run_id)
    assert (run["status"], run["usage"]["requests"]) == ("succeeded", 5)


def test_a_further_step_reads_no_history_and_sends_nothing(stack: Stack) -> None:
    """[63] Without the query: the worker has the history, and no other worker can have added to it."""
    stack.look_once()
    stack.answer_with(STEP, FINAL)
    stack.begin()
    stack.faults.forget()
    stack.deliver(stack.take() or {})
    first, further = ["UpdateItem", "Query", "GetItem", "PutItem"], ["UpdateItem", "GetItem", "PutItem"]
    assert stack.faults.counted == [*first, *further, "TransactWriteItems"]
    assert stack.take() is None


def test_a_further_step_gets_the_history_that_it_would_have_read(stack: Stack) -> None:
    """Guarantee 7: a worker's own memory and the table never differ."""
    stack.answer_with(STEP, STEP, STEP, FINAL)
    stack.begin(prompt="an earlier run")
    stack.work()
    asked = stack.answer_with(STEP, STEP, STEP, FINAL)
    stack.begin()
    stack.deliver(stack.take() or {})
    known = [ask.history for ask in asked]
    stack.work()
    stack.equip(settings=replace(stack.step.settings, steps_per_message=1))
    again = stack.answer_with(STEP, STEP, STEP, FINAL)
    stack.begin("chat-2", prompt="an earlier run")
    stack.work()
    again.clear()
    stack.begin("chat-2")
    stack.work()
    assert [len(history) for history in known] == [6, 7, 8]
    assert known == [ask.history for ask in again[:3]]


def test_a_step_that_another_worker_claimed_meanwhile_is_read_again(stack: Stack) -> None:
    """[19] Its record is there, so it counts and no model is asked."""

    def overtake(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stack.faults.then("PutItem", lambda: do_step_1(ask.run_id))
        return STEP

    def do_step_1(run_id: str) -> None:
        message, now = stack.message(run_id, 1), stack.step.clock.now()
        settings = replace(stack.step.settings, steps_per_message=1)
        tools = replace(stack.step.step.tools, agent=lambda *_: STEP, settings=settings)
        assert Answer.ACKNOWLEDGE is replace(stack.step.step, tools=tools).run(
            Delivery(stack.workspace, run_id, 1, message["ReceiptHandle"], now + 300_000, now)
        )
        stack.clock.forward(31)

    asked = stack.answer_with(overtake, FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    assert kinds(stack, run_id) == [(0, "step"), (1, "step"), (2, "final")]
    assert [ask.step for ask in asked] == [0, 2]


@pytest.mark.parametrize("seconds_left", [300.0, 60.0])
def test_a_worker_goes_on_only_while_half_of_its_time_is_left(stack: Stack, seconds_left: float) -> None:
    """[24] A step begun too late would only be broken off."""

    def slow(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stack.clock.forward(seconds_left * 0.3)
        return STEP

    asked = stack.answer_with(slow, slow, slow, FINAL)
    stack.begin()
    assert stack.deliver(stack.take() or {}, Context(seconds_left))
    assert [ask.step for ask in asked] == [0, 1]
    due = stack.take()
    assert due is not None
    assert '"step": 2' in due["Body"]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_dead_workers_message_comes_back_and_goes_on_from_the_claimed_step(stack: Stack, after: int) -> None:
    """[20] [21] No message was sent for the step in which it died, and no sweep is needed."""
    answers: list[Outcome | BaseException] = [*[STEP] * after, SystemExit(), STEP, FINAL]
    asked = stack.answer_with(*answers)
    run_id = stack.begin().body["run"]["id"]
    message = stack.take() or {}
    with pytest.raises(SystemExit):
        stack.deliver(message)
    kept = stack.records(run_id)
    assert len(kept) == after
    assert not stack.deliver(message), "the dead worker's lease still stands"
    stack.clock.forward(31)
    assert stack.deliver(message)
    stack.work()
    assert stack.records(run_id)[:after] == kept
    assert [ask.step for ask in asked] == [*range(after), after, after, after + 1]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_lost_answer_of_the_next_claim_is_no_second_step(stack: Stack) -> None:
    asked = stack.answer_with(lambda *_: (stack.faults.lose("UpdateItem"), STEP)[1], FINAL)
    run_id = stack.begin().body["run"]["id"]
    assert stack.deliver(stack.take() or {})
    assert [ask.step for ask in asked] == [0, 1]
    assert kinds(stack, run_id) == [(0, "step"), (1, "final")]


def test_a_store_that_refuses_the_next_claim_gives_the_message_back_and_asks_no_model_twice(stack: Stack) -> None:
    """[37] The redelivered message continues with the next step."""

    def refuse_the_rest(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stack.faults.refuse("UpdateItem", times=3)
        return STEP

    asked = stack.answer_with(refuse_the_rest, FINAL)
    run_id = stack.begin().body["run"]["id"]
    message = stack.take() or {}
    assert not stack.deliver(message)
    stack.clock.forward(31)
    assert stack.deliver(message)
    assert [ask.step for ask in asked] == [0, 1]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_stop_between_two_steps_of_a_message_costs_no_model_request(stack: Stack) -> None:
    """[14] The stop refuses the claim of the second step."""

    def stopped_meanwhile(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        assert stack.call("POST", f"/runs/{ask.run_id}/stop").body["stopped"] is True
        return STEP

    asked = stack.answer_with(stopped_meanwhile, FINAL)
    run_id = stack.begin().body["run"]["id"]
    assert stack.deliver(stack.take() or {})
    assert len(asked) == 1
    assert kinds(stack, run_id) == [(0, "step"), (1, "end")]
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]) == ("aborted", None)
    assert stack.transcript()[1]["content"] == "more"


def test_a_resent_step_under_a_worker_that_goes_on_is_done_once(stack: Stack) -> None:
    """[18] A message for the very step that the first message's worker has just claimed."""
    second: list[bool] = []

    def meanwhile(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        second.append(stack.deliver(stack.message(ask.run_id, 1)))
        return FINAL

    asked = stack.answer_with(STEP, meanwhile)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    assert second == [False], "given back until the lease is over, for its worker might die"
    assert [ask.step for ask in asked] == [0, 1]
    assert kinds(stack, run_id) == [(0, "step"), (1, "final")]


def test_a_message_whose_steps_are_all_claimed_is_acknowledged(stack: Stack) -> None:
    """[18] It changes nothing, and no model is asked."""
    asked = stack.answer_with(STEP)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    stack.deliver(stack.take() or {})
    before = stack.items()
    assert stack.deliver(stack.message(run_id, 0)), "steps 0 to 2 are done, and 5 is claimed"
    assert stack.items() == before
    assert len(asked) == 6
