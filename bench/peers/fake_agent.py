"""The agent every runtime here is measured with: a model that answers at once, one tool, and as many steps as asked for.

It needs nothing but Pydantic AI, so that each runtime can hold it in its own environment. Each request of the model is
stamped, so that the time of a step is taken in the same way everywhere: from one request to the next.
"""

import json
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pydantic_ai
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.usage import RequestUsage

pydantic_ai.BANNER_ENABLED = False

SAYS = 600
"""Characters of text in each step."""
LOOKS_UP = 1000
"""Characters the tool returns."""

WORDS = [
    "".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz", k=3 + number % 7)) for number in range(2000)
]

STAMPS = os.environ.get("BENCH_STAMPS", "")
"""The file every request of the model is stamped in: run (the prompt's first word), step and time, one line each."""


def words(seed: int, length: int) -> str:
    """`length` characters that compress about as well as prose does, the same for the same seed."""
    chance = random.Random(seed)
    text = ""
    while len(text) < length:
        text += chance.choice(WORDS) + " "
    return text[:length]


def prompt(run: str, steps: int) -> str:
    """What makes the agent take `steps` steps."""
    return f"{run} {steps} {words(0, 200)}"


def look_up(topic: int) -> str:
    """Look something up."""
    return words(1_000_000 + topic, LOOKS_UP)


def _place(messages: list[ModelMessage]) -> tuple[str, int, int]:
    """Which run this is, how many steps it is to take, and which one this is."""
    step = 0
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            step += 1
            continue
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                run, steps, _ = str(part.content).split(" ", 2)
                return run, int(steps), step
    raise ValueError("there is no prompt")


def _answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    run, steps, step = _place(messages)
    if STAMPS:
        with Path(STAMPS).open("a") as file:
            file.write(f"{run} {step} {time.perf_counter()}\n")
    parts: list[Any] = [TextPart(words(step, SAYS))]
    if step < steps - 1:
        parts.append(ToolCallPart("look_up", {"topic": step}, tool_call_id=f"call_{step}"))
    # By hand: the library would estimate it over the whole history.
    return ModelResponse(parts=parts, usage=RequestUsage(input_tokens=100, output_tokens=150), model_name="fake")


async def _stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    for part in _answer(messages, info).parts:
        if isinstance(part, TextPart):
            yield part.content
        elif isinstance(part, ToolCallPart):
            yield {1: DeltaToolCall(part.tool_name, json.dumps(part.args), tool_call_id=part.tool_call_id)}


def new_agent(capabilities: Sequence[Any] = ()) -> Agent[None, str]:
    """The agent, with what a runtime adds to it."""
    model = FunctionModel(function=_answer, stream_function=_stream, model_name="fake")
    return Agent(model, name="fake", tools=[look_up], capabilities=[*capabilities])


async def plainly(agent: Agent[None, str], run: str, steps: int) -> None:
    """The run as it is without any runtime: all in one call, nothing kept."""
    await agent.run(prompt(run, steps))


async def take_step(agent: Agent[None, str], said: str, kept: list[str]) -> tuple[str, bool]:
    """One request and its tools, for runtimes that have no word for an agent: what to keep, and whether it is the end.

    `kept` is what the steps before have left.
    """
    history: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(said)])]
    for text in kept:
        history += ModelMessagesTypeAdapter.validate_json(text)
    async with agent.iter(message_history=history) as run:
        node = run.next_node
        while not Agent.is_model_request_node(node):
            node = await run.next(node)  # type: ignore[arg-type]
        node = await run.next(node)
        response = next(one for one in reversed(run.new_messages()) if isinstance(one, ModelResponse))
        if not response.tool_calls:
            return ModelMessagesTypeAdapter.dump_json([response]).decode(), True
        node = await run.next(node)  # type: ignore[arg-type]
        assert Agent.is_model_request_node(node)
        return ModelMessagesTypeAdapter.dump_json([response, node.request]).decode(), False


def gaps() -> dict[str, list[float]]:
    """Seconds from each request of a run to its next, for every run so far."""
    runs: dict[str, list[float]] = {}
    last: dict[str, float] = {}
    for line in Path(STAMPS).read_text().splitlines():
        run, _, time_text = line.split()
        at = float(time_text)
        if run in last:
            runs.setdefault(run, []).append(at - last[run])
        last[run] = at
    return runs
