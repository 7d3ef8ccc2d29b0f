"""The promises of docs/guarantees.md and docs/behaviours.md as plain Python: one thing at a time, no store, no conditions, no retries.

Each method is something that happens to a run, as those pages describe it, and returns what the outside sees
of it. The system under test has to answer the same, to the millisecond.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from outlive.asked import closed, is_open
from outlive.clock import iso

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


@dataclass
class Contract:
    """All there is: chats, and every message ever sent."""

    rules: Rules
    now: int
    chats: dict[tuple[str, str], Chat] = field(default_factory=dict)
    keys: dict[tuple[str, str, str, str], Run] = field(default_factory=dict)
    sent: list[tuple[Run, int]] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        return [run for chat in self.chats.values() for run in chat.runs]

    # --- what a client does ---

    def start(self, workspace: str, user: str, chat_id: str, key: str | None, body: dict[str, Any]) -> Expected:
        chat = self.chats.get((workspace, chat_id))
        if chat is not None and chat.user != user:
            return Expected(404, code="chat_not_found")
        earlier = self.keys.get((workspace, user, chat_id, key)) if key else None
        if earlier is not None:
            if earlier.body != body:
                return Expected(409, code="idempotency_key_reused")
            if earlier.status == "pending":
                self.sent.append((earlier, 0))
            return Expected(202, earlier, replayed=True)
        if not self.rules.enabled:
            return Expected(403, code="runs_disabled")
        if chat is not None and chat.active is not None and not self._end_if_overdue(chat.active):
            return Expected(409, code="run_already_active", active=chat.active)
        if chat is None:
            chat = self.chats[workspace, chat_id] = Chat(workspace, chat_id, user)
        max_steps = body.get("budget", {}).get("max_steps", self.rules.max_steps)
        run = Run(chat, body, max_steps, created_at=self.now)
        chat.runs.append(run)
        if key:
            self.keys[workspace, user, chat_id, key] = run
        self.sent.append((run, 0))
        return Expected(202, run)

    def stop_chat(self, workspace: str, user: str, chat_id: str) -> Expected:
        chat = self.chats.get((workspace, chat_id))
        if chat is None or chat.user != user or chat.active is None:
            return Expected(200, stopped=False)
        return self._stop(chat.active)

    def stop_run(self, workspace: str, user: str, run: Run) -> Expected:
        if (run.chat.workspace, run.chat.user) != (workspace, user):
            return Expected(200, stopped=False)
        return Expected(200, run, stopped=False) if run.ended else self._stop(run)

    def _stop(self, run: Run) -> Expected:
        if run.stop_requested_at is None:
            run.stop_requested_at = self.now
        if not run.held(self.now):
            self._end(run, "aborted")
        return Expected(200, run, stopped=True)

    def answer(self, workspace: str, user: str, run: Run, call_id: str, approved: bool) -> Expected:
        if (run.chat.workspace, run.chat.user) != (workspace, user):
            return Expected(404, code="run_not_found")
        earlier = run.answers.get(call_id)
        if earlier is not None:
            if earlier[1] is not approved:
                return Expected(409, code="answered_otherwise")
            if run.status == "running" and run.claimed == earlier[0]:
                self.sent.append((run, run.claimed + 1))
            return Expected(200, run)
        if not run.waits:
            return Expected(409, code="not_waiting")
        if call_id not in [part.get("toolCallId") for part in run.log[-1].parts]:
            return Expected(422, code="invalid_request")
        run.answers[call_id] = run.claimed, approved
        run.status, run.progress_at, run.resends = "running", self.now, 0
        run.resend_after = self.now + self.rules.lease * SECOND
        self.sent.append((run, run.claimed + 1))
        return Expected(200, run)

    # --- what a worker does ---

    def take(self, run: Run, step: int) -> Holding | Literal["acknowledged", "given back"]:
        """A message is delivered: who then waits for the model, or what became of the message."""
        if run.ended or run.waits or not run.claimed <= step <= run.claimed + 1:
            return "acknowledged"
        if step == run.claimed and run.held(self.now):
            return "given back"
        if run.stop_requested_at is not None:
            self._end(run, "aborted")
            return "acknowledged"
        if step == run.claimed:
            run.attempt += 1
        else:
            run.claimed, run.attempt, run.resends, run.last_error = step, 1, 0, ""
        run.status, run.resend_after, run.progress_at = "running", 0, self.now
        run.started_at = self.now if run.started_at is None else run.started_at
        deadline = self.now + self.rules.invocation * SECOND
        holding = Holding(run, step, run.attempt, deadline, beat_at=self._next_beat, look_at=self._next_look)
        run.holder, run.lease_until = holding, self._lease_end(holding)
        if len(run.log) > step:
            self._follow(run, step)
            return "acknowledged"
        if run.attempt > self.rules.attempts:
            self._end(run, "failed", ("step_attempts", run.last_error))
            return "acknowledged"
        return holding

    def watch(self, holding: Holding) -> None:
        """What a worker does beside the model, when it is due: heartbeat, else a look at the stop."""
        run = holding.run
        holds = run.holder is holding
        if self.now < min(holding.beat_at, holding.look_at):
            return
        if self.now >= holding.beat_at:
            holding.beat_at = self._next_beat
            if holds:
                run.progress_at, run.lease_until = self.now, self._lease_end(holding)
        holding.look_at = self._next_look
        if holding.reason is None:
            holding.reason = "overtaken" if not holds else "stop" if run.stop_requested_at is not None else None

    def go_on(
        self, holding: Holding, how: How, record: Record, error: str, *, dies: bool = False
    ) -> Literal["acknowledged", "given back", "dead"]:
        """The model has answered, or the worker was interrupted: what became of the message.

        `record` is what the step has to show by then, `error` its own text. `dies` right after the record is stored.
        """
        run = holding.run
        if holding.step:
            record.requests += run.log[holding.step - 1].requests
        if holding.reason is not None:
            how = "raises"
        if how == "asks" and run.log[holding.step - 1 : holding.step] and run.log[holding.step - 1].kind == "asked":
            how = "calls a tool"
        if how == "asks":
            return self._ask(holding, record)
        if how in ("answers", "calls a tool"):
            return self._record(holding, how, record, dies=dies)
        if run.ended and (holding.reason == "stop" or how != "stumbles" or holding.attempt >= self.rules.attempts):
            return "given back" if holding.reason == "overtaken" else "acknowledged"
        if holding.reason == "overtaken" or run.ended or run.holder is not holding:
            return "given back"
        record.kind = "partial"
        partial = record if len(run.log) == holding.step else None
        if holding.reason == "stop" or run.stop_requested_at is not None:
            self._end(run, "aborted", partial=partial)
        elif how == "stumbles" and holding.attempt < self.rules.attempts:
            pause = min(2 ** (holding.attempt - 1), self.rules.lease - 1)
            run.holder, run.last_error = None, error
            run.resend_after = self.now + (pause + 5) * SECOND
            return "given back"
        elif run.log and run.log[-1].kind == "final":
            self._end(run, "succeeded")
        else:
            code = {"stumbles": "step_attempts", "is refused": "refused", "raises": "step_failed"}[how]
            self._end(run, "failed", (code, error), partial=partial)
        return "acknowledged"

    def _record(self, holding: Holding, how: How, record: Record, *, dies: bool) -> Literal["acknowledged", "dead"]:
        run = holding.run
        if len(run.log) == holding.step and not run.ended:
            last = run.is_last(holding.step)
            record.kind = "final" if last or (how == "answers" and not run.resumed) else "step"
            record.finish_reason = None if record.kind == "step" else "max_steps" if last else "stop"
            run.log.append(record)
            if dies:
                return "dead"
        if len(run.log) > holding.step and run.log[holding.step].kind != "asked":
            self._follow(run, holding.step)
        return "acknowledged"

    def _ask(self, holding: Holding, record: Record) -> Literal["acknowledged", "given back"]:
        run = holding.run
        if run.ended or len(run.log) > holding.step:
            if not run.ended and run.log[holding.step].kind != "asked":
                self._follow(run, holding.step)
            return "acknowledged"
        if run.holder is not holding:
            return "given back"
        if run.stop_requested_at is not None:
            record.kind, record.parts = "partial", [closed(part) for part in record.parts]
            self._end(run, "aborted", partial=record)
            return "acknowledged"
        record.kind = "asked"
        run.log.append(record)
        run.status, run.holder, run.due_at = "waiting", None, self.now + self.rules.answer * SECOND
        return "acknowledged"

    def _follow(self, run: Run, step: int) -> None:
        """What comes after a stored record."""
        kind = run.log[step].kind
        if kind in ("step", "asked"):
            self.sent.append((run, step + 1))
        elif kind == "final" and not run.ended:
            self._end(run, "aborted" if run.stop_requested_at is not None else "succeeded")

    def _lease_end(self, holding: Holding) -> int:
        return min(self.now + self.rules.lease * SECOND, holding.deadline)

    @property
    def _next_beat(self) -> int:
        return self.now + self.rules.lease * SECOND // 3

    @property
    def _next_look(self) -> int:
        return self.now + self.rules.poll * SECOND

    # --- what the schedule does ---

    def sweep(self) -> dict[str, Any]:
        """The counts of one sweep."""
        counts: dict[str, Any] = {"seen": 0, "resent": 0, "failed": 0, "settled": {}, "unfinished": False}
        for run in self.runs:
            if run.ended or (run.waits and run.due_at > self.now):
                continue
            if not run.waits and run.created_at > self.now - self.rules.lease * SECOND:
                continue
            counts["seen"] += 1
            cause = self._end_if_overdue(run)
            if cause:
                counts["settled"][cause] = counts["settled"].get(cause, 0) + 1
            elif not run.held(self.now) and run.resends < self.rules.resends and run.resend_after <= self.now:
                # The schedule may tick five seconds early.
                run.resend_after = self.now + 55 * SECOND
                run.resends += 1
                self.sent.append((run, max(run.claimed, 0)))
                counts["resent"] += 1
        return counts

    def _end_if_overdue(self, run: Run) -> str | None:
        """Why the run had to end here and now, if it had to; then it has."""
        if run.held(self.now):
            return None
        stopped = run.stop_requested_at is not None
        if run.log and run.log[-1].kind == "final":
            self._end(run, "aborted" if stopped else "succeeded")
            return "stopped" if stopped else "answered"
        if stopped:
            self._end(run, "aborted")
            return "stopped"
        if run.waits:
            if run.due_at > self.now:
                return None
            self._end(run, "aborted", ("unanswered", "pay"))
            return "unanswered"
        if run.resends < self.rules.resends or run.resend_after > self.now:
            return None
        if run.progress_at is not None and run.progress_at <= self.now - self.rules.stale * SECOND:
            self._end(run, "aborted", ("stale", run.last_error))
            return "stale"
        if run.status == "pending" and run.created_at <= self.now - self.rules.pending * SECOND:
            self._end(run, "aborted", ("never_started", ""))
            return "never_started"
        return None

    def _end(self, run: Run, status: str, error: tuple[str, str] | None = None, partial: Record | None = None) -> None:
        assert not run.ended
        if partial is None and run.resumed:
            # The calls that nobody ran are closed.
            parts = [closed(part) for part in run.log[-1].parts if is_open(part)]
            partial = Record("partial", parts, None, run.requests)
        if partial is not None:
            run.log.append(partial)
        run.status, run.error, run.finished_at, run.holder = status, error, self.now, None
        run.finish_reason = {"failed": "error", "aborted": "aborted"}.get(status)
        if status == "succeeded":
            run.finish_reason = run.log[-1].finish_reason


# --- what is read ---


def shown(run: Run) -> dict[str, Any]:
    """The run as its owner reads it, without `updated_at`; of an error, its code."""
    return {
        "id": run.id,
        "chat_id": run.chat.id,
        "status": run.status,
        "agent": "assistant",
        "trigger": "user",
        "created_by": run.chat.user,
        "assistant_message_id": run.assistant_message_id,
        "step_count": len(run.log),
        "asked": asked_shown(run),
        "retrying": None,
        "output": None,
        "error": run.error[0] if run.error else None,
        "finish_reason": run.finish_reason,
        "usage": usage(run.requests),
        "budget": {"max_steps": run.max_steps},
        "metadata": run.body.get("metadata", {}),
        "created_at": iso(run.created_at),
        "started_at": _at(run.started_at),
        "stop_requested_at": _at(run.stop_requested_at),
        "finished_at": _at(run.finished_at),
    }


def asked_shown(run: Run) -> dict[str, Any] | None:
    """What the run waits for."""
    if not run.waits:
        return None
    calls = [
        {"tool_call_id": part["toolCallId"], "kind": "approval", "tool_name": "pay", "input": part["input"]}
        for part in run.log[-1].parts
        if is_open(part)
    ]
    return {"step": len(run.log) - 1, "until": iso(run.due_at), "open": calls}


def parts_shown(run: Run) -> list[dict[str, Any]]:
    """The parts of its answer: a call that was answered in a later step stands where it was made."""
    shown: list[dict[str, Any]] = []
    for part in [part for record in run.log for part in record.parts]:
        places = [place for place, earlier in enumerate(shown) if is_open(earlier)]
        same = [place for place in places if shown[place]["toolCallId"] == part.get("toolCallId")]
        if same:
            shown[same[0]] = part
        else:
            shown.append(part)
    return shown


def answer_shown(run: Run) -> dict[str, Any]:
    """The run's assistant message, without `updated_at`; of an error, its code."""
    metadata: dict[str, Any] = {"error": None, "finish_reason": None, "usage": None}
    if run.ended:
        code = run.error[0] if run.error else None
        metadata = {"error": code, "finish_reason": run.finish_reason, "usage": usage(run.requests)}
    return {
        "id": run.assistant_message_id,
        "chat_id": run.chat.id,
        "run_id": run.id,
        "role": "assistant",
        "status": {"succeeded": "completed", "failed": "error", "aborted": "aborted"}.get(run.status, "streaming"),
        "content": "".join(record.text for record in run.log),
        "parts": parts_shown(run),
        "metadata": metadata,
        "created_at": iso(run.created_at),
    }


def question_shown(run: Run) -> dict[str, Any]:
    """The run's user message, without its id and `updated_at`."""
    return {
        "chat_id": run.chat.id,
        "run_id": run.id,
        "role": "user",
        "status": "completed",
        "content": run.body["prompt"],
        "parts": [{"type": "text", "text": run.body["prompt"]}],
        "metadata": {"error": None, "finish_reason": None, "usage": None},
        "created_at": iso(run.created_at),
    }


def history(run: Run) -> list[tuple[str, str, str | None]]:
    """What the model is sent for the run's next step: who, the text, and the agent's own form of it."""
    turns: list[tuple[str, str, str | None]] = []
    for each in run.chat.runs:
        turns.append(("user", each.body["prompt"], None))
        turns += [("assistant", record.text, record.messages) for record in each.log]
    return turns


def usage(requests: int) -> dict[str, float | None]:
    """What so many model requests take up here."""
    used = {"input_tokens": 7 * requests, "output_tokens": 3 * requests, "requests": requests}
    return {**used, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_usd": None}


def _at(moment: int | None) -> str | None:
    return None if moment is None else iso(moment)
