"""Stopping runs, over HTTP."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from proof.stacks.deployed import Stack, until

from .runs import ask, begin, ended, new_chat, once, outcome, running, seen, shape, showing, stop, transcript

ABORTED = ("aborted", "aborted", None)
WORDS = {"text": "word ", "repeat": 600, "seconds": 600}


def by_its_worker(stack: Stack, run: dict[str, Any]) -> bool:
    """The worker that held the run when it was stopped has ended it, or no worker ever had it."""
    return stack.row(run, "attempt")["attempt"] in {"0", "1", None}


@pytest.mark.together
@pytest.mark.parametrize("by", ["chats/{chat_id}", "runs/{id}"])
def test_a_stop_right_after_the_start_again_and_again(stack, by):
    """[13] [14] [16] [30] The stop or the worker aborts the run after at most one model request; the next run is not
    touched."""
    chat = new_chat()
    runs = []
    for _ in range(5):
        run = begin(stack, WORDS, chat=chat)
        answer = stack.call("POST", f"/{by.format(**run)}/stop").body
        assert (answer["stopped"], answer["run"]["id"]) == (True, run["id"])
        done = ended(stack, run)
        assert outcome(done["run"]) == ABORTED
        assert (done["message"]["status"], done["run"]["usage"]["requests"] <= 1) == ("aborted", True)
        assert by_its_worker(stack, run)
        runs.append(done)
    said = transcript(stack, chat)
    assert shape(said) == [("user", "completed"), ("assistant", "aborted")] * 5
    assert said[1::2] == [done["message"] for done in runs]
    assert outcome(ended(stack, begin(stack, {"text": "and yet"}, chat=chat))["run"]) == ("succeeded", "stop", None)


@pytest.mark.together
def test_a_stop_in_mid_stream_keeps_the_streamed_text(stack):
    """[15] [31] A repeated stop is answered true, and the time of the first one is kept."""
    run = begin(stack, {"text": "before. ", "tools": [["clock", {}]]}, WORDS, {"text": "never"})
    showing(stack, run, lambda reader: "word word " in str(reader.steps.get(1)))
    first, second = stop(stack, run), stack.call("POST", f"/chats/{run['chat_id']}/stop").body
    assert first["stopped"]
    # On a machine that is busy enough the run has ended before the second stop gets there.
    assert second["stopped"] or ended(stack, run)["run"]["finished_at"]
    assert second["run"] is None or second["run"]["stop_requested_at"] == first["run"]["stop_requested_at"]
    assert (first["run"]["finished_at"], first["run"]["step_count"]) == (None, 1)
    done = ended(stack, run)
    message = done["message"]
    assert outcome(done["run"]) == ABORTED
    assert done["run"]["stop_requested_at"] == first["run"]["stop_requested_at"]
    assert by_its_worker(stack, run)
    assert (done["run"]["step_count"], done["run"]["usage"]["requests"]) == (2, 2)
    assert message["content"].startswith("before. word word ")
    assert message["content"].count("word ") < 600
    assert [part["type"] for part in message["parts"]] == ["step-start", "text", "tool-clock", "step-start", "text"]
    assert message["metadata"] == {"error": None, "finish_reason": "aborted", "usage": done["run"]["usage"]}
    assert stop(stack, run) == {"stopped": False, "run": done["run"]}


@pytest.mark.together
def test_a_stop_while_a_tool_runs_closes_its_call_and_the_next_run_goes_on_from_there(stack):
    """[31] and guarantee 7: the interrupted call has a result, for the page and for the next model request."""
    chat = new_chat()
    tools = [["calculate", {"expression": "6 * 7"}], ["wait", {"seconds": 120}]]
    run = begin(stack, {"text": "Wait for it. ", "tools": tools}, {"text": "never"}, chat=chat)
    showing(stack, run, lambda reader: "tool-wait" in [part["type"] for part in reader.parts])
    assert stop(stack, run)["stopped"]
    done = ended(stack, run)
    assert outcome(done["run"]) == ABORTED
    assert by_its_worker(stack, run)
    text, *calls = done["message"]["parts"][1:]
    assert (text["text"], done["message"]["content"]) == ("Wait for it. ", "Wait for it. ")
    assert [(call["type"], call["state"]) for call in calls] == [
        ("tool-calculate", "output-available"),
        ("tool-wait", "output-error"),
    ]
    assert (calls[0]["output"], "errorText" in calls[1], "output" in calls[1]) == (42, True, False)

    after = begin(stack, {"text": "a ", "tools": [["clock", {}]]}, {"text": "b"}, chat=chat)
    gone_on = ended(stack, after)
    assert outcome(gone_on["run"]) == ("succeeded", "stop", None)
    assert gone_on["message"]["content"] == "a b"
    assert shape(transcript(stack, chat)) == [
        ("user", "completed"), ("assistant", "aborted"), ("user", "completed"), ("assistant", "completed"),
    ]  # fmt: skip


@pytest.mark.together
def test_a_settled_run_is_not_touched_by_a_stop(stack):
    """[16] [30] [33] A stop after the end writes nothing, to the chat, the run or a later run."""
    chat = new_chat()
    run = begin(stack, {"text": "over"}, chat=chat)
    done = ended(stack, run)["run"]
    before = stack.items(f"acme#{chat}"), stack.items(f"acme#{run['id']}")
    assert stop(stack, run) == {"stopped": False, "run": done}
    assert stack.call("POST", f"/chats/{chat}/stop").body == {"stopped": False, "run": None}
    assert (stack.items(f"acme#{chat}"), stack.items(f"acme#{run['id']}")) == before
    later = begin(stack, {"text": "still ", "repeat": 10, "seconds": 2}, chat=chat)
    assert stop(stack, run) == {"stopped": False, "run": done}
    assert outcome(ended(stack, later)["run"]) == ("succeeded", "stop", None)
    assert seen(stack, later)["run"]["stop_requested_at"] is None


@pytest.mark.parametrize(
    "call", ["/chats/never/stop", "/runs/never/stop", "/runs/a%23b/stop", "/runs/%F0%9F%98%80/stop"]
)
def test_where_nothing_is_there_is_nothing_to_stop(stack, call):
    """[30] A stop of an unknown chat or run answers `false` without a run."""
    answer = stack.call("POST", call)
    assert (answer.status, answer.body) == (200, {"stopped": False, "run": None})


def meet(stack: Stack, *entries: dict[str, Any], pause: float | None) -> tuple[bool, dict[str, Any]]:
    """Stop `pause` seconds after the second claim (None: after the end); the answer, and the ended run."""
    run = begin(stack, *entries)
    if pause is None:
        ended(stack, run)
    else:
        until(lambda: stack.row(run, "claimed_step")["claimed_step"], lambda step: step == "1", every=0.01)
        time.sleep(pause)
    answer = stop(stack, run)
    return answer["stopped"], ended(stack, run)


@pytest.mark.together
@pytest.mark.parametrize(
    ("last", "otherwise"),
    [
        ({"error": "permanent"}, ("failed", "error")),
        ({"text": "done"}, ("succeeded", "stop")),
    ],
    ids=["failure", "finish"],
)
def test_of_a_stop_and_an_end_the_first_counts(stack, last, otherwise):
    """[4] [23] [35] After a stop that was answered true the run has no error. One that was answered false changes
    nothing."""
    first = {"text": "said ", "tools": [["clock", {}]]}
    with ThreadPoolExecutor(2) as pool:
        met = list(pool.map(lambda pause: meet(stack, first, last, pause=pause), [0, 0.01, 0.02, 0.03, 0.05, None]))
    for stopped, body in met:
        run, message = body["run"], body["message"]
        assert run["status"] == ("aborted" if stopped else otherwise[0])
        assert run["finish_reason"] == ("aborted" if stopped else otherwise[1])
        assert (run["error"] is None) == (stopped or otherwise[0] == "succeeded")
        assert (run["stop_requested_at"] is not None) == stopped
        assert message["status"] == {"aborted": "aborted", "failed": "error", "succeeded": "completed"}[run["status"]]
        assert message["metadata"]["error"] == run["error"]
        assert message["content"].count("said ") <= 1
        idle = stack.call("POST", f"/chats/{run['chat_id']}/stop").body
        assert idle == {"stopped": False, "run": None}
    assert not met[-1][0]


@pytest.mark.together
def test_a_chat_can_be_used_again_as_soon_as_its_run_has_ended(stack):
    """[16] [32] The next start is accepted as soon as the stopped run has ended."""
    chat = new_chat()
    run = begin(stack, WORDS, chat=chat)
    running(stack, run)
    assert stop(stack, run)["stopped"]
    until(lambda: ask(stack, chat, {"text": "next"}).status, lambda status: status == 202, every=0.05)
    assert outcome(seen(stack, run)["run"]) == ABORTED
    latest = stack.call("GET", f"/chats/{chat}/run").body["run"]
    assert outcome(once(stack, latest, lambda now: now["finished_at"] is not None)["run"]) == (
        "succeeded",
        "stop",
        None,
    )
