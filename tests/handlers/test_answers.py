"""Runs that wait for answers: asked, answered, gone on, stopped, given up."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from outlive.agent import AgentError, Ask, Outcome, Usage
from outlive.asked import AskedCall
from proof.stacks.handlers import Stack

DAY = 86_400_000
CALLS = (
    AskedCall("c1", "approval", "pay", {"amount": 5}),
    AskedCall("c2", "question", "ask_user", {"question": "which?"}),
)
FINAL = Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")


def asking(*calls: AskedCall) -> Outcome:
    """A step that says something and asks about these calls."""
    parts: list[dict[str, Any]] = [{"type": "step-start"}, {"type": "text", "text": "Let me see. "}]
    for call in calls:
        part = {"type": f"tool-{call.tool_name}", "toolCallId": call.tool_call_id, "input": call.input}
        if call.kind == "approval":
            parts.append({**part, "state": "approval-requested", "approval": {"id": call.tool_call_id}})
        else:
            parts.append({**part, "state": "input-available"})
    return Outcome("asked", parts, "[]", Usage(1, 1, 1), asked=calls)


def answered(ask: Ask, *_: Any) -> Outcome:
    """The step that runs the answered calls."""
    parts = [
        {
            "type": f"tool-{call.tool_name}", "toolCallId": call.tool_call_id, "state": "output-available",
            "input": call.input, "output": "ok",
        }
        for call in ask.asked
    ]  # fmt: skip
    return Outcome("step", parts, "[]", Usage())


def waiting(stack: Stack, *calls: AskedCall) -> str:
    """A run that waits for answers to these calls."""
    stack.answer_with(asking(*(calls or CALLS)), answered, FINAL)
    run_id: str = stack.begin().body["run"]["id"]
    assert stack.work() == 1
    return run_id


def send(stack: Stack, run_id: str, answers: dict[str, Any], **who: Any) -> Any:
    return stack.call("POST", f"/runs/{run_id}/answers", {"answers": answers}, **who)


APPROVED = {"c1": {"approved": True}}
BLUE = {"c2": {"output": "the blue one"}}


def test_a_run_waits_with_what_it_asked_and_holds_its_chat(stack: Stack) -> None:
    """[72] No message is under way, the sweep does not touch it, and another start is refused."""
    run_id = waiting(stack)
    run = stack.run_of(run_id)
    assert (run["status"], run["error"], run["asked"]["step"]) == ("waiting", None, 0)
    assert [(call["tool_call_id"], call["kind"], call["input"]) for call in run["asked"]["open"]] == [
        ("c1", "approval", {"amount": 5}), ("c2", "question", {"question": "which?"}),
    ]  # fmt: skip
    stack.clock.ahead += 6 * DAY
    assert stack.sweep_now()["seen"] == 0
    assert stack.work() == 0
    busy = stack.begin()
    assert (busy.status, busy.body["active_run_id"]) == (409, run_id)
    (listed,) = stack.call("GET", "/chats/chat-1/runs").body["runs"]
    assert [call.get("input") for call in listed["asked"]["open"]] == [None, None]


def test_the_last_open_answer_moves_the_run_on(stack: Stack) -> None:
    """[72] In any order; the next step gets the decisions, asks no model, and the run ends with the answer."""
    run_id = waiting(stack)
    first = send(stack, run_id, BLUE)
    assert (first.status, first.body["run"]["status"]) == (200, "waiting")
    assert [call["tool_call_id"] for call in first.body["run"]["asked"]["open"]] == ["c1"]
    assert stack.work() == 0
    last = send(stack, run_id, APPROVED)
    assert (last.body["run"]["status"], last.body["run"]["asked"]) == ("running", None)
    asks = stack.answer_with(answered, FINAL)
    assert stack.work() == 2
    assert [call.tool_call_id for call in asks[0].asked] == ["c1", "c2"]
    assert (asks[0].decisions["c1"].approved, asks[0].decisions["c2"].output) == (True, "the blue one")
    assert asks[0].answered_by == {"c1": "ada", "c2": "ada"}
    assert asks[1].asked == ()
    run = stack.run_of(run_id)
    assert (run["status"], run["step_count"], run["usage"]["requests"]) == ("succeeded", 3, 2)
    parts = stack.transcript()[-1]["parts"]
    assert [part.get("state") for part in parts if "toolCallId" in part] == ["output-available"] * 2


def test_the_same_answers_again_change_nothing(stack: Stack) -> None:
    """[74] A double click, a lost answer: while the run waits, while it goes on, and after its end."""
    run_id = waiting(stack)
    assert send(stack, run_id, BLUE).status == 200
    assert send(stack, run_id, BLUE).status == 200
    assert send(stack, run_id, {**BLUE, **APPROVED}).body["run"]["status"] == "running"
    assert send(stack, run_id, {**BLUE, **APPROVED}).body["run"]["status"] == "running"
    stack.answer_with(answered, FINAL)
    stack.work()
    assert send(stack, run_id, APPROVED).body["run"]["status"] == "succeeded"


def test_the_first_decision_counts_and_another_says_who_made_it(stack: Stack) -> None:
    """[74] 409 with the person and the time, and nothing of the second request is kept."""
    run_id = waiting(stack)
    assert send(stack, run_id, APPROVED).status == 200
    other = send(stack, run_id, {"c1": {"approved": False, "reason": "no"}, **BLUE})
    assert (other.status, other.body["code"], other.body["answered_by"]) == (409, "answered_otherwise", "ada")
    assert other.body["tool_call_id"] == "c1"
    assert other.body["answered_at"]
    assert [call["tool_call_id"] for call in stack.run_of(run_id)["asked"]["open"]] == ["c2"]


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({}, "answers"),
        ({"c9": {"approved": True}}, "answers.c9"),
        ({"c1": {"approved": "yes"}}, "answers"),
        ({"c1": {"approved": True, "reason": "x"}}, "answers.c1"),
        ({"c1": {"approved": False, "input": {}}}, "answers.c1"),
        ({"c1": {"output": "x"}}, "answers.c1"),
        ({"c2": {"approved": True}}, "answers.c2"),
        ({"c2": {}}, "answers.c2"),
        ({"c2": {"output": 1, "error_text": "x"}}, "answers.c2"),
        ({"c2": {"output": "x" * 300_000}}, "answers.c2"),
        ({f"c{number}": {"approved": True} for number in range(51)}, "answers"),
        ({"c1": {"approved": True, "why": "x"}}, "answers"),
    ],
)
def test_a_wrong_answer_names_the_call_and_leaves_nothing_behind(
    stack: Stack, answers: dict[str, Any], field: str
) -> None:
    """[74] All or none."""
    run_id = waiting(stack)
    before = stack.items()
    refused = send(stack, run_id, answers)
    assert (refused.status, refused.body["code"]) == (422, "invalid_request")
    assert refused.body["field"].startswith(field)
    assert stack.items() == before


def test_a_run_that_does_not_wait_takes_no_answer(stack: Stack) -> None:
    """[74] 409 says where it stands; to another user the run does not exist."""
    run_id = stack.begin().body["run"]["id"]
    refused = send(stack, run_id, APPROVED)
    assert (refused.status, refused.body["code"], refused.body["run_status"]) == (409, "not_waiting", "pending")
    assert send(stack, run_id, APPROVED, user="bob").status == 404
    assert send(stack, "no-run", APPROVED).status == 404


def test_a_stop_ends_a_waiting_run_and_closes_its_calls(stack: Stack) -> None:
    """[75] At once; a later answer is refused, and the chat is free."""
    run_id = waiting(stack)
    assert stack.call("POST", f"/runs/{run_id}/stop").body["stopped"] is True
    run = stack.run_of(run_id)
    assert (run["status"], run["asked"]) == ("aborted", None)
    parts = stack.transcript()[-1]["parts"]
    assert [part["state"] for part in parts if "toolCallId" in part] == ["output-error"] * 2
    late = send(stack, run_id, APPROVED)
    assert (late.status, late.body["code"]) == (409, "not_waiting")
    assert stack.begin().status == 202


def test_a_run_that_is_not_answered_in_time_ends(stack: Stack) -> None:
    """[75] The sweep ends the run, error `unanswered`, and not a moment before its deadline."""
    run_id = waiting(stack)
    stack.clock.ahead += 7 * DAY - 60_000
    assert stack.sweep_now()["settled"] == {}
    stack.clock.ahead += 120_000
    assert stack.sweep_now()["settled"] == {"unanswered": 1}
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]["code"]) == ("aborted", "unanswered")
    assert "pay" in run["error"]["message"]


@pytest.mark.parametrize("fate", ["lose", "twice", "refuse"])
def test_an_answer_of_the_store_that_is_lost_is_found_again(stack: Stack, fate: str) -> None:
    """[74] Of the write that answers, and of the one that asks: each is made once."""
    stack.answer_with(asking(*CALLS), answered, FINAL)
    run_id = stack.begin().body["run"]["id"]
    getattr(stack.faults, fate)("TransactWriteItems")
    stack.work()
    stack.clock.ahead += 60_000
    stack.work()
    assert stack.run_of(run_id)["status"] == "waiting"
    getattr(stack.faults, fate)("TransactWriteItems")
    done = send(stack, run_id, {**APPROVED, **BLUE})
    assert (done.status, done.body["run"]["status"]) == (200, "running")
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_resumed_run_whose_message_was_never_sent_is_sent_on_by_the_sweep(stack: Stack) -> None:
    """[73] The worker that took the answer may have died right after the write."""
    run_id = waiting(stack)
    send(stack, run_id, {**APPROVED, **BLUE})
    while (message := stack.take()) is not None:
        stack.sqs.delete_message(QueueUrl=stack.queue_url, ReceiptHandle=message["ReceiptHandle"])
    stack.clock.ahead += 120_000
    assert stack.sweep_now()["resent"] == 1
    stack.answer_with(answered, FINAL)
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_run_that_was_answered_does_not_wait_for_the_provider_of_an_earlier_attempt(stack: Stack) -> None:
    """[84] The step that asked had to be tried twice; what follows begins anew."""
    busy = Outcome("partial", [], None, error=AgentError("busy", "model_rate_limited", "slow down"))
    stack.answer_with(busy, asking(*CALLS), answered, FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    assert stack.run_of(run_id)["retrying"]["code"] == "model_rate_limited"
    stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "waiting"
    assert send(stack, run_id, {**APPROVED, **BLUE}).body["run"]["retrying"] is None
    assert stack.run_of(run_id)["retrying"] is None


def test_a_late_message_of_the_step_that_asked_changes_nothing(stack: Stack) -> None:
    """[73] While the run waits, after it went on, and after its end."""
    run_id = waiting(stack)

    def come_late(*steps: int) -> None:
        before = stack.items()
        for step in steps:
            assert stack.deliver(stack.message(run_id, step))
        assert stack.items() == before

    come_late(0, 1)
    send(stack, run_id, {**APPROVED, **BLUE})
    assert stack.deliver(stack.take() or {})
    come_late(0)
    assert stack.deliver(stack.message(run_id, 2))
    come_late(0, 1)
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_stop_that_comes_before_the_question_ends_the_run(stack: Stack) -> None:
    """[75] The step's own stop is heard in the write that asks."""
    run_id = ""

    def asked_meanwhile(*_: Any) -> Outcome:
        stack.call("POST", f"/runs/{run_id}/stop")
        return asking(*CALLS)

    stack.look_once()
    stack.answer_with(asked_meanwhile)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    run = stack.run_of(run_id)
    assert (run["status"], run["error"]) == ("aborted", None)
    states = [part["state"] for part in stack.transcript()[-1]["parts"] if "toolCallId" in part]
    assert states == ["output-error"] * 2


def test_a_waiting_step_is_no_step_of_the_model(stack: Stack) -> None:
    """[72] A budget of two steps is two requests; the step between them that runs the answered calls is none."""
    asks = stack.answer_with(asking(*CALLS), answered, FINAL)
    run_id = stack.begin(budget={"max_steps": 2}).body["run"]["id"]
    stack.work()
    send(stack, run_id, {**APPROVED, **BLUE})
    stack.work()
    assert [ask.text_only for ask in asks] == [False, False, True]
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_late_repeat_never_answers_what_a_later_step_asks(stack: Stack) -> None:
    """[74] About the same call: the request names the step that it saw."""
    call = CALLS[0]
    stack.answer_with(asking(call), asking(call), answered, FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    first = {"answers": APPROVED, "step": 0}
    assert stack.call("POST", f"/runs/{run_id}/answers", first).status == 200
    stack.work()
    assert stack.run_of(run_id)["asked"]["step"] == 1
    late = stack.call("POST", f"/runs/{run_id}/answers", first)
    assert (late.status, late.body["run"]["status"], late.body["run"]["asked"]["step"]) == (200, "waiting", 1)
    assert stack.call("POST", f"/runs/{run_id}/answers", {**first, "step": 1}).body["run"]["status"] == "running"
    assert stack.call("POST", f"/runs/{run_id}/answers", {**first, "step": -1}).body["field"] == "step"


def asked_twice(stack: Stack) -> str:
    """A run whose tool asked about its call, was approved, and asks about the same call again."""
    stack.answer_with(asking(CALLS[0]), asking(CALLS[0]), answered, FINAL)
    run_id: str = stack.begin().body["run"]["id"]
    stack.work()
    assert send(stack, run_id, APPROVED).body["run"]["status"] == "running"
    stack.work()
    assert stack.run_of(run_id)["asked"]["step"] == 1
    return run_id


def test_an_answer_to_a_call_that_two_steps_asked_about_names_the_step(stack: Stack) -> None:
    """[91] Without it, a late repeat of the first approval would be one of the second request: 422, and nothing is kept."""
    run_id = asked_twice(stack)
    before = stack.items()
    for decision in (APPROVED, {"c1": {"approved": False}}):
        refused = send(stack, run_id, decision)
        assert (refused.status, refused.body["field"]) == (422, "step")
        assert "steps 0, 1 asked about c1" in refused.body["detail"]
    assert stack.items() == before
    path = f"/runs/{run_id}/answers"
    assert stack.call("POST", path, {"answers": APPROVED, "step": 1}).body["run"]["status"] == "running"
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert send(stack, run_id, APPROVED).body["field"] == "step"
    assert stack.call("POST", path, {"answers": APPROVED, "step": 0}).status == 200


def test_an_answer_without_a_step_is_enough_for_calls_that_one_step_asked_about(stack: Stack) -> None:
    """[91] Also in a later step, and in one request with calls of an earlier one that were answered just so."""
    stack.answer_with(asking(CALLS[0]), answered, asking(CALLS[1]), answered, FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    send(stack, run_id, APPROVED)
    stack.work()
    assert stack.run_of(run_id)["asked"]["step"] == 2
    assert send(stack, run_id, {**APPROVED, **BLUE}).body["run"]["status"] == "running"


@pytest.mark.parametrize("fate", ["lost", "raced"])
def test_a_request_never_answers_what_was_asked_while_it_was_under_way(stack: Stack, fate: str) -> None:
    """[91] Its write was made and not answered, or another request was faster; by its next try the tool asks again."""
    stack.answer_with(asking(CALLS[0]), asking(CALLS[0]), answered, FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.work()

    def meanwhile() -> None:
        stack.work()
        assert stack.run_of(run_id)["asked"]["step"] == 1

    if fate == "lost":

        def lost() -> None:
            stack.deliver(stack.message(run_id, 1))
            raise ReadTimeoutError(endpoint_url="http://table")

        stack.faults.then("TransactWriteItems", lost)
    else:
        stack.faults.first("TransactWriteItems", lambda: (send(stack, run_id, APPROVED), meanwhile()))
    done = send(stack, run_id, APPROVED)
    assert (done.status, done.body["run"]["status"], done.body["run"]["asked"]["step"]) == (200, "waiting", 1)


BOSS = {"workspace_id": "acme", "sub": "boss", "roles": "[reader approver]"}


@pytest.fixture
def approvers(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has this role may answer."""
    for module in (stack.answer, stack.read):
        monkeypatch.setattr(module.api, "_approver_claim", "roles:approver")


@pytest.mark.usefixtures("approvers")
def test_an_approver_answers_anybodys_waiting_run(stack: Stack) -> None:
    """[76] Only with the claim, and only in the workspace."""
    run_id = waiting(stack)
    assert send(stack, run_id, APPROVED, claims={**BOSS, "roles": "[reader]"}).status == 404
    assert send(stack, run_id, APPROVED, claims={**BOSS, "workspace_id": "other"}).status == 404
    assert send(stack, run_id, {**APPROVED, **BLUE}, claims=BOSS).status == 200
    assert send(stack, run_id, APPROVED, claims=BOSS).status == 200
    other = send(stack, run_id, {"c1": {"approved": False}})
    assert (other.status, other.body["answered_by"]) == (409, "boss")


@pytest.mark.usefixtures("approvers")
def test_an_approver_sees_what_a_run_asks_and_nothing_of_its_chat(stack: Stack) -> None:
    """[90] The calls with their arguments, who asks and until when: as long as it waits, and to no one else."""
    stack.answer_with(asking(*CALLS), answered, FINAL)
    run_id = stack.begin(metadata={"private": "yes"}).body["run"]["id"]
    stack.work()
    path = f"/runs/{run_id}"
    seen = stack.call("GET", path, claims=BOSS).body
    assert (seen["message"], seen["run"]["metadata"], seen["run"]["created_by"]) == (None, {}, "ada")
    assert seen["run"]["asked"] == stack.run_of(run_id)["asked"]
    assert [call["input"] for call in seen["run"]["asked"]["open"]] == [call.input for call in CALLS]
    for who in ({**BOSS, "roles": "[reader]"}, {**BOSS, "workspace_id": "other"}):
        assert stack.call("GET", path, claims=who).body["code"] == "run_not_found"
    assert stack.call("GET", f"{path}/events", claims=BOSS, query={"wait": "0"}).status == 404
    assert stack.call("POST", f"{path}/ticket", claims=BOSS).status == 404
    assert stack.call("GET", "/chats/chat-1/run", claims=BOSS).body == {"run": None, "message": None}
    assert stack.call("GET", "/chats/chat-1/messages", claims=BOSS).body["messages"] == []
    assert stack.call("POST", f"{path}/stop", claims=BOSS).body["stopped"] is False
    own = stack.call("GET", path, claims={**BOSS, "sub": "ada"}).body
    assert (own["message"]["content"], own["run"]["metadata"]) == ("Let me see. ", {"private": "yes"})


@pytest.mark.usefixtures("approvers")
@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_an_approver_sees_nothing_of_what_came_of_the_run(stack: Stack, end: str) -> None:
    """[90] Not by reading it once it goes on, and not by sending the same answers again after its end."""
    broken = Outcome("partial", [], None, error=AgentError("permanent", "tool_failed", "a private reason"))
    stack.answer_with(asking(*CALLS), answered, replace(FINAL, output={"private": 1}) if end == "succeeded" else broken)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    assert send(stack, run_id, {**APPROVED, **BLUE}, claims=BOSS).body["run"]["status"] == "running"
    assert stack.call("GET", f"/runs/{run_id}", claims=BOSS).status == 404
    stack.work()
    again = send(stack, run_id, APPROVED, claims=BOSS)
    assert (again.status, again.body["run"]["status"]) == (200, end)
    assert "private" not in json.dumps(again.body)
    assert "private" in json.dumps(send(stack, run_id, APPROVED).body)


def test_events_tell_what_waits_and_what_came_of_it(stack: Stack) -> None:
    """[77] A reader from the start and one that followed get the same; results of an earlier step's call have no call."""
    run_id = waiting(stack)
    window = stack.call("GET", f"/runs/{run_id}/events").body
    kinds = [event["type"] for event in window["events"]]
    assert kinds == ["run", "step", "text", "tool-call", "tool-call", "tool-approval", "step"]
    assert (window["events"][-1]["kind"], window["events"][-1]["waits"]) == ("asked", True)
    send(stack, run_id, {**APPROVED, **BLUE})
    stack.work()
    rest = stack.call("GET", f"/runs/{run_id}/events", query={"after": window["cursor"]}).body["events"]
    assert [event["type"] for event in rest][:5] == ["step", "tool-result", "tool-result", "step", "step"]
    assert rest[-1]["type"] == "settled"


def test_a_reader_gets_the_closed_calls_of_a_run_that_was_stopped_while_it_waited(stack: Stack) -> None:
    """[77] Also a reader that had everything up to then."""
    run_id = waiting(stack)
    cursor = stack.call("GET", f"/runs/{run_id}/events").body["cursor"]
    stack.call("POST", f"/runs/{run_id}/stop")
    rest = stack.call("GET", f"/runs/{run_id}/events", query={"after": cursor}).body["events"]
    assert [event["type"] for event in rest] == ["step", "tool-result", "tool-result", "step", "settled"]


def chunks(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def post(stack: Stack, parts: list[dict[str, Any]], run_id: str, **fields: Any) -> Any:
    message = {"id": f"{run_id}-answer", "role": "assistant", "parts": parts}
    body = {"id": "chat-1", "messages": [message], "trigger": "submit-message", "messageId": f"{run_id}-answer"}
    return stack.call("POST", "/api/chat", {**body, **fields}, query={"wait": "0"})


def test_a_chat_client_answers_and_reads_on_behind_what_it_has(stack: Stack) -> None:
    """[78] The stream ends with `tool-calls`; the one after the answers begins with the message's own id."""
    run_id = waiting(stack)
    stream = chunks(stack.call("GET", "/api/chat/chat-1/stream").body)
    assert stream[-3:] == [
        {"type": "tool-approval-request", "approvalId": "c1", "toolCallId": "c1"},
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "tool-calls"},
    ]
    tool = {"type": "tool-pay", "toolCallId": "c1", "input": {"amount": 5}}
    approved = {**tool, "state": "approval-responded", "approval": {"id": "c1", "approved": True}}
    answered_part = {
        "type": "tool-ask_user",
        "toolCallId": "c2",
        "input": {},
        "state": "output-available",
        "output": "blue",
    }
    first = post(stack, [{"type": "step-start"}, approved, answered_part], run_id)
    assert first.status == 200
    assert stack.run_of(run_id)["status"] == "running"
    stack.work()
    again = chunks(post(stack, [{"type": "step-start"}, approved, answered_part], run_id).body)
    assert again[:3] == [
        {"type": "start", "messageId": f"{run_id}-answer"},
        {"type": "tool-output-available", "toolCallId": "c1", "output": "ok"},
        {"type": "tool-output-available", "toolCallId": "c2", "output": "ok"},
    ]
    assert again[3]["type"] == "start-step"
    assert again[-1]["type"] == "finish"


def test_a_message_typed_in_place_of_a_decision_takes_the_chat_over(stack: Stack) -> None:
    """[78] The waiting run ends `handed_over`, its calls closed, and the message has a run and an answer of its own."""
    run_id = waiting(stack)
    message = {"id": "m2", "role": "user", "parts": [{"type": "text", "text": "no, do X"}]}
    body = {"id": "chat-1", "messages": [message], "trigger": "submit-message"}
    started = stack.call("POST", "/api/chat", body, query={"wait": "0"})
    assert started.status == 200
    run = stack.run_of(run_id)
    assert (run["status"], run["finish_reason"]) == ("succeeded", "handed_over")
    assert stack.run_of(started.headers["location"].rpartition("/")[2])["status"] == "pending"
