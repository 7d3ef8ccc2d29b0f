"""Events applied in order make the message that GET returns."""

from outlive_client import MessageFold, RunEvent, StepEvent, TextEvent, ToolCallEvent, message_of

from .both import Sync
from .fake_api import FakeApi, numbered, run_body
from .test_watch import STORY


def events_of(*story):
    ended = {"type": "settled", "run": run_body(status="succeeded")}
    return Sync(FakeApi(numbered({"type": "run", "run": run_body()}, *story, ended)))("watch", "r1")


def test_events_make_the_message():
    """A restarted step appears once, consecutive texts of one kind are one part, and a result completes its call."""
    message = message_of(Sync(FakeApi(STORY))("watch", "r1"))
    assert message.parts == [
        {"type": "step-start"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool-clock", "toolCallId": "t1", "state": "output-available", "input": {}, "output": 1},
        {"type": "step-start"},
        {"type": "text", "text": "Done."},
    ]
    assert (message.id, message.run_id, message.chat_id, message.role) == ("r1-answer", "r1", "c1", "assistant")
    assert (message.status, message.content) == ("completed", "Let me see.Done.")
    assert message.metadata.usage is not None


def test_the_message_of_an_active_run_is_streaming_and_its_call_has_no_result_yet():
    run, *_ = events_of()
    fold = MessageFold()
    assert fold.message is None
    fold.apply(run)
    fold.apply(ToolCallEvent(id="x", step=0, tool_call_id="t", tool_name="wait", input={"seconds": 1}))
    assert fold.message.status == "streaming"
    assert fold.message.parts[1]["state"] == "input-available"
    fold.apply(StepEvent(id="y", step=0, state="discarded"))
    assert fold.message.parts == []
    fold.apply(StepEvent(id="z", step=0, state="dreaming"))
    assert fold.message.parts == []


def test_a_failed_tool_call_has_its_error_text():
    call = {"type": "tool-call", "step": 0, "tool_call_id": "t", "tool_name": "x", "input": None}
    result = {"type": "tool-result", "step": 0, "tool_call_id": "t", "tool_name": "x", "state": "output-error"}
    message = message_of(events_of(call, result | {"error_text": "No."}))
    assert message.parts[1] == {
        "type": "tool-x",
        "toolCallId": "t",
        "state": "output-error",
        "input": None,
        "errorText": "No.",
    }


def test_reasoning_and_text_are_separate_parts_and_steps_are_in_order():
    def text(step, kind, text):
        return {"type": "text", "step": step, "kind": kind, "text": text}

    message = message_of(
        events_of(text(1, "text", "c"), text(0, "reasoning", "a"), text(0, "reasoning", "b"), text(0, "text", "b"))
    )
    assert [(part["type"], part.get("text")) for part in message.parts] == [
        ("step-start", None),
        ("reasoning", "ab"),
        ("text", "b"),
        ("step-start", None),
        ("text", "c"),
    ]
    assert message.content == "bc"


def test_a_message_does_not_change_when_later_events_are_applied():
    fold = MessageFold()
    fold.apply(RunEvent(id="a", run=Sync(FakeApi())("run", "r1").run))
    fold.apply(TextEvent(id="b", step=0, text="one"))
    before = fold.message
    fold.apply(TextEvent(id="c", step=0, text=" two"))
    assert (before.content, before.parts[1]["text"]) == ("one", "one")


def test_events_without_the_run_make_no_message():
    assert message_of([TextEvent(id="a", step=0, text="x")]) is None
