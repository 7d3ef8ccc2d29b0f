"""The promises of docs/guarantees.md and docs/behaviours.md as plain Python: one thing at a time, no store, no
conditions, no retries.

Each method is something that happens to a run, as those pages describe it, and returns what the outside sees
of it. The system under test has to answer the same, to the millisecond."""

from dataclasses import dataclass, field
from typing import Any

from proof.stories.plain import SECOND, Chat, Expected, Rules, Run


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
            run.end(self.now, "aborted")
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
            run.end(self.now, "aborted" if stopped else "succeeded")
            return "stopped" if stopped else "answered"
        if stopped:
            run.end(self.now, "aborted")
            return "stopped"
        if run.waits:
            if run.due_at > self.now:
                return None
            run.end(self.now, "aborted", ("unanswered", "pay"))
            return "unanswered"
        if run.resends < self.rules.resends or run.resend_after > self.now:
            return None
        if run.progress_at is not None and run.progress_at <= self.now - self.rules.stale * SECOND:
            run.end(self.now, "aborted", ("stale", run.last_error))
            return "stale"
        if run.status == "pending" and run.created_at <= self.now - self.rules.pending * SECOND:
            run.end(self.now, "aborted", ("never_started", ""))
            return "never_started"
        return None
