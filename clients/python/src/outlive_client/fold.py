"""Build a run's message from its events."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import UNSET

from outlive_client.events import (
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
from outlive_client.views import MESSAGE_STATUS, Message, MessageMetadata, Run


class MessageFold:
    """The assistant message of a run after the events applied so far.

    Its parts are those of `GET /runs/{id}`; a tool call without a result yet is `input-available`, or `approval-requested`.
    """

    def __init__(self) -> None:
        self._run: Run | None = None
        self._steps: dict[int, list[dict[str, Any]]] = {}
        self._at: datetime | None = None

    def apply(self, event: Event) -> None:
        """Update the message with the next event."""
        match event:
            case RunEvent(run=run) | SettledEvent(run=run):
                self._run = run
            case StepEvent(step=step, state="started" | "discarded"):
                self._steps[step] = []
            case TextEvent(step=step, kind=kind, text=text):
                self._append_text(self._steps.setdefault(step, []), kind, text)
            case ToolCallEvent(step=step):
                self._steps.setdefault(step, []).append(self._open_call(event))
            case PartEvent(step=step, part=part):
                self._steps.setdefault(step, []).append(dict(part))
            case ToolApprovalEvent(approval_id=approval_id):
                self._update_call(event, {"state": "approval-requested", "approval": {"id": approval_id}})
            case ToolResultEvent(state="output-available"):
                self._update_call(event, {"state": event.state, "output": event.output})
            case ToolResultEvent(state="output-error"):
                self._update_call(event, {"state": event.state, "errorText": event.error_text})
            case ToolResultEvent():
                self._update_call(event, {"state": event.state})
        self._at = event.at or self._at

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The message's parts so far; a `step-start` comes before the parts of each step."""
        steps = (self._steps[step] for step in sorted(self._steps))
        return [dict(part) for parts in steps if parts for part in ({"type": "step-start"}, *parts)]

    @property
    def message(self) -> Message | None:
        """The message so far; None before the first event with the run."""
        run, parts = self._run, self.parts
        if run is None:
            return None
        return Message(
            id=run.assistant_message_id,
            chat_id=run.chat_id,
            run_id=run.id,
            role="assistant",
            status=MESSAGE_STATUS[run.status],
            content="".join(part["text"] for part in parts if part["type"] == "text"),
            parts=parts,
            metadata=MessageMetadata(run.error, run.finish_reason, run.usage) if run.ended else MessageMetadata(),
            created_at=run.created_at,
            updated_at=self._at,
        )

    @staticmethod
    def _append_text(parts: list[dict[str, Any]], kind: str, text: str) -> None:
        if parts and parts[-1]["type"] == kind:
            parts[-1]["text"] += text
        else:
            parts.append({"type": kind, "text": text})

    @staticmethod
    def _open_call(event: ToolCallEvent) -> dict[str, Any]:
        return {
            "type": f"tool-{event.tool_name}",
            "toolCallId": event.tool_call_id,
            "state": "input-available",
            "input": event.input,
            **({"providerExecuted": True} if event.provider_executed else {}),
        }

    def _update_call(self, event: ToolApprovalEvent | ToolResultEvent, update: dict[str, Any]) -> None:
        """Update the event's call, which is the latest with its id and may be of an earlier step."""
        steps = (self._steps[step] for step in sorted(self._steps, reverse=True) if step <= event.step)
        calls = (part for parts in steps for part in parts if part.get("toolCallId") == event.tool_call_id)
        part = next(calls, None)
        if part is not None:
            part |= update if event.input is UNSET else {**update, "input": event.input}


def message_of(events: Iterable[Event]) -> Message | None:
    """The assistant message that these events make, starting with the run's first; None if no event holds the run."""
    fold = MessageFold()
    for event in events:
        fold.apply(event)
    return fold.message
