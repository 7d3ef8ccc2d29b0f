"""An AI SDK client as far as its stream goes: it makes a message of chunks, and stumbles over what the SDK would."""

import json
from dataclasses import dataclass, field
from typing import Any

KNOWN = {
    *("start", "start-step", "finish-step", "finish", "abort", "error", "message-metadata"),
    *(f"{kind}-{what}" for kind in ("text", "reasoning") for what in ("start", "delta", "end")),
    *("tool-input-start", "tool-input-delta", "tool-input-available", "tool-input-error"),
    *("tool-output-available", "tool-output-error", "tool-output-denied", "tool-approval-request"),
    *("file", "source-url", "source-document"),
}


@dataclass
class Client:
    """Reads windows one after the other, as the transport does: one message in the making."""

    id: str | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] | None = None
    voided: int = 0
    done: bool = False
    cursor: str | None = None
    open: dict[str, dict[str, Any]] = field(default_factory=dict)

    def read(self, stream: str) -> list[dict[str, Any]]:
        """Apply a window; returns its chunks."""
        assert not self.done, "after [DONE]"
        found: list[dict[str, Any]] = []
        waiting: list[dict[str, Any]] = []
        for block in stream.split("\n\n"):
            for line in block.split("\n"):
                name, _, value = line.partition(": ")
                if name == "id":
                    self.cursor = value
                elif name == "data" and value == "[DONE]":
                    self.done = True
                elif name == "data":
                    waiting.append(json.loads(value))
                else:
                    assert not name, line
            if "id: " in block:
                found += waiting
                waiting = []
        assert not waiting, "chunks without an id behind them"
        for chunk in found:
            self.take(chunk)
        return found

    def take(self, chunk: dict[str, Any]) -> None:
        """Apply one chunk, as `processUIMessageStream` does."""
        kind = chunk["type"]
        assert self.ended is None, f"after the end: {chunk}"
        if kind == "data-void":
            assert chunk["transient"] is True
            self.void()
            return
        assert kind in KNOWN or kind.startswith("data-"), chunk
        if kind == "start":
            assert self.id is None, "a second start"
            self.id = chunk["messageId"]
        elif kind == "start-step":
            self.parts.append({"type": "step-start"})
        elif kind in ("text-start", "reasoning-start"):
            part = {"type": kind.removesuffix("-start"), "text": "", "state": "streaming"}
            assert chunk["id"] not in self.open, f"opened twice: {chunk}"
            self.open[chunk["id"]] = part
            self.parts.append(part)
        elif kind in ("text-delta", "reasoning-delta"):
            self.open[chunk["id"]]["text"] += chunk["delta"]
        elif kind in ("text-end", "reasoning-end"):
            self.open.pop(chunk["id"])["state"] = "done"
        elif kind == "tool-input-available":
            part = self._tool(chunk["toolCallId"], in_step=True)
            part |= {"type": f"tool-{chunk['toolName']}", "state": "input-available", "input": chunk["input"]}
        elif kind == "tool-output-available":
            self._tool(chunk["toolCallId"]).update(state="output-available", output=chunk["output"])
        elif kind == "tool-output-denied":
            self._tool(chunk["toolCallId"]).update(state="output-denied")
        elif kind == "tool-approval-request":
            self._tool(chunk["toolCallId"]).update(state="approval-requested", approval={"id": chunk["approvalId"]})
        elif kind in ("tool-output-error", "tool-input-error"):
            self._tool(chunk["toolCallId"], in_step=kind == "tool-input-error").update(
                state="output-error", errorText=chunk["errorText"]
            )
            if kind == "tool-input-error":
                self._tool(chunk["toolCallId"]).update(type=f"tool-{chunk['toolName']}", input=chunk["input"])
        elif kind in ("finish", "abort", "error"):
            self.ended = chunk
        elif kind in ("file", "source-url", "source-document") or kind.startswith("data-"):
            self.parts.append(chunk)
        self.metadata |= chunk.get("messageMetadata", {})

    def void(self) -> None:
        """Forget the step under way."""
        self.voided += 1
        while self.parts and self.parts.pop()["type"] != "step-start":
            pass
        self.open.clear()

    def _tool(self, call_id: str, *, in_step: bool = False) -> dict[str, Any]:
        """The call; `in_step`: only a call of the newest step, or a new one."""
        for part in reversed(self.parts):
            if part.get("toolCallId") == call_id:
                return part
            if in_step and part["type"] == "step-start":
                break
        assert in_step, f"no call {call_id}"
        self.parts.append({"toolCallId": call_id})
        return self.parts[-1]


def shown(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts as a client that read them live has them: text that follows text of its kind is one part."""
    found: list[dict[str, Any]] = []
    for part in parts:
        same = found and part["type"] in ("text", "reasoning") and found[-1]["type"] == part["type"]
        if same:
            found[-1] = {**found[-1], "text": found[-1]["text"] + part["text"]}
        else:
            found.append(part)
    return found
