"""A run's events in the form that AI SDK chat clients read: UI message chunks.

    event                           chunks for the client
    run, the first time             start, with the stored message's id
    text                            text-start once, text-delta (or reasoning-…); text-end before anything else
    tool-call                       tool-input-available
    tool-result                     tool-output-available, tool-output-error, tool-output-denied
    tool-approval                   tool-approval-request
    step started                    none; start-step comes before the step's first chunk
    step finished                   finish-step; and finish, if the run waits for answers to its calls
    step started again, discarded   data-void: everything since its start-step is void
    settled                         finish, abort or error; with the message's metadata

A client that sends its message automatically looks at the calls of the message's last step when a stream ends: it sends
while one of them is approved and has no result, or while all of them have results. So a stream that follows such a message
and adds nothing to it ends with an empty step: otherwise the client would send the message again, for ever.

A window can end between any two events, and the next window continues there. Which parts the client has open follows from
the reader's state. So the ids of parts are made of the step alone, and a step has one open part of a kind at a time.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from outlive.follow.events import (
    Event,
    PartEvent,
    RunEvent,
    SettledEvent,
    StepEvent,
    TextEvent,
    ToolApprovalEvent,
    ToolCallEvent,
    ToolResultEvent,
)
from outlive.follow.passages import RESULTS
from outlive.follow.reader_state import AT_THE_START, ReaderState
from outlive.text import one_line
from outlive.views import RunView

Chunk = dict[str, Any]
"""A UI message chunk of the AI SDK's stream protocol, version 1."""

HEADERS = {"x-vercel-ai-ui-message-stream": "v1", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
VOID = "data-void"
FINISH_REASONS = {"content_filter": "content-filter", "max_steps": "other", "handed_over": "other"}
"""The AI SDK's finish reasons where they differ from ours."""
FILES = {"url", "mediaType"}
SOURCES = {"sourceId", "url", "title", "mediaType", "filename"}


class Encoder(msgspec.Struct):
    """Turns events into chunks, beginning at a reader's state."""

    begun: bool = False
    """The message's `start` was sent."""
    shown: bool = False
    """The step under way has sent its `start-step`."""
    open: str = ""
    """The kind of the open text part; empty if none is open."""
    idle: bool = False
    """The stream follows the client's own copy of the message, and has added no step to it."""

    @classmethod
    def at(cls, state: ReaderState) -> "Encoder":
        """For a reader who has got everything up to `state`."""
        if state == AT_THE_START:
            return cls()
        last = state.position.last
        shown = state.position.length > 0 and last != RESULTS
        return cls(begun=bool(state.status), shown=shown, open="" if last == RESULTS else last)

    def chunks(self, event: Event) -> Iterator[Chunk]:
        """The chunks for `event`; some events have none."""
        match event:
            case RunEvent():
                if not self.begun:
                    self.begun = True
                    yield {"type": "start", "messageId": event.run.assistant_message_id}
            case StepEvent(state="finished"):
                yield from self._close(event.step)
                if self.shown:
                    yield {"type": "finish-step"}
                self.shown = False
                if event.waits is True:
                    yield {"type": "finish", "finishReason": "tool-calls"}
            case StepEvent():
                # An open part is void as well, so it gets no end.
                if self.shown:
                    yield {"type": VOID, "data": {"step": event.step}, "transient": True}
                self.shown, self.open = False, ""
            case TextEvent():
                yield from self._words(event)
            case ToolCallEvent() | ToolResultEvent() | ToolApprovalEvent():
                yield from self._tool(event)
            case PartEvent():
                yield from self._show(event.step)
                yield from _other(event.part)
            case SettledEvent():
                yield from self._end(event.run)

    def _tool(self, event: ToolCallEvent | ToolResultEvent | ToolApprovalEvent) -> Iterator[Chunk]:
        if isinstance(event, ToolCallEvent):
            yield from self._show(event.step)
            by_provider = {"providerExecuted": True} if event.provider_executed is True else {}
            yield {**_call(event), **by_provider}
            return
        # Of an earlier step's call it may be the first thing in its step: a client shows it where the call is.
        yield from self._close(event.step)
        if event.input is not UNSET:
            yield _call(event)
        if isinstance(event, ToolApprovalEvent):
            yield {"type": "tool-approval-request", "approvalId": event.approval_id, "toolCallId": event.tool_call_id}
        elif event.state.startswith("output-"):
            yield _result(event)

    def _end(self, run: RunView) -> Iterator[Chunk]:
        if self.idle:
            yield from ({"type": "start-step"}, {"type": "finish-step"})
        yield from _end(run)

    def _words(self, event: TextEvent) -> Iterator[Chunk]:
        part = f"{event.kind}-{event.step}"
        if self.open != event.kind:
            yield from self._show(event.step)
            yield {"type": f"{event.kind}-start", "id": part}
            self.open = event.kind
        yield {"type": f"{event.kind}-delta", "id": part, "delta": event.text}

    def _show(self, step: int) -> Iterator[Chunk]:
        yield from self._close(step)
        if not self.shown:
            yield {"type": "start-step"}
        self.shown, self.idle = True, False

    def _close(self, step: int) -> Iterator[Chunk]:
        if self.open:
            yield {"type": f"{self.open}-end", "id": f"{self.open}-{step}"}
        self.open = ""


def framed(chunks: list[Chunk], cursor: str) -> str:
    """The chunks of one event as server-sent events. `cursor`, the position after them, is the id of the last one.

    A client whose connection ends before the id has not received the event.
    """
    data = [f"data: {one_line(msgspec.json.encode(chunk).decode())}\n\n" for chunk in chunks]
    return "".join([*data[:-1], *(f"id: {cursor}\n{last}" for last in data[-1:])])


DONE = "data: [DONE]\n\n"
NOTHING_NEW = ": nothing new\n\n"


def _call(event: ToolCallEvent | ToolResultEvent | ToolApprovalEvent) -> Chunk:
    call = {"toolCallId": event.tool_call_id, "toolName": event.tool_name, "input": event.input}
    return {"type": "tool-input-available", **call}


def _result(event: ToolResultEvent) -> Chunk:
    chunk: Chunk = {"type": f"tool-{event.state}", "toolCallId": event.tool_call_id}
    if event.state == "output-available":
        chunk["output"] = None if event.output is UNSET else event.output
    elif event.state == "output-error":
        chunk["errorText"] = event.error_text or "The tool failed."
    return chunk


def _other(part: dict[str, Any]) -> Iterator[Chunk]:
    """A part that is sent as it is stored, if the AI SDK knows its type: clients fail on unknown types."""
    kind = str(part.get("type"))
    if kind == "file":
        yield {"type": kind, **{name: part[name] for name in FILES & part.keys()}}
    elif kind in ("source-url", "source-document"):
        yield {"type": kind, **{name: part[name] for name in SOURCES & part.keys()}}
    elif kind.startswith("data-"):
        yield {"type": kind, **{name: part[name] for name in {"id", "data"} & part.keys()}}


def _end(run: RunView) -> Iterator[Chunk]:
    metadata = msgspec.to_builtins({"error": run.error, "finish_reason": run.finish_reason, "usage": run.usage})
    if run.status == "succeeded":
        reason = FINISH_REASONS.get(str(run.finish_reason), run.finish_reason)
        yield {"type": "finish", "finishReason": reason, "messageMetadata": metadata}
        return
    yield {"type": "message-metadata", "messageMetadata": metadata}
    if run.status == "aborted":
        yield {"type": "abort", **({"reason": run.error.message} if run.error else {})}
    else:
        yield {"type": "error", "errorText": run.error.message if run.error else "The run failed."}
