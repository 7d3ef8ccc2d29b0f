"""The offline stand-in: what it answers, and how it obeys a script."""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.assistant import agent
from engine import offline
from engine.turn import PydanticAgent
from outlive.agent import Ask, Interrupt, Outcome, Turn
from outlive.asked import Decision
from outlive.follow.passages import Words

stand_in = PydanticAgent(agent, "offline")


def ask(*history: Turn, step: int = 0, attempt: int = 1, text_only: bool = False, run_id: str = "run-1") -> Ask:
    return Ask("acme", "chat-1", run_id, step, attempt, history, text_only, 30)


def script(*entries: dict[str, Any]) -> Turn:
    return Turn("user", "#script " + json.dumps(entries))


def play(prompt: Turn, attempts: Callable[[int], int] = lambda _: 1) -> list[Outcome]:
    """The run's outcomes, step by step until one is no step."""
    history = [prompt]
    outcomes: list[Outcome] = []
    for step in itertools.count():
        outcome = stand_in(ask(*history, step=step, attempt=attempts(step)), lambda _: None, Interrupt())
        outcomes.append(outcome)
        if outcome.kind != "step":
            return outcomes
        history.append(Turn("assistant", text(outcome), outcome.messages))
    raise AssertionError


def text(outcome: Outcome) -> str:
    return "".join(part["text"] for part in outcome.parts if part["type"] == "text")


def calls(outcome: Outcome) -> list[str]:
    return [part["type"] for part in outcome.parts if part["type"].startswith("tool-")]


def first(prompt: Turn, **how: Any) -> Outcome:
    return stand_in(ask(prompt, **how), lambda _: None, Interrupt())


def error_of(outcome: Outcome) -> tuple[str, str]:
    assert outcome.error is not None
    return outcome.error.kind, outcome.error.code


# Without a script


def test_any_prompt_is_answered_honestly_with_a_tool_at_work() -> None:
    looked, answered = play(Turn("user", "What is the meaning of this?"))
    assert calls(looked) == ["tool-clock"]
    assert answered.kind == "final"
    assert "offline stand-in" in text(answered)
    assert "What is the meaning of this?" in text(answered)
    assert next(part["output"] for part in looked.parts if part["type"] == "tool-clock") in text(answered)


def test_the_last_step_of_a_budget_answers_without_tools() -> None:
    """[25] The stand-in makes no calls when it may only answer in text."""
    outcome = first(Turn("user", "Hello"), text_only=True)
    assert outcome.kind == "final"
    assert calls(outcome) == []


@pytest.mark.parametrize("prompt", ["#scripted", "tell me about #script []", "#Script []", "script []"])
def test_only_a_prompt_that_starts_with_the_mark_is_a_script(prompt: str) -> None:
    assert calls(first(Turn("user", prompt))) == ["tool-clock"]


def test_the_runs_own_prompt_counts_not_an_earlier_one() -> None:
    history = (script({"text": "old"}), Turn("assistant", "old"), script({"text": "new"}))
    outcome = stand_in(ask(*history), lambda _: None, Interrupt())
    assert text(outcome) == "new"


# Playing a script


def test_an_entry_is_a_step_and_one_without_tools_ends_the_run() -> None:
    outcomes = play(
        script(
            {"text": "One.", "tools": [["wait", {"seconds": 0}], ["calculate", {"expression": "6*7"}]]},
            {"tools": [["clock", {}]]},
            {"text": "Three."},
            {"text": "Never."},
        )
    )
    assert [outcome.kind for outcome in outcomes] == ["step", "step", "final"]
    assert [text(outcome) for outcome in outcomes] == ["One.", "", "Three."]
    assert [calls(outcome) for outcome in outcomes] == [["tool-wait", "tool-calculate"], ["tool-clock"], []]
    assert outcomes[0].parts[-1]["output"] == 42


def test_a_step_that_runs_answered_calls_plays_no_entry() -> None:
    """[72] It asks no model: the step after it plays the next entry, also after a second question."""
    prompt = script(
        {"text": "One.", "tools": [["announce", {"text": "hi"}]]},
        {"text": "Two.", "tools": [["clock", {}], ["ask_user", {"question": "why?"}]]},
        {"text": "Three."},
    )
    step, outcomes, history = ask(prompt), [], [prompt]
    while len(outcomes) < 5:
        outcome = stand_in(step, lambda _: None, Interrupt())
        outcomes.append((outcome.kind, text(outcome)))
        history.append(Turn("assistant", text(outcome), outcome.messages))
        decisions = {
            call.tool_call_id: Decision(approved=True) if call.kind == "approval" else Decision(output="because")
            for call in outcome.asked
        }
        step = replace(ask(*history, step=len(outcomes)), asked=outcome.asked, decisions=decisions)
    assert outcomes == [("asked", "One."), ("step", ""), ("asked", "Two."), ("step", ""), ("final", "Three.")]


def test_repeat_says_the_text_that_often() -> None:
    assert text(first(script({"text": "ab", "repeat": 3}))) == "ababab"


def test_a_long_text_comes_in_few_pieces() -> None:
    pieces: list[Words] = []
    outcome = stand_in(ask(script({"text": "x", "repeat": 300_000})), pieces.append, Interrupt())
    assert len(text(outcome)) == sum(len(piece.text) for piece in pieces) == 300_000
    assert len(pieces) <= 10


def test_a_long_slow_text_comes_in_few_pieces_as_well() -> None:
    pieces: list[Words] = []
    stand_in(ask(script({"text": "x", "repeat": 300_000, "seconds": 0.4})), pieces.append, Interrupt())
    assert 4 <= len(pieces) <= 10


def moments_of(monkeypatch: pytest.MonkeyPatch, seconds: float, released_at: float | None = None) -> list[float]:
    """When each piece of a text of ten characters comes, and when it is over, by a clock that only sleeping moves on."""
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def moments() -> list[float]:
        released = None if released_at is None else lambda: now >= released_at
        return [now async for _ in offline._paced("0123456789", seconds, released)] + [now]

    clock = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr(offline, "asyncio", SimpleNamespace(sleep=sleep, get_running_loop=lambda: clock))
    return asyncio.run(moments())


def test_the_text_is_streamed_over_the_seconds_with_the_first_piece_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moments_of(monkeypatch, 0.5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_what_is_left_comes_at_once_when_it_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    *pieces, end = moments_of(monkeypatch, 100, released_at=15)
    assert pieces == pytest.approx([0, 10] + [15] * 8, abs=0.2)
    assert end == pieces[-1]
    assert moments_of(monkeypatch, 100, released_at=200) == pytest.approx(list(range(0, 110, 10)))


def test_a_file_releases_what_waits_for_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The step goes on for as long as there is none."""
    monkeypatch.setenv("OFFLINE_RELEASES", str(tmp_path))
    (tmp_path / "another").touch()

    def release(_: Words) -> None:
        (tmp_path / "go").touch()

    prompt = script({"text": "0123456789", "seconds": 3600, "until": "go"})
    assert text(stand_in(ask(prompt), release, Interrupt())) == "0123456789"


@pytest.mark.parametrize("name", ["", "../go", "a/b", "a.b", "x" * 129])
def test_a_release_is_named_by_a_plain_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("OFFLINE_RELEASES", str(tmp_path))
    assert '"until" must be 1 to 128' in text(first(script({"text": "a", "until": name})))


def test_without_a_folder_for_releases_nothing_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OFFLINE_RELEASES", raising=False)
    assert "has a field 'until'" in text(first(script({"text": "a", "until": "go"})))


def test_a_stop_in_mid_stream_keeps_the_text_so_far() -> None:
    """[31] The stand-in stops streaming at once."""
    interrupt = Interrupt()
    outcome = stand_in(
        ask(script({"text": "0123456789" * 10, "seconds": 1000})), lambda _: interrupt.set("stop"), interrupt
    )
    assert outcome.kind == "partial"
    assert text(outcome)
    assert ("0123456789" * 10).startswith(text(outcome))
    assert len(text(outcome)) < 100


def test_seconds_without_text_wait_and_can_be_stopped() -> None:
    """[31] A stop ends the wait."""
    interrupt = Interrupt()
    outcome = stand_in(
        ask(script({"reasoning": "Hm.", "seconds": 1000, "tools": [["clock", {}]]})),
        lambda _: interrupt.set("stop"),
        interrupt,
    )
    assert [part["type"] for part in outcome.parts] == ["step-start", "reasoning"]


def test_reasoning_is_thought_before_the_text() -> None:
    outcome = first(script({"reasoning": "Hm.", "text": "Yes."}))
    assert [(part["type"], part.get("text")) for part in outcome.parts[1:]] == [("reasoning", "Hm."), ("text", "Yes.")]


def test_steps_beyond_the_script_answer_with_a_plain_sentence() -> None:
    outcomes = play(script({"text": "One.", "tools": [["clock", {}]]}))
    assert [outcome.kind for outcome in outcomes] == ["step", "final"]
    assert text(outcomes[1]) == "The script is over."


def test_an_empty_script_is_over_at_once() -> None:
    assert text(first(script())) == "The script is over."


def test_a_text_only_step_says_the_text_without_the_tools() -> None:
    """[25] The step is then final."""
    outcome = first(script({"text": "One.", "tools": [["clock", {}]]}), text_only=True)
    assert (outcome.kind, text(outcome), calls(outcome)) == ("final", "One.", [])


def test_a_text_only_step_has_something_to_say_where_the_script_only_calls_tools() -> None:
    """[25] An answer is never empty."""
    outcome = first(script({"tools": [["clock", {}]]}), text_only=True)
    assert outcome.kind == "final"
    assert text(outcome)


def test_a_step_that_is_executed_again_makes_the_same_calls() -> None:
    """Guarantee 6: the ids of its calls are the same on every attempt, and differ between runs."""
    prompt = script({"tools": [["clock", {}], ["clock", {}]]})
    ids = [[part["toolCallId"] for part in first(prompt, attempt=attempt).parts[1:]] for attempt in (1, 2)]
    others = [part["toolCallId"] for part in first(prompt, run_id="run-2").parts[1:]]
    assert ids[0] == ids[1]
    assert len({*ids[0], *others}) == 4


def test_usage_does_not_grow_with_the_history() -> None:
    outcomes = play(script(*[{"text": "same", "tools": [["wait", {"seconds": 0}]]}] * 4, {"text": "end"}))
    assert len({outcome.usage for outcome in outcomes[:4]}) == 1
    assert outcomes[0].usage.requests == 1
    assert outcomes[0].usage.input_tokens > 0
    assert outcomes[0].usage.output_tokens > 0


# Errors in a script


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("transient", ("transient", "model_server_error")),
        ("busy", ("busy", "model_unavailable")),
        ("permanent", ("permanent", "model_rejected")),
    ],
)
def test_an_error_entry_raises_that_kind_of_model_error(kind: str, expected: tuple[str, str]) -> None:
    """[22] They are those of a real model."""
    assert error_of(first(script({"error": kind}))) == expected


def test_an_error_without_times_is_raised_on_every_attempt() -> None:
    prompt = script({"error": "transient"}, {"text": "Never."})
    assert {error_of(first(prompt, attempt=attempt)) for attempt in (1, 2, 50)} == {("transient", "model_server_error")}


def test_an_error_with_nothing_else_is_passed_over_after_its_times_within_the_same_step() -> None:
    """[22] The next entry is the rest of the same step."""
    prompt = script({"error": "transient", "times": 2}, {"text": "Once."})
    assert [first(prompt, attempt=attempt).kind for attempt in (1, 2, 3)] == ["partial", "partial", "final"]
    assert text(first(prompt, attempt=3)) == "Once."


def test_an_error_goes_on_with_the_rest_of_its_entry_after_its_times() -> None:
    prompt = script({"error": "transient", "times": 1, "text": "Once.", "tools": [["clock", {}]]})
    assert error_of(first(prompt, attempt=1)) == ("transient", "model_server_error")
    assert first(prompt, attempt=1).parts == []
    again = first(prompt, attempt=2)
    assert (again.kind, text(again), calls(again)) == ("step", "Once.", ["tool-clock"])


def test_an_error_belongs_to_the_step_it_stands_in() -> None:
    prompt = script(
        {"text": "One.", "tools": [["clock", {}]]},
        {"error": "transient", "times": 2},
        {"text": "Two.", "tools": [["clock", {}]]},
        {"text": "Three."},
    )
    outcomes = play(prompt, attempts=lambda step: 3 if step == 1 else 1)
    assert [text(outcome) for outcome in outcomes] == ["One.", "Two.", "Three."]
    failed = play(prompt)
    assert [outcome.kind for outcome in failed] == ["step", "partial"]


def test_of_several_errors_in_a_row_the_largest_times_decides() -> None:
    prompt = script({"error": "transient", "times": 1}, {"error": "permanent", "times": 3}, {"text": "At last."})
    assert [error_of(first(prompt, attempt=attempt))[0] for attempt in (1, 2, 3)] == [
        "transient",
        "permanent",
        "permanent",
    ]
    assert text(first(prompt, attempt=4)) == "At last."


def test_an_error_at_the_end_is_passed_over_for_the_plain_sentence() -> None:
    prompt = script({"error": "transient", "times": 1})
    assert first(prompt, attempt=1).kind == "partial"
    assert text(first(prompt, attempt=2)) == "The script is over."


# Mistakes


@pytest.mark.parametrize(
    ("mistaken", "says"),
    [
        ("", "no JSON"),
        ("[{]", "no JSON"),
        ('[{"text": "a"}] and more', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"text": "a"}', "a JSON list"),
        ('"text"', "a JSON list"),
        ('["text"]', "entry 1 must be an object"),
        ('[{"text": "a"}, {"txt": "b"}]', "entry 2 has a field 'txt'"),
        ('[{"text": 5}]', '"text" must be a text'),
        ('[{"reasoning": []}]', '"reasoning" must be a text'),
        ('[{"text": "a", "seconds": -1}]', '"seconds" must be a number from 0 to 3600'),
        ('[{"text": "a", "seconds": 1e9}]', '"seconds" must be a number'),
        ('[{"text": "a", "seconds": NaN}]', '"seconds" must be a number'),
        ('[{"text": "a", "seconds": "2"}]', '"seconds" must be a number'),
        ('[{"text": "a", "seconds": true}]', '"seconds" must be a number'),
        ('[{"text": "a", "repeat": 0}]', '"repeat" must be a whole number from 1'),
        ('[{"text": "a", "repeat": 1.5}]', '"repeat" must be a whole number'),
        ('[{"text": "a", "repeat": 1000000000}]', '"repeat" must be a whole number'),
        ('[{"text": "aaaaaaaaaa", "repeat": 1000000}]', "more than 8000000 characters"),
        ('[{"repeat": 2, "tools": [["clock", {}]]}]', '"repeat" needs "text"'),
        ('[{"error": "sometimes"}]', '"error" must be "transient", "busy" or "permanent"'),
        ('[{"error": null}]', '"error" must be'),
        ('[{"error": ["busy"]}]', '"error" must be'),
        ('[{"error": "transient", "times": -1}]', '"times" must be a whole number'),
        ('[{"text": "a", "times": 1}]', '"times" needs "error"'),
        ('[{"tools": {}}]', '"tools" must be a list'),
        ('[{"tools": ["clock"]}]', "must be [name, input]"),
        ('[{"tools": [["clock", []]]}]', "must be [name, input]"),
        ('[{"tools": [["clock"]]}]', "must be [name, input]"),
        (
            '[{"tools": [["rm", {}]]}]',
            "there is no tool 'rm', only announce, ask_user, calculate, clock, draw_chart, wait",
        ),
        ("[{}]", "entry 1 asks for nothing"),
        ('[{"text": ""}]', "entry 1 asks for nothing"),
        ('[{"text": "a"}, {"seconds": 1}]', "entry 2 asks for nothing"),
    ],
)
def test_a_mistaken_script_is_answered_with_what_is_wrong(mistaken: str, says: str) -> None:
    outcome = first(Turn("user", f"#script {mistaken}"))
    assert outcome.kind == "final"
    assert outcome.error is None
    assert text(outcome).startswith("This script can't be played: ")
    assert says in text(outcome)
    assert len(text(outcome)) < 500
