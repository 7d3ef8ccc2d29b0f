"""Agents by script: what they may come to in each step, and what the explorer then takes."""

import json
from collections.abc import Callable
from typing import Any

from outlive.agent import Agent, AgentError, Ask, Interrupt, Outcome, Usage
from outlive.asked import AskedCall
from outlive.follow.passages import Words
from proof.explorer.calls import Request
from proof.explorer.processes import running


class Faulty(Exception):
    """What a broken agent raises."""


Script = Callable[[Ask], tuple[str, ...]]
"""What the agent may come to in a step, by name; the explorer takes every one of them."""


def asks_first(*calls: str, resumed: tuple[str, ...] = ("run",)) -> Script:
    """An agent whose first step asks about calls (`ask` about one, `ask both`), which the next one runs; then it
    answers."""

    def script(ask: Ask) -> tuple[str, ...]:
        if ask.asked:
            again = ask.attempt > 1 or ask.step > 1
            return ("run",) if again else resumed
        return calls or ("ask",) if ask.step == 0 else ("answer",)

    return script


def steps(last: int, **others: tuple[str, ...]) -> Script:
    """An agent that calls tools in each step before `last` and then answers; `others` replace steps
    (`s0=("raise",)`)."""

    def script(ask: Ask) -> tuple[str, ...]:
        usual = ("answer",) if ask.step >= last or ask.text_only else ("call",)
        return others.get(f"s{ask.step}", usual)

    return script


ASKS = {"ask": ("c1",), "ask both": ("c1", "c2"), "ask again": ("c1",)}
"""Outcomes that ask about calls, and about which."""


def agent_of(script: Script) -> Agent:
    """The agent a script makes: it streams a little, then comes to one of its outcomes, or breaks off if
    interrupted."""

    def agent(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        process = running()
        if ask.asked:
            process.notes.append(("ran", ask.run_id, ask.step, _decisions(ask)))
        else:
            process.notes.append(("asked", ask.run_id, ask.step, ask.attempt))
        if not process.covers[0] <= ask.step < process.covers[1]:
            process.notes.append(("astray", ask.step, process.covers[0]))
        if problem := _history_problem(ask):
            process.notes.append(("history", problem))
        text = f"{ask.run_id}/{ask.step} by {process.name}. "
        say(Words("text", text))
        wanted = script(ask)
        process.offers[0] = wanted

        def interrupted() -> None:
            process.offers[0] = ("break off", wanted[0])

        interrupt.on_set(interrupted)
        choice = process.ask(Request.of("choice", "model", (ask.run_id, ask.step, ask.attempt)))
        process.offers.pop(0, None)
        # Until the watch has ended, no code has what the agent returned.
        process.mark = choice
        return _outcome(choice, ask, text)

    return agent


def _outcome(choice: str, ask: Ask, text: str) -> Outcome:
    parts = [{"type": "step-start"}, {"type": "text", "text": text}]
    messages = json.dumps({"run": ask.run_id, "step": ask.step, "text": text})
    usage = Usage(10, 5, 1)
    if choice == "answer":
        return Outcome("final", parts, messages, usage, finish_reason="stop")
    if choice == "call":
        call = {"type": "tool-clock", "toolCallId": f"{ask.run_id}.{ask.step}", "state": "output-available",
                "input": {"at": ask.step}, "output": "noon"}  # fmt: skip
        return Outcome("step", [*parts, call], messages, usage)
    if choice in ASKS:
        asked = tuple(AskedCall(call_id, "approval", "pay", {"amount": 1}) for call_id in ASKS[choice])
        open_parts = [_call_part(call, "approval-requested") for call in asked]
        return Outcome("asked", [*parts, *open_parts], messages, usage, asked=asked)
    if choice == "run":
        done = [
            _call_part(call, "output-available" if approved else "output-denied")
            for call, (_, approved) in zip(ask.asked, _decisions(ask), strict=True)
        ]
        return Outcome("step", done, messages, Usage())
    if choice == "break off":
        return Outcome("partial", parts, messages, usage)
    if choice == "break off empty":
        return Outcome("partial", [], None, usage)
    if choice == "transient":
        return Outcome("partial", parts, messages, usage, error=AgentError("transient", "model_busy", "try later"))
    if choice == "busy":
        return Outcome("partial", parts, messages, usage, error=AgentError("busy", "model_rate_limited", "not now"))
    if choice == "permanent":
        return Outcome("partial", parts, messages, usage, error=AgentError("permanent", "model_refused", "bad request"))
    if choice == "raise":
        raise Faulty("the agent is broken")
    raise AssertionError(choice)


def _call_part(call: AskedCall, state: str) -> dict[str, Any]:
    return {"type": f"tool-{call.tool_name}", "toolCallId": call.tool_call_id, "input": call.input, "state": state}


def _decisions(ask: Ask) -> tuple[tuple[str, bool], ...]:
    """The calls that a step runs, and whether each was approved."""
    given = ask.decisions
    return tuple(
        (call.tool_call_id, call.tool_call_id in given and given[call.tool_call_id].approved is True)
        for call in ask.asked
    )


def _history_problem(ask: Ask) -> str | None:
    """What is wrong with the history: a step missing, twice or out of order, or no prompt before it."""
    seen = [turn.messages for turn in ask.history if turn.role == "assistant" and turn.messages is not None]
    if len(set(seen)) != len(seen):
        return "a step is in the history twice"
    own = [entry["step"] for entry in map(json.loads, seen) if entry["run"] == ask.run_id]
    if own != list(range(ask.step)):
        return f"asked for step {ask.step} after steps {own}"
    if not any(turn.role == "user" for turn in ask.history):
        return "no prompt"
    return None
