"""A strict reader of a run's events: it builds the message from nothing but the events, applied one by one."""

import json
import re
from typing import Any


def events_of_stream(stream: str) -> tuple[list[dict[str, Any]], int | None]:
    """The events of a stream of server-sent events and its `retry`, read as the standard says.

    Each event is its data as JSON; the fields `id` and `event` must agree with the data.
    """
    events: list[dict[str, Any]] = []
    retry = None
    last_id, kind, data = "", "", list[str]()
    for line in re.split("\r\n|\r|\n", stream):
        if not line:
            if data:
                event = json.loads("\n".join(data))
                assert (event["id"], event["type"]) == (last_id, kind)
                events.append(event)
            kind, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "id":
                last_id = value
            case "event":
                kind = value
            case "data":
                data.append(value)
            case "retry":
                retry = int(value)
            case _:
                assert field == "", f"unknown field {field}"
    return events, retry


class EventReader:
    """Applies events to the message that it shows. An event that breaks the protocol is an AssertionError."""

    def __init__(self) -> None:
        self.run: dict[str, Any] | None = None
        self.steps: dict[int, list[dict[str, Any]]] = {}
        self.finished: dict[int, dict[str, Any]] = {}
        self.open: int | None = None
        self.attempt: int | None = None
        self.settled = False
        self.updates: set[int] = set()
        """The steps that changed calls of earlier steps."""
        self.voided: list[int] = []
        self.seen: list[str] = []

    def take(self, events: list[dict[str, Any]]) -> None:
        """Apply the events."""
        for event in events:
            assert not self.settled, f"after the end: {event}"
            assert event["id"] not in self.seen, f"twice: {event}"
            self.seen.append(event["id"])
            getattr(self, "_" + event["type"].replace("-", "_"))(event)

    def _run(self, event: dict[str, Any]) -> None:
        assert event["run"] != self.run, "a run event without a change"
        self.run = event["run"]

    def _settled(self, event: dict[str, Any]) -> None:
        assert self.open is None, f"the run ended with step {self.open} open"
        self.run, self.settled = event["run"], True

    def _step(self, event: dict[str, Any]) -> None:
        step, state = event["step"], event["state"]
        if state == "started":
            assert self.run is not None
            assert step not in self.finished, f"step {step} begins after it was finished"
            assert self.open in (None, step), f"step {step} begins while {self.open} is open"
            assert all(earlier < step for earlier in self.finished)
            assert step not in self.updates, f"step {step} begins again after results of earlier steps' calls"
            if self.steps.get(step):
                self.voided.append(step)
            self.steps[step], self.open, self.attempt = [], step, event.get("attempt")
            return
        assert self.open == step
        self.open = None
        if state == "discarded":
            del self.steps[step]
        else:
            self.finished[step] = event

    def _text(self, event: dict[str, Any]) -> None:
        parts = self._parts(event)
        if parts and parts[-1]["type"] == event["kind"]:
            parts[-1]["text"] += event["text"]
        else:
            parts.append({"type": event["kind"], "text": event["text"]})

    def _tool_call(self, event: dict[str, Any]) -> None:
        parts = self._parts(event)
        assert not [part for part in parts if part.get("toolCallId") == event["tool_call_id"]], f"twice: {event}"
        name = {"type": f"tool-{event['tool_name']}", "toolCallId": event["tool_call_id"]}
        parts.append({**name, "state": "input-available", "input": event["input"]})

    def _tool_approval(self, event: dict[str, Any]) -> None:
        part = self._call(event)
        part |= {"state": "approval-requested", "approval": {"id": event["approval_id"]}}

    def _call(self, event: dict[str, Any]) -> dict[str, Any]:
        """The call, which is of this step or of an earlier one, and open."""
        own = [part for part in self._parts(event) if part.get("toolCallId") == event["tool_call_id"]]
        if not own:
            self.updates.add(event["step"])
            own = [part for part in reversed(self.parts) if part.get("toolCallId") == event["tool_call_id"]][:1]
            assert own, f"no call: {event}"
        (part,) = own
        assert part["state"] in ("input-available", "approval-requested"), f"twice: {event}"
        assert part["type"] == f"tool-{event['tool_name']}"
        part.pop("approval", None)
        part |= {"input": event["input"]} if "input" in event else {}
        return part

    def _tool_result(self, event: dict[str, Any]) -> None:
        part = self._call(event)
        part["state"] = event["state"]
        part |= {"output": event["output"]} if "output" in event else {}
        part |= {"errorText": event["error_text"]} if "error_text" in event else {}

    def _part(self, event: dict[str, Any]) -> None:
        self._parts(event).append(event["part"])

    def _parts(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        assert self.open == event["step"], f"outside of its step: {event}"
        return self.steps[event["step"]]

    @property
    def parts(self) -> list[dict[str, Any]]:
        """All parts that are shown, in the form of `content_parts`."""
        return [part for step in sorted(self.steps) for part in self.steps[step]]


def content_parts(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A message's parts without step marks, and with adjacent texts of one step joined."""
    content: list[dict[str, Any]] = []
    joined = False
    for part in parts:
        if part["type"] in ("text", "reasoning"):
            if joined and content and content[-1]["type"] == part["type"]:
                content[-1]["text"] += part["text"]
            elif part["text"]:
                content.append({"type": part["type"], "text": part["text"]})
            joined = True
        elif part["type"] == "step-start":
            joined = False
        else:
            content.append(part)
    return content
