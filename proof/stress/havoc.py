"""What is done to a soak: kills, repeated messages, sweeps out of turn and restarts."""

import math
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from proof.stacks.deployed import Stack
from proof.stress.course import Course

SWEEP_SECONDS: Final = 10
WORKSPACE, USER = "acme", "ada"


@dataclass
class Havoc:
    """One thing after another, as the seed decides."""

    stack: Stack
    course: Course
    restarts: list[int]
    """After how many runs the stack is stopped and started."""
    pause: tuple[float, float]
    most: float = math.inf
    """After how many deeds the rest is left in peace. A slow machine would otherwise suffer more of them, and be slower for it."""

    def wreak(self) -> None:
        chance = random.Random(f"{self.course.seed}, havoc")
        restarts = list(self.restarts)
        swept = time.monotonic()
        while not self.course.over.wait(chance.uniform(*self.pause)):
            if restarts and self.course.ended >= restarts[0]:
                restarts.pop(0)
                self._restart()
            deed = chance.random()
            self.most -= 1
            if self.course.late or self.most < 0:
                pass  # What is left may end in peace.
            elif deed < 0.35:
                self._kill("Step", chance)
            elif deed < 0.4:
                self._kill_all()
            elif deed < 0.85:
                self._again(chance)
            else:
                self._kill(chance.choice(["Start", "Stop", "Read", "Sweep"]), chance)
            if time.monotonic() > swept + SWEEP_SECONDS:
                swept = time.monotonic()
                self._sweep()

    def _kill(self, function: str, chance: random.Random) -> None:
        workers = self.stack.workers(function)
        if not workers:
            return
        try:
            os.kill(chance.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return
        if function == "Step":
            self.course.kills.append(time.time())
        self.course.done["kills of step workers" if function == "Step" else "kills of other workers"] += 1

    def _kill_all(self) -> None:
        begun = time.time()
        self.course.done["kills of step workers"] += len(self.stack.kill_workers())
        self.course.outages.append((begun, time.time()))

    def _again(self, chance: random.Random) -> None:
        """A message of some run comes once more: of the step that is claimed, or of one before."""
        with self.course.lock:
            client_run = chance.choice(self.course.client_runs) if self.course.client_runs else None
        if client_run is None or not client_run.id:
            return
        step = chance.randint(0, max(0, (client_run.seen.get("run") or {"step_count": 0})["step_count"] - 1))
        self.stack.send({"workspace_id": WORKSPACE, "run_id": client_run.id, "step": step})
        self.course.done["messages repeated"] += 1

    def _sweep(self) -> None:
        # Its own worker may be the one that was just killed.
        try:
            self.stack.sweep()
        except (AssertionError, BotoCoreError, ClientError):
            self.course.done["sweeps killed"] += 1
        self.course.done["sweeps"] += 1

    def _restart(self) -> None:
        gone = time.time()
        self.course.up.clear()
        code = self.stack.stop()
        self.course.logs.append(self.stack.log)
        if code != 0:
            self.course.wrong.append(f"the stack ended with exit code {code}")
        self.stack.start()
        self.course.outages.append((gone, time.time()))
        self.course.up.set()
        self.course.done["restarts of the stack"] += 1
