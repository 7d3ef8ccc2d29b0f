"""Steps: claim, ask, record, send on."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from outlive.agent import AgentError, Ask, Interrupt, Outcome, Usage
from outlive.delivery import Delivery
from outlive.follow.passages import Words
from outlive.watch import Watch
from proof.stacks.handlers import Context, Stack, event

TOOL: list[list[Any]] = [["clock", {}]]
FINAL = Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")
STEP = Outcome("step", [{"type": "step-start"}, {"type": "text", "text": "more"}], "[]", Usage(1, 1, 1))


def transient(text: str = "") -> Outcome:
    parts = [{"type": "step-start"}, {"type": "text", "text": text}] if text else []
    return Outcome("partial", parts, None, error=AgentError("transient", "model_unavailable", "busy, try later"))


def kinds(stack: Stack, run_id: str) -> list[tuple[int, str]]:
    return [(int(item["step"]["N"]), item["kind"]["S"]) for item in stack.records(run_id)]


def test_a_run_goes_step_by_step_without_any_reader(stack: Stack) -> None:
    """[17] Each delivery executes one step and sends the next message."""
    run_id = stack.script("chat-1", {"text": "a", "tools": TOOL}, {"text": "b", "tools": TOOL}, {"text": "c"}).body[
        "run"
    ]["id"]
    assert stack.work() == 3
    assert kinds(stack, run_id) == [(0, "step"), (1, "step"), (2, "final")]
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"], run["finish_reason"], run["error"]) == ("succeeded", 3, "stop", None)
    assert run["usage"]["requests"] == 3


def test_a_step_costs_two_writes_one_query_one_send_and_one_look_at_the_stop(stack: Stack) -> None:
    """[63] The last step's settle is one transaction more."""
    stack.look_once()
    stack.script("chat-1", {"text": "a", "tools": TOOL}, {"text": "b"})
    stack.faults.forget()
    stack.deliver(stack.take() or {})
    assert stack.faults.counted == ["UpdateItem", "Query", "GetItem", "PutItem"]
    stack.faults.forget()
    stack.deliver(stack.take() or {})
    assert stack.faults.counted == ["UpdateItem", "Query", "GetItem", "PutItem", "TransactWriteItems"]


def test_a_message_that_comes_twice_changes_nothing(stack: Stack) -> None:
    """[18] In a row: while the run goes on, and after it has ended."""
    run_id = stack.script("chat-1", {"text": "a", "tools": TOOL}, {"text": "b"}).body["run"]["id"]
    asked = stack.watch_the_agent()
    stack.deliver(stack.take() or {})
    again = stack.message(run_id, 0)
    assert not stack.deliver(again), "nobody claimed step 1 yet, so the lease of step 0 still counts"
    stack.message(run_id, 1)
    stack.sqs.purge_queue(QueueUrl=stack.queue_url)
    assert stack.deliver(stack.message(run_id, 1))
    assert stack.deliver(stack.message(run_id, 0)), "an older step's message is done with"
    before = stack.items()
    assert stack.deliver(stack.message(run_id, 1))
    assert stack.deliver(stack.message(run_id, 0))
    assert stack.items() == before
    assert [ask.step for ask in asked] == [0, 1]
    assert stack.take() is None


def test_two_workers_on_one_message_ask_once(stack: Stack) -> None:
    """[18] The second comes while the first is asking: its message goes back until right after the lease."""
    second: list[Any] = []

    def meanwhile(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        second.append(stack.deliver(stack.message(ask.run_id, 0)))
        return FINAL

    asked = stack.answer_with(meanwhile)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    assert second == [False]
    assert len(asked) == 1
    assert kinds(stack, run_id) == [(0, "final")]


def test_an_overtaken_worker_adopts_the_first_record_and_writes_nothing_of_its_own(stack: Stack) -> None:
    """[19] Its lease ran out while it slept; another reclaimed, recorded and sent on."""

    def sleep_past_the_lease(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stack.clock.forward(31)
        assert stack.deliver(stack.message(ask.run_id, 0))
        return Outcome("step", [{"type": "text", "text": "late"}], "[]", Usage(9, 9, 9))

    stack.answer_with(sleep_past_the_lease, STEP, FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    stack.work()
    assert stack.transcript()[1]["content"] == "moredone"
    assert kinds(stack, run_id) == [(0, "step"), (1, "final")]


def test_an_overtaken_workers_record_counts_if_it_is_the_first(stack: Stack) -> None:
    """[19] The worker that overtook it adopts that record."""

    def overtake(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stack.clock.forward(31)
        table, now = stack.step.step.tools.table, stack.step.clock.now()
        table.reclaim(table.run(stack.workspace, ask.run_id), "other", now + 30_000, now)
        return FINAL

    stack.answer_with(overtake)
    run_id = stack.begin().body["run"]["id"]
    assert stack.deliver(stack.take() or {})
    assert stack.run_of(run_id)["status"] == "succeeded"


@pytest.mark.parametrize("end", ["abort", "stale"])
def test_nothing_is_added_to_an_ended_run(stack: Stack, end: str) -> None:
    """[19] A worker that wakes up after the end finds the log sealed."""

    def ended_meanwhile(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        stack.clock.forward(31 if end == "abort" else 1000)
        if end == "abort":
            assert stack.call("POST", f"/runs/{ask.run_id}/stop").body["stopped"] is True
        else:
            # With a window of its own a sweep resends nothing first: the worker's heartbeat would be back by then.
            assert stack.sweep_now(window_seconds=600)["settled"] == {"stale": 1}
        return FINAL

    stack.answer_with(ended_meanwhile)
    run_id = stack.begin().body["run"]["id"]
    assert stack.deliver(stack.take() or {})
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"]) == ("aborted", 0)
    assert kinds(stack, run_id) == [(0, "end")]
    assert stack.transcript()[1]["content"] == ""


def test_a_dead_workers_step_runs_again_and_finished_steps_are_kept(stack: Stack) -> None:
    """[20] After the lease, as the second attempt."""
    run_id = stack.script("chat-1", {"text": "a", "tools": TOOL}, {"text": "b"}).body["run"]["id"]
    stack.deliver(stack.take() or {})
    kept = stack.records(run_id)
    stack.answer_with(SystemExit())
    with pytest.raises(SystemExit):
        stack.deliver(stack.take() or {})
    stack.equip(agent=stack.step.Agents(("assistant",), "assistant", "offline"))
    assert not stack.deliver(stack.message(run_id, 1)), "the dead worker's lease still stands"
    stack.clock.forward(31)
    assert stack.deliver(stack.message(run_id, 1))
    assert stack.records(run_id)[:1] == kept
    assert stack.item(run_id)["attempt"]["N"] == "2"
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_worker_killed_between_record_and_send_costs_no_second_model_request(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[21] The next delivery finds the record and sends the next message."""
    asked = stack.answer_with(STEP, FINAL)
    run_id = stack.begin().body["run"]["id"]

    def die(**_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(stack.step.step.tools.queue._sqs, "send_message", die)
        with pytest.raises(SystemExit):
            stack.deliver(stack.take() or {})
    stack.clock.forward(31)
    assert stack.deliver(stack.message(run_id, 0))
    assert stack.work() == 1
    assert [ask.step for ask in asked] == [0, 1]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_failed_send_lets_go_and_the_next_delivery_sends_on(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """[21] Without waiting for the lease."""
    asked = stack.answer_with(STEP, FINAL)
    run_id = stack.begin().body["run"]["id"]
    message = stack.take() or {}

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://queue")

    with monkeypatch.context() as patch:
        patch.setattr(stack.step.step.tools.queue._sqs, "send_message", fail)
        assert not stack.deliver(message)
    assert stack.deliver(stack.message(run_id, 0))
    stack.work()
    assert [ask.step for ask in asked] == [0, 1]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_transient_error_gives_the_step_back_and_its_text_appears_once(stack: Stack) -> None:
    """[22] The error is kept apart from `error`, and the lease is over."""
    asked = stack.answer_with(transient("do"), transient("don"), FINAL)
    run_id = stack.begin().body["run"]["id"]
    assert not stack.deliver(stack.take() or {})
    item = stack.item(run_id)
    assert json.loads(item["last_error"]["S"])["code"] == "model_unavailable"
    assert "error" not in item
    assert "lease_until" not in item
    assert not stack.deliver(stack.message(run_id, 0))
    assert stack.deliver(stack.message(run_id, 0))
    assert [ask.attempt for ask in asked] == [1, 2, 3]
    assert stack.run_of(run_id)["error"] is None
    assert stack.transcript()[1]["content"] == "done"


def test_the_delay_before_another_attempt_grows_and_stays_shorter_than_a_lease(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[22] Even if the provider asks for a longer one."""
    hidden: list[float] = []
    monkeypatch.setattr(
        type(stack.step.step.tools.queue), "hide", lambda self, receipt, seconds: hidden.append(seconds)
    )
    wish = Outcome("partial", [], None, error=AgentError("transient", "model_rate_limited", "slow down", 3600.0))
    stack.answer_with(transient(), transient(), wish)
    run_id = stack.begin().body["run"]["id"]
    stack.equip(settings=replace(stack.step.settings, step_attempts=9))
    for _ in range(3):
        stack.deliver(stack.message(run_id, 0))
    pauses = [pause for pause in hidden if pause != 31]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1] < pauses[2] < 30


def test_while_the_table_is_out_a_message_comes_back_less_and_less_often(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[85] Up to once a lease, and no attempt is counted."""
    hidden: list[float] = []
    monkeypatch.setattr(
        type(stack.step.step.tools.queue), "hide", lambda self, receipt, seconds: hidden.append(seconds)
    )
    run_id = stack.begin().body["run"]["id"]
    message = stack.take() or {}
    stack.faults.refuse("UpdateItem", times=100)
    for receives in range(1, 9):
        message["Attributes"] = {"ApproximateReceiveCount": str(receives)}
        assert not stack.deliver(message)
    assert [pause for pause in hidden if pause != 31] == [1, 2, 4, 8, 16, 30, 30, 30]
    stack.faults.planned.clear()
    assert stack.item(run_id)["attempt"]["N"] == "0"


def test_attempts_are_counted_on_the_run_and_end_it_with_the_last_error(stack: Stack) -> None:
    """[22] However often the queue delivered; and what the last attempt streamed is kept."""
    asked = stack.answer_with(transient("half"))
    run_id = stack.begin().body["run"]["id"]
    for _ in range(3):
        stack.deliver(stack.message(run_id, 0))
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["finish_reason"]) == ("failed", "step_attempts", "error")
    assert "busy, try later" in run["error"]["message"]
    assert stack.transcript()[1]["content"] == "half"
    assert (run["step_count"], kinds(stack, run_id)) == (1, [(0, "partial")])
    assert len(asked) == 3
    assert stack.call("GET", "/chats/chat-1/messages").body["messages"][1]["status"] == "error"


def test_a_step_that_kills_its_workers_ends_failed(stack: Stack) -> None:
    """[22] [28] Attempts end a poison step before the queue does."""
    asked = stack.answer_with(SystemExit())
    run_id = stack.begin().body["run"]["id"]
    for _ in range(3):
        with pytest.raises(SystemExit):
            stack.deliver(stack.message(run_id, 0))
        stack.clock.forward(31)
    assert stack.deliver(stack.message(run_id, 0))
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "step_attempts")
    assert len(asked) == 3


def test_a_new_step_starts_with_a_clean_count(stack: Stack) -> None:
    """[22] Attempts of an earlier step do not count."""
    asked = stack.answer_with(transient(), transient(), STEP, transient(), transient(), FINAL)
    run_id = stack.begin().body["run"]["id"]
    for step in (0, 0, 0, 1, 1, 1):
        stack.deliver(stack.message(run_id, step))
    assert [(ask.step, ask.attempt) for ask in asked] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_permanent_error_fails_the_run_at_once(stack: Stack) -> None:
    """[22] [4] After one attempt, with its cause."""
    run_id = stack.script("chat-1", {"text": "hm", "error": "permanent"}).body["run"]["id"]
    assert stack.work() == 1
    run = stack.run_of(run_id)
    assert (run["status"], run["finish_reason"]) == ("failed", "error")
    assert set(run["error"]) == {"code", "message"}
    assert stack.transcript()[1]["metadata"]["error"] == run["error"]
    assert stack.begin().status == 202, "the chat is free"


def test_an_error_message_is_cut_at_2000_characters(stack: Stack) -> None:
    """[4] An error of any length can be stored."""
    stack.answer_with(Outcome("partial", [], None, error=AgentError("permanent", "model_rejected", "x" * 5000)))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    assert len(stack.run_of(run_id)["error"]["message"]) == 2000


def test_an_exception_anywhere_fails_the_run_with_its_cause_and_keeps_the_streamed_text(stack: Stack) -> None:
    """[23] Streamed text and reasoning become the partial step."""

    def explode(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        say(Words("reasoning", "think"))
        say(Words("text", "so "))
        say(Words("text", "far"))
        raise RuntimeError("conversion broke")

    stack.answer_with(explode)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "step_failed")
    assert "conversion broke" in run["error"]["message"]
    message = stack.transcript()[1]
    assert message["content"] == "so far"
    assert [part["type"] for part in message["parts"]] == ["step-start", "reasoning", "text"]


def test_an_exception_after_a_stop_was_requested_ends_aborted_without_an_error(stack: Stack) -> None:
    """[23] [35] The stop decides the end, not the exception."""

    def explode(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        say(Words("text", "so far"))
        assert stack.call("POST", f"/runs/{ask.run_id}/stop").body["stopped"] is True
        raise RuntimeError("cancelled")

    stack.answer_with(explode)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"], run["finish_reason"]) == ("aborted", None, "aborted")
    assert stack.transcript()[1]["content"] == "so far"


def test_a_history_that_lost_the_prompt_fails_the_run(stack: Stack) -> None:
    """[23] With the code `history_incomplete`."""
    run_id = stack.begin().body["run"]["id"]
    stack.dynamodb.delete_item(TableName="outlive", Key={"pk": {"S": "acme#chat-1"}, "sk": {"S": "MSG#000000000001"}})
    stack.work()
    assert stack.run_of(run_id)["error"]["code"] == "history_incomplete"


def test_out_of_time_a_step_is_given_back_cleanly(stack: Stack) -> None:
    """[24] Before the platform kills it, with its lease let go; that counts as an attempt."""
    run_id = stack.script("chat-1", {"text": "slow " * 10, "seconds": 60}).body["run"]["id"]
    assert not stack.deliver(stack.take() or {}, Context(seconds_left=5.2))
    item = stack.item(run_id)
    assert json.loads(item["last_error"]["S"])["code"] == "out_of_time"
    assert "lease_until" not in item
    for _ in range(2):
        stack.deliver(stack.message(run_id, 0), Context(seconds_left=5.2))
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "step_attempts")
    assert "out_of_time" in run["error"]["message"]


def test_a_lease_never_reaches_past_its_workers_end(stack: Stack) -> None:
    """[61] A worker with 12 seconds left takes a lease of at most 12 seconds."""
    ends: list[int] = []

    def look(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        run = stack.step.step.tools.table.run("acme", ask.run_id)
        assert run is not None
        ends.append(run.lease_until - run.progress_at)
        return FINAL

    stack.answer_with(look)
    stack.begin()
    stack.deliver(stack.take() or {}, Context(seconds_left=12))
    assert 11_000 < ends[0] <= 12_000


def test_the_last_allowed_step_asks_for_text_only(stack: Stack) -> None:
    """[25] The run succeeds with `max_steps`."""
    asked = stack.watch_the_agent()
    run_id = stack.script("chat-1", *[{"text": "go ", "tools": TOOL}] * 5, budget={"max_steps": 3}).body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert [ask.text_only for ask in asked] == [False, False, True]
    assert (run["status"], run["finish_reason"], run["step_count"]) == ("succeeded", "max_steps", 3)
    assert run["budget"] == {"max_steps": 3}
    assert stack.transcript()[1]["content"] == "go go go "


def test_a_run_that_goes_in_circles_is_ended_before_the_eleventh_request(stack: Stack) -> None:
    """[26] It fails with `loop_detected` after ten steps."""
    asked = stack.watch_the_agent()
    run_id = stack.script("chat-1", *[{"text": "", "tools": [["calculate", {"expression": "1+1"}]]}] * 15).body["run"][
        "id"
    ]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["step_count"]) == ("failed", "loop_detected", 10)
    assert len(asked) == 10


def test_a_step_of_300_kb_is_stored_whole(stack: Stack) -> None:
    """[27] Text that hardly compresses, both as the answer and in the agent's own form."""
    import random

    letters = "".join(chr(random.Random(1).randrange(0x21, 0x7E)) for _ in range(50))
    noise = random.Random(2)
    text = "".join(chr(noise.randrange(0x20, 0x7F)) for _ in range(300_000))
    stack.answer_with(Outcome("final", [{"type": "text", "text": text}], json.dumps([{"content": text, "x": letters}])))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert stack.transcript()[1]["content"] == text


def test_a_step_too_large_to_store_fails_the_run_and_nothing_is_cut(stack: Stack) -> None:
    """[27] With the code `step_too_large` and without a record."""
    import random

    noise = random.Random(2)
    text = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(400_000))
    stack.answer_with(Outcome("final", [{"type": "text", "text": text}], None))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["step_count"]) == ("failed", "step_too_large", 0)


def test_a_run_whose_parts_would_pass_4_mb_fails(stack: Stack) -> None:
    """[27] Every step before is kept."""
    stack.answer_with(Outcome("step", [{"type": "text", "text": "ж" * 900_000}], "[]"))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"], run["step_count"]) == ("failed", "run_too_large", 2)
    parts = stack.call("GET", "/chats/chat-1/run").body["message"]["parts"]
    assert [part["text"] for part in parts] == ["ж" * 900_000] * 2


def test_text_that_has_no_utf8_form_is_stored_all_the_same(stack: Stack) -> None:
    """[27] Each such character becomes U+FFFD."""
    stack.answer_with(Outcome("final", [{"type": "text", "text": "a\x00b\ud800c"}], "[]"))
    stack.begin()
    stack.work()
    assert stack.transcript()[1]["content"] == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    "body",
    ["", "nonsense", "[]", "{}", '{"workspace_id": "acme", "run_id": "x"}', '{"workspace_id": 1, "run_id": "x", "step": 0}',
     '{"workspace_id": "acme", "run_id": "x", "step": 0, "more": 1}', '{"workspace_id": "acme", "run_id": "gone", "step": 0}'],
)  # fmt: skip
def test_junk_is_acknowledged_with_a_log_line(stack: Stack, body: str, caplog: pytest.LogCaptureFixture) -> None:
    """[28] An unreadable message is not redelivered."""
    delivered = event("step")
    delivered["Records"][0]["body"] = body
    assert stack.step.handler(delivered, stack.context) == {"batchItemFailures": []}
    assert any(record.message.startswith("message_un") for record in caplog.records)


def test_a_message_for_a_step_far_ahead_is_not_believed(stack: Stack) -> None:
    """[28] A step is only due once every record before it is stored."""
    run_id = stack.begin().body["run"]["id"]
    before = stack.items()
    assert stack.deliver(stack.message(run_id, 5))
    assert stack.items() == before


@pytest.mark.parametrize("fault", ["lose", "twice"])
def test_a_claim_whose_answer_was_lost_does_not_lose_to_itself(stack: Stack, fault: str) -> None:
    """[60] A worker recognises its own lease id."""
    run_id = stack.begin(prompt='#script [{"text": "once"}]').body["run"]["id"]
    getattr(stack.faults, fault)("UpdateItem")
    message = stack.take() or {}
    if not stack.deliver(message):
        # The answer never came at all: the step is put off, and its lease runs out.
        stack.clock.forward(31)
        assert stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert stack.transcript()[1]["content"] == "once"


@pytest.mark.parametrize("fault", ["lose", "twice"])
def test_a_record_whose_answer_was_lost_is_adopted(stack: Stack, fault: str) -> None:
    asked = stack.answer_with(STEP, FINAL)
    run_id = stack.begin().body["run"]["id"]
    getattr(stack.faults, fault)("PutItem")
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert len(asked) == 2


@pytest.mark.parametrize("operation", ["UpdateItem", "Query", "GetItem", "PutItem", "TransactWriteItems"])
def test_a_busy_store_at_any_point_only_delays_the_step(stack: Stack, operation: str) -> None:
    """[37] For every call that is throttled three times, the run ends as it would have."""
    run_id = stack.begin(prompt='#script [{"text": "once"}]').body["run"]["id"]
    stack.faults.refuse(operation, times=3)
    for _ in range(4):
        stack.deliver(stack.message(run_id, 0))
        stack.clock.forward(31)
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"]) == ("succeeded", 1)
    assert stack.transcript()[1]["content"] == "once"


def test_the_next_run_receives_the_whole_history(stack: Stack) -> None:
    """Guarantee 7: prompts, answers and tool results in order, each once; the prompt last."""
    asked = stack.watch_the_agent()
    stack.script("chat-1", {"text": "a", "tools": TOOL}, {"text": "b"})
    stack.work()
    stack.begin(prompt="and now?")
    stack.work()
    turns = [(turn.role, turn.text) for turn in asked[2].history]
    assert turns[1:] == [("assistant", "a"), ("assistant", "b"), ("user", "and now?")]


def test_a_record_that_cannot_be_read_fails_no_run(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """Guarantee 7: one warning."""
    first = stack.begin(prompt='#script [{"text": "a"}]').body["run"]["id"]
    stack.work()
    key = {"pk": {"S": "acme#chat-1"}, "sk": {"S": "MSG#000000000002#STEP#000000"}}
    stack.dynamodb.update_item(
        TableName="outlive",
        Key=key,
        UpdateExpression="SET packed = :x",
        ExpressionAttributeValues={":x": {"B": b"junk"}},
    )
    second = stack.begin(prompt='#script [{"text": "b"}]').body["run"]["id"]
    stack.work()
    assert stack.run_of(second)["status"] == "succeeded"
    assert [record.message for record in caplog.records].count("record_unreadable") == 1
    assert first != second


def test_one_log_line_per_move(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """Each names run, chat, move, from, to and attempt."""
    run_id = stack.script("chat-1", {"text": "a", "tools": TOOL}, {"text": "b"}).body["run"]["id"]
    stack.work()
    moves = [vars(record) for record in caplog.records if hasattr(record, "move")]
    assert [(line["move"], line["from"], line["to"]) for line in moves] == [
        ("start", "none", "pending"),
        ("claim", "pending", "running"),
        ("record", "running", "running"),
        ("claim", "running", "running"),
        ("record", "running", "running"),
        ("succeed", "running", "succeeded"),
    ]
    assert all({"run", "chat", "attempt"} <= set(line) and line["run"] == run_id for line in moves)


def written(stack: Stack, operation: str, text: str) -> dict[str, Any]:
    """The last request of this kind whose update names `text`."""
    sent = zip(stack.faults.calls, stack.faults.requests, strict=True)
    return [asked for call, asked in sent if call == operation and text in json.dumps(asked, default=str)][-1]


def test_a_reclaim_that_lands_late_counts_no_attempt_and_takes_no_lease(stack: Stack) -> None:
    """[22] The first request timed out and lands after its retry was answered and the step let go again."""
    asked = stack.answer_with(transient(), transient(), FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.deliver(stack.message(run_id, 0))
    stack.deliver(stack.message(run_id, 0))
    before = stack.items()
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        stack.dynamodb.update_item(**written(stack, "UpdateItem", "attempt"))
    assert stack.items() == before
    assert stack.deliver(stack.message(run_id, 0))
    assert [ask.attempt for ask in asked] == [1, 2, 3]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_heartbeat_that_lands_late_does_not_shorten_the_lease(stack: Stack) -> None:
    """[19] Nor does its refusal break off the worker that holds the run."""
    heard: list[Any] = []

    def beats(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        table = stack.step.step.tools.table
        run, now = table.run("acme", ask.run_id), stack.step.clock.now()
        delivery = Delivery("acme", ask.run_id, 0, "receipt", now + 300_000, now)
        watch = Watch(
            table, stack.step.step.tools.queue, stack.step.clock, stack.step.settings, run, delivery, interrupt
        )
        watch.heartbeat(now + 10_000)
        watch.heartbeat(now + 20_000)
        watch.heartbeat(now + 10_000)
        heard.extend([interrupt.reason, table.run("acme", ask.run_id).lease_until - now])
        return FINAL

    stack.answer_with(beats)
    run_id = stack.begin().body["run"]["id"]
    assert stack.deliver(stack.take() or {})
    assert heard == [None, 50_000]
    assert stack.run_of(run_id)["status"] == "succeeded"


@pytest.mark.parametrize("levels", [100, 190, 200, 300, 500, 700, 900])
@pytest.mark.parametrize("kind", ["final", "step", "partial"])
def test_a_step_nested_too_deep_fails_its_run_in_so_many_words(stack: Stack, kind: Any, levels: int) -> None:
    """[27] What is deeper than any reader takes is not stored; up to there it is."""
    output: Any = 1
    for _ in range(levels):
        output = {"a": output}
    tool = {"type": "tool-x", "toolCallId": "1", "state": "output-available", "input": {}, "output": output}
    error = AgentError("permanent", "tool_failed", "why") if kind == "partial" else None
    stack.answer_with(Outcome(kind, [tool], "[]", error=error), Outcome("final", [], "[]"))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    if levels <= 190:
        assert run["status"] == ("failed" if error else "succeeded")
        assert stack.transcript()[1]["parts"] == [tool]
    elif error:
        assert (run["error"]["code"], stack.transcript()[1]["parts"]) == ("tool_failed", [])
    else:
        assert run["error"] == {
            "code": "step_too_large",
            "message": "the step's parts are nested deeper than 200 levels",
        }
