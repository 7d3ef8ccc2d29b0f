"""Stopping a run."""

from collections.abc import Callable
from typing import Any

import pytest

from outlive.agent import AgentError, Ask, Interrupt, Outcome, Usage
from outlive.follow.passages import Words
from outlive.watch import Watch
from proof.stacks.handlers import Stack

STEP = Outcome("step", [{"type": "text", "text": "more"}], "[]", Usage(1, 1, 1))
FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")


def stop(stack: Stack, where: str = "/chats/chat-1", **who: str) -> Any:
    answer = stack.call("POST", f"{where}/stop", **who)
    assert answer.status == 200
    return answer.body


def stopped_then(stack: Stack, outcome: Outcome) -> Callable[..., Outcome]:
    """An agent that is stopped while it works, and answers `outcome` all the same."""

    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        assert stop(stack)["stopped"] is True
        return outcome

    return act


def test_a_pending_run_is_settled_at_once_without_any_request(stack: Stack) -> None:
    """[13] The queued message, when it comes, changes nothing."""
    asked = stack.watch_the_agent()
    run_id = stack.begin().body["run"]["id"]
    stopped = stop(stack)
    assert stopped["stopped"] is True
    assert stopped["run"] == stack.run_of(run_id)
    run = stopped["run"]
    assert (run["status"], run["error"], run["finish_reason"], run["step_count"]) == ("aborted", None, "aborted", 0)
    assert run["started_at"] is None
    assert run["stop_requested_at"] == run["finished_at"]
    assert [(message["role"], message["status"]) for message in stack.transcript()] == [
        ("user", "completed"),
        ("assistant", "aborted"),
    ]
    before = stack.items()
    assert stack.deliver(stack.take() or {})
    assert stack.items() == before
    assert asked == []


def test_a_stop_between_delivery_and_claim_refuses_the_claim(stack: Stack) -> None:
    """[14] The worker acknowledges its message and asks no model."""
    asked = stack.watch_the_agent()
    run_id = stack.begin().body["run"]["id"]
    stack.faults.first("UpdateItem", lambda: stop(stack))
    assert stack.deliver(stack.take() or {})
    assert (asked, stack.run_of(run_id)["status"]) == ([], "aborted")


def test_a_stop_right_after_the_claim_costs_no_request(stack: Stack) -> None:
    """[14] It is seen by the read right before the model is asked."""
    asked = stack.watch_the_agent()
    run_id = stack.begin().body["run"]["id"]
    stack.faults.then("UpdateItem", lambda: stop(stack))
    assert stack.deliver(stack.take() or {})
    run = stack.run_of(run_id)
    assert (asked, run["status"], run["error"]) == ([], "aborted", None)
    assert [message["role"] for message in stack.transcript()] == ["user", "assistant"]


def test_a_stop_between_two_steps_costs_no_further_request(stack: Stack) -> None:
    """[14] The step before still has its lease and no other worker has the run: the refused claim settles."""
    asked = stack.answer_with(STEP, FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    stopped = stop(stack)
    assert stopped["stopped"] is True
    assert stopped["run"]["status"] == "running"
    assert stopped["run"]["step_count"] == 1
    assert stack.deliver(stack.take() or {})
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"], run["usage"]["requests"]) == ("aborted", 1, 1)
    assert len(asked) == 1
    assert stack.transcript()[1]["content"] == "more"


def test_stopping_twice_is_true_both_times_and_keeps_the_first_time(stack: Stack) -> None:
    """[15] By chat and by run id, while a worker holds the run."""
    seen: list[Any] = []

    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        seen.append(stop(stack))
        stack.clock.forward(2)
        seen.append(stop(stack, f"/runs/{ask.run_id}"))
        return FINAL

    stack.answer_with(act)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    assert [stopped["stopped"] for stopped in seen] == [True, True]
    assert seen[0]["run"]["stop_requested_at"] == seen[1]["run"]["stop_requested_at"]
    assert stack.run_of(run_id)["stop_requested_at"] == seen[0]["run"]["stop_requested_at"]
    assert [message["status"] for message in stack.transcript()] == ["completed", "aborted"]


def test_stopping_an_idle_chat_writes_nothing_and_poisons_nothing(stack: Stack) -> None:
    """[16] The next run is not affected."""
    assert stop(stack) == {"stopped": False, "run": None}
    assert stack.items() == []
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    before = stack.items()
    assert stop(stack) == {"stopped": False, "run": None}
    assert stack.items() == before
    again = stack.begin().body["run"]["id"]
    stack.work()
    assert stack.run_of(again)["status"] == "succeeded"
    assert stack.run_of(run_id)["stop_requested_at"] is None


@pytest.mark.parametrize("end", ["succeeded", "failed", "aborted"])
def test_a_settled_run_stays_byte_for_byte_as_it_was(stack: Stack, end: str) -> None:
    """[33] The stop answers `false`."""
    script: dict[str, Any] = {"succeeded": {"text": "a"}, "failed": {"error": "permanent"}, "aborted": {"text": "a"}}[
        end
    ]
    run_id = stack.script("chat-1", script).body["run"]["id"]
    if end == "aborted":
        stop(stack)
    stack.work()
    before = stack.items()
    stopped = stop(stack, f"/runs/{run_id}")
    assert stopped["stopped"] is False
    assert stopped["run"]["status"] == end
    assert stack.items() == before


def test_by_chat_it_hits_the_run_active_then_and_no_later_one(stack: Stack) -> None:
    """[30] The run ends and another begins between the stop's look at the chat and its look at the run."""
    first = stack.begin().body["run"]["id"]
    later: list[str] = []

    def next_run() -> None:
        stop(stack, f"/runs/{first}")
        later.append(stack.begin().body["run"]["id"])

    stack.faults.then("GetItem", next_run)
    assert stop(stack) == {"stopped": False, "run": None}
    stack.sqs.purge_queue(QueueUrl=stack.queue_url)
    assert stack.run_of(later[0])["status"] == "pending"


def test_a_step_under_way_notices_the_stop_and_keeps_the_streamed_text(stack: Stack) -> None:
    """[31] With the watch driven by hand: one look at the run and the agent is interrupted."""
    watches: list[Watch] = []

    class ByHand:
        def __init__(self, watch: Watch) -> None:
            watches.append(watch)

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        heard: list[str] = []
        interrupt.on_set(lambda: heard.append("interrupted"))
        watches[0].look()
        assert heard == []
        stop(stack)
        watches[0].look()
        assert heard == ["interrupted"]
        assert interrupt.reason == "stop"
        return Outcome("partial", [{"type": "text", "text": "half a th"}], "[]", Usage(1, 1, 1))

    stack.answer_with(act)
    stack.equip(watching=ByHand)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    run = stack.run_of(run_id)
    assert (run["status"], run["error"], run["step_count"]) == ("aborted", None, 1)
    assert stack.transcript()[1]["content"] == "half a th"
    assert stack.transcript()[1]["status"] == "aborted"


def test_in_the_middle_of_a_stream_the_text_so_far_is_kept(stack: Stack) -> None:
    """[31] The real agent and the real watch; tool calls under way are closed as interrupted."""
    stack.begin(
        prompt='#script [{"text": "word ", "repeat": 20, "seconds": 0.2, "tools": [["wait", {"seconds": 30}]]}]'
    )
    agent = stack.step.step.tools.agent
    begun: list[Words] = []

    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        def say_and_stop(piece: Words) -> None:
            if not begun:
                stop(stack)
            begun.append(piece)
            say(piece)

        outcome: Outcome = agent(ask, say_and_stop, interrupt)
        return outcome

    stack.answer_with(act)
    stack.deliver(stack.take() or {})
    message = stack.transcript()[1]
    assert message["status"] == "aborted"
    assert message["content"].startswith("word ")
    states = {part["type"]: part["state"] for part in message["parts"] if part["type"].startswith("tool-")}
    assert set(states.values()) <= {"output-error"}
    stack.begin(prompt='#script [{"text": "accepted"}]')
    stack.work()
    assert stack.transcript()[3]["content"] == "accepted"


def test_a_run_stays_active_until_its_worker_let_go(stack: Stack) -> None:
    """[32] A new start is refused until then."""
    seen: list[int] = []

    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stop(stack)
        seen.append(stack.begin().status)
        return FINAL

    stack.answer_with(act)
    stack.begin()
    stack.deliver(stack.take() or {})
    assert seen == [409]
    assert stack.begin().status == 202


def test_a_dead_workers_stopped_run_is_settled_as_soon_as_its_lease_is_over(stack: Stack) -> None:
    """[32] [42] By the sweep, by the message that comes back, or by the next stop; none waits for the stale window."""
    for chat, who in (("a", "sweep"), ("b", "message"), ("c", "stop"), ("d", "start")):
        stack.answer_with(SystemExit())
        run_id = stack.begin(chat).body["run"]["id"]
        with pytest.raises(SystemExit):
            stack.deliver(stack.message(run_id, 0))
        assert stop(stack, f"/chats/{chat}")["stopped"] is True
        assert stack.run_of(run_id)["status"] == "running"
        stack.clock.forward(31)
        if who == "sweep":
            assert stack.sweep_now()["settled"] == {"stopped": 1}
        elif who == "message":
            assert stack.deliver(stack.message(run_id, 0))
        elif who == "stop":
            assert stop(stack, f"/chats/{chat}")["stopped"] is True
        else:
            assert stack.begin(chat).status == 202
            stack.sqs.purge_queue(QueueUrl=stack.queue_url)
        run = stack.run_of(run_id)
        assert (run["status"], run["error"]) == ("aborted", None), who


def test_a_stop_that_cannot_be_recorded_is_503_and_never_true(stack: Stack) -> None:
    """[34] The run has no `stop_requested_at` afterwards."""
    run_id = stack.begin().body["run"]["id"]
    for operation in ("GetItem", "TransactWriteItems"):
        stack.faults.refuse(operation, times=20)
        answer = stack.call("POST", "/chats/chat-1/stop")
        assert (answer.status, answer.body["code"]) == (503, "stop_failed")
        stack.faults.planned.clear()
    assert stack.run_of(run_id)["stop_requested_at"] is None


@pytest.mark.parametrize("fault", ["lose", "twice"])
def test_a_stop_whose_answer_was_lost_is_still_true(stack: Stack, fault: str) -> None:
    """[34] By chat, though the first try has freed the chat's slot."""
    run_id = stack.begin().body["run"]["id"]
    getattr(stack.faults, fault)("TransactWriteItems")
    stopped = stop(stack)
    assert (stopped["stopped"], stopped["run"]["id"], stopped["run"]["status"]) == (True, run_id, "aborted")
    stack.begin("chat-2")
    stack.faults.conflict()
    assert stop(stack, "/chats/chat-2")["stopped"] is True


@pytest.mark.parametrize(
    ("outcome", "content"),
    [
        (FINAL, "done"),
        (STEP, "more"),
        (
            Outcome(
                "partial", [{"type": "text", "text": "so"}], "[]", error=AgentError("permanent", "model_rejected", "no")
            ),
            "so",
        ),
        (
            Outcome(
                "partial", [{"type": "text", "text": "so"}], "[]", error=AgentError("transient", "model_timeout", "no")
            ),
            "so",
        ),
    ],
    ids=["finished", "step done", "failed", "transient"],
)
def test_a_stop_that_lands_first_wins_over_any_outcome(stack: Stack, outcome: Outcome, content: str) -> None:
    """[35] [4] Aborted, error null, content kept."""
    stack.answer_with(stopped_then(stack, outcome))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"], run["finish_reason"]) == ("aborted", None, "aborted")
    assert stack.transcript()[1]["content"] == content
    assert stack.transcript()[1]["metadata"]["error"] is None


def test_a_settle_that_lands_first_makes_the_stop_false(stack: Stack) -> None:
    """[35] The run keeps the end it had."""
    run_id = stack.begin().body["run"]["id"]
    stack.faults.then("GetItem", stack.work)
    stopped = stop(stack, f"/runs/{run_id}")
    assert (stopped["stopped"], stopped["run"]["status"]) == (False, "succeeded")


def test_a_stop_on_an_unsettled_final_record_aborts_and_keeps_the_content(stack: Stack) -> None:
    """[35] Also over a final record."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.faults.refuse("TransactWriteItems", times=3)
    stack.deliver(stack.take() or {})
    stopped = stop(stack, f"/runs/{run_id}")
    assert stopped["stopped"] is True
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"], run["usage"]["requests"]) == ("aborted", 1, 1)
    assert stack.transcript()[1]["content"] == "done"


def test_what_was_streamed_is_kept_even_if_the_settle_meets_conflicts(stack: Stack) -> None:
    """[31] The partial step is stored although transactions conflict (guarantee 4)."""

    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stop(stack)
        stack.faults.conflict(times=3)
        interrupt.set("stop")
        return Outcome("partial", [{"type": "text", "text": "half"}], "[]", Usage(1, 1, 1))

    stack.answer_with(act)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    stack.clock.forward(31)
    stack.work()
    assert stack.run_of(run_id)["status"] == "aborted"
    assert stack.transcript()[1]["content"] == "half"


def test_the_first_time_is_kept_even_if_the_lease_runs_out_between(stack: Stack) -> None:
    """[15] A stop read the run before another stop was stored, and settles after the lease is over."""
    stack.answer_with(SystemExit())
    run_id = stack.begin().body["run"]["id"]
    with pytest.raises(SystemExit):
        stack.deliver(stack.take() or {})
    first: list[Any] = []

    def another_stop_and_the_lease_ends() -> None:
        first.append(stop(stack, f"/runs/{run_id}")["run"]["stop_requested_at"])
        stack.clock.forward(31)

    stack.faults.then("GetItem", another_stop_and_the_lease_ends)
    assert stop(stack, f"/runs/{run_id}")["stopped"] is True
    assert stack.run_of(run_id)["stop_requested_at"] == first[0]


def test_a_stop_that_the_store_refuses_for_good_is_503_too(stack: Stack) -> None:
    """[34] A permanent refusal is answered like a transient one."""
    stack.begin()
    stack.faults.refuse("TransactWriteItems", "AccessDeniedException")
    assert stack.call("POST", "/chats/chat-1/stop").body["code"] == "stop_failed"


def test_of_two_stops_in_the_same_millisecond_only_the_one_that_ended_the_run_is_true(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[33] A time is no identity."""
    at = stack.stop.stop.clock.now()
    monkeypatch.setattr(type(stack.stop.stop.clock), "now", lambda self: at)
    run_id = stack.begin().body["run"]["id"]
    assert [stop(stack, f"/runs/{run_id}")["stopped"] for _ in range(2)] == [True, False]
