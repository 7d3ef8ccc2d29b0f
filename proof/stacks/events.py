"""The events that handlers get, and the context beside them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"


def event(name: str) -> dict[str, Any]:
    """The event of `events/<name>.json`."""
    loaded: dict[str, Any] = json.loads(_event_text(name))
    return loaded


@cache
def _event_text(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


def message_event(message: dict[str, Any]) -> dict[str, Any]:
    """The event of a worker: one message of the queue, as it was received."""
    batch = event("step")
    batch["Records"][0] |= {
        "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
    }  # fmt: skip
    batch["Records"][0]["attributes"] |= message.get("Attributes", {})
    return batch


@dataclass
class Context:
    """What a handler uses of Lambda's context."""

    seconds_left: float = 300
    function_name: str = "test"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds_left * 1000)
