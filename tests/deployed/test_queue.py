"""Messages that are repeated, late or invalid."""

import uuid

import pytest

from proof.stacks.deployed import until

from .runs import LOOK_EVERY, begin, ended, held, new_chat, once, outcome, running, seen, stop, transcript

CLOCK = [["clock", {}]]


def message(run, step, workspace="acme"):
    return {"workspace_id": workspace, "run_id": run["id"], "step": step}


@pytest.mark.together
def test_a_message_that_comes_twice_and_late_changes_nothing(stack):
    """[18] [19] Repeated at once, during later steps, and after the end: the model is called once for each step."""
    chat = new_chat()
    texts = [held(text, f"{chat}-{step}") for step, text in enumerate(("one ", "two ", "three"))]
    run = begin(stack, texts[0] | {"tools": CLOCK}, texts[1] | {"tools": CLOCK}, texts[2], chat=chat)
    for step, late in enumerate([[0] * 5, [0, 0, 1, 1, 1], [0, 1, 2, 2]]):
        running(stack, run, step)
        for one in late:
            stack.send(message(run, one))
        stack.release(f"{chat}-{step}")
    done = ended(stack, run)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert (done["run"]["step_count"], done["run"]["usage"]["requests"]) == (3, 3)
    assert done["message"]["content"] == "one two three"


@pytest.mark.together
def test_a_step_far_ahead_is_not_taken(stack):
    """[28] A message for a later step changes nothing: a step is claimed only after the one before it."""
    chat = new_chat()
    run = begin(stack, held("one ", chat, tools=CLOCK), {"text": "two ", "tools": CLOCK}, {"text": "three"}, chat=chat)
    for step in (5, 7, 10**9):
        stack.send(message(run, step))
    stack.release(chat)
    done = ended(stack, run)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert (done["run"]["step_count"], done["message"]["content"]) == (3, "one two three")


@pytest.mark.together
def test_junk_is_acknowledged_with_a_log_line_and_nothing_else(stack):
    """[28] An unreadable message, or one with another workspace's run id, changes nothing."""
    chat = new_chat()
    run = begin(stack, held("mine " * 10, chat), chat=chat)
    marks = [uuid.uuid4().hex for _ in range(4)]
    for junk in (
        f"junk {marks[0]}", "{}", "null", "[]", "{", "\U0001f4a3",
        message({"id": marks[1]}, 0),
        message(run, 0, workspace=marks[2]),
        message(run, -1),
        message(run, "0"),
        message(run, 0.5),
        message(run, None),
        {**message(run, 0), "more": marks[3]},
        message({"id": "../" + marks[1]}, 0),
        message({"id": "x" * 3000}, 0),
        message(run, 0, workspace="w" * 3000),
        message(run, 0, workspace=""),
    ):  # fmt: skip
        stack.send(junk)
    stack.release(chat)
    done = ended(stack, run)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert done["run"]["usage"]["requests"] == 1
    until(lambda: stack.log, lambda log: marks[1] in log and log.count("message_unreadable") >= 8, every=LOOK_EVERY)
    assert stack.items(f"{marks[2]}#{run['id']}") == []


def test_a_message_that_comes_after_the_end_is_acknowledged_and_changes_nothing(stack):
    """[18] [28] A message of a run that has ended, or was stopped before its first claim, changes no row."""
    chat = new_chat()
    run = begin(stack, {"text": "one", "tools": [["clock", {}]]}, {"text": "two"}, chat=chat)
    ended(stack, run)
    stopped = begin(stack, {"text": "and so on", "seconds": 600}, chat=chat)
    assert stop(stack, stopped)["stopped"]
    ended(stack, stopped)
    before = [stack.items(f"acme#{one}") for one in (chat, run["id"], stopped["id"])]
    for late in (message(run, 0), message(run, 1), message(run, 2), message(stopped, 0), message(stopped, 1)):
        stack.send(late)
    until(stack.queued, lambda left: left == 0)
    assert [stack.items(f"acme#{one}") for one in (chat, run["id"], stopped["id"])] == before


def test_nothing_was_left_on_any_queue(stack):
    """[28] Giving back is normal, ending in the dead-letter queue is not."""
    until(lambda: stack.queued() + stack.queued("DeadLetterQueueUrl"), lambda left: left == 0, every=LOOK_EVERY)
    assert stack.queued("DeadLetterQueueUrl") == 0


def test_two_runs_of_a_workspace_do_not_wait_for_each_other(stack):
    """Fair queues group messages; they don't put them in order."""
    chats = [new_chat(), new_chat()]
    slow, quick = begin(stack, {"text": "slow ", "repeat": 20, "seconds": 600}, chat=chats[0]), None
    running(stack, slow)
    quick = begin(stack, {"text": "quick"}, chat=chats[1])
    ended(stack, quick)
    assert seen(stack, slow)["run"]["finished_at"] is None
    assert stack.call("POST", f"/runs/{slow['id']}/stop").body["stopped"]
    assert outcome(once(stack, slow, lambda run: run["finished_at"])["run"])[0] == "aborted"
    assert len(transcript(stack, chats[1])) == 2
