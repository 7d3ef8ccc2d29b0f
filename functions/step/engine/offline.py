"""The model named `offline`: answers any prompt without a network, and plays scripts.

A prompt that starts with `#script` and goes on with a JSON list is a script: one entry a step.

    #script [
      {"text": "Let me see.", "seconds": 2, "tools": [["wait", {"seconds": 1}]]},
      {"error": "transient", "times": 2},
      {"text": "x", "repeat": 1000, "tools": [["clock", {}]]},
      {"text": "Done."}
    ]

    text      the text that the step answers with
    repeat    repeats the text that often (1 to 1000000; the whole at most 8000000 characters)
    seconds   streams it evenly over that long, the first piece at once (0 to 3600). Without text: waits that long
    until     only where the environment variable OFFLINE_RELEASES names a folder, as the tests of the local stack do: what
              is left of `seconds` is skipped as soon as a file of this name is in that folder
    reasoning the model's reasoning before the text; streamed at once
    tools     the calls the step ends with: a list of [name, input]. The next entry is the next step that asks a model: a
              step that runs answered calls plays none. An entry without tools is the answer and ends the run
    error     "transient", "busy" or "permanent": the step fails with that kind of model error before it answers anything, on its
              first `times` attempts (without `times`: on all of them). After that the rest of the entry counts; if it
              has none, it is passed over for the next entry, within the same step. Attempts are the run's claims of
              that step, with any outcome, so of several such entries in a row the largest `times` decides

An entry needs one of text, reasoning, tools and error. Steps beyond the script answer with a plain sentence. A script
with a mistake is answered with a message that explains the mistake. The tools of an agent with an output type include its
output tool, such as `final_result`. The last step of the budget answers with the text, and calls only an output tool.
"""

import asyncio
import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic_ai.exceptions import ModelHTTPError, ModelRequestRejectedError, ModelServerError, ModelUnavailableError
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from engine.files import about_files
from outlive.agent import Ask, Turn

NAME = "offline"
MARK = "#script"
LONGEST_TEXT = 8_000_000
LONGEST_SECONDS = 3600
MOST_REPEATS = 1_000_000
MOST_TIMES = 1000
RELEASES = "OFFLINE_RELEASES"
RELEASE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
LOOK_SECONDS = 0.1
"""Between two looks for a release."""

ErrorKind: TypeAlias = Literal["transient", "busy", "permanent"]
Category: TypeAlias = type[ModelServerError] | type[ModelUnavailableError] | type[ModelRequestRejectedError]
MODEL_ERRORS: dict[ErrorKind, tuple[Category, int]] = {
    "transient": (ModelServerError, 500),
    "busy": (ModelUnavailableError, 503),
    "permanent": (ModelRequestRejectedError, 400),
}

type_names = {str: "a text", list: "a list", int: "a whole number"}


class ScriptMistake(Exception):
    """The script can't be played; the message explains why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a script, checked."""

    text: str = ""
    seconds: float = 0
    repeat: int = 1
    reasoning: str = ""
    tools: tuple[tuple[str, dict[str, Any]], ...] = ()
    error: ErrorKind | None = None
    times: float = math.inf
    until: str = ""

    @property
    def has_answer(self) -> bool:
        return bool(self.text or self.reasoning or self.tools)


def offline_model(ask: Ask) -> FunctionModel:
    """The stand-in for one step. Its answer depends on the ask, not on the messages that it receives."""

    def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        tools, outputs = ({tool.name for tool in group} for group in (info.function_tools, info.output_tools))
        return _stream(ask, messages, tools | outputs, outputs)

    return FunctionModel(stream_function=stream, model_name=NAME)


async def _stream(
    ask: Ask, messages: list[ModelMessage], tools: Collection[str], outputs: Collection[str]
) -> AsyncIterator[Any]:
    prompt = next((turn.text for turn in reversed(ask.history) if turn.role == "user"), "")
    script = script_in(prompt)
    if script is None:
        entry = _unscripted(ask, prompt, messages, tools)
    else:
        try:
            entry = entry_of(parse(script, tools), _earlier_requests(ask), ask.attempt)
        except ScriptMistake as mistake:
            entry = Entry(text=f"This script can't be played: {mistake}.")
    if entry.error is not None:
        raise _model_error(entry.error)
    if entry.reasoning:
        yield {0: DeltaThinkingPart(content=entry.reasoning)}
    calls = [(name, given) for name, given in entry.tools if name in outputs or not ask.text_only]
    text = entry.text * entry.repeat
    if not text and not calls:
        text = "The script calls tools here, but this is the last step, which may only say something."
    async for piece in _paced(text, entry.seconds, _release(entry.until)):
        yield piece
    for index, (name, arguments) in enumerate(calls, start=1):
        yield {index: DeltaToolCall(name, json.dumps(arguments), tool_call_id=_call_id(ask, index))}


def _earlier_requests(ask: Ask) -> int:
    """How many steps of the run asked a model before this one: those that ran answered calls asked none."""
    own = itertools.takewhile(lambda turn: turn.role == "assistant", reversed(ask.history))
    return ask.step - sum(not _asked_model(turn) for turn in own)


def _asked_model(turn: Turn) -> bool:
    # Compact JSON. Looked for as text, because a stored step that is damaged must not fail a run.
    return bool(turn.text) if turn.messages is None else '"kind":"response"' in turn.messages


async def _paced(text: str, seconds: float, released: Callable[[], bool] | None) -> AsyncIterator[str]:
    """`text` in pieces, the first at once, spread over `seconds`, or over less if it is released before."""
    # Few enough pieces for 300 KB to cost nothing, many enough for a slow stream to look like one.
    count = max(1, min(len(text), math.ceil(seconds * 10), 400), math.ceil(len(text) / 40_000))
    size = max(1, math.ceil(len(text) / count))
    start = asyncio.get_running_loop().time()
    for number, at in enumerate(range(0, len(text), size)):
        await _wait(start + seconds * number / count, released)
        yield text[at : at + size]
    await _wait(start + seconds, released)


async def _wait(at: float, released: Callable[[], bool] | None) -> None:
    """Return at that moment of the loop's time, or as soon as it is released."""
    clock = asyncio.get_running_loop().time
    while released is not None and not released() and at - clock() > LOOK_SECONDS:  # noqa: ASYNC110  # it is a file
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(0.0 if released is not None and released() else max(0.0, at - clock()))


def _release(name: str) -> Callable[[], bool] | None:
    """A function that returns whether the file of this name is there; None if the entry waits for no file."""
    return Path(os.environ[RELEASES], name).exists if name else None


def _call_id(ask: Ask, index: int) -> str:
    # The same for a step that is executed again, and made of what every provider allows in an id.
    return "call_" + hashlib.sha256(json.dumps([ask.run_id, ask.step, index]).encode()).hexdigest()[:24]


def _model_error(kind: ErrorKind) -> ModelHTTPError:
    body = {"message": f"the script asks for a {kind} error here"}
    category, status = MODEL_ERRORS[kind]
    return ModelHTTPError.for_category(category, status_code=status, model_name=NAME, body=body)


def _unscripted(ask: Ask, prompt: str, messages: Sequence[ModelMessage], tools: Collection[str]) -> Entry:
    if ask.step == 0 and "clock" in tools and not ask.text_only:
        return Entry(text="Let me look at the clock first. ", seconds=0.2, tools=(("clock", {}),))
    results = [part.content for part in _last_request(messages).parts if isinstance(part, ToolReturnPart)]
    short = prompt if len(prompt) <= 200 else prompt[:200] + "…"
    return Entry(
        text=(
            "I am the offline stand-in, not a language model: nothing was asked over a network, and I can't answer you."
            f" You wrote: “{short}”."
            + about_files(messages)
            + (f" The clock tool says {results[0]}." if results else "")
            + f" To see long, slow or failing runs, start the prompt with {MARK};"
            " for real answers, set AGENT_MODEL to a model."
        ),
        seconds=0.5,
    )


def _last_request(messages: Sequence[ModelMessage]) -> ModelRequest:
    return next((one for one in reversed(messages) if isinstance(one, ModelRequest)), ModelRequest(parts=[]))


def script_in(prompt: str) -> str | None:
    """What follows `#script` in a prompt that starts with it, else None."""
    head, mark, script = prompt.lstrip().partition(MARK)
    return script if mark and not head and (not script or script[0].isspace() or script[0] in '[{"') else None


def entry_of(script: Sequence[Entry], number: int, attempt: int) -> Entry:
    """The entry for the run's request `number`, counted from 0, at this attempt: the next entry without `error`, or an error
    that is due.
    """
    count = 0
    for entry in script:
        due = entry.error is not None and attempt <= entry.times
        if count == number and due:
            return Entry(error=entry.error)
        if entry.has_answer:
            if count == number:
                return replace(entry, error=None)
            count += 1
    return Entry(text="The script is over.")


def parse(script: str, tools: Collection[str]) -> list[Entry]:
    """The script's entries. Raises ScriptMistake with what is wrong and where; `tools` are the names there are."""
    try:
        entries = json.loads(script)
    except (ValueError, RecursionError) as error:
        raise ScriptMistake(f"after {MARK} there must be a JSON list, and this is no JSON: {error}") from error
    if not isinstance(entries, list):
        raise ScriptMistake(f"after {MARK} there must be a JSON list of entries")
    return [_entry(f"entry {number}", value, tools) for number, value in enumerate(entries, start=1)]


def _entry(where: str, value: object, tools: Collection[str]) -> Entry:
    if not isinstance(value, dict):
        raise ScriptMistake(f"{where} must be an object")
    fields = {"text", "seconds", "repeat", "reasoning", "tools", "error", "times"}
    fields |= {"until"} if os.environ.get(RELEASES) else set()
    if unknown := sorted(value.keys() - fields):
        raise ScriptMistake(f"{where} has a field {unknown[0][:80]!r}; there are only {', '.join(sorted(fields))}")
    error = value.get("error")
    if "error" in value and (not isinstance(error, str) or error not in MODEL_ERRORS):
        raise ScriptMistake(f'{where}: "error" must be "transient", "busy" or "permanent"')
    entry = Entry(
        text=_text(where, value, "text"),
        seconds=_number(where, value, "seconds", 0, LONGEST_SECONDS),
        repeat=int(_number(where, value, "repeat", 1, MOST_REPEATS, default=1, whole=True)),
        reasoning=_text(where, value, "reasoning"),
        tools=_tools(where, value.get("tools", []), tools),
        error=error,
        times=_number(where, value, "times", 0, MOST_TIMES, default=math.inf, whole=True),
        until=_until(where, value),
    )
    if "times" in value and error is None:
        raise ScriptMistake(f'{where}: "times" needs "error"')
    if "repeat" in value and not entry.text:
        raise ScriptMistake(f'{where}: "repeat" needs "text"')
    if len(entry.text) * entry.repeat > LONGEST_TEXT:
        raise ScriptMistake(f"{where} says more than {LONGEST_TEXT} characters")
    if not entry.has_answer and error is None:
        raise ScriptMistake(f'{where} asks for nothing; give it "text", "reasoning", "tools" or "error"')
    return entry


def _text(where: str, value: dict[str, Any], field: str) -> str:
    text = value.get(field, "")
    if not isinstance(text, str):
        raise ScriptMistake(f'{where}: "{field}" must be a text')
    return text


def _until(where: str, value: dict[str, Any]) -> str:
    name = _text(where, value, "until")
    if "until" in value and not RELEASE_NAME.fullmatch(name):
        raise ScriptMistake(f'{where}: "until" must be 1 to 128 letters, digits, "_" or "-"')
    return name


def _number(
    where: str, value: dict[str, Any], field: str, low: int, high: int, *, default: float = 0, whole: bool = False
) -> float:
    if field not in value:
        return default
    number = value[field]
    kind = int if whole else int | float
    if isinstance(number, bool) or not isinstance(number, kind) or not low <= number <= high:
        raise ScriptMistake(f'{where}: "{field}" must be a {"whole " if whole else ""}number from {low} to {high}')
    return number


def _tools(where: str, value: object, names: Collection[str]) -> tuple[tuple[str, dict[str, Any]], ...]:
    if not isinstance(value, list):
        raise ScriptMistake(f'{where}: "tools" must be a list of [name, input]')
    calls: list[tuple[str, dict[str, Any]]] = []
    for call in value:
        match call:
            case [str(name), dict(arguments)] if name in names:
                calls.append((name, arguments))
            case [str(name), dict()]:
                raise ScriptMistake(f"{where}: there is no tool {name[:80]!r}, only {', '.join(sorted(names))}")
            case _:
                raise ScriptMistake(f'{where}: each of "tools" must be [name, input], the input an object')
    return tuple(calls)
