"""What happens in a run, in order. Each event's `id` is the cursor that stands right behind it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from outlive_client.views import Run, Usage


class RunEvent(msgspec.Struct, frozen=True, tag="run"):
    """The run as it is now: first of all events, and again when its status or its stop changes."""

    id: str
    run: Run
    at: datetime | None = None


class StepEvent(msgspec.Struct, frozen=True, tag="step"):
    """A step has reached a `state`.

    started    it begins, or begins again: whatever was told of this step before is void
    finished   it is stored, and nothing more comes of it; `kind` is step, final or partial
    discarded  the run ended without it: whatever was told of this step is void
    """

    id: str
    step: int
    state: str
    attempt: int | None = None
    kind: str | None = None
    usage: Usage | None = None
    at: datetime | None = None


class TextEvent(msgspec.Struct, frozen=True, tag="text"):
    """A piece of what the model says; `kind` is text or reasoning. Pieces of a kind in a row are one part."""

    id: str
    step: int
    text: str
    kind: str = "text"
    at: datetime | None = None


class ToolCallEvent(msgspec.Struct, frozen=True, tag="tool-call"):
    """The model asks for a tool."""

    id: str
    step: int
    tool_call_id: str
    tool_name: str
    input: Any = None
    provider_executed: bool = False
    """True: the model's provider runs it, not the API."""
    at: datetime | None = None


class ToolResultEvent(msgspec.Struct, frozen=True, tag="tool-result"):
    """A tool has answered; `state` is output-available (with `output`) or output-error (with `error_text`)."""

    id: str
    step: int
    tool_call_id: str
    tool_name: str
    state: str
    output: Any = None
    error_text: str | None = None
    at: datetime | None = None


class PartEvent(msgspec.Struct, frozen=True, tag="part"):
    """Any other part of the message, as the message has it: a file, a source."""

    id: str
    step: int
    part: dict[str, Any]
    at: datetime | None = None


class SettledEvent(msgspec.Struct, frozen=True, tag="settled"):
    """The run has ended. Always the last event."""

    id: str
    run: Run
    at: datetime | None = None


Event: TypeAlias = RunEvent | StepEvent | TextEvent | ToolCallEvent | ToolResultEvent | PartEvent | SettledEvent

_KINDS: dict[str, type[Event]] = {
    "run": RunEvent,
    "step": StepEvent,
    "text": TextEvent,
    "tool-call": ToolCallEvent,
    "tool-result": ToolResultEvent,
    "part": PartEvent,
    "settled": SettledEvent,
}


class Window(msgspec.Struct, frozen=True):
    """What happened behind a cursor, as far as one answer tells it. `over`: the run has ended and all was told."""

    events: tuple[Event, ...] = ()
    cursor: str | None = None
    over: bool = False


class _Type(msgspec.Struct, frozen=True):
    type: str


def read_events(said: Iterable[msgspec.Raw]) -> tuple[Event, ...]:
    """The events among `said` that this version knows. Raises msgspec.ValidationError if one is not what its type says."""
    kinds = ((_KINDS.get(msgspec.json.decode(raw, type=_Type).type), raw) for raw in said)
    return tuple(msgspec.json.decode(raw, type=kind) for kind, raw in kinds if kind is not None)
