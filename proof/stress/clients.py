"""The clients of a soak: each has a chat, and starts, watches, answers and stops one run after the other."""

import http.client
import random
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

from proof.stacks.deployed import Stack
from proof.stacks.exchange import Answer
from proof.stress.course import Course
from proof.stress.scripts import ClientRun, script_of

LOOK_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 150
CALL_PATIENCE: Final = 600


@dataclass
class Clients:
    """Clients whose calls get through, however often the stack goes and comes."""

    stack: Stack
    course: Course
    runs: int
    """How many runs each chat has."""
    stops: float
    """What share of the runs is stopped."""

    def play(self, number: int) -> None:
        """Everything that happens in one chat."""
        chance = random.Random(f"{self.course.seed}, chat {number}")
        chat = f"chat-{number}"
        for count in range(self.runs):
            if self.course.late:
                return
            client_run = ClientRun(chat, script_of(chance, f"{chat}, run {count}", self.stops), key=uuid.uuid4().hex)
            with self.course.lock:
                self.course.client_runs.append(client_run)
            self._begin(client_run)
            self._watch(client_run)
            self.course.ended += 1

    def _begin(self, client_run: ClientRun) -> None:
        """Start it, as often as it takes; the key makes sure that it is started once."""
        answer = self.surely(
            "POST",
            f"/chats/{client_run.chat}/runs",
            {"prompt": client_run.script.prompt},
            headers={"Idempotency-Key": client_run.key},
        )
        if answer.status != 202:
            raise AssertionError(f"a start in {client_run.chat} was answered {answer.status} {answer.body}")
        self.course.done["starts answered by an earlier one"] += "idempotency-replayed" in answer.headers
        client_run.id = answer.body["run"]["id"]

    def _watch(self, client_run: ClientRun) -> None:
        stop_at = None if client_run.script.stop_after is None else time.monotonic() + client_run.script.stop_after
        while True:
            if stop_at is not None and time.monotonic() >= stop_at:
                stop_at = None
                self._stop(client_run)
            client_run.seen = self.surely("GET", f"/runs/{client_run.id}").body
            if client_run.seen["run"]["finished_at"] is not None:
                return
            if client_run.seen["run"]["status"] == "waiting":
                self._answer(client_run)
            if self.course.late and time.time() > self.course.begun + self.course.seconds + QUIET_SECONDS:
                raise AssertionError(
                    f"run {client_run.id} of {client_run.chat} has not ended: {client_run.seen['run']}"
                )
            left = LOOK_SECONDS if stop_at is None else min(LOOK_SECONDS, max(0.0, stop_at - time.monotonic()))
            time.sleep(left)

    def _answer(self, client_run: ClientRun) -> None:
        """Answer what the run waits for; a second time if no answer came, and every other one twice in any case."""
        asked = client_run.seen["run"]["asked"]
        calls = [call["tool_call_id"] for call in asked["open"]]
        body = {"answers": {call_id: {"approved": asked["step"] % 3 != 0} for call_id in calls}}
        for _ in range(1 + asked["step"] % 2):
            answer = self.surely("POST", f"/runs/{client_run.id}/answers", body)
            if answer.status not in (200, 409) or (answer.status == 409 and not client_run.stops):
                raise AssertionError(f"answers to {client_run.id} were answered {answer.status} {answer.body}")
        self.course.done["answers"] += 1

    def _stop(self, client_run: ClientRun) -> None:
        while not client_run.stops or client_run.stops[-1] is None:
            answer = self._try("POST", f"/runs/{client_run.id}/stop")
            client_run.stops.append(answer.body["stopped"] if answer is not None and answer.status == 200 else None)
            if client_run.stops[-1] is None:
                time.sleep(0.3)
        self.course.done["stops"] += 1

    # --- calls that get through ---

    def _try(self, method: str, path: str, body: object = None, **how: Any) -> Answer | None:
        """The answer, or None if there was none, or none of ours."""
        try:
            answer = self.stack.call(method, path, body, **how)
        except (OSError, http.client.HTTPException, ValueError):
            answer = None
        if answer is None or answer.status >= 500:
            self.course.done["calls without an answer"] += 1
            return None
        return answer

    def surely(self, method: str, path: str, body: object = None, **how: Any) -> Answer:
        """The answer of a call that is sent until there is one."""
        until = time.monotonic() + CALL_PATIENCE
        while (answer := self._try(method, path, body, **how)) is None:
            if time.monotonic() > until:
                raise AssertionError(f"{method} {path}: no answer for {CALL_PATIENCE} seconds")
            self.course.up.wait(CALL_PATIENCE)
            time.sleep(0.3)
        return answer
