"""The course of a soak: what happened, and what is wrong."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from proof.stress.scripts import ClientRun


@dataclass
class Course:
    """What clients and havoc report, and what they know of each other."""

    seed: int
    seconds: float
    """After which no run is started any more."""
    client_runs: list[ClientRun] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    kills: list[float] = field(default_factory=list)
    """When a step worker was killed."""
    outages: list[tuple[float, float]] = field(default_factory=list)
    """When every step worker died at once: killed, or gone with the stack."""
    logs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    ended: int = 0
    begun: float = field(default_factory=time.time)
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.up = threading.Event()
        self.over = threading.Event()

    @property
    def late(self) -> bool:
        """True once no run is started any more."""
        return time.time() > self.begun + self.seconds

    @property
    def table(self) -> str:
        """What happened, in numbers."""
        ends = Counter(client_run.seen["run"]["status"] for client_run in self.client_runs if client_run.seen)
        rows = [
            ("seed", self.seed),
            ("chats", len({client_run.chat for client_run in self.client_runs})),
            ("runs", len(self.client_runs)),
            *((f"runs {status}", ends[status]) for status in ("succeeded", "failed", "aborted")),
            *sorted(self.done.items()),
            (
                "model requests recorded",
                sum(client_run.seen["run"]["usage"]["requests"] for client_run in self.client_runs if client_run.seen),
            ),
            ("seconds", round(self.ended_at - self.begun)),
            ("violations", len(self.wrong)),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value:>8}" for name, value in rows)
