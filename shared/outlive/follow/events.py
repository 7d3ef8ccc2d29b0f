"""The events that a reader of a run gets. An event's `id` is the cursor right after it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from outlive.usage import Usage
from outlive.views import Moment, RunView


class BaseEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event has: the cursor right after it, and when what it tells became true."""

    id: str
    at: Moment


class RunEvent(BaseEvent, frozen=True, kw_only=True, tag="run"):
    """The run as it stands: the first event, and again when its status, a requested stop or `retrying` changed."""

    run: RunView


class StepEvent(BaseEvent, frozen=True, kw_only=True, tag="step"):
    """A step began, or began again: whatever was shown of it before is void. Or it is finished, or discarded."""

    step: int
    state: Annotated[
        Literal["started", "finished", "discarded"],
        msgspec.Meta(
            description="`started`: the step begins, and whatever was shown of it before is void. `finished`: its record "
            "stands, nothing more comes of it. `discarded`: the run ended without it, what was shown of it is void."
        ),
    ]
    attempt: int | UnsetType | None = UNSET
    """With `started`: which attempt is shown live; null if it is the stored record."""
    kind: Literal["step", "final", "partial"] | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    """With `finished`: the run's total with this step."""


class TextEvent(BaseEvent, frozen=True, kw_only=True, tag="text"):
    """A bit of text. Bits of one kind in a row, with nothing between them, are one part."""

    step: int
    kind: Literal["text", "reasoning"]
    text: str


class ToolCallEvent(BaseEvent, frozen=True, kw_only=True, tag="tool-call"):
    """The model asked for a tool."""

    step: int
    tool_call_id: str
    tool_name: str
    input: Any
    provider_executed: bool | UnsetType = UNSET
    """True: the model's provider runs it, not this service."""


class ToolResultEvent(BaseEvent, frozen=True, kw_only=True, tag="tool-result"):
    """A tool answered (`output-available`, with `output`) or did not (`output-error`, with `error_text`)."""

    step: int
    tool_call_id: str
    tool_name: str
    state: str
    output: Any = UNSET
    error_text: str | UnsetType = UNSET


class PartEvent(BaseEvent, frozen=True, kw_only=True, tag="part"):
    """Any other part of the message, as the transcript has it: a file, a source."""

    step: int
    part: dict[str, Any]


class SettledEvent(BaseEvent, frozen=True, kw_only=True, tag="settled"):
    """The run has ended, and everything was told. The last event."""

    run: RunView


Event = RunEvent | StepEvent | TextEvent | ToolCallEvent | ToolResultEvent | PartEvent | SettledEvent
