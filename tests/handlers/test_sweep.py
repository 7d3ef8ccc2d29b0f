"""The sweep."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from outlive.agent import AgentError, Outcome, Usage
from outlive.clock import iso
from outlive.store.rows import Run
from proof.stacks.handlers import Context, Stack
from tests.handlers.usage import used

FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 2, 1), "length")
STEP = Outcome("step", [{"type": "text", "text": "more"}], "[]", Usage(1, 1, 1))
BUSY = Outcome("partial", [], None, error=AgentError("transient", "model_unavailable", "busy"))


def dead(stack: Stack, chat: str = "chat-1", step: int = 0) -> str:
    """A run whose worker died in `step`; its message is lost."""
    stack.answer_with(*[STEP] * step, SystemExit())
    run_id: str = stack.begin(chat).body["run"]["id"]
    for number in range(step):
        stack.deliver(stack.message(run_id, number))
    with pytest.raises(SystemExit):
        stack.deliver(stack.message(run_id, step))
    return run_id


def test_settled_and_fresh_runs_are_left_alone(stack: Stack) -> None:
    """[39] The sweep reads and writes none of them."""
    stack.begin("settled")
    stack.work()
    stack.begin("pending")
    stack.take()
    dead(stack, "running")
    before = stack.items()
    assert stack.sweep_now() == {"seen": 0, "resent": 0, "failed": 0, "settled": {}, "unfinished": False}
    assert stack.items() == before


def test_a_run_with_a_live_lease_is_left_alone_however_old(stack: Stack) -> None:
    """[39] [40] The staleness test is in the write: a heartbeat between look and write wins."""
    run_id = dead(stack)
    stack.clock.forward(700)
    run = stack.step.step.tools.table.run("acme", run_id)
    assert run is not None
    now = stack.step.clock.now()
    beat = lambda: stack.step.step.tools.table.heartbeat(run, run.lease_id, now + 30_000, now)  # noqa: E731
    stack.faults.first("TransactWriteItems", beat)
    counts = stack.sweep_now()
    assert (counts["settled"], counts["failed"]) == ({}, 0)
    assert stack.run_of(run_id)["status"] == "running"
    assert stack.sweep_now()["settled"] == {}


def test_a_run_without_progress_for_the_stale_window_is_aborted(stack: Stack) -> None:
    """[40] With the last error's text, if there is one."""
    stack.answer_with(BUSY)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    stack.clock.forward(31)
    stack.sweep_in_vain()
    stack.clock.forward(570 - 31 - 3 * 61)
    assert stack.sweep_now()["settled"] == {}
    stack.clock.forward(31)
    assert stack.sweep_now()["settled"] == {"stale": 1}
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["finish_reason"]) == ("aborted", "stale", "aborted")
    assert "model_unavailable: busy" in run["error"]["message"]
    assert stack.transcript()[1]["status"] == "aborted"
    assert stack.begin().status == 202


def test_a_run_that_was_never_claimed_is_given_up_after_the_pending_time(stack: Stack) -> None:
    """[40] And not before, however long the queue is."""
    run_id = stack.begin().body["run"]["id"]
    stack.take()
    stack.clock.forward(31)
    stack.sweep_in_vain()
    stack.clock.forward(3590 - 31 - 3 * 61)
    assert stack.sweep_now()["settled"] == {}
    stack.clock.forward(20)
    assert stack.sweep_now()["settled"] == {"never_started": 1}
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["started_at"]) == ("aborted", "never_started", None)


def test_steady_steps_keep_a_run_of_hours_alive(stack: Stack) -> None:
    """[40] Each claim is progress, so the run never becomes stale."""
    stack.answer_with(STEP)
    run_id = stack.begin(budget={"max_steps": 20}).body["run"]["id"]
    for step in range(15):
        stack.deliver(stack.message(run_id, step))
        stack.clock.forward(500)
        assert stack.sweep_now()["settled"] == {}
    assert stack.run_of(run_id)["status"] == "running"


def test_a_lost_message_is_sent_again_once_the_lease_is_over(stack: Stack) -> None:
    """[41] At that very sweep, once a minute, three times until the next claim."""
    run_id = dead(stack, step=1)
    assert stack.sweep_now()["resent"] == 0
    stack.clock.forward(31)
    assert [stack.sweep_now()["resent"] for _ in range(2)] == [1, 0]
    stack.clock.forward(60)
    assert stack.sweep_now()["resent"] == 1
    stack.clock.forward(60)
    assert stack.sweep_now()["resent"] == 1
    stack.clock.forward(60)
    assert stack.sweep_now()["resent"] == 0
    asked = stack.answer_with(FINAL)
    stack.work()
    assert [ask.step for ask in asked] == [1]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_the_next_claim_starts_the_count_of_resends_anew(stack: Stack) -> None:
    """[41] The limit holds between two claims."""
    run_id = dead(stack)
    for _ in range(3):
        stack.clock.forward(61)
        stack.sweep_now()
    assert stack.item(run_id)["resends"]["N"] == "3"
    stack.answer_with(STEP, SystemExit())
    assert stack.deliver(stack.take() or {})
    while message := stack.take():
        try:
            stack.deliver(message)
        except SystemExit:
            break
    assert stack.item(run_id)["resends"]["N"] == "0"


def test_a_pending_run_is_resent_after_a_lease_and_then_once_a_minute(stack: Stack) -> None:
    """[41] Up to the limit, and then it has to wait for the pending time."""
    stack.begin()
    stack.take()
    resent = []
    for _ in range(59):
        stack.clock.forward(60)
        resent.append(stack.sweep_now()["resent"])
    assert [minute + 1 for minute, count in enumerate(resent) if count] == [1, 2, 3]


@pytest.mark.parametrize("claimed", [False, True])
def test_the_first_sweep_after_an_outage_gives_no_run_up(stack: Stack, *, claimed: bool) -> None:
    """[85] However long ago the run moved: its message is sent again first, as often as may be."""
    run_id = dead(stack) if claimed else stack.begin().body["run"]["id"]
    while stack.take():
        pass
    stack.clock.forward(5000)
    for _ in range(3):
        assert stack.sweep_now() == {"seen": 1, "resent": 1, "failed": 0, "settled": {}, "unfinished": False}
        stack.clock.forward(61)
    assert stack.sweep_now()["settled"] == {"stale" if claimed else "never_started": 1}
    assert stack.run_of(run_id)["status"] == "aborted"


def line(stack: Stack, monkeypatch: pytest.MonkeyPatch, waiting: int | None, in_flight: int = 1) -> None:
    """From now on the queue says that so many messages wait; None: it does not answer."""

    def attributes(**_: Any) -> dict[str, Any]:
        if waiting is None:
            raise EndpointConnectionError(endpoint_url="http://queue")
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": {name: str(count) for name, count in zip(names, (waiting, in_flight), strict=True)}}

    for operation in (stack.sweep.sweep, stack.start.start):
        monkeypatch.setattr(operation.queue._sqs, "get_queue_attributes", attributes)


@pytest.mark.parametrize("claimed", [False, True])
@pytest.mark.parametrize("waiting", [6, 60_000, None])
def test_a_run_in_line_is_neither_sent_again_nor_ended_for_a_day(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, waiting: int | None, *, claimed: bool
) -> None:
    """[85] While many messages wait and workers hold others; nor does a start of its chat end it."""
    run_id = dead(stack) if claimed else stack.begin().body["run"]["id"]
    line(stack, monkeypatch, waiting)
    for _ in range(5):
        stack.clock.forward(17_000)
        assert stack.sweep_now() == {"seen": 1, "resent": 0, "failed": 0, "settled": {}, "unfinished": False}
        assert stack.begin().status == 409
    assert stack.run_of(run_id)["status"] in ("pending", "running")
    stack.clock.forward(17_000)
    assert stack.sweep_now()["resent"] == 1, "the ceiling"


@pytest.mark.parametrize(("waiting", "in_flight"), [(5, 9), (60_000, 0)])
def test_a_short_line_or_one_that_stands_keeps_no_run(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, waiting: int, in_flight: int
) -> None:
    """[85] [41] A tenth of `MaximumConcurrency` is no line, and a line that no worker takes from does not move."""
    dead(stack)
    line(stack, monkeypatch, waiting, in_flight)
    stack.clock.forward(61)
    assert stack.sweep_now()["resent"] == 1


@pytest.mark.parametrize("claimed", [False, True])
def test_a_message_that_was_sent_again_waits_in_line_as_well(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, *, claimed: bool
) -> None:
    """[85] Its way through the queue begins anew."""
    _ = dead(stack) if claimed else stack.begin()
    stack.clock.forward(5000)
    stack.sweep_in_vain()
    line(stack, monkeypatch, 100)
    assert stack.sweep_now()["settled"] == {}


def test_the_guard_of_the_line_is_in_the_write(stack: Stack) -> None:
    """[85] A sweep that decided on an old look at the run is refused."""
    run_id = dead(stack)
    stack.clock.forward(5000)
    stack.sweep_in_vain()
    run = stack.sweep.sweep.table.run("acme", run_id)
    now = stack.step.clock.now()
    stale = lambda: stack.change(f"acme#{run_id}", "RUN", resend_after={"S": iso(now + 900_000)})  # noqa: E731
    stack.faults.first("TransactWriteItems", stale)
    assert stack.sweep_now()["settled"] == {}
    assert run is not None
    assert stack.run_of(run_id)["status"] == "running"


def test_a_given_back_message_is_not_doubled(stack: Stack) -> None:
    """[41] A released run has no lease, and its message is on its way."""
    stack.answer_with(BUSY)
    stack.begin()
    stack.clock.forward(31)
    stack.deliver(stack.take() or {})
    assert stack.sweep_now()["resent"] == 0
    stack.clock.forward(10)
    assert stack.sweep_now()["resent"] == 1


def test_an_unsettled_final_record_is_settled_with_its_outcome(stack: Stack) -> None:
    """[42] Even after the stale window: the work is not lost."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.faults.refuse("TransactWriteItems", times=3)
    stack.deliver(stack.take() or {})
    stack.clock.forward(1000)
    assert stack.sweep_now()["settled"] == {"answered": 1}
    run = stack.run_of(run_id)
    assert (run["status"], run["finish_reason"], run["error"], run["step_count"]) == ("succeeded", "length", None, 1)
    assert run["usage"] == used(1, 2, 1)


def test_a_final_record_under_a_requested_stop_ends_aborted(stack: Stack) -> None:
    """[42] [35] The content of the record is kept."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.faults.then("PutItem", lambda: stack.call("POST", "/chats/chat-1/stop"))
    stack.faults.refuse("TransactWriteItems", times=9)
    stack.deliver(stack.take() or {})
    stack.faults.planned.clear()
    stack.clock.forward(31)
    assert stack.sweep_now()["settled"] == {"stopped": 1}
    assert stack.run_of(run_id)["status"] == "aborted"
    assert stack.transcript()[1]["content"] == "done"


def test_one_bad_row_does_not_stop_the_rest(stack: Stack) -> None:
    """[43] The row that cannot be read is counted as failed."""
    bad, good = stack.begin("a").body["run"]["id"], stack.begin("b").body["run"]["id"]
    stack.dynamodb.update_item(
        TableName="outlive", Key={"pk": {"S": f"acme#{bad}"}, "sk": {"S": "RUN"}},
        UpdateExpression="SET claimed_step = :x", ExpressionAttributeValues={":x": {"S": "junk"}},
    )  # fmt: skip
    stack.clock.forward(3700)
    counts = stack.sweep_now()
    assert (counts["seen"], counts["failed"], counts["settled"]) == (2, 0, {"unreadable": 1})
    for _ in range(2):
        stack.clock.forward(61)
        stack.sweep_now()
    stack.clock.forward(61)
    assert stack.sweep_now()["settled"] == {"never_started": 1}
    assert stack.run_of(good)["status"] == "aborted"


@pytest.mark.parametrize("operation", ["BatchGetItem", "Query", "TransactWriteItems"])
def test_a_store_error_does_not_fail_the_schedule(stack: Stack, operation: str) -> None:
    """[43] It returns, counts and logs."""
    stack.begin("a")
    stack.begin("b")
    stack.clock.forward(3700)
    stack.sweep_in_vain()
    stack.faults.refuse(operation, times=3)
    counts = stack.sweep_now()
    assert counts["failed"] >= 1
    stack.faults.planned.clear()
    stack.sweep_now()
    assert stack.call("GET", "/chats/a/run").body["run"]["status"] == "aborted"
    assert stack.call("GET", "/chats/b/run").body["run"]["status"] == "aborted"


def test_a_bad_row_of_the_index_or_a_throttled_shard_stops_no_other(stack: Stack) -> None:
    """[43] The sweep counts it as failed and continues."""
    for number in range(8):
        stack.dynamodb.put_item(TableName="outlive", Item={
            "pk": {"S": f"junk{number}"}, "sk": {"S": "RUN"}, "active_shard": {"S": str(number)}, "created_at": {"S": "0bad"},
        })  # fmt: skip
    good = stack.begin().body["run"]["id"]
    stack.clock.forward(3700)
    stack.sweep_in_vain()
    stack.faults.refuse("Query")
    counts = stack.sweep_now()
    assert counts["failed"] >= 1
    stack.sweep_now()
    assert stack.run_of(good)["status"] == "aborted"


def test_a_sweep_that_never_gets_to_the_end_still_gets_to_every_run(stack: Stack) -> None:
    """Guarantee 3: each sweep begins with another shard."""
    chats = [f"chat-{number}" for number in range(24)]
    for chat in chats:
        stack.begin(chat)
    stack.clock.forward(3700)
    seen: set[str] = set()
    real = type(stack.sweep.sweep)._see

    class Tired(Exception):
        pass

    for _ in range(8):
        stack.clock.forward(60)
        before = len(seen)

        def see(self: Any, key: Any, *rest: Any, before: int = before) -> None:
            if len(seen) - before >= 6:
                raise Tired
            seen.add(key.pk)
            real(self, key, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(stack.sweep.sweep), "_see", see)
            stack.sweep_now()
    assert len(seen) == len(chats)


def test_a_malformed_record_keeps_no_run_from_ending(stack: Stack) -> None:
    """[43] Not for the sweep, a stop, or the next start."""
    for chat, who in (("a", "sweep"), ("b", "stop"), ("c", "start")):
        run_id = dead(stack, chat, step=1)
        stack.dynamodb.update_item(
            TableName="outlive", Key={"pk": {"S": f"acme#{chat}"}, "sk": {"S": "MSG#000000000002#STEP#000000"}},
            UpdateExpression="SET created_at = :x", ExpressionAttributeValues={":x": {"S": "junk"}},
        )  # fmt: skip
        stack.clock.forward(700)
        stack.sweep_in_vain()
        if who == "sweep":
            assert stack.sweep_now()["settled"] == {"stale": 1}
        elif who == "stop":
            assert stack.call("POST", f"/chats/{chat}/stop").body["stopped"] is True
        else:
            assert stack.begin(chat).status == 202
        assert (stack.run_of(run_id)["status"], who) == ("aborted", who)


@pytest.mark.parametrize("window", [True, -5, "x", 1e400, [], 10**9])
def test_a_malformed_window_is_refused_by_name_and_settles_nothing(stack: Stack, window: Any) -> None:
    """[44] The error names `window_seconds`."""
    stack.begin()
    before = stack.items()
    with pytest.raises(ValueError, match="window_seconds"):
        stack.sweep.handler({"window_seconds": window}, stack.context)
    assert stack.items() == before


def test_two_sweeps_at_once_settle_each_run_once(stack: Stack) -> None:
    """[43] Their counts add up to the number of runs."""
    for chat in ("a", "b"):
        stack.begin(chat)
    stack.clock.forward(3700)
    stack.sweep_in_vain()
    inner: list[dict[str, Any]] = []
    stack.faults.first("TransactWriteItems", lambda: inner.append(stack.sweep_now()))
    outer = stack.sweep_now()
    settled = [counts["settled"].get("never_started", 0) for counts in (inner[0], outer)]
    assert sum(settled) == 2
    assert outer["failed"] == inner[0]["failed"] == 0


def test_two_sweeps_at_once_resend_once(stack: Stack) -> None:
    """[41] [43] The sweep that counted is the one that sends."""
    stack.begin()
    stack.take()
    stack.clock.forward(31)
    inner: list[dict[str, Any]] = []
    stack.faults.first("UpdateItem", lambda: inner.append(stack.sweep_now()))
    assert stack.sweep_now()["resent"] + inner[0]["resent"] == 1


def test_a_resend_whose_answer_was_lost_is_sent_all_the_same(stack: Stack) -> None:
    """[41] The sweep recognises its own count and sends."""
    stack.begin()
    stack.take()
    stack.clock.forward(31)
    stack.faults.twice("UpdateItem")
    assert stack.sweep_now()["resent"] == 1
    assert stack.take() is not None


@pytest.mark.parametrize("claimed", [False, True])
@pytest.mark.parametrize("how", [EndpointConnectionError(endpoint_url="http://queue"), SystemExit()])
def test_a_resend_that_was_not_sent_is_not_counted_and_the_next_sweep_sends(
    stack: Stack, how: BaseException, *, claimed: bool
) -> None:
    """[41] [43] The queue did not take it, or the sweep died before the send; a minute later the message is there."""
    run_id = dead(stack) if claimed else stack.begin().body["run"]["id"]
    while stack.take():
        pass
    stack.clock.forward(31)

    def fail(**_: Any) -> None:
        raise how

    for _ in range(4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stack.sweep.sweep.queue._sqs, "send_message", fail)
            if isinstance(how, SystemExit):
                with pytest.raises(SystemExit):
                    stack.sweep_now()
            else:
                assert (stack.sweep_now()["failed"], stack.take()) == (1, None)
        assert stack.item(run_id)["resends"]["N"] == "0"
        stack.clock.forward(60)
    assert stack.sweep_now()["resent"] == 1
    assert stack.take() is not None
    assert stack.item(run_id)["resends"]["N"] == "1"


def test_a_resend_that_lands_late_counts_nothing_for_the_next_step(stack: Stack) -> None:
    """[41] Neither of a resend's writes, should its first request land after its retry and a worker's claim."""
    stack.answer_with(STEP, BUSY)
    run_id = stack.begin().body["run"]["id"]
    stack.take()
    stack.clock.forward(31)
    stack.faults.requests.clear()
    stack.sweep_now()
    resend, *counted = [asked for asked in stack.faults.requests if "UpdateExpression" in asked]
    stack.deliver(stack.take() or {})
    stack.deliver(stack.take() or {})
    stack.clock.forward(31)
    before = stack.items()
    for late in (resend, *counted):
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            stack.dynamodb.update_item(**late)
    assert stack.items() == before
    assert stack.item(run_id)["claimed_step"]["N"] == "1"


def test_by_hand_the_window_can_be_zero_but_a_live_lease_still_counts(stack: Stack) -> None:
    """[44] A run that a worker holds is left alone."""
    held = dead(stack, "a")
    stack.answer_with(BUSY)
    released = stack.begin("b").body["run"]["id"]
    stack.deliver(stack.message(released, 0))
    pending = stack.begin("c").body["run"]["id"]
    assert stack.sweep_now(window_seconds=0)["settled"] == {"stale": 1, "never_started": 1}
    assert stack.run_of(held)["status"] == "running"
    assert stack.run_of(pending)["error"]["code"] == "never_started"
    assert stack.run_of(released)["error"]["code"] == "stale"


def test_a_sweep_out_of_time_stops_and_says_so(stack: Stack) -> None:
    """[43] Its answer has `unfinished`."""
    stack.begin()
    stack.clock.forward(3700)
    stack.context = Context(seconds_left=1)
    counts = stack.sweep_now()
    assert (counts["unfinished"], counts["seen"]) == (True, 0)


def test_a_cold_start_settles_nothing(stack: Stack) -> None:
    """[44] There is no sweep at start-up."""
    from proof.stacks.handlers import load

    run_id = dead(stack)
    stack.clock.forward(5000)
    before = stack.items()
    for verb in ("start", "step", "stop", "read", "sweep"):
        load(verb)
    assert stack.items() == before
    assert stack.run_of(run_id)["status"] == "running"


def test_a_sweep_reads_no_run_younger_than_a_lease(stack: Stack) -> None:
    """[63] One read for each hundred active runs of a shard that are older than a lease."""
    for number in range(5):
        stack.begin(f"chat-{number}")
    stack.faults.calls.clear()
    stack.sweep_now()
    assert set(stack.faults.calls) == {"Query"}
    stack.clock.forward(31)
    stack.faults.calls.clear()
    stack.sweep_now()
    read = [asked["RequestItems"]["outlive"]["Keys"] for asked in stack.faults.requests if "RequestItems" in asked]
    assert sum(map(len, read)) == 5
    assert len(read) == len({Run.shard(key["pk"]["S"].partition("#")[2]) for keys in read for key in keys})
