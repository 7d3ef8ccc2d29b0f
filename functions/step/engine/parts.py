"""The result of a step in its two stored forms: the agent's own messages, and AI SDK UI message parts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import (
    FilePart,
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

from engine.files import shown
from outlive.asked import INTERRUPTED, AskedCall
from outlive.file_ref import ADDRESS
from outlive.follow.passages import Call
from outlive.text import clean

UNSTORABLE = (ValueError, TypeError, RecursionError)
"""The errors that `messages_json` raises if a tool returned a value that has no JSON form."""


NOTHING_ASKED: Mapping[str, AskedCall] = {}


def messages_json(messages: Sequence[ModelMessage]) -> str:
    """The messages as JSON text that any store can take, without empty fields.

    Raises an `UNSTORABLE` error if a tool returned a value that has no JSON form.
    """
    data = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    for message in data:
        message["parts"] = [_without_empty_fields(part) for part in message["parts"]]
        if "usage" in message:
            message["usage"] = {name: count for name, count in message["usage"].items() if count}
    return json.dumps(
        clean([_without_empty_fields(message) for message in data]), ensure_ascii=False, separators=(",", ":")
    )


def _without_empty_fields(fields: dict[str, Any]) -> dict[str, Any]:
    filled = {name: value for name, value in fields.items() if value is not None or name == "content"}
    if fields.get("part_kind") == "tool-call" and isinstance(fields["args"], str):
        filled["args"] = _clean_arguments(fields["args"])
    return filled


def _clean_arguments(text: str) -> str:
    """Arguments as clean JSON text: an escape in them may stand for a NUL or half a surrogate pair."""
    try:
        arguments = json.loads(text)
        cleaned = clean(arguments)
    except (ValueError, RecursionError):
        # This is no JSON, or too deep to be read as JSON: the library calls no tool with it.
        return text
    return text if cleaned == arguments else json.dumps(cleaned, ensure_ascii=False)


def both_forms(
    messages: Sequence[ModelMessage], *, keep_reasoning: bool, asked: Mapping[str, AskedCall] = NOTHING_ASKED
) -> tuple[list[dict[str, Any]], str | None]:
    """The step's UI parts, and its messages as JSON text or None if there are none to keep.

    The calls in `asked` are open in both, every other call without a result is shown as interrupted.
    Without `keep_reasoning` the parts show reasoning and the messages leave it out: the reasoning of a step that broke
    off must not be sent to a model again. Raises an `UNSTORABLE` error.
    """
    text = messages_json(messages)
    # The parts are made of the messages as they are read from the store.
    readable = ModelMessagesTypeAdapter.validate_json(text)
    if keep_reasoning:
        return ui_parts(readable, asked), text if readable else None
    sendable = _without_reasoning(readable)
    return ui_parts(readable), messages_json(sendable) if sendable else None


def ui_parts(messages: Sequence[ModelMessage], asked: Mapping[str, AskedCall] = NOTHING_ASKED) -> list[dict[str, Any]]:
    """The step's UI message parts with `step-start` first; an empty list if there is nothing to show."""
    made = [
        part.content.identifier
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, FilePart)
    ]
    parts: list[dict[str, Any]] = []
    for message in VercelAIAdapter.dump_messages(messages):
        if message.role == "assistant":
            parts += [
                _ui_part(part.model_dump(by_alias=True, exclude_none=True, mode="json"), asked)
                for part in message.parts
            ]
    for part, address in zip((part for part in parts if part["type"] == "file"), made, strict=True):
        if ADDRESS.fullmatch(address):
            part["url"] = address
    parts = [clean(part) for part in parts if part.get("text") != ""]
    return [{"type": "step-start"}, *parts] if parts else []


def _ui_part(part: dict[str, Any], asked: Mapping[str, AskedCall]) -> dict[str, Any]:
    metadata = part.pop("callProviderMetadata", {})
    part.pop("providerMetadata", None)
    if not part.get("providerExecuted"):
        part.pop("providerExecuted", None)
    if "output" in part:
        part["output"] = shown(part["output"])
    call = asked.get(part.get("toolCallId", ""))
    if call is not None and part["state"] == "input-available":
        return {**part, **approval_requested(call)} if call.kind == "approval" else part
    if part.get("state") == "output-denied":
        part["approval"]["id"] = part["toolCallId"]  # the adapter makes up another id each time
    if part.get("state") == "input-available" or metadata.get("pydantic_ai", {}).get("outcome") == "interrupted":
        # The adapter shows an interrupted call like a call with a result, and an open call as still running.
        part.pop("output", None)
        part |= {"state": "output-error", "errorText": INTERRUPTED}
    return part


def approval_requested(call: AskedCall) -> dict[str, Any]:
    """The state of a call that waits for an approval."""
    return {"state": "approval-requested", "approval": {"id": call.approval_id}}


def call_passage(call: ToolCallPart) -> Call | None:
    """The call with its input as in the step's UI parts; None if its arguments are incomplete."""
    if not _is_complete(call):
        return None
    _, part = ui_parts([ModelResponse(parts=[call])])
    return Call(part["toolCallId"], call.tool_name, part.get("input"))


def closed(
    response: ModelResponse, returns: Mapping[str, ToolReturnPart], failures: Mapping[str, str]
) -> list[ModelMessage]:
    """The messages of a step that broke off, with a result for every call.

    `returns` are the results of the calls that were answered, by call id. `failures` are the messages of calls that
    failed, by call id; they take precedence. Calls with incomplete arguments are dropped.
    """
    parts = response.parts
    if response.state != "complete":
        parts = [part for part in parts if not isinstance(part, ToolCallPart) or _is_complete(part)]
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


def _is_complete(call: ToolCallPart) -> bool:
    try:
        return bool(call.args) and isinstance(call.args_as_dict(raise_if_invalid=True), dict)
    except (ValueError, AssertionError):
        return False


def closing_return(call: ToolCallPart, failure: str | None = None) -> ToolReturnPart:
    """The result of a call that has no other: it was interrupted, or it failed with the message `failure`."""
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
    rest: list[ModelMessage] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            parts = [part for part in message.parts if not isinstance(part, ThinkingPart)]
            if parts:
                rest.append(replace(message, parts=parts))
        else:
            rest.append(message)
    return rest
