"""Events applied one after the other are the message that GET shows."""

from outlive_client import MessageFold, RunEvent, StepEvent, TextEvent, ToolCallEvent, message_of

from .both import Sync
from .fake_api import FakeApi, numbered, run_body
from .test_watch import STORY


def events_of(*story):
    ended = {"type": "settled", "run": run_body(status="succeeded")}
    return Sync(FakeApi(numbered({"type": "run", "run": run_body()}, *story, ended)))("watch", "r1")


def test_events_make_the_message():
    """A step that began again is told once, texts of a kind are one part, a result closes its call."""
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


def test_a_message_under_way_streams_with_its_call_open():
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


def test_a_failed_tool_says_why():
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


def test_reasoning_and_text_are_parts_of_their_own_and_steps_stand_in_order():
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


def test_parts_that_were_given_out_do_not_change_behind_the_readers_back():
    fold = MessageFold()
    fold.apply(RunEvent(id="a", run=Sync(FakeApi())("run", "r1").run))
    fold.apply(TextEvent(id="b", step=0, text="one"))
    before = fold.message
    fold.apply(TextEvent(id="c", step=0, text=" two"))
    assert (before.content, before.parts[1]["text"]) == ("one", "one")


def test_events_from_the_middle_alone_make_no_message():
    assert message_of([TextEvent(id="a", step=0, text="x")]) is None
