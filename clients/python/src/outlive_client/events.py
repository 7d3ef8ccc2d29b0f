"""The events of a run, in order. An event's `id` is the cursor for resuming right after it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from outlive_client.views import Run, Usage


class RunEvent(msgspec.Struct, frozen=True, tag="run"):
    """The run as it is now. It is the first event, and comes again when the status changes or a stop is requested."""

    id: str
    run: Run
    at: datetime | None = None


class StepEvent(msgspec.Struct, frozen=True, tag="step"):
    """A step has reached a `state`.

    started    the step starts or restarts: earlier events of this step are void
    finished   the step is stored and has no more events; `kind` is step, asked, final or partial. `waits`: the run waits
               for answers to calls of this step
    discarded  the run ended without this step: earlier events of this step are void
    """

    id: str
    step: int
    state: str
    attempt: int | None = None
    kind: str | None = None
    usage: Usage | None = None
    waits: bool = False
    at: datetime | None = None


class TextEvent(msgspec.Struct, frozen=True, tag="text"):
    """A piece of the model's output; `kind` is text or reasoning. Consecutive pieces of one kind make one part."""

    id: str
    step: int
    text: str
    kind: str = "text"
    at: datetime | None = None


class ToolCallEvent(msgspec.Struct, frozen=True, tag="tool-call"):
    """The model calls a tool."""

    id: str
    step: int
    tool_call_id: str
    tool_name: str
    input: Any = None
    provider_executed: bool = False
    """True if the model's provider runs the tool, not the API."""
    at: datetime | None = None


class ToolResultEvent(msgspec.Struct, frozen=True, tag="tool-result"):
    """The result of a tool call, which may be of an earlier step.

    `state` is output-available (with `output`), output-error (with `error_text`), output-denied (the tool was not allowed
    to run) or input-available (an approved call waits for an answer now). `input` are the arguments that were approved, if
    they may differ from those of the `ToolCallEvent`.
    """

    id: str
    step: int
    tool_call_id: str
    tool_name: str
    state: str
    input: Any | UnsetType = UNSET
    output: Any = None
    error_text: str | None = None
    at: datetime | None = None


class ToolApprovalEvent(msgspec.Struct, frozen=True, tag="tool-approval"):
    """A tool call waits for an approval. It may be of an earlier step; then `input` are its arguments now."""

    id: str
    step: int
    tool_call_id: str
    tool_name: str
    approval_id: str = ""
    input: Any | UnsetType = UNSET
    at: datetime | None = None


class PartEvent(msgspec.Struct, frozen=True, tag="part"):
    """Another part of the message, such as a file or a source, as it is in the message."""

    id: str
    step: int
    part: dict[str, Any]
    at: datetime | None = None


class SettledEvent(msgspec.Struct, frozen=True, tag="settled"):
    """The run has ended. It is always the last event."""

    id: str
    run: Run
    at: datetime | None = None


Event: TypeAlias = (
    RunEvent | StepEvent | TextEvent | ToolCallEvent | ToolResultEvent | ToolApprovalEvent | PartEvent | SettledEvent
)

_KINDS: dict[str, type[Event]] = {
    "run": RunEvent,
    "step": StepEvent,
    "text": TextEvent,
    "tool-call": ToolCallEvent,
    "tool-result": ToolResultEvent,
    "tool-approval": ToolApprovalEvent,
    "part": PartEvent,
    "settled": SettledEvent,
}


class Window(msgspec.Struct, frozen=True):
    """The events after a cursor that one answer holds. `over`: the run has ended and there are no events after the cursor."""

    events: tuple[Event, ...] = ()
    cursor: str | None = None
    over: bool = False


class _Type(msgspec.Struct, frozen=True):
    type: str


def read_events(raw_events: Iterable[msgspec.Raw]) -> tuple[Event, ...]:
    """The events whose type this version supports. Raises msgspec.ValidationError if one does not match its type."""
    kinds = ((_KINDS.get(msgspec.json.decode(raw, type=_Type).type), raw) for raw in raw_events)
    return tuple(msgspec.json.decode(raw, type=kind) for kind, raw in kinds if kind is not None)
