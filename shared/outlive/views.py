"""Runs and messages as clients see them. Times are ISO 8601, ids opaque."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from outlive.asked import CallKind, is_open
from outlive.clock import iso
from outlive.file_ref import part_of
from outlive.lifecycle import MESSAGE_STATUS, TERMINAL, MessageStatus, Status, Trigger
from outlive.page import PAGE_BYTES
from outlive.store.rows import Message, Record, Run
from outlive.usage import Usage

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class ErrorView(msgspec.Struct, frozen=True):
    """The first real cause of a failure."""

    code: str
    message: str


class RetryingView(msgspec.Struct, frozen=True):
    """The model's provider takes no requests now; the run waits and tries again."""

    code: str
    message: str
    since: Moment


class BudgetView(msgspec.Struct, frozen=True):
    """How much the run may use up."""

    max_steps: int


class AskedCallView(msgspec.Struct, frozen=True):
    """A call of the agent's that waits for an answer."""

    tool_call_id: str
    kind: CallKind
    tool_name: str
    input: Annotated[Any, msgspec.Meta(description="The tool's arguments. Lists of runs leave them out.")] = UNSET
    metadata: Annotated[Any, msgspec.Meta(description="What the tool added to its call, if anything.")] = UNSET


class AskedView(msgspec.Struct, frozen=True):
    """The calls that a waiting run needs answers to. Without them the run ends at `until`: `aborted`, error `unanswered`."""

    step: int
    until: Moment
    open: list[AskedCallView]


class RunView(msgspec.Struct, frozen=True):
    """One agent turn."""

    id: str
    chat_id: str
    status: Status
    trigger: Trigger
    created_by: str | None
    agent: str | None
    assistant_message_id: str
    queue_position: Annotated[
        int | None,
        msgspec.Meta(description="The place of a queued run, from 1, where the chat was read as well; null otherwise."),
    ]
    next_run_id: Annotated[
        str | None, msgspec.Meta(description="The run that took the chat's slot as this one ended, if one did.")
    ]
    step_count: int
    asked: AskedView | None
    error: ErrorView | None
    retrying: RetryingView | None
    finish_reason: (
        Literal["stop", "length", "content_filter", "max_steps", "handed_over", "superseded", "error", "aborted"] | None
    )
    output: Annotated[
        Any,
        msgspec.Meta(
            description="The structured output of an agent with an output type, in the form of the part `data-output`. Null "
            "for an agent that answers with text, and as long as the run is active."
        ),
    ]
    usage: Usage
    budget: BudgetView
    metadata: dict[str, Any]
    created_at: Moment
    started_at: Moment | None
    updated_at: Moment
    stop_requested_at: Moment | None
    finished_at: Moment | None


class QueuedView(msgspec.Struct, frozen=True):
    """A run that waits for its chat's slot. Its prompt becomes a message once it has it."""

    run: RunView
    prompt: str
    files: list[dict[str, Any]]
    """The parts that the message has for its files."""


class MessageMetadata(msgspec.Struct, frozen=True):
    """How the run ended, once it has; nulls in a user's message."""

    error: ErrorView | None = None
    finish_reason: str | None = None
    usage: Usage | None = None


class MessageView(msgspec.Struct, frozen=True):
    """One entry of the transcript. `parts` are AI SDK UI message parts, `content` is the text of all of them."""

    id: str
    chat_id: str
    run_id: str
    role: Literal["user", "assistant"]
    status: MessageStatus
    content: str
    parts: list[dict[str, Any]]
    metadata: MessageMetadata
    created_at: Moment
    updated_at: Moment
    content_omitted: Annotated[
        Literal[True] | UnsetType,
        msgspec.Meta(
            description="True: with `content` the message would be too large for an answer, so that is empty. `parts` have "
            "all of it."
        ),
    ] = UNSET


def view_run(run: Run, last: Record | None = None, queue_position: int | None = None) -> RunView:
    """The run as a client sees it. `last` is its newest record, which has an active run's step count and usage."""
    count, usage = run.step_count, run.usage or Usage()
    if run.status not in TERMINAL and last is not None:
        count, usage = last.step + (1 if last.counts else 0), last.usage or usage
    return RunView(
        id=run.id,
        chat_id=run.chat_id,
        status=Status(run.status),
        trigger=Trigger(run.trigger),
        created_by=run.created_by,
        agent=run.agent,
        assistant_message_id=run.assistant_message_id,
        queue_position=queue_position,
        next_run_id=run.next_run_id,
        step_count=count,
        asked=_asked(run, last),
        error=ErrorView(run.error.code, run.error.message) if run.error else None,
        retrying=_retrying(run),
        finish_reason=run.finish_reason,  # type: ignore[arg-type]  # only settle writes it, from FinishReason
        output=run.output,
        usage=usage,
        budget=BudgetView(run.max_steps),
        metadata=run.metadata or {},
        created_at=iso(run.created_at),
        started_at=_moment(run.started_at),
        updated_at=iso(run.updated_at),
        stop_requested_at=_moment(run.stop_requested_at),
        finished_at=_moment(run.finished_at),
    )


def view_asking_run(run: Run, last: Record | None) -> RunView:
    """The run as an approver sees it: what it asks, and nothing of what was put into it or came of it."""
    return replace(view_run(run, last), metadata={}, error=None, retrying=None, output=None)


def view_queued(run: Run, position: int) -> QueuedView:
    """A queued run as its owner sees it."""
    files = [part_of(file, run.chat_id) for file in run.input_files or ()]
    return QueuedView(view_run(run, None, position), run.input or "", files)


def view_message(message: Message, records: list[Record], chat_id: str, run: Run | None = None) -> MessageView:
    """The message as a client sees it. `run` is the run as it was read before the message: the status is taken from it.

    So a reader never sees `streaming` under a run that has ended, nor an ended run whose last text is missing.
    """
    status, metadata = MessageStatus(message.status), message.metadata or {}
    if run is not None and message.role == "assistant":
        status = MESSAGE_STATUS[Status(run.status)]
        ended = run.status in TERMINAL
        metadata = (
            {"error": run.error and asdict(run.error), "finish_reason": run.finish_reason, "usage": run.usage}
            if ended
            else {}
        )
    parts = folded(part for record in records for part in record.body.parts)
    if message.role == "user":
        files = [part_of(file, chat_id) for file in message.files or ()]
        parts = [{"type": "text", "text": message.text or ""}, *files]
    return MessageView(
        id=message.id,
        chat_id=chat_id,
        run_id=message.run_id,
        role=message.role,  # type: ignore[arg-type]  # only start writes it
        status=status,
        content="".join(part["text"] for part in parts if part.get("type") == "text"),
        parts=parts,
        metadata=msgspec.convert(metadata, MessageMetadata),
        created_at=iso(message.created_at),
        updated_at=iso(max([message.updated_at, *(record.created_at for record in records)])),
    )


def folded(parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of a message. A call that was answered in a later step is listed once, in the place where it was made."""
    message_parts: list[dict[str, Any]] = []
    places: dict[str, int] = {}
    for part in parts:
        call_id = part.get("toolCallId")
        place = places.get(call_id) if call_id is not None else None
        if place is not None and is_open(message_parts[place]):
            message_parts[place] = part
            continue
        if call_id is not None:
            places[call_id] = len(message_parts)
        message_parts.append(part)
    return message_parts


def sized(message: MessageView) -> tuple[MessageView, int]:
    """The message as one answer can hold it, without `content` if it must be, and its bytes as JSON.

    It contains its text twice, so it can be larger than a page, while its parts alone never are.
    """
    size = len(msgspec.json.encode(message))
    if size <= PAGE_BYTES:
        return message, size
    message = replace(message, content="", content_omitted=True)
    return message, len(msgspec.json.encode(message))


def _asked(run: Run, last: Record | None) -> AskedView | None:
    if run.status != Status.WAITING or run.asked is None:
        return None
    asked = {call.tool_call_id: call for call in last.body.asked} if last and last.step == run.asked.step else {}
    calls = [asked.get(call.tool_call_id, call) for call in run.asked.open]
    views = [
        AskedCallView(
            call.tool_call_id,
            call.kind,
            call.tool_name,
            call.input if call.tool_call_id in asked else UNSET,
            UNSET if call.metadata is None else call.metadata,
        )
        for call in calls
    ]
    return AskedView(run.asked.step, iso(run.asked.until), views)


def _retrying(run: Run) -> RetryingView | None:
    if not run.is_retrying or run.last_error is None or run.retrying_since is None:
        return None
    return RetryingView(run.last_error.code, run.last_error.message, iso(run.retrying_since))


def _moment(at: int | None) -> str | None:
    return None if at is None else iso(at)
