"""A start in a busy chat: refused, or queued behind the active run and promoted by the write that ends it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from outlive.agent import AgentError, Ask, Interrupt, Outcome, Usage
from outlive.chat_queue import QUEUE_LIMIT
from outlive.follow.passages import Words
from proof.stacks.handlers import Stack
from tests.handlers.test_answers import CALLS, DAY, asking

FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")
KEY = {"Idempotency-Key": "k"}


def enqueue(stack: Stack, prompt: str = "and then?", **fields: Any) -> str:
    """The id of a run that waits in the chat."""
    answer = stack.begin(prompt=prompt, on_busy="enqueue", **fields)
    assert (answer.status, answer.body["run"]["status"]) == (202, "queued"), answer.body
    run_id: str = answer.body["run"]["id"]
    return run_id


def queue(stack: Stack, **who: str) -> list[str]:
    return [entry["run"]["id"] for entry in stack.call("GET", "/chats/chat-1/queue", **who).body["queue"]]


def statuses(stack: Stack, *run_ids: str) -> list[str]:
    return [stack.run_of(run_id)["status"] for run_id in run_ids]


def stop(stack: Stack, where: str = "/chats/chat-1", **who: str) -> Any:
    return stack.call("POST", f"{where}/stop", **who).body


def whole(stack: Stack) -> None:
    """What holds of the table at every instant: whoever waits is in the queue, and a queue has a run before it."""
    items = stack.items()
    chat = next(item for item in items if item["sk"]["S"] == "CHAT")
    waiting = re.findall(r"[0-9a-f]{32}", chat.get("queue", {"S": ""})["S"])
    queued = [item["id"]["S"] for item in items if item.get("status") == {"S": "queued"}]
    assert sorted(waiting) == sorted(queued)
    assert not waiting or "active_run_id" in chat
    assert all("input" not in item for item in items if item["sk"]["S"] == "RUN" and item["status"]["S"] != "queued")


class TestQueue:
    """What a queued run is, and what its owner sees of it."""

    def test_a_queued_run_has_no_messages_and_its_place(self, stack: Stack) -> None:
        """[96] It is accepted in one transaction, and nothing is sent for it."""
        active = stack.begin().body["run"]["id"]
        sent = stack.take()
        stack.faults.calls.clear()
        answer = stack.begin(prompt="second", on_busy="enqueue", metadata={"a": 1})
        assert stack.faults.calls == ["GetItem", "GetItem", "TransactWriteItems"]
        run = answer.body["run"]
        assert (answer.status, run["status"], run["queue_position"], run["metadata"]) == (202, "queued", 1, {"a": 1})
        third = enqueue(stack, "third")
        assert stack.call("GET", f"/runs/{third}").body == {
            "run": {**stack.run_of(third), "status": "queued", "queue_position": 2},
            "message": None,
        }
        body = stack.call("GET", "/chats/chat-1/queue").body
        assert [(each["run"]["id"], each["run"]["queue_position"], each["prompt"]) for each in body["queue"]] == [
            (run["id"], 1, "second"),
            (third, 2, "third"),
        ]
        assert [message["run_id"] for message in stack.transcript()] == [active] * 2
        assert [each["id"] for each in stack.call("GET", "/chats/chat-1/runs").body["runs"]] == [active]
        assert stack.call("GET", "/chats/chat-1/run").body["run"]["id"] == active
        assert sent is not None
        assert stack.take() is None
        whole(stack)

    def test_an_idle_chat_starts_it_at_once(self, stack: Stack) -> None:
        """[96] Without an active run `on_busy` changes nothing."""
        answer = stack.begin(on_busy="enqueue")
        assert (answer.body["run"]["status"], answer.body["run"]["queue_position"]) == ("pending", None)
        assert stack.begin().body["code"] == "run_already_active"
        assert queue(stack) == []

    def test_no_more_than_ten_wait(self, stack: Stack) -> None:
        """[96] The eleventh is refused, and leaves nothing behind."""
        stack.begin()
        waiting = [enqueue(stack) for _ in range(QUEUE_LIMIT)]
        before = stack.items()
        full = stack.begin(on_busy="enqueue")
        assert (full.status, full.body["code"]) == (429, "queue_full")
        assert (stack.items(), queue(stack)) == (before, waiting)

    def test_it_is_another_users_nothing(self, stack: Stack) -> None:
        """[49] Neither the chat nor its queue exists for anybody else."""
        stack.begin()
        second = enqueue(stack)
        assert stack.begin(on_busy="enqueue", user="eve").status == 404
        assert queue(stack, user="eve") == []
        assert stack.call("GET", f"/runs/{second}", user="eve").status == 404
        assert stop(stack, f"/runs/{second}", user="eve") == {"stopped": False, "run": None}
        assert queue(stack) == [second]

    @pytest.mark.parametrize("value", ["later", "", None, 1, ["enqueue"]])
    def test_any_other_word_is_refused_by_name(self, stack: Stack, value: Any) -> None:
        """[11] `on_busy` is one of the words of the API document."""
        answer = stack.begin(on_busy=value)
        assert (answer.status, answer.body["field"]) == (422, "on_busy")

    def test_a_repeated_request_finds_its_run(self, stack: Stack) -> None:
        """[96] By its key, queued or not, also if it says otherwise what to do in a busy chat."""
        stack.begin()
        second = enqueue(stack, headers=KEY)
        for on_busy in ("enqueue", "reject"):
            again = stack.begin(prompt="and then?", on_busy=on_busy, headers=KEY)
            run = again.body["run"]
            assert (again.headers["idempotency-replayed"], run["id"], run["queue_position"]) == ("true", second, 1)
        assert queue(stack) == [second]
        stack.work()
        assert stack.begin(prompt="and then?", on_busy="enqueue", headers=KEY).body["run"]["status"] == "succeeded"

    def test_it_is_followed_from_its_place_in_the_queue(self, stack: Stack) -> None:
        """[97] One reader receives all of it: queued, then what every run has."""
        stack.begin()
        second = enqueue(stack)
        first = stack.call("GET", f"/runs/{second}/events", query={"wait": "0"}).body
        assert [event["run"]["status"] for event in first["events"]] == ["queued"]
        stack.work()
        rest = stack.call("GET", f"/runs/{second}/events", query={"wait": "0", "after": first["cursor"]}).body["events"]
        assert (rest[0]["type"], rest[-1]["type"], rest[-1]["run"]["status"]) == ("step", "settled", "succeeded")


def ends_well(stack: Stack, run_id: str) -> str:
    stack.answer_with(FINAL)
    stack.deliver(stack.message(run_id, 0))
    return "succeeded"


def fails(stack: Stack, run_id: str) -> str:
    stack.answer_with(lambda *_: Outcome("partial", [], None, error=AgentError("permanent", "agent_failed", "no")))
    stack.deliver(stack.message(run_id, 0))
    return "failed"


def is_stopped(stack: Stack, run_id: str) -> str:
    assert stop(stack, f"/runs/{run_id}")["stopped"] is True
    return "aborted"


def is_stopped_at_work(stack: Stack, run_id: str) -> str:
    def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        assert stop(stack, f"/runs/{run_id}")["stopped"] is True
        return FINAL

    stack.answer_with(act)
    stack.deliver(stack.message(run_id, 0))
    return "aborted"


def is_swept(stack: Stack, run_id: str) -> str:
    while stack.take():
        pass
    stack.clock.forward(3700)
    stack.sweep_in_vain()
    assert stack.sweep_now()["settled"] == {"never_started": 1}
    return "aborted"


def is_unreadable(stack: Stack, run_id: str) -> str:
    stack.change(f"acme#{run_id}", "RUN", trigger={"S": "?"})
    stack.clock.forward(120)
    assert stack.sweep_now()["settled"] == {"unreadable": 1}
    return "aborted"


def is_unanswered(stack: Stack, run_id: str) -> str:
    stack.answer_with(asking(*CALLS))
    stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "waiting"
    stack.clock.ahead += 8 * DAY
    assert stack.sweep_now()["settled"] == {"unanswered": 1}
    return "aborted"


ENDS = [ends_well, fails, is_stopped, is_stopped_at_work, is_swept, is_unreadable, is_unanswered]


class TestPromotion:
    """The write that ends a run gives its slot to the first one of the queue."""

    @pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
    def test_however_the_run_before_it_ends(self, stack: Stack, end: Callable[[Stack, str], str]) -> None:
        """[97] Nobody is stranded, and the order is kept."""
        active = stack.begin().body["run"]["id"]
        second, third = enqueue(stack, "second"), enqueue(stack, "third")
        status = end(stack, active)
        assert statuses(stack, active, second, third) == [status, "pending", "queued"]
        assert stack.run_of(active)["next_run_id"] == second
        assert queue(stack) == [third]
        whole(stack)
        stack.answer_with(FINAL)
        stack.work()
        assert statuses(stack, second, third) == ["succeeded"] * 2
        assert stack.run_of(third)["next_run_id"] is None
        assert [message["content"] for message in stack.transcript()][-4:] == ["second", "done", "third", "done"]
        assert [each["id"] for each in stack.call("GET", "/chats/chat-1/runs").body["runs"]] == [third, second, active]
        whole(stack)

    def test_a_lost_message_is_sent_again_and_an_old_run_is_not_given_up(self, stack: Stack) -> None:
        """[97] Its time begins with its promotion: a run that waited for hours is not `never_started`."""
        active = stack.begin().body["run"]["id"]
        second = enqueue(stack)
        while stack.take():
            pass
        stack.clock.forward(7200)
        ends_well(stack, active)
        assert stack.take() is not None
        assert (stack.sweep_now()["resent"], stack.sweep_now()["settled"]) == (0, {})
        stack.clock.forward(120)
        assert (stack.sweep_now()["resent"], stack.sweep_now()["settled"]) == (1, {})
        stack.work()
        assert statuses(stack, second) == ["succeeded"]

    def test_a_start_finds_its_place_while_the_run_before_it_ends(self, stack: Stack) -> None:
        """[96] One item decides: what was queued too late starts at once."""
        active = stack.begin().body["run"]["id"]
        stack.answer_with(FINAL)
        stack.faults.first("TransactWriteItems", lambda: ends_well(stack, active))
        answer = stack.begin(prompt="late", on_busy="enqueue")
        assert (answer.status, answer.body["run"]["status"]) == (202, "pending")
        whole(stack)

    def test_a_run_is_queued_while_the_one_before_it_ends(self, stack: Stack) -> None:
        """[97] And what was queued in time is promoted, though the end did not know of it."""
        active = stack.begin().body["run"]["id"]
        stack.answer_with(FINAL)
        queued: list[str] = []
        stack.faults.first("TransactWriteItems", lambda: queued.append(enqueue(stack)))
        ends_well(stack, active)
        assert statuses(stack, active, *queued) == ["succeeded", "pending"]
        whole(stack)

    def test_an_overdue_run_makes_room_for_its_queue(self, stack: Stack) -> None:
        """[97] A start that ends a run as a sweep would waits behind those who came before it."""
        active = stack.begin().body["run"]["id"]
        second = enqueue(stack)
        is_swept_but_for_the_end(stack)
        third = enqueue(stack, "third")
        assert statuses(stack, active, second) == ["aborted", "pending"]
        assert queue(stack) == [third]
        whole(stack)

    @pytest.mark.parametrize("attribute", ["trigger", "budget"])
    def test_a_damaged_run_in_the_queue_ends_as_any_other(self, stack: Stack, attribute: str) -> None:
        """[98] It takes its turn, a sweep ends it, and those behind it go on."""
        active = stack.begin().body["run"]["id"]
        second, third = enqueue(stack, "second"), enqueue(stack, "third")
        stack.change(f"acme#{second}", "RUN", **{attribute: {"S": "?"}})
        ends_well(stack, active)
        stack.work()
        stack.clock.forward(120)
        assert stack.sweep_now()["settled"] == {"unreadable": 1}
        assert stack.run_of(second)["error"]["code"] == "unreadable"
        stack.work()
        assert statuses(stack, active, third) == ["succeeded"] * 2
        whole(stack)

    def test_a_damaged_status_is_written_anew(self, stack: Stack) -> None:
        """[98] The queue says that the run waits, and its promotion says what it is now."""
        active = stack.begin().body["run"]["id"]
        second = enqueue(stack)
        stack.change(f"acme#{second}", "RUN", status={"S": "?"})
        ends_well(stack, active)
        stack.work()
        assert statuses(stack, active, second) == ["succeeded"] * 2
        whole(stack)

    def test_a_run_that_is_gone_is_left_out(self, stack: Stack) -> None:
        """[98] A row that somebody deleted holds up nobody."""
        active = stack.begin().body["run"]["id"]
        second, third = enqueue(stack, "second"), enqueue(stack, "third")
        stack.dynamodb.delete_item(TableName="outlive", Key={"pk": {"S": f"acme#{second}"}, "sk": {"S": "RUN"}})
        ends_well(stack, active)
        assert statuses(stack, active, third) == ["succeeded", "pending"]
        whole(stack)

    @pytest.mark.parametrize("change", [{"active_run_id": None}, {"active_run_id": {"S": "gone"}}], ids=str)
    def test_a_queue_that_was_left_alone_goes_on_with_the_next_start(
        self, stack: Stack, change: dict[str, Any]
    ) -> None:
        """[98] If the chat's row lost the run before it, the next start promotes the first one and stands behind it."""
        stack.begin()
        second = enqueue(stack)
        stack.change("acme#chat-1", "CHAT", **change)
        third = enqueue(stack, "third")
        assert (statuses(stack, second), queue(stack)) == (["pending"], [third])

    def test_a_damaged_queue_keeps_no_run_from_its_end(self, stack: Stack) -> None:
        """[98] The run ends, and the chat waits for an operator."""
        active = stack.begin().body["run"]["id"]
        second = enqueue(stack)
        was = next(item for item in stack.items() if item["sk"]["S"] == "CHAT")["queue"]
        stack.change("acme#chat-1", "CHAT", queue={"S": "?"})
        ends_well(stack, active)
        assert statuses(stack, active) == ["succeeded"]
        assert stack.begin(on_busy="enqueue").status == 503
        stack.change("acme#chat-1", "CHAT", queue=was)
        third = enqueue(stack, "third")
        assert (statuses(stack, second), queue(stack)) == (["pending"], [third])


def is_swept_but_for_the_end(stack: Stack) -> None:
    while stack.take():
        pass
    stack.clock.forward(3700)
    stack.sweep_in_vain()


class TestStop:
    """A queued run is taken back; a stop of a chat means all that was accepted before it."""

    def test_a_queued_run_that_is_stopped_leaves_no_messages(self, stack: Stack) -> None:
        """[99] It ends at once, and the others close up."""
        active = stack.begin().body["run"]["id"]
        second, third = enqueue(stack), enqueue(stack, "third")
        stopped = stop(stack, f"/runs/{second}")
        assert (stopped["stopped"], stopped["run"]) == (True, stack.run_of(second))
        assert (stopped["run"]["status"], stopped["run"]["finish_reason"]) == ("aborted", "aborted")
        assert stopped["run"]["stop_requested_at"] == stopped["run"]["finished_at"]
        assert (statuses(stack, active), queue(stack)) == (["pending"], [third])
        assert stop(stack, f"/runs/{second}")["stopped"] is False
        events = stack.call("GET", f"/runs/{second}/events", query={"wait": "0"}).body["events"]
        assert [event["type"] for event in events] == ["run", "settled"]
        stack.work()
        assert len(stack.transcript()) == 4
        whole(stack)

    def test_a_stop_that_meets_the_promotion_stops_the_run_all_the_same(self, stack: Stack) -> None:
        """[99] Promoted first: then it is aborted as any run that has messages."""
        active = stack.begin().body["run"]["id"]
        second = enqueue(stack)
        stack.faults.first("TransactWriteItems", lambda: ends_well(stack, active))
        assert stop(stack, f"/runs/{second}")["stopped"] is True
        assert statuses(stack, active, second) == ["succeeded", "aborted"]
        assert [message["status"] for message in stack.transcript()][2:] == ["completed", "aborted"]
        whole(stack)

    def test_a_promotion_that_meets_the_stop_takes_the_next_one(self, stack: Stack) -> None:
        """[99] Stopped first: the slot goes to the run behind it."""
        active = stack.begin().body["run"]["id"]
        second, third = enqueue(stack), enqueue(stack, "third")
        stack.answer_with(FINAL)
        stack.faults.first("TransactWriteItems", lambda: None)
        stack.faults.first("TransactWriteItems", lambda: stop(stack, f"/runs/{second}"))
        ends_well(stack, active)
        assert statuses(stack, active, second, third) == ["succeeded", "aborted", "pending"]
        whole(stack)

    @pytest.mark.parametrize("at_work", [False, True])
    def test_a_stop_of_the_chat_ends_what_was_accepted_before_it(self, stack: Stack, at_work: bool) -> None:
        """[100] The active run and the whole queue, and nothing that comes after."""
        active = stack.begin().body["run"]["id"]
        waiting = [enqueue(stack, prompt) for prompt in ("second", "third")]
        later: list[str] = []

        def act(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
            stopped = stop(stack)
            assert (stopped["stopped"], stopped["run"]["id"]) == (True, active)
            later.append(enqueue(stack, "later"))
            return FINAL

        if at_work:
            stack.answer_with(act)
            stack.deliver(stack.message(active, 0))
        else:
            assert stop(stack)["run"]["id"] == active
            later.append(stack.begin(prompt="later", on_busy="enqueue").body["run"]["id"])
        assert statuses(stack, active, *waiting) == ["aborted"] * 3
        assert statuses(stack, *later) == ["pending"]
        assert len(stack.transcript()) == 4, "a run began because the one before it was stopped"
        whole(stack)
        stack.answer_with(FINAL)
        stack.work()
        assert [message["content"] for message in stack.transcript()][-2:] == ["later", "done"]

    def test_a_stop_of_the_chat_follows_a_run_that_it_read_in_the_queue(self, stack: Stack) -> None:
        """[100] If the active run ends by itself meanwhile, what it made room for was accepted before the stop."""
        active = stack.begin().body["run"]["id"]
        second = enqueue(stack)
        stack.faults.first("TransactWriteItems", lambda: ends_well(stack, active))
        stopped = stop(stack)
        assert (stopped["stopped"], stopped["run"]["id"]) == (True, second)
        assert statuses(stack, active, second) == ["succeeded", "aborted"]
        whole(stack)
