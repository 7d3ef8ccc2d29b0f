"""The events of a run, as its readers receive them. An event's `id` is the cursor right after it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from outlive.usage import Usage
from outlive.views import Moment, RunView


class BaseEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event has: the cursor right after it, and the time of what it reports."""

    id: str
    at: Moment


class RunEvent(BaseEvent, frozen=True, kw_only=True, tag="run"):
    """The run: the first event, and again after its status, a requested stop or `retrying` changed."""

    run: RunView


class StepEvent(BaseEvent, frozen=True, kw_only=True, tag="step"):
    """A step started, finished or was discarded. If it started again, everything shown of it before is void."""

    step: int
    state: Annotated[
        Literal["started", "finished", "discarded"],
        msgspec.Meta(
            description="`started`: the step begins, and everything shown of it before is void. `finished`: its record is "
            "stored, and it has no further events. `discarded`: the run ended without it, and everything shown of it is void."
        ),
    ]
    attempt: int | UnsetType | None = UNSET
    """With `started`: which attempt is shown live; null if it is the stored record."""
    kind: Literal["step", "asked", "final", "partial"] | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    """With `finished`: the run's total with this step."""
    waits: bool | UnsetType = UNSET
    """With `finished`: true if the run waits for answers to calls of this step."""


class TextEvent(BaseEvent, frozen=True, kw_only=True, tag="text"):
    """A bit of text. Consecutive bits of one kind are one part of the message."""

    step: int
    kind: Literal["text", "reasoning"]
    text: str


class ToolCallEvent(BaseEvent, frozen=True, kw_only=True, tag="tool-call"):
    """The model called a tool."""

    step: int
    tool_call_id: str
    tool_name: str
    input: Any
    provider_executed: bool | UnsetType = UNSET
    """True if the model's provider runs the tool itself."""


class ToolResultEvent(BaseEvent, frozen=True, kw_only=True, tag="tool-result"):
    """A tool returned (`output-available`, with `output`), failed (`output-error`, with `error_text`), or was not allowed
    to run (`output-denied`). Its call may be of an earlier step; then it may also be open again (`input-available`), if the
    tool asked a question once it was approved.
    """

    step: int
    tool_call_id: str
    tool_name: str
    state: str
    input: Any = UNSET
    """The arguments that were approved, of a call of an earlier step. They may differ from those of its `tool-call`."""
    output: Any = UNSET
    error_text: str | UnsetType = UNSET


class ToolApprovalEvent(BaseEvent, frozen=True, kw_only=True, tag="tool-approval"):
    """A call waits for an approval. The run's `asked` has it until it is decided."""

    step: int
    tool_call_id: str
    tool_name: str
    approval_id: str
    """Names this request: a call that is asked about again gets another one."""
    input: Any = UNSET
    """The arguments, of a call of an earlier step that is asked about again."""


class PartEvent(BaseEvent, frozen=True, kw_only=True, tag="part"):
    """Any other part of the message, such as a file or a source, in the form of the transcript."""

    step: int
    part: dict[str, Any]


class SettledEvent(BaseEvent, frozen=True, kw_only=True, tag="settled"):
    """The run has ended. This is the last event."""

    run: RunView


Event = (
    RunEvent | StepEvent | TextEvent | ToolCallEvent | ToolResultEvent | ToolApprovalEvent | PartEvent | SettledEvent
)
