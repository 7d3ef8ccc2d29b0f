"""What came out of a step, in its two stored forms: the agent's own messages, and AI SDK UI message parts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    NativeToolCallPart,
    NativeToolReturnPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.ui.vercel_ai import VercelAIAdapter

from engine.storable import storable
from outlive.follow.passages import Call

INTERRUPTED = "Interrupted before it finished."


def written(messages: Sequence[ModelMessage]) -> str:
    """The messages as JSON text that any store can take, without the fields that say nothing.

    Raises ValueError or TypeError if a tool returned something that has no JSON form.
    """
    data = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    for message in data:
        message["parts"] = [_stated(part) for part in message["parts"]]
        if "usage" in message:
            message["usage"] = {name: count for name, count in message["usage"].items() if count}
    return json.dumps(storable([_stated(message) for message in data]), ensure_ascii=False, separators=(",", ":"))


def _stated(fields: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if value is not None or name == "content"}
    if fields.get("part_kind") == "tool-call" and isinstance(fields["args"], str):
        kept["args"] = _mended_arguments(fields["args"])
    return kept


def _mended_arguments(text: str) -> str:
    """Arguments that came as JSON text can hide a NUL or half a surrogate pair behind an escape."""
    try:
        arguments = json.loads(text)
        mended = storable(arguments)
    except (ValueError, RecursionError):
        # No JSON, or too deep for the library, to which it is none then: no tool is called with it.
        return text
    return text if mended == arguments else json.dumps(mended, ensure_ascii=False)


def both_forms(messages: Sequence[ModelMessage], *, keep_reasoning: bool) -> tuple[list[dict[str, Any]], str | None]:
    """The step's UI parts and its messages as JSON text, None if there are none to keep.

    Without `keep_reasoning` it is shown but not kept: of a step that broke off it must not be sent again. Raises as
    `written` does.
    """
    text = written(messages)
    # Read back, so that what the parts are made of is what can be stored, and can be read.
    readable = ModelMessagesTypeAdapter.validate_json(text)
    if keep_reasoning:
        return ui_parts(readable), text if readable else None
    kept = _without_reasoning(readable)
    return ui_parts(readable), written(kept) if kept else None


def ui_parts(messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
    """The step's UI message parts, `step-start` first; nothing at all if there is nothing to show."""
    parts: list[dict[str, Any]] = []
    for message in VercelAIAdapter.dump_messages(messages):
        if message.role == "assistant":
            parts += [
                _ui_part(part.model_dump(by_alias=True, exclude_none=True, mode="json")) for part in message.parts
            ]
    parts = [storable(part) for part in parts if part.get("text") != ""]
    return [{"type": "step-start"}, *parts] if parts else []


def _ui_part(part: dict[str, Any]) -> dict[str, Any]:
    notes = part.pop("callProviderMetadata", {})
    part.pop("providerMetadata", None)
    if not part.get("providerExecuted"):
        part.pop("providerExecuted", None)
    if part.get("state") == "input-available" or notes.get("pydantic_ai", {}).get("outcome") == "interrupted":
        # The adapter shows an interrupted call as a result like any other, and an open one as running for ever.
        part.pop("output", None)
        part |= {"state": "output-error", "errorText": INTERRUPTED}
    return part


def asked_for(call: ToolCallPart) -> Call | None:
    """The call with its input as the step's UI parts will have it; None for one that is not whole."""
    if not _whole(call):
        return None
    _, part = ui_parts([ModelResponse(parts=[call])])
    return Call(part["toolCallId"], call.tool_name, part.get("input"))


def closed(
    response: ModelResponse, returns: Mapping[str, ToolReturnPart], failures: Mapping[str, str]
) -> list[ModelMessage]:
    """A step that broke off, as messages with no call left open.

    `returns` are the results there were, by call id; `failures` says for a call that broke why it did, and counts more. Calls of which
    only half the arguments arrived are dropped: nobody ever asked for them.
    """
    parts = response.parts
    if response.state != "complete":
        parts = [part for part in parts if not isinstance(part, ToolCallPart) or _whole(part)]
        response = replace(response, state="interrupted")
    parts = _without_open_native_calls(parts)
    if not parts:
        return []
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    results = [
        closing_return(call, failures.get(call.tool_call_id))
        if call.tool_call_id in failures or call.tool_call_id not in returns
        else returns[call.tool_call_id]
        for call in calls
    ]
    messages: list[ModelMessage] = [replace(response, parts=parts)]
    return [*messages, ModelRequest(parts=results)] if results else messages


def _whole(call: ToolCallPart) -> bool:
    try:
        return bool(call.args) and isinstance(call.args_as_dict(raise_if_invalid=True), dict)
    except (ValueError, AssertionError):
        return False


def closing_return(call: ToolCallPart, failure: str | None = None) -> ToolReturnPart:
    """The result of a call that has none: it was interrupted, or it broke and `failure` says why."""
    return ToolReturnPart(
        tool_name=call.tool_name,
        content=INTERRUPTED if failure is None else failure,
        tool_call_id=call.tool_call_id,
        outcome="interrupted" if failure is None else "failed",
    )


def _without_open_native_calls(parts: Sequence[ModelResponsePart]) -> Sequence[ModelResponsePart]:
    answered = {part.tool_call_id for part in parts if isinstance(part, NativeToolReturnPart)}
    return [part for part in parts if not isinstance(part, NativeToolCallPart) or part.tool_call_id in answered]


def _without_reasoning(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    kept: list[ModelMessage] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            parts = [part for part in message.parts if not isinstance(part, ThinkingPart)]
            if parts:
                kept.append(replace(message, parts=parts))
        else:
            kept.append(message)
    return kept
