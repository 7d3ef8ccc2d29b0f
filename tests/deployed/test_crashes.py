"""Killed workers, lost messages, switched-off parts. Each test has a stack of its own, whose workers it may kill."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proof.stacks.deployed import Stack, until
from tests.handlers.event_reader import EventReader, content_parts

from .runs import (
    LOOK_EVERY,
    ask,
    begin,
    complaints,
    ended,
    held,
    new_chat,
    outcome,
    running,
    script,
    seen,
    shape,
    stop,
    transcript,
)
from .test_command import events_of_lines, lines_until, open_command, rest_of, without_nulls

CALL = ["clock", {}]
RESTARTED = '"cause":"StoreUnanswered: EndpointConnectionError"'
"""A request that is under way while the whole local AWS ends finds no store."""
LEASE = {"LEASE_SECONDS": "8"}
"""Short, for what is waited for here is its end; long enough for a busy machine's worker to keep it."""


@contextmanager
def own_stack(*, expected: str = "", **settings: str) -> Iterator[Stack]:
    """A stack for one test alone, that logged no errors except lines that contain `expected`."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder).resolve() / "state", **settings)
        stack.start()
        try:
            yield stack
            assert [line for line in complaints(stack) if not expected or expected not in line] == []
        finally:
            stack.stop()


def at_work(stack: Stack, run: dict[str, Any], step: int, attempt: int = 1) -> None:
    """A worker is in the middle of this step: it has sent a heartbeat since it took it up."""
    names = ("claimed_step", "attempt", "progress_at")
    row = until(
        lambda: stack.row(run, *names),
        lambda row: (row["claimed_step"], row["attempt"]) == (str(step), str(attempt)),
        every=LOOK_EVERY,
    )
    until(lambda: stack.row(run, *names), lambda now: now["progress_at"] != row["progress_at"], every=LOOK_EVERY)


@pytest.mark.together(long=True)
def test_workers_that_are_killed_or_paused_in_mid_step(stack):
    """[19] [20] [22] [32] A step whose worker is killed runs again; a worker that wakes up after its lease changes
    nothing."""
    with own_stack(**LEASE, STEP_ATTEMPTS="2") as own:
        killed_workers_are_made_up_for(own)
        a_paused_worker_does_no_harm(own)


def killed_workers_are_made_up_for(own):
    """The step runs again and its text is stored once. A step that kills each of its workers fails its run. A run that is
    stopped meanwhile is settled when the lease has expired."""
    slow = held("two " * 10, "walks", tools=[CALL])
    walks = begin(own, {"text": "one ", "tools": [CALL]}, slow, {"text": "three"})
    deadly = begin(own, {"text": "kept ", "tools": [CALL]}, {"text": "deadly ", "repeat": 100, "seconds": 600})
    left = begin(own, {"text": "kept ", "tools": [CALL]}, {"text": "and so on ", "repeat": 100, "seconds": 600})
    for run in (walks, deadly, left):
        at_work(own, run, 1)
    assert own.kill_workers()
    own.release("walks")
    assert stop(own, left)["stopped"]
    done = ended(own, left)
    assert outcome(done["run"]) == ("aborted", "aborted", None)
    assert (done["run"]["step_count"], done["message"]["content"]) == (1, "kept ")
    done = ended(own, walks)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert done["message"]["content"] == "one " + "two " * 10 + "three"
    assert (done["run"]["step_count"], len(transcript(own, walks["chat_id"]))) == (3, 2)
    assert [part["type"] for part in done["message"]["parts"]].count("step-start") == 3
    at_work(own, deadly, 1, attempt=2)
    assert own.kill_workers()
    done = ended(own, deadly)
    assert outcome(done["run"]) == ("failed", "error", "step_attempts")
    assert (done["run"]["step_count"], done["message"]["content"]) == (1, "kept ")
    after = begin(own, {"text": "better"}, chat=deadly["chat_id"])
    assert outcome(ended(own, after)["run"]) == ("succeeded", "stop", None)


def kept(own, run):
    """The run's rows but for live text: a late piece of a worker may still be stored, and no reader reads it."""
    return [item for item in own.items(f"acme#{run['id']}") if not item["sk"]["S"].startswith("LIVE#")]


def a_paused_worker_does_no_harm(own):
    """A worker wakes up after another one has done its step: no text is stored twice, and the ended run stays as it
    is."""
    until(own.queued, lambda left: left == 0)
    own.kill_workers()
    until(own.workers, lambda pids: not pids)
    run = begin(own, held("said once " * 10, "paused"))
    at_work(own, run, 0)
    (paused,) = own.workers()
    os.kill(paused, signal.SIGSTOP)
    own.release("paused")
    done = ended(own, run)
    rows = kept(own, run)
    os.kill(paused, signal.SIGCONT)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert done["message"]["content"] == "said once " * 10
    until(own.queued, lambda left: left == 0)
    until(lambda: own.log.count("processed 1 SQS messages"), lambda count: count >= 2)
    assert kept(own, run) == rows
    assert seen(own, run) == done


def delivery(own: Stack, *, on: bool) -> None:
    """Switch the delivery of messages to the step function on or off."""
    client = own.client("lambda")
    (mapping,) = client.list_event_source_mappings()["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
    state = "Enabled" if on else "Disabled"
    until(lambda: client.get_event_source_mapping(UUID=mapping["UUID"])["State"], lambda now: now == state)


def lose_all_messages(own: Stack) -> None:
    own.client("sqs").purge_queue(QueueUrl=own.outputs["QueueUrl"])
    until(own.queued, lambda left: left == 0)


@pytest.mark.together(long=True)
def test_messages_that_wait_or_are_lost(stack):
    """[9] [13] [20] [24] [40] [41] [44] A run whose message waits or is lost can be stopped, is resent, or is given
    up."""
    with own_stack(**LEASE) as own:
        # Sweeps run when they are asked for, and at no other time.
        events = own.client("events")
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        delivery(own, on=False)
        a_pending_run_is_stopped_at_once(own)
        a_run_nobody_takes_is_given_up(own)
        a_lost_message_is_sent_again(own)
        a_step_lets_go_before_its_time_is_up(own)


def a_pending_run_is_stopped_at_once(own):
    """[13] The stop ends the run itself. Its message, when it is delivered, changes nothing."""
    run = begin(own, {"text": "never said"})
    answer = stop(own, run)
    assert (answer["stopped"], outcome(answer["run"])) == (True, ("aborted", "aborted", None))
    body = seen(own, run)
    assert body["run"] == answer["run"]
    assert (body["run"]["started_at"], body["run"]["step_count"], body["run"]["usage"]["requests"]) == (None, 0, 0)
    assert body["run"]["stop_requested_at"] == body["run"]["finished_at"]
    assert (body["message"]["status"], body["message"]["parts"], body["message"]["content"]) == ("aborted", [], "")
    assert shape(transcript(own, run["chat_id"])) == [("user", "completed"), ("assistant", "aborted")]
    rows = own.items()
    assert own.queued() == 1
    delivery(own, on=True)
    until(own.queued, lambda left: left == 0)
    delivery(own, on=False)
    assert own.items() == rows


def a_run_nobody_takes_is_given_up(own):
    """[40] [44] An operator's sweep without a window aborts a run that was never claimed."""
    run = begin(own, {"text": "never said"})
    lose_all_messages(own)
    counts = own.sweep(window_seconds=0)
    assert (counts["settled"], counts["failed"]) == ({"never_started": 1}, 0)
    done = seen(own, run)
    assert outcome(done["run"]) == ("aborted", "aborted", "never_started")
    assert done["message"]["status"] == "aborted"
    assert stop(own, run)["stopped"] is False


def a_lost_message_is_sent_again(own):
    """[41] The sweep resends the message of a run that was never claimed, and one between two steps; two sweeps send it
    once."""
    run = begin(own, {"text": "found"})
    lose_all_messages(own)
    counts = until(own.sweep, lambda counts: counts["seen"] > 0)
    assert (counts["resent"], counts["settled"], counts["failed"]) == (1, {}, 0)
    assert own.sweep()["resent"] == 0
    assert own.queued() == 1
    delivery(own, on=True)
    assert outcome(ended(own, run)["run"]) == ("succeeded", "stop", None)

    other = begin(own, held("one ", "other", tools=[CALL]), {"text": "two"})
    running(own, other)
    delivery(own, on=False)
    own.release("other")
    until(lambda: seen(own, other)["run"]["step_count"], lambda steps: steps == 1, every=LOOK_EVERY)
    until(own.queued, lambda left: left == 1)
    lose_all_messages(own)
    counts = until(own.sweep, lambda counts: counts["resent"] > 0, every=LOOK_EVERY)
    assert counts["settled"] == {}
    delivery(own, on=True)
    done = ended(own, other)
    assert (outcome(done["run"]), done["message"]["content"]) == (("succeeded", "stop", None), "one two")


def a_step_lets_go_before_its_time_is_up(own):
    """[24] A worker lets go of its step before the platform kills it. The step is tried again, and its last text is
    kept."""
    own.client("lambda").update_function_configuration(FunctionName=own.outputs["StepFunction"], Timeout=7)
    run = begin(own, {"text": "kept ", "tools": [CALL]}, {"text": "and so on ", "repeat": 100, "seconds": 60})
    done = ended(own, run)
    assert outcome(done["run"]) == ("failed", "error", "step_attempts")
    assert "out_of_time" in done["run"]["error"]["message"]
    assert done["message"]["content"].startswith("kept and so on ")
    assert done["message"]["content"].count("and so on") < 100
    assert own.row(run, "attempt") == {"attempt": "3"}


@pytest.mark.together(long=True)
def test_what_is_switched_off_keeps_what_is_under_way(stack):
    """[10] [12] [20] A stack that is stopped and started again goes on with its runs; a switch refuses new ones
    only. A watch outlives the whole API: no event is lost and none comes twice."""
    chat, headers = new_chat(), {"Idempotency-Key": "before"}
    entries = [
        {"text": "one ", "tools": [CALL]},
        held("two " * 5, "two", tools=[CALL]),
        {"text": "three"},
    ]
    with own_stack(expected=RESTARTED, **LEASE) as own:
        run = begin(own, *entries, chat=chat, headers=headers)
        running(own, run, 1)
        watch = open_command(own, "watch", run["id"], "--json")
        events = lines_until(watch, "tool-result")
        assert own.stop(signal.SIGTERM) == 0
        own.start(RUNS_ENABLED="false")
        own.release("two")
        done = ended(own, run)
        assert (outcome(done["run"]), done["message"]["content"]) == (
            ("succeeded", "stop", None),
            "one " + "two " * 5 + "three",
        )
        out, err = rest_of(watch)
        assert (watch.returncode, err) == (0, "")
        reader = EventReader()
        reader.take(without_nulls(events + events_of_lines(out)))
        assert reader.parts == content_parts(done["message"]["parts"])

        refusals = {"runs_disabled": 403}
        for code, status in refusals.items():
            new_runs_are_refused(own, code, status)
        same = ask(own, chat, *entries, headers=headers)
        assert (same.status, same.headers["idempotency-replayed"], same.body["run"]) == (202, "true", done["run"])
        assert stop(own, run) == {"stopped": False, "run": done["run"]}

        client, start = own.client("lambda"), own.outputs["StartFunction"]
        known = client.get_function_configuration(FunctionName=start)["Environment"]["Variables"]
        for model in ("", "nonsense"):
            variables = known | {"RUNS_ENABLED": "true", "AGENT_MODEL": model}
            client.update_function_configuration(FunctionName=start, Environment={"Variables": variables})
            new_runs_are_refused(own, "model_not_configured", 503)
        assert ask(own, chat, *entries, headers=headers).body["run"] == done["run"]


def new_runs_are_refused(own: Stack, code: str, status: int) -> None:
    chat = new_chat()
    answer = own.call("POST", f"/chats/{chat}/runs", {"prompt": script({"text": "x"})})
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert own.items(f"acme#{chat}") == []
    assert own.call("POST", f"/chats/{chat}/runs", {"prompt": ""}).status == 422
