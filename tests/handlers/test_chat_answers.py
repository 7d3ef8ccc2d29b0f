"""How chat pages answer: their copy of the message comes with answers in it, once, twice, late, or with none at all."""

from typing import Any

import pytest

from outlive.agent import Outcome, Usage
from outlive.asked import AskedCall
from outlive.chat import HOLD_S
from outlive.clock import Clock
from proof.stacks.handlers import Stack
from tests.handlers.chunks import Client
from tests.handlers.event_reader import content_parts
from tests.handlers.test_answers import CALLS, FINAL, answered, asking, chunks, post, send, waiting
from tests.handlers.test_chat import claimed, say, stream

START = {"type": "step-start"}


def approval(state: str = "approval-responded", **more: Any) -> dict[str, Any]:
    """The page's part of the first call."""
    given = {"id": "c1", "approved": True, **more}
    return {"type": "tool-pay", "toolCallId": "c1", "input": {"amount": 5}, "state": state, "approval": given}


def ask_output(output: Any = "blue", **more: Any) -> dict[str, Any]:
    """The page's part of the second call."""
    return {"type": "tool-ask_user", "toolCallId": "c2", "state": "output-available", "output": output, **more}


def types(answer: Any) -> list[str]:
    return [chunk["type"] for chunk in chunks(answer.body)]


def one_call(state: str, **fields: Any) -> Outcome:
    """The step that ran the approved call, which came to this."""
    part = {"type": "tool-pay", "toolCallId": "c1", "state": state, "input": {"amount": 5}, **fields}
    kind = "asked" if state in ("approval-requested", "input-available") else "step"
    calls = (AskedCall("c1", "approval" if "approval" in fields else "question", "pay"),) if kind == "asked" else ()
    return Outcome(kind, [part], "[]", Usage(), asked=calls)  # type: ignore[arg-type]


def test_a_decision_that_differs_refuses_the_whole_message(stack: Stack) -> None:
    """[74] Also if the message answers another call that is still open: nothing of it is kept."""
    run_id = waiting(stack)
    send(stack, run_id, {"c1": {"approved": True}})
    refused = post(stack, [START, approval(approved=False), ask_output()], run_id)
    assert (refused.status, refused.body["code"]) == (409, "answered_otherwise")
    assert [call["tool_call_id"] for call in stack.run_of(run_id)["asked"]["open"]] == ["c2"]
    assert post(stack, [START, approval(), ask_output()], run_id).status == 200
    assert stack.run_of(run_id)["status"] == "running"


def test_a_message_that_leaves_a_call_open_is_answered_with_the_run_still_waiting(stack: Stack) -> None:
    """[78] The stream ends, so that the page can answer the rest."""
    run_id = waiting(stack)
    assert types(post(stack, [START, approval()], run_id)) == ["start", "finish"]
    assert types(post(stack, [START, approval()], run_id)) == ["start", "finish"]
    assert stack.run_of(run_id)["status"] == "waiting"
    assert post(stack, [START, approval(), ask_output()], run_id).status == 200
    assert stack.run_of(run_id)["status"] == "running"


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({**approval("output-available"), "output": "paid"}, "answers.c1"),
        (approval(id="9:c1"), "messages[0].parts.approval.id"),
        (approval(id=None), "messages[0].parts.approval.id"),
        (approval(approved="yes"), "messages[0].parts.approval.approved"),
        ({**approval(), "approval": None}, "messages[0].parts.approval.id"),
        (ask_output(state="output-error"), "messages[0].parts.errorText"),
        ("x", "messages[0].parts"),
    ],
)
def test_an_answer_of_the_wrong_form_is_refused(stack: Stack, part: Any, field: str) -> None:
    """[78] The field is named and nothing is kept: a page that sends automatically would otherwise send for ever."""
    run_id = waiting(stack)
    before = stack.items()
    refused = post(stack, [START, part], run_id)
    assert refused.status == 422
    assert refused.body["field"].startswith(field), refused.body
    assert stack.items() == before


def test_a_message_without_calls_of_the_run_is_refused(stack: Stack) -> None:
    """[78] There is nothing that it could answer or go on from."""
    run_id = waiting(stack)
    for parts in ([], [START, {"type": "text", "text": "x"}], [START, {**ask_output(), "toolCallId": "c9"}]):
        refused = post(stack, parts, run_id)
        assert (refused.status, refused.body["code"]) == (409, "not_waiting")


def test_a_message_that_answers_nothing_is_answered_with_what_follows(stack: Stack) -> None:
    """[78] A window ended when the last step's calls were complete: the page's copy says from where to go on."""
    run_id = waiting(stack)
    send(stack, run_id, {"c1": {"approved": True}, "c2": {"output": "blue"}})
    assert stack.deliver(stack.take() or {})
    seen = [START, {**approval("output-available"), "output": "ok"}, {**ask_output("ok")}]
    assert types(post(stack, seen, run_id)) == ["start"]
    stack.work()
    answer = chunks(post(stack, seen, run_id).body)
    assert [chunk["type"] for chunk in answer[:2]] == ["start", "start-step"]
    assert answer[-1]["type"] == "finish"


@pytest.mark.parametrize("how", ["stopped", "handed over", "succeeded"])
def test_a_page_that_sends_complete_calls_after_the_end_gets_one_refusal(stack: Stack, how: str) -> None:
    """[78] The page looks at the calls of the last step: behind an empty step there are none."""
    run_id = waiting(stack)
    seen = [
        {**part, "state": "output-error", "errorText": "Interrupted before it finished."}
        for part in (approval(), ask_output())
    ]
    if how == "stopped":
        stack.call("POST", f"/runs/{run_id}/stop")
    elif how == "handed over":
        message = {"id": "m2", "role": "user", "parts": [{"type": "text", "text": "no, do X"}]}
        stack.call("POST", "/api/chat", {"id": "chat-1", "messages": [message]}, query={"wait": "0"})
    else:
        final = {"type": "tool-final", "toolCallId": "c3", "state": "output-available", "input": {}, "output": 1}
        stack.answer_with(answered, Outcome("final", [START, final], "[]", Usage(), "stop"))
        send(stack, run_id, {"c1": {"approved": True}, "c2": {"output": "blue"}})
        stack.work()
        seen = [final]
    answer = chunks(post(stack, [START, *seen], run_id).body)
    end = ["message-metadata", "abort"] if how == "stopped" else ["finish"]
    assert [chunk["type"] for chunk in answer] == ["start", "start-step", "finish-step", *end]
    assert answer[-1].get("finishReason") == {"stopped": None, "handed over": "other", "succeeded": "stop"}[how]


def test_an_approval_that_is_sent_again_does_not_approve_what_was_asked_meanwhile(stack: Stack) -> None:
    """[74] A tool may ask about its call once more: that is another request, with an id of its own."""
    stack.answer_with(
        asking(CALLS[0]),
        one_call("approval-requested", approval={"id": "1:c1"}),
        one_call("output-available", output="ok"),
        FINAL,
    )
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    assert post(stack, [START, approval()], run_id).status == 200
    stack.work()
    again = post(stack, [START, approval()], run_id)
    assert types(again) == ["start", "tool-input-available", "tool-approval-request", "finish"]
    assert chunks(again.body)[2]["approvalId"] == "1:c1"
    assert stack.run_of(run_id)["status"] == "waiting"
    other = post(stack, [START, approval(approved=False)], run_id)
    assert (other.status, other.body["code"]) == (409, "answered_otherwise")
    assert post(stack, [START, approval(id="1:c1")], run_id).status == 200
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_an_approved_tool_that_asks_a_question_opens_its_call_again(stack: Stack) -> None:
    """[78] The page then shows a call without a result, and answers it."""
    stack.answer_with(asking(CALLS[0]), one_call("input-available"), one_call("output-available", output="ok"), FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    post(stack, [START, approval()], run_id)
    stack.work()
    assert types(post(stack, [START, approval()], run_id)) == ["start", "tool-input-available", "finish"]
    assert post(stack, [START, {**approval("output-available"), "output": "blue"}], run_id).status == 200
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_arguments_that_a_person_changed_are_shown(stack: Stack) -> None:
    """[77] The call is shown with what the tool ran with, as it is stored."""
    changed = {"input": {"amount": 3}, "approval": {"id": "c1", "approved": True}, "output": "paid 3"}
    stack.answer_with(asking(CALLS[0]), one_call("output-available", **changed), FINAL)
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    send(stack, run_id, {"c1": {"approved": True, "input": {"amount": 3}}})
    stack.deliver(stack.take() or {})
    client = Client()
    client.read(stack.call("GET", "/api/chat/chat-1/stream", query={"wait": "0"}).body)
    (call,) = [part for part in client.parts if "toolCallId" in part]
    (kept,) = [part for part in stack.transcript()[-1]["parts"] if "toolCallId" in part]
    assert (call["input"], call["output"], call["state"]) == (kept["input"], kept["output"], kept["state"])
    assert call["input"] == {"amount": 3}


def test_answers_are_held_until_there_is_something_or_the_window_is_over(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[78] A plain page sends again when an answer brings nothing of its calls: three times a minute at most."""
    run_id = waiting(stack, CALLS[0])
    monkeypatch.setattr(Clock, "sleep", lambda _, seconds: stack.clock.forward(seconds))
    body = {"id": "chat-1", "messages": [{"id": f"{run_id}-answer", "role": "assistant", "parts": [START, approval()]}]}
    for _ in range(3):
        before = Clock().now()
        assert types(stack.call("POST", "/api/chat", body)) == ["start"]
        assert Clock().now() - before >= HOLD_S * 1000
    # Nor does a store that fails after the answers were taken send the page away at once.
    before = Clock().now()
    for _ in ("the records", "the earlier answers"):
        stack.faults.then("Query", lambda: None)
    stack.faults.then("Query", lambda: stack.faults.refuse("GetItem", times=1000))
    answer = stack.call("POST", "/api/chat", body)
    stack.faults.planned.clear()
    assert answer.status == 200
    assert Clock().now() - before >= HOLD_S * 1000


def test_a_page_that_can_not_take_back_a_step_reads_its_message_from_the_start(stack: Stack) -> None:
    """[65] Also behind its answers: the void says from where, and that is the whole message."""
    run_id = waiting(stack, CALLS[0])
    page = Client()
    page.read(post(stack, [START, approval()], run_id).body)
    stack.deliver(stack.take() or {})
    claimed(stack, step=2)
    say(stack, run_id, 0, "dead", step=2)
    page.parts = [START, approval()]
    page.read(stream(stack, page.cursor).body)
    claimed(stack, attempt=2, step=2)
    say(stack, run_id, 0, "alive", step=2, attempt=2)
    (void,) = chunks(stream(stack, page.cursor).body)
    again = Client(id=page.id)
    again.read(stream(stack, void["data"]["restart"]).body)
    assert content_parts(again.parts) == [
        *content_parts(stack.transcript()[-1]["parts"])[:1],
        {**approval("output-available"), "output": "ok", "approval": {"id": "c1"}},
        {"type": "text", "text": "alive"},
    ]
