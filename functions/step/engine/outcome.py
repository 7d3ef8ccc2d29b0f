"""The outcome of a step, made from its result: what is stored and shown, or the error."""

from dataclasses import replace
from typing import Literal

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ThinkingPart

from engine.errors import ToolBroke, agent_error, public_message
from engine.files import with_references
from engine.parts import UNSTORABLE, both_forms, closed
from engine.step_result import StepResult
from outlive.agent import AgentError, ModelFinish, Outcome

NO_TEXT = "The step limit was reached before there was an answer."


def outcome_of(result: StepResult, *, interrupted: bool, error: BaseException | None) -> Outcome:
    """The outcome of a step that is over, or that was left behind.

    An error of an interrupted step is ignored: it most likely comes from the interrupt.
    """
    failure = None if interrupted else error
    # Read once: a step that was left behind may change both meanwhile.
    kind, response = result.kind, result.response
    if response is None or kind == "partial" or failure is not None:
        return _partial(result, response, failure)
    messages = _messages(result, kind, response)
    if kind == "final" and response.finish_reason == "error":
        broken = AgentError("transient", "model_bad_answer", "The model ended its answer with an error.")
        return _stored(result, "partial", messages, error=broken)
    try:
        finish_reason = _finish_reason(response) if kind == "final" else None
        return _stored(result, kind, messages, finish_reason=finish_reason)
    except UNSTORABLE:
        broken_tools = result.unstorable_returns()
        if not broken_tools:
            raise
        return _partial(result, response, broken_tools[0])


def _messages(
    result: StepResult, kind: Literal["step", "asked", "final"], response: ModelResponse
) -> list[ModelMessage]:
    """The messages of a complete step."""
    if kind == "final" and result.text_only:
        return [_text_only(response)]
    messages: list[ModelMessage] = [response] if response.parts else []
    if kind != "final" and result.next_request is not None:
        parts = result.next_parts
        return [*messages, replace(result.next_request, parts=parts)] if parts else messages
    return [*messages, *(message for message in result.new_messages if isinstance(message, ModelRequest))]


def _partial(result: StepResult, response: ModelResponse | None, failure: BaseException | None) -> Outcome:
    """The outcome of a step that broke off."""
    answered = response is not None and bool(response.parts)
    error = None if failure is None else agent_error(failure, answered=answered)
    if response is None:
        return Outcome("partial", [], None, result.usage, error=error)
    failures = {failure.tool_call_id: public_message(failure.error)} if isinstance(failure, ToolBroke) else {}
    try:
        return _stored(result, "partial", closed(response, result.tool_returns, failures), error=error)
    except UNSTORABLE:
        failures |= {broken.tool_call_id: public_message(broken.error) for broken in result.unstorable_returns()}
        return _stored(result, "partial", closed(response, result.tool_returns, failures), error=error)


def _stored(
    result: StepResult,
    kind: Literal["step", "asked", "final", "partial"],
    messages: list[ModelMessage],
    *,
    finish_reason: ModelFinish | None = None,
    error: AgentError | None = None,
) -> Outcome:
    asked = result.asked if kind == "asked" else {}
    messages = with_references(messages, result.files)
    parts, text = both_forms(messages, keep_reasoning=kind != "partial", asked=asked)
    output = result.output if kind == "final" else None
    return Outcome(kind, parts, text, result.usage, finish_reason, error, output=output, asked=tuple(asked.values()))


def _text_only(response: ModelResponse) -> ModelResponse:
    """The text of an answer that may not contain tool calls. Tool calls in it are dropped and not run.

    An answer without text becomes a plain sentence: an empty one would show as nothing in a chat, and the history of
    the next run would leave it out.
    """
    parts = [part for part in response.parts if isinstance(part, TextPart | ThinkingPart)]
    if not any(isinstance(part, TextPart) and part.content.strip() for part in parts):
        parts = [*(part for part in parts if isinstance(part, ThinkingPart)), TextPart(NO_TEXT)]
    return replace(response, parts=parts)


def _finish_reason(response: ModelResponse) -> ModelFinish:
    return response.finish_reason if response.finish_reason in ("length", "content_filter") else "stop"
