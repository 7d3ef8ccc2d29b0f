"""What a plain model of the product keeps: runs, chats, records, and the rules they follow."""

from dataclasses import dataclass, field
from typing import Any, Literal

from outlive.asked import closed, is_open

SECOND = 1000
How = Literal["answers", "calls a tool", "asks", "stumbles", "is refused", "raises"]


@dataclass
class Rules:
    """The settings that matter here, in seconds."""

    lease: int = 30
    stale: int = 600
    pending: int = 3600
    resends: int = 2
    max_steps: int = 3
    attempts: int = 2
    poll: int = 1
    invocation: int = 300
    answer: int = 1800
    enabled: bool = True


@dataclass
class Record:
    """A step as it is shown."""

    kind: Literal["step", "asked", "final", "partial"]
    parts: list[dict[str, Any]]
    messages: str | None
    requests: int
    finish_reason: str | None = None

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in self.parts if part["type"] == "text")


@dataclass(eq=False)
class Holding:
    """A worker's hold on a step of a run."""

    run: "Run"
    step: int
    attempt: int
    deadline: int
    beat_at: int
    look_at: int
    reason: Literal["stop", "overtaken"] | None = None


@dataclass(eq=False)
class Run:
    """One agent turn."""

    chat: "Chat"
    body: dict[str, Any]
    max_steps: int
    created_at: int
    id: str = ""
    assistant_message_id: str = ""
    status: str = "pending"
    claimed: int = -1
    attempt: int = 0
    holder: Holding | None = None
    lease_until: int = 0
    progress_at: int | None = None
    resends: int = 0
    resend_after: int = 0
    last_error: str = ""
    log: list[Record] = field(default_factory=list)
    error: tuple[str, str] | None = None
    finish_reason: str | None = None
    started_at: int | None = None
    stop_requested_at: int | None = None
    finished_at: int | None = None
    due_at: int = 0
    answers: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """By call the step that asked, and whether it was approved."""

    def __repr__(self) -> str:
        return f"<{self.status} run {self.id} of {self.chat.user}>"

    @property
    def ended(self) -> bool:
        return self.finished_at is not None

    def held(self, now: int) -> bool:
        return self.holder is not None and self.lease_until > now

    @property
    def waits(self) -> bool:
        return self.status == "waiting"

    @property
    def resumed(self) -> bool:
        """True if the next step runs answered calls."""
        return bool(self.log) and self.log[-1].kind == "asked"

    def is_last(self, step: int) -> bool:
        """True if the step is the last one that may ask a model."""
        before = self.log[:step]
        follow_asked = sum(record.kind == "asked" for record in before[:-1])
        asked = bool(before) and before[-1].kind == "asked"
        return not asked and len(before) - follow_asked >= self.max_steps - 1

    @property
    def requests(self) -> int:
        return self.log[-1].requests if self.log else 0

    def end(self, now: int, status: str, error: tuple[str, str] | None = None, partial: "Record | None" = None) -> None:
        """End it, once; the calls that nobody ran are closed."""
        assert not self.ended
        if partial is None and self.resumed:
            parts = [closed(part) for part in self.log[-1].parts if is_open(part)]
            partial = Record("partial", parts, None, self.requests)
        if partial is not None:
            self.log.append(partial)
        self.status, self.error, self.finished_at, self.holder = status, error, now, None
        self.finish_reason = {"failed": "error", "aborted": "aborted"}.get(status)
        if status == "succeeded":
            self.finish_reason = self.log[-1].finish_reason


@dataclass(eq=False)
class Chat:
    """A conversation, by workspace and id; its first run makes it the user's."""

    workspace: str
    id: str
    user: str
    runs: list[Run] = field(default_factory=list)

    @property
    def active(self) -> Run | None:
        return self.runs[-1] if self.runs and not self.runs[-1].ended else None


@dataclass
class Expected:
    """An HTTP answer: its status, and the run or the code of the problem."""

    status: int
    run: Run | None = None
    replayed: bool = False
    code: str | None = None
    active: Run | None = None
    stopped: bool | None = None
