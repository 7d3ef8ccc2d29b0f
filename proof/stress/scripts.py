"""What a soak's runs do: the text of each step, the model's errors, and when the user stops them."""

import json
import random
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Script:
    """The script of a run: the text of each step, the model's errors, and when its user stops it."""

    says: list[str]
    prompt: str
    hiccups: dict[int, int]
    """Step → transient errors before it succeeds."""
    refused: bool
    """The model refuses the step after the last of `says` for good."""
    stop_after: float | None
    asks: int
    """How many of its steps ask for an approval. Each is followed by one that asks no model."""


@dataclass
class ClientRun:
    """A run as its client sees it."""

    chat: str
    script: Script
    key: str
    id: str = ""
    stops: list[bool | None] = field(default_factory=list)
    """What each stop was answered; None: no answer came."""
    seen: dict[str, Any] = field(default_factory=dict)


def script_of(chance: random.Random, name: str, stops: float) -> Script:
    """A script of one to four steps."""
    steps = chance.randint(1, 4)
    says, hiccups = [f"{name}, step {number}. " for number in range(steps)], {}
    entries: list[dict[str, Any]] = []
    refused, asks = chance.random() < 0.06, 0
    for number, text in enumerate(says):
        entry: dict[str, Any] = {"text": text, "seconds": round(chance.uniform(0, 0.9), 2)}
        step = number + asks
        if number < steps - 1 or refused:
            calls = (
                ["clock", {}],
                ["calculate", {"expression": "6 * 7"}],
                ["wait", {"seconds": 0.3}],
                ["announce", {"text": "x"}],
            )
            entry["tools"] = [chance.choice(calls)]
            asks += entry["tools"][0][0] == "announce"
        if chance.random() < 0.08:
            hiccups[step] = 1
            entry |= {"error": "transient", "times": 1}
        entries.append(entry)
    if refused:
        entries.append({"error": "permanent"})
    stop_after = chance.uniform(0, 3) if chance.random() < stops else None
    return Script(says, f"#script {json.dumps(entries)}", hiccups, refused, stop_after, asks)
