"""A chat may go on for years: what a step holds of it is bounded."""

import os
import tracemalloc

import pytest

from outlive.agent import Outcome, Turn
from outlive.history import HISTORY_BYTES
from proof.stacks.handlers import Stack


def weight(turns: tuple[Turn, ...]) -> int:
    return sum(len(turn.text.encode()) + len((turn.messages or "").encode()) for turn in turns)


def answer(letter: str, size: int) -> Outcome:
    text = letter * size
    return Outcome("final", [{"type": "step-start"}, {"type": "text", "text": text}], f'["{text}"]')


def test_a_step_holds_the_newest_of_a_long_chat(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """Nine answers of 3.7 MB and the agent's own form of each: whole runs, the newest, and the prompt last."""
    count = 9
    for number in range(count):
        stack.answer_with(answer(chr(ord("a") + number), 3_700_000))
        stack.begin(prompt=f"question {number}")
        stack.work()
    asked = stack.answer_with(answer("z", 1))
    run_id = stack.begin(prompt="and now?").body["run"]["id"]
    caplog.clear()
    tracemalloc.start()
    stack.work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    history = asked[0].history
    kept = weight(history)
    assert HISTORY_BYTES - 7_500_000 < kept <= HISTORY_BYTES
    assert peak < 2 * HISTORY_BYTES
    assert (history[-1].role, history[-1].text) == ("user", "and now?")
    first = count - (len(history) - 1) // 2
    received = [(turn.role, turn.text[:11]) for turn in history[:-1]]
    wanted = []
    for number in range(first, count):
        wanted += [("user", f"question {number}"), ("assistant", chr(ord("a") + number) * 11)]
    assert received == wanted
    cuts = [record for record in caplog.records if record.getMessage() == "history_bounded"]
    assert len(cuts) == 1
    assert stack.run_of(run_id)["status"] == "succeeded"


@pytest.mark.parametrize(("room", "runs"), [(0, 1), (10, 1), (15, 1), (16, 2), (31, 2), (32, 3), (1000, 4)])
def test_a_run_is_in_the_history_whole_or_not_at_all(stack: Stack, monkeypatch: pytest.MonkeyPatch, room: int, runs: int) -> None:  # fmt: skip
    """Its prompt, its steps, its answer; the run under way is always there, however large it is."""
    monkeypatch.setattr("outlive.history.HISTORY_BYTES", room + 13)
    for letter in "abc":
        # 2 of the prompt, 4 and 2 of the first step, 5 and 3 of the second: 16 bytes a run
        stack.answer_with(
            Outcome("step", [{"type": "text", "text": letter * 4}], "[]"),
            Outcome("final", [{"type": "text", "text": letter * 5}], "[0]"),
        )
        stack.begin(prompt=letter * 2)
        stack.work()
    asked = stack.answer_with(
        Outcome("step", [{"type": "text", "text": "d" * 5}], "[0,0]"), Outcome("final", [{"type": "text", "text": "e"}], "[]")
    )  # fmt: skip
    run_id = stack.begin(prompt="ddd").body["run"]["id"]
    stack.work()
    received = [[(turn.role, turn.text) for turn in ask.history] for ask in asked]
    before = [
        turn for letter in "abc"[4 - runs :]
        for turn in (("user", letter * 2), ("assistant", letter * 4), ("assistant", letter * 5))
    ]  # fmt: skip
    assert received[1] == [*before, ("user", "ddd"), ("assistant", "d" * 5)]
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert stack.run_of(run_id)["step_count"] == 2


def test_a_step_reads_no_more_of_a_chat_than_it_holds(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older pages of the transcript are not asked for."""
    for _ in range(12):
        stack.answer_with(Outcome("final", [{"type": "text", "text": os.urandom(130_000).hex()}], "[]"))
        stack.begin()
        stack.work()
    queries = []
    for room in (HISTORY_BYTES, 300_000):
        monkeypatch.setattr("outlive.history.HISTORY_BYTES", room)
        stack.answer_with(answer("z", 1))
        stack.begin()
        message = stack.take()
        assert message is not None
        stack.faults.calls.clear()
        stack.deliver(message)
        queries.append(stack.faults.calls.count("Query"))
    assert queries == [2, 1]
