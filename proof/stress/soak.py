"""The kill test: scripted runs on the deployed local stack, while workers are killed and the stack itself goes and comes.

    python -m proof.stress.soak [--runs 200] [--chats 20] [--seed 1] [--restarts 3] [--seconds 900]

Each chat's client starts one scripted run after the other, each with an idempotency key, watches it, and now and then
stops it. What a run asks is approved or denied, at times twice. Meanwhile workers are killed with SIGKILL, messages of
any step come again, sweeps run out of turn, and the stack is stopped and started. In the end every run has ended as its
script and its stops say, the transcript and the records are exact, and no step was claimed more often than kills,
restarts and the script's own errors explain.

The seed decides the scripts and what is done to them; when exactly a kill lands is up to the machine.
"""

import argparse
import math
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from proof.stacks.deployed import Stack, until
from proof.stress.clients import QUIET_SECONDS, Clients
from proof.stress.course import Course
from proof.stress.havoc import Havoc
from proof.stress.judged import judge

# Attempts are no test of patience here: what is killed is tried again until it is done. A worker killed before its claim
# leaves its message to the queue's own visibility timeout, which follows the step function's time limit: 60 seconds.
SETTINGS: Final = {
    "LEASE_SECONDS": "4",
    "STEP_ATTEMPTS": "50",
    "STEP_TIMEOUT_SECONDS": "30",
    "MAXIMUM_CONCURRENCY": "6",
}


def play(stack: Stack, clients: Clients, havoc: Havoc, chats: int, *, drain: bool) -> None:
    """Let everything happen, until every run has ended and, with `drain`, the queue is empty.

    A message whose worker was killed at once stays hidden for a minute.
    """
    course = clients.course
    course.up.set()
    players = [threading.Thread(target=_guarded(course, clients.play), args=(number,)) for number in range(chats)]
    wreaker = threading.Thread(target=_guarded(course, havoc.wreak))
    for thread in (*players, wreaker):
        thread.start()
    for thread in players:
        thread.join()
    course.over.set()
    wreaker.join()
    try:
        until(stack.queued, lambda left: not drain or left == 0, seconds=QUIET_SECONDS, every=0.5)
    except AssertionError as error:
        course.wrong.append(f"the queue is not empty: {error}")
    course.ended_at = time.time()


def _guarded(course: Course, work: Callable[..., None]) -> Callable[..., None]:
    def guarded(*arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:
            course.wrong.append(f"{work.__name__}{arguments}: {type(error).__name__}: {error}")

    return guarded


def soak(
    *,
    runs: int,
    chats: int,
    seed: int,
    restarts: int,
    seconds: float,
    stops: float = 0.2,
    pause: tuple[float, float] = (0.5, 3.5),
    deeds: float = math.inf,
    drain: bool = True,
) -> Course:
    """The soak, over and judged, on a stack of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder).resolve() / "state", **SETTINGS)
        stack.start()
        try:
            course = Course(seed, seconds)
            clients = Clients(stack, course, runs // chats, stops)
            havoc = Havoc(
                stack, course, [runs * (number + 1) // (restarts + 1) for number in range(restarts)], pause, deeds
            )
            play(stack, clients, havoc, chats, drain=drain)
            judge(stack, clients, course)
        finally:
            stack.stop()
    return course


def main(arguments: list[str] | None = None) -> int:
    """Soak, and print the table. 0: all in order; 1: something is wrong."""
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--chats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=900, help="after which no run is started any more")
    soaked = soak(**vars(parser.parse_args(arguments)))
    sys.stdout.write("\n".join([soaked.table, *soaked.wrong]) + "\n")
    return 1 if soaked.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
