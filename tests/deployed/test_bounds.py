"""The limits that end a run, and the errors that a run survives."""

import pytest

from .runs import begin, ended, new_chat, outcome, script, shape, transcript

CALL = ["calculate", {"expression": "1 + 1"}]


@pytest.mark.together
def test_a_run_of_twenty_steps_gets_all_of_them(stack):
    """[17] [25] A run takes twenty steps, more than the sixteen after which Lambda suspects a loop; the last calls no
    tool."""
    steps = [{"text": f"{n} ", "tools": [["calculate", {"expression": f"{n}"}]]} for n in range(25)]
    done = ended(stack, begin(stack, *steps))
    assert outcome(done["run"]) == ("succeeded", "max_steps", None)
    assert (done["run"]["step_count"], done["run"]["usage"]["requests"]) == (20, 20)
    assert done["message"]["content"] == "".join(f"{n} " for n in range(20))
    assert sum(part["type"] == "tool-calculate" for part in done["message"]["parts"]) == 19


@pytest.mark.together
@pytest.mark.parametrize(("budget", "calls"), [(1, 0), (2, 1)])
def test_the_last_allowed_step_may_only_say_something(stack, budget, calls):
    """[25] The last allowed step is asked for text only: its tool calls are not made, and the run succeeds with
    `max_steps`."""
    said = {"prompt": script(*[{"text": "a", "tools": [CALL]}] * 3), "budget": {"max_steps": budget}}
    run = stack.call("POST", f"/chats/{new_chat()}/runs", said).body["run"]
    done = ended(stack, run)
    assert outcome(done["run"]) == ("succeeded", "max_steps", None)
    assert (done["run"]["step_count"], done["message"]["content"]) == (budget, "a" * budget)
    assert sum(part["type"] == "tool-calculate" for part in done["message"]["parts"]) == calls


@pytest.mark.together
def test_an_answer_on_the_last_allowed_step_is_an_answer(stack):
    """[25] A run whose last allowed step answers has succeeded like any other."""
    said = {"prompt": script({"text": "a", "tools": [CALL]}, {"text": "b"}), "budget": {"max_steps": 2}}
    done = ended(stack, stack.call("POST", f"/chats/{new_chat()}/runs", said).body["run"])
    assert done["message"]["content"] == "ab"
    assert done["run"]["status"] == "succeeded"


@pytest.mark.together
def test_a_run_that_goes_in_circles_fails_and_keeps_what_it_did(stack):
    """[26] A run that repeats the same calls fails after its tenth step, not earlier, and keeps what it stored."""
    done = ended(stack, begin(stack, *[{"text": ".", "tools": [CALL]}] * 15))
    assert outcome(done["run"]) == ("failed", "error", "loop_detected")
    assert (done["run"]["step_count"], done["run"]["usage"]["requests"]) == (10, 10)
    assert (done["message"]["status"], done["message"]["content"]) == ("error", "." * 10)
    assert done["message"]["metadata"]["error"] == done["run"]["error"]


@pytest.mark.together
def test_a_run_survives_transient_errors_and_repeats_no_text(stack):
    """[22] A step is tried again after a transient error, and its text is stored once."""
    entries = [
        {"text": "a ", "tools": [CALL]},
        {"error": "transient", "times": 2, "text": "b ", "tools": [CALL]},
        {"text": "c"},
    ]
    done = ended(stack, begin(stack, *entries))
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert (done["run"]["step_count"], done["message"]["content"]) == (3, "a b c")
    assert [part["type"] for part in done["message"]["parts"]].count("step-start") == 3


@pytest.mark.together
def test_transient_errors_without_end_fail_the_run_with_the_last_one(stack):
    """[4] [22] The step is tried three times; what came before it is kept, and the chat goes on."""
    chat = new_chat()
    run = begin(stack, {"text": "kept", "tools": [CALL]}, {"error": "transient"}, chat=chat)
    done = ended(stack, run)
    assert outcome(done["run"]) == ("failed", "error", "step_attempts")
    assert "the script asks for a transient error" in done["run"]["error"]["message"]
    assert stack.row(run, "attempt") == {"attempt": "3"}
    assert (done["run"]["step_count"], done["message"]["content"]) == (1, "kept")
    after = ended(stack, begin(stack, {"text": "better"}, chat=chat))
    assert outcome(after["run"]) == ("succeeded", "stop", None)
    assert shape(transcript(stack, chat))[1::2] == [("assistant", "error"), ("assistant", "completed")]


@pytest.mark.together
def test_a_permanent_error_fails_the_run_at_once(stack):
    """[4] [22] The run fails after one attempt, with the error as its cause."""
    run = begin(stack, {"text": "kept", "tools": [CALL]}, {"error": "permanent"}, {"text": "never"})
    done = ended(stack, run)
    assert (done["run"]["status"], done["run"]["finish_reason"]) == ("failed", "error")
    assert "the script asks for a permanent error" in done["run"]["error"]["message"]
    assert stack.row(run, "attempt") == {"attempt": "1"}
    assert (done["message"]["status"], done["message"]["content"]) == ("error", "kept")


@pytest.mark.together
def test_the_model_receives_a_tools_refusal_and_the_run_continues(stack):
    """[23] A tool that refuses its input does not fail the run: the model gets the error as the result."""
    calls = [
        ["calculate", {"expression": "1 / 0"}],
        ["calculate", {"wrong": 1}],
        ["clock", {"time_zone": "Nowhere/At all"}],
    ]
    done = ended(stack, begin(stack, {"text": "a", "tools": calls}, {"text": "b"}))
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    states = [part["state"] for part in done["message"]["parts"] if part["type"].startswith("tool-")]
    assert states == ["output-error"] * 3
    assert done["message"]["content"] == "ab"


@pytest.mark.together
@pytest.mark.parametrize("wrong", ["#script", "#script [", '#script {"text": "a"}', "#script [5]", '#script [{"tool": []}]',
                                   '#script [{"text": "a", "tools": [["rm", {}]]}]', "#script []"])  # fmt: skip
def test_a_script_with_a_mistake_is_answered_in_words(stack, wrong):
    run = stack.call("POST", f"/chats/{new_chat()}/runs", {"prompt": wrong}).body["run"]
    done = ended(stack, run)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert "script" in done["message"]["content"]
