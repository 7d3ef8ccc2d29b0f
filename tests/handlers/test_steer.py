"""A message that takes a run's place: between two steps (`steer`), or at once (`supersede`)."""

from collections.abc import Callable
from typing import Any

import pytest

from outlive.agent import Ask, Interrupt, Outcome, Usage
from outlive.follow.passages import Words, written_passages
from outlive.store.rows import Run
from outlive.store.short_lived import Live
from proof.stacks.handlers import Stack
from tests.handlers.fates import FATES, strike
from tests.handlers.test_answers import APPROVED, BLUE, CALLS, answered, asking, send
from tests.handlers.test_answers_faults import survived
from tests.handlers.test_busy_chat import FINAL, enqueue, queue, statuses, stop, whole

STEP = Outcome("step", [{"type": "step-start"}, {"type": "text", "text": "more"}], "[]", Usage(1, 1, 1))


def steer(stack: Stack, prompt: str = "rather this", **fields: Any) -> dict[str, Any]:
    answer = stack.begin(prompt=prompt, on_busy="steer", **fields)
    assert answer.status == 202, answer.body
    run: dict[str, Any] = answer.body["run"]
    return run


def supersede(stack: Stack, run_id: str, prompt: str = "rather this", **fields: Any) -> Any:
    return stack.begin(prompt=prompt, on_busy="supersede", run_id=run_id, **fields)


def meanwhile(do: Callable[[], Any], outcome: Outcome) -> Callable[..., Outcome]:
    """An agent that answers `outcome`, and something happens while it works."""

    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        do()
        return outcome

    return act


def kinds(stack: Stack, run_id: str) -> list[str]:
    return [item["kind"]["S"] for item in stack.records(run_id)]


def test_a_run_that_is_steered_hands_over_at_its_next_step(stack: Stack) -> None:
    """[101] The step under way is kept, and no model is asked after it."""
    runs = [stack.begin().body["run"]["id"]]
    plain = enqueue(stack, "later")
    asks = stack.answer_with(meanwhile(lambda: runs.append(steer(stack)["id"]), STEP), FINAL)
    stack.deliver(stack.take() or {})
    assert queue(stack) == [runs[1], plain]
    assert (statuses(stack, *runs), stack.run_of(runs[0])["finish_reason"]) == (["running", "queued"], None)
    stack.deliver(stack.take() or {})
    first = stack.run_of(runs[0])
    assert (first["status"], first["finish_reason"], first["step_count"]) == ("succeeded", "handed_over", 1)
    assert (first["next_run_id"], kinds(stack, runs[0])) == (runs[1], ["step", "end"])
    assert statuses(stack, runs[1], plain) == ["pending", "queued"]
    whole(stack)
    stack.work()
    assert [ask.run_id for ask in asks] == [*runs, plain]
    assert [turn.text for turn in asks[1].history] == ["hello", "more", "rather this"]
    assert [message["content"] for message in stack.transcript()] == [
        "hello", "more", "rather this", "done", "later", "done",
    ]  # fmt: skip


def test_those_that_steer_come_in_their_order_and_before_the_others(stack: Stack) -> None:
    """[101] Two that steer one run are both heard."""
    active = stack.begin().body["run"]["id"]
    plain = enqueue(stack, "later")
    first, second = steer(stack, "one"), steer(stack, "two")
    assert (first["queue_position"], second["queue_position"]) == (1, 2)
    assert queue(stack) == [first["id"], second["id"], plain]
    asks = stack.answer_with(FINAL)
    stack.work()
    # The run had not begun, and the second message did not steer the first one's run.
    assert [ask.run_id for ask in asks] == [first["id"], second["id"], plain]
    assert stack.run_of(active)["finish_reason"] == "handed_over"


def test_a_final_answer_wins_and_the_message_follows_it(stack: Stack) -> None:
    """[101] Nothing is said in vain: the message is a run of its own."""
    runs = [stack.begin().body["run"]["id"]]
    stack.answer_with(meanwhile(lambda: runs.append(steer(stack)["id"]), FINAL), FINAL)
    stack.deliver(stack.take() or {})
    assert (stack.run_of(runs[0])["finish_reason"], statuses(stack, runs[1])) == ("stop", ["pending"])
    whole(stack)


def test_a_message_that_is_taken_back_lets_the_run_go_on(stack: Stack) -> None:
    """[102] It steered, and was stopped before its turn."""
    active = stack.begin().body["run"]["id"]

    def changes_its_mind() -> None:
        steered = steer(stack)["id"]
        assert stop(stack, f"/runs/{steered}")["stopped"] is True

    asks = stack.answer_with(meanwhile(changes_its_mind, STEP), FINAL)
    stack.work()
    assert (len(asks), stack.run_of(active)["finish_reason"]) == (2, "stop")
    whole(stack)


def test_it_is_taken_back_as_the_run_hands_over(stack: Stack) -> None:
    """[102] One item decides: the run asks its model after all."""
    active = stack.begin().body["run"]["id"]
    steered = steer(stack)["id"]
    asks = stack.answer_with(FINAL)
    stack.faults.first("TransactWriteItems", lambda: stop(stack, f"/runs/{steered}"))
    stack.deliver(stack.take() or {})
    assert (len(asks), statuses(stack, active, steered)) == (1, ["succeeded", "aborted"])
    assert stack.run_of(active)["finish_reason"] == "stop"
    whole(stack)


def test_a_stop_comes_before_the_message_or_after_it(stack: Stack) -> None:
    """[101] The stop ends the run it meant, and the message is answered."""
    runs = [stack.begin().body["run"]["id"]]

    def both() -> None:
        assert stop(stack, f"/runs/{runs[0]}")["stopped"] is True
        runs.append(steer(stack)["id"])

    stack.answer_with(meanwhile(both, STEP), FINAL)
    stack.work()
    assert statuses(stack, *runs) == ["aborted", "succeeded"]
    assert stack.run_of(runs[0])["stop_requested_at"] is not None
    whole(stack)


def test_a_question_gives_way_to_a_message_that_steers(stack: Stack) -> None:
    """[103] The run never waits for a person while a message waits for it: its calls are closed."""
    runs = [stack.begin().body["run"]["id"]]
    stack.answer_with(meanwhile(lambda: runs.append(steer(stack)["id"]), asking(*CALLS)), FINAL)
    stack.deliver(stack.take() or {})
    assert statuses(stack, *runs) == ["succeeded", "pending"]
    assert (stack.run_of(runs[0])["finish_reason"], kinds(stack, runs[0])) == ("handed_over", ["partial"])
    parts = stack.transcript()[1]["parts"]
    assert {part["state"] for part in parts if "toolCallId" in part} == {"output-error"}
    stack.work()
    assert statuses(stack, runs[1]) == ["succeeded"]


def test_a_question_is_asked_if_the_message_was_taken_back(stack: Stack) -> None:
    """[102] Also where the step began before it."""
    active = stack.begin().body["run"]["id"]

    def changes_its_mind() -> None:
        assert stop(stack, f"/runs/{steer(stack)['id']}")["stopped"] is True

    stack.answer_with(meanwhile(changes_its_mind, asking(*CALLS)))
    stack.deliver(stack.take() or {})
    assert (statuses(stack, active), kinds(stack, active)) == (["waiting"], ["asked"])


def test_a_run_that_waits_hands_over_at_once(stack: Stack) -> None:
    """[103] In the write that starts the new run, which comes before those that wait."""
    active = stack.begin().body["run"]["id"]
    stack.answer_with(asking(*CALLS), FINAL)
    stack.work()
    plain = enqueue(stack, "later")
    run = steer(stack)
    assert (run["status"], run["queue_position"]) == ("pending", None)
    assert stack.run_of(active)["next_run_id"] == run["id"]
    assert (stack.run_of(active)["finish_reason"], kinds(stack, active)) == ("handed_over", ["asked", "partial"])
    assert queue(stack) == [plain]
    whole(stack)
    stack.work()
    assert statuses(stack, run["id"], plain) == ["succeeded"] * 2


def test_decided_calls_run_before_the_run_hands_over(stack: Stack) -> None:
    """[103] What a person approved is done, and its result stands in the history."""
    runs = [stack.begin().body["run"]["id"]]
    asks = stack.answer_with(asking(*CALLS), answered, FINAL)
    stack.work()
    send(stack, runs[0], {**APPROVED, **BLUE})
    runs.append(steer(stack)["id"])
    stack.work()
    assert [(ask.run_id, ask.step) for ask in asks] == [(runs[0], 0), (runs[0], 1), (runs[1], 0)]
    assert (statuses(stack, *runs), kinds(stack, runs[0])) == (["succeeded"] * 2, ["asked", "step", "end"])


@pytest.mark.parametrize("fate", FATES)
def test_a_run_hands_over_once(stack: Stack, fate: str) -> None:
    """[101] Whatever becomes of the write."""
    active = stack.begin().body["run"]["id"]
    steered = steer(stack)["id"]
    asks = stack.answer_with(FINAL)
    strike(stack, fate, "TransactWriteItems")
    survived(stack, lambda: stack.deliver(stack.message(active, 0)))
    assert statuses(stack, active, steered) == ["succeeded", "pending"]
    assert (asks, kinds(stack, active)) == ([], ["end"])
    whole(stack)


@pytest.mark.parametrize("fate", FATES)
def test_a_run_is_steered_once(stack: Stack, fate: str) -> None:
    """[101] The client sends the same request again if it gets no answer."""
    stack.begin()
    strike(stack, fate, "TransactWriteItems")
    run: Any = survived(stack, lambda: steer(stack, headers={"Idempotency-Key": "k"}))
    assert queue(stack) == [run["id"]]
    whole(stack)


class TestSupersede:
    """The active run ends, and the new one begins, in one write."""

    def test_at_work_with_what_readers_were_shown(self, stack: Stack) -> None:
        """[104] The worker is overtaken: neither its record nor its end counts."""
        runs = [stack.begin().body["run"]["id"]]
        plain = enqueue(stack, "later")

        def instead() -> None:
            table = stack.start.start.table
            words = written_passages([Words("text", "so far")])
            key = Run.key("acme", runs[0])
            table.put_live_piece(
                Live(key, Live.sort_key(0, 1, 0), passages=words, created_at=table.run("acme", runs[0]).created_at)
            )
            answer = supersede(stack, runs[0])
            assert (answer.status, answer.body["run"]["status"]) == (202, "pending")
            runs.append(answer.body["run"]["id"])

        asks = stack.answer_with(meanwhile(instead, FINAL), FINAL)
        assert stack.deliver(stack.take() or {})
        first = stack.run_of(runs[0])
        assert (first["status"], first["finish_reason"], first["error"]) == ("aborted", "superseded", None)
        assert (first["next_run_id"], kinds(stack, runs[0])) == (runs[1], ["partial"])
        assert queue(stack) == [plain]
        whole(stack)
        stack.work()
        assert [ask.run_id for ask in asks] == [*runs, plain]
        assert [turn.text for turn in asks[1].history] == ["hello", "so far", "rather this"]
        assert [message["content"] for message in stack.transcript()][:2] == ["hello", "so far"]

    @pytest.mark.parametrize("begun", [False, True])
    def test_before_its_first_step_or_while_it_waits(self, stack: Stack, begun: bool) -> None:
        """[104] Nothing was shown, and open calls are closed."""
        active = stack.begin().body["run"]["id"]
        if begun:
            stack.answer_with(asking(*CALLS))
            stack.work()
        new = supersede(stack, active).body["run"]["id"]
        assert statuses(stack, active, new) == ["aborted", "pending"]
        assert kinds(stack, active) == (["asked", "partial"] if begun else ["end"])
        whole(stack)

    def test_of_another_run_than_the_active_one(self, stack: Stack) -> None:
        """[104] It is refused and named; of two that supersede one run, one does."""
        active = stack.begin().body["run"]["id"]
        first = supersede(stack, active).body["run"]["id"]
        second = supersede(stack, active)
        assert (second.status, second.body["code"], second.body["active_run_id"]) == (409, "run_already_active", first)
        stop(stack)
        assert supersede(stack, active).body["run"]["status"] == "pending"

    def test_of_a_run_that_has_its_answer(self, stack: Stack) -> None:
        """[104] The answer stays an answer, and the new run follows it."""
        active = stack.begin().body["run"]["id"]
        stack.answer_with(FINAL)
        stack.faults.first("TransactWriteItems", lambda: started.append(supersede(stack, active).body["run"]["id"]))
        started: list[str] = []
        stack.deliver(stack.take() or {})
        assert (statuses(stack, active, *started), kinds(stack, active)) == (["succeeded", "pending"], ["final"])
        assert stack.run_of(active)["finish_reason"] == "stop"
        whole(stack)

    def test_of_a_run_that_is_being_stopped(self, stack: Stack) -> None:
        """[104] Its worker ends it with what it has streamed, and the new run is the next one."""
        runs = [stack.begin().body["run"]["id"]]
        plain = enqueue(stack, "later")

        def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
            assert stop(stack, f"/runs/{runs[0]}")["stopped"] is True
            run = supersede(stack, runs[0]).body["run"]
            assert (run["status"], run["queue_position"]) == ("queued", 1)
            runs.append(run["id"])
            return STEP

        stack.answer_with(act, FINAL)
        stack.work()
        assert statuses(stack, *runs, plain) == ["aborted", "succeeded", "succeeded"]
        whole(stack)

    @pytest.mark.parametrize(
        "fields", [{"on_busy": "supersede"}, {"run_id": "r"}, {"on_busy": "supersede", "run_id": "#"}]
    )
    def test_it_has_to_say_which_run(self, stack: Stack, fields: dict[str, Any]) -> None:
        """[104] So a message that is sent late ends no run that its sender has not seen."""
        answer = stack.begin(**fields)
        assert (answer.status, answer.body["field"]) == (422, "run_id")

    @pytest.mark.parametrize("fate", FATES)
    def test_it_ends_and_begins_once(self, stack: Stack, fate: str) -> None:
        """[104] The client sends the same request again if it gets no answer."""
        active = stack.begin().body["run"]["id"]
        strike(stack, fate, "TransactWriteItems")
        answer: Any = survived(stack, lambda: supersede(stack, active, headers={"Idempotency-Key": "k"}))
        assert answer.status == 202, answer.body
        new = answer.body["run"]["id"]
        assert (statuses(stack, active, new), kinds(stack, active)) == (["aborted", "pending"], ["end"])
        whole(stack)
        stack.answer_with(FINAL)
        stack.work()
        assert statuses(stack, new) == ["succeeded"]
        assert len(stack.transcript()) == 4
