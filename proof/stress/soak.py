"""The kill test: scripted runs on the deployed local stack, while workers are killed and the stack itself goes and comes.

    python -m proof.stress.soak [--runs 200] [--chats 20] [--seed 1] [--restarts 3] [--seconds 900]

Each chat's client starts one scripted run after the other, each with an idempotency key, watches it, and now and then
stops it. What a run asks is approved or denied, at times twice. Meanwhile workers are killed with SIGKILL, messages of any step come again, sweeps run out of turn, and the
stack is stopped and started. In the end every run has ended as its script and its stops say, the transcript and the
records are exact, and no step was claimed more often than kills, restarts and the script's own errors explain.

The seed decides the scripts and what is done to them; when exactly a kill lands is up to the machine.
"""

import argparse
import http.client
import json
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from proof.stacks.deployed import Answer, Stack
from proof.stress.consistency import violations

# Attempts are no test of patience here: what is killed is tried again until it is done. A worker killed before its claim
# leaves its message to the queue's own visibility timeout, which follows the step function's time limit: 60 seconds.
SETTINGS: Final = {
    "LEASE_SECONDS": "4",
    "STEP_ATTEMPTS": "50",
    "STEP_TIMEOUT_SECONDS": "30",
    "MAXIMUM_CONCURRENCY": "6",
}
WORKSPACE, USER = "acme", "ada"
LOOK_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 150
CALL_PATIENCE: Final = 600
SWEEP_SECONDS: Final = 10


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


@dataclass
class Soak:
    """One soak: the stack, the clients, and what is done to them."""

    stack: Stack
    chats: int
    runs: int
    seed: int
    restarts: int
    seconds: float
    client_runs: list[ClientRun] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    kills: list[float] = field(default_factory=list)
    """When a step worker was killed."""
    outages: list[tuple[float, float]] = field(default_factory=list)
    """When every step worker died at once: killed, or gone with the stack."""
    logs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stops: float = 0.2
    pause: tuple[float, float] = (0.5, 3.5)
    drain: bool = True
    """Wait until the queue is empty, too: a message whose worker was killed at once stays hidden for a minute."""

    def __post_init__(self) -> None:
        self.begun = time.time()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._up = threading.Event()
        self._ended = 0

    # --- what happens ---

    def go(self) -> None:
        """Let everything happen, until every run has ended and the queue is empty."""
        self._up.set()
        clients = [threading.Thread(target=self._guarded(self._client), args=(number,)) for number in range(self.chats)]
        havoc = threading.Thread(target=self._guarded(self._havoc))
        for thread in (*clients, havoc):
            thread.start()
        for thread in clients:
            thread.join()
        self._over.set()
        havoc.join()
        if self.drain:
            self._until(lambda: self.stack.queued() == 0, "the queue is not empty")
        self.ended_at = time.time()

    def _guarded(self, work: Callable[..., None]) -> Callable[..., None]:
        def guarded(*arguments: Any) -> None:
            try:
                work(*arguments)
            except Exception as error:
                self.wrong.append(f"{work.__name__}{arguments}: {type(error).__name__}: {error}")

        return guarded

    def _client(self, number: int) -> None:
        chance = random.Random(f"{self.seed}, chat {number}")
        chat = f"chat-{number}"
        for count in range(self.runs // self.chats):
            if self._late:
                return
            client_run = ClientRun(chat, script_of(chance, f"{chat}, run {count}", self.stops), key=uuid.uuid4().hex)
            with self._lock:
                self.client_runs.append(client_run)
            self._begin(client_run)
            self._watch(client_run)
            self._ended += 1

    def _begin(self, client_run: ClientRun) -> None:
        """Start it, as often as it takes; the key makes sure that it is started once."""
        answer = self._surely(
            "POST",
            f"/chats/{client_run.chat}/runs",
            {"prompt": client_run.script.prompt},
            headers={"Idempotency-Key": client_run.key},
        )
        if answer.status != 202:
            raise AssertionError(f"a start in {client_run.chat} was answered {answer.status} {answer.body}")
        self.done["starts answered by an earlier one"] += "idempotency-replayed" in answer.headers
        client_run.id = answer.body["run"]["id"]

    def _watch(self, client_run: ClientRun) -> None:
        stop_at = None if client_run.script.stop_after is None else time.monotonic() + client_run.script.stop_after
        while True:
            if stop_at is not None and time.monotonic() >= stop_at:
                stop_at = None
                self._stop(client_run)
            client_run.seen = self._surely("GET", f"/runs/{client_run.id}").body
            if client_run.seen["run"]["finished_at"] is not None:
                return
            if client_run.seen["run"]["status"] == "waiting":
                self._answer(client_run)
            if self._late and time.time() > self.begun + self.seconds + QUIET_SECONDS:
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
            answer = self._surely("POST", f"/runs/{client_run.id}/answers", body)
            if answer.status not in (200, 409) or (answer.status == 409 and not client_run.stops):
                raise AssertionError(f"answers to {client_run.id} were answered {answer.status} {answer.body}")
        self.done["answers"] += 1

    def _stop(self, client_run: ClientRun) -> None:
        while not client_run.stops or client_run.stops[-1] is None:
            answer = self._try("POST", f"/runs/{client_run.id}/stop")
            client_run.stops.append(answer.body["stopped"] if answer is not None and answer.status == 200 else None)
            if client_run.stops[-1] is None:
                time.sleep(0.3)
        self.done["stops"] += 1

    def _havoc(self) -> None:
        chance = random.Random(f"{self.seed}, havoc")
        restarts = [self.runs * (number + 1) // (self.restarts + 1) for number in range(self.restarts)]
        swept = time.monotonic()
        while not self._over.wait(chance.uniform(*self.pause)):
            if restarts and self._ended >= restarts[0]:
                restarts.pop(0)
                self._restart()
            deed = chance.random()
            if self._late:
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
            self.kills.append(time.time())
        self.done["kills of step workers" if function == "Step" else "kills of other workers"] += 1

    def _kill_all(self) -> None:
        begun = time.time()
        self.done["kills of step workers"] += len(self.stack.kill_workers())
        self.outages.append((begun, time.time()))

    def _again(self, chance: random.Random) -> None:
        """A message of some run comes once more: of the step that is claimed, or of one before."""
        with self._lock:
            client_run = chance.choice(self.client_runs) if self.client_runs else None
        if client_run is None or not client_run.id:
            return
        step = chance.randint(0, max(0, (client_run.seen.get("run") or {"step_count": 0})["step_count"] - 1))
        self.stack.send({"workspace_id": WORKSPACE, "run_id": client_run.id, "step": step})
        self.done["messages repeated"] += 1

    def _sweep(self) -> None:
        # Its own worker may be the one that was just killed.
        try:
            self.stack.sweep()
        except (AssertionError, BotoCoreError, ClientError):
            self.done["sweeps killed"] += 1
        self.done["sweeps"] += 1

    def _restart(self) -> None:
        gone = time.time()
        self._up.clear()
        code = self.stack.stop()
        self.logs.append(self.stack.log)
        if code != 0:
            self.wrong.append(f"the stack ended with exit code {code}")
        self.stack.start()
        self.outages.append((gone, time.time()))
        self._up.set()
        self.done["restarts of the stack"] += 1

    # --- calls that get through ---

    def _try(self, method: str, path: str, body: object = None, **how: Any) -> Answer | None:
        """The answer, or None if there was none, or none of ours."""
        try:
            answer = self.stack.call(method, path, body, **how)
        except (OSError, http.client.HTTPException, ValueError):
            answer = None
        if answer is None or answer.status >= 500:
            self.done["calls without an answer"] += 1
            return None
        return answer

    def _surely(self, method: str, path: str, body: object = None, **how: Any) -> Answer:
        until = time.monotonic() + CALL_PATIENCE
        while (answer := self._try(method, path, body, **how)) is None:
            if time.monotonic() > until:
                raise AssertionError(f"{method} {path}: no answer for {CALL_PATIENCE} seconds")
            self._up.wait(CALL_PATIENCE)
            time.sleep(0.3)
        return answer

    def _until(self, look: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + QUIET_SECONDS
        while not look():
            if time.monotonic() > until:
                self.wrong.append(f"{what} after {QUIET_SECONDS} seconds")
                return
            time.sleep(0.5)

    @property
    def _late(self) -> bool:
        return time.time() > self.begun + self.seconds

    # --- what must have come of it ---

    def judge(self) -> None:
        """Everything is as the scripts say; what isn't is in `wrong`."""
        self.logs.append(self.stack.log)
        rows = self.stack.items()
        self.wrong += violations(rows)
        dead = self.stack.queued("DeadLetterQueueUrl") if "DeadLetterQueueUrl" in self.stack.outputs else 0
        if dead:
            self.wrong.append(f"{dead} messages in the dead-letter queue")
        stored = sum(row["sk"]["S"] == "RUN" for row in rows)
        if stored != len(self.client_runs):
            self.wrong.append(f"{stored} runs are stored, {len(self.client_runs)} were started")
        by_chat: dict[str, list[ClientRun]] = {}
        for client_run in self.client_runs:
            by_chat.setdefault(client_run.chat, []).append(client_run)
        for chat, its in by_chat.items():
            messages = self._surely("GET", f"/chats/{chat}/messages?limit=100").body["messages"]
            places = [(one["role"], one["run_id"]) for one in messages]
            if places != [(role, client_run.id) for client_run in its for role in ("user", "assistant")]:
                self.wrong.append(f"the transcript of {chat} is {places}")
                continue
            for client_run, question, answer in zip(its, messages[::2], messages[1::2], strict=True):
                self.wrong += [f"run {client_run.id} of {chat}: {one}" for one in _judged(client_run, question, answer)]
        self._judge_claims()
        for level, message in self._logged("level", "message"):
            if level in ("ERROR", "CRITICAL"):
                self.done[f"error lines: {message}"] += 1

    def _judge_claims(self) -> None:
        """Each step was claimed once, and once more for each error of its script, and for each worker it lost.

        A worker is lost if it was killed, or if this machine let it stand still for a whole lease: then its own lines
        show that it woke up overtaken.
        """
        attempts: dict[tuple[str, int], int] = {}
        moments: dict[tuple[str, int], list[float]] = {}
        for move, run, step, attempt, at in self._logged("move", "run", "step", "attempt", "timestamp"):
            if move in ("claim", "reclaim"):
                place = run, step
                attempts[place] = max(attempts.get(place, 0), attempt)
                moments.setdefault(place, []).append(_moment(at))
        hiccups = {
            (client_run.id, step): times
            for client_run in self.client_runs
            for step, times in client_run.script.hiccups.items()
        }
        begun = {
            client_run.id: client_run.seen["run"]["created_at"] for client_run in self.client_runs if client_run.seen
        }
        self.done["steps claimed"] = len(attempts)
        self.done["claims of a step"] = sum(attempts.values())
        self.done["claims again after an error of the script"] = 0
        unexplained: list[tuple[float, float, tuple[str, int]]] = []
        for place, times in attempts.items():
            scripted = min(times - 1, hiccups.get(place, 0))
            self.done["claims again after an error of the script"] += scripted
            # The lines of a worker that went with the stack are lost; the next claim's number counts it.
            first = min(moments[place]) if len(moments[place]) == times else _from_iso(begun[place[0]])
            unexplained += [(max(moments[place]), first, place)] * (times - 1 - scripted)
        kills, woke = sorted(self.kills), self._woke_up_overtaken(attempts)
        gave_back, late = self._given_back(), self._came_back_late(attempts)
        self.done["claims again after a lapsed lease"] = 0
        self.done["claims again after the store was out of reach"] = 0
        self.done["claims again of a recorded step whose message came back"] = 0
        self.done["claims again after a kill or a restart"] = len(unexplained)
        for last, first, place in sorted(unexplained):
            if any(gone <= last and first <= back for gone, back in self.outages):
                continue
            kill = next((at for at in kills if first - 1 <= at <= last), None)
            if kill is None and woke[place]:
                woke[place] -= 1
                self.done["claims again after a lapsed lease"] += 1
                self.done["claims again after a kill or a restart"] -= 1
            elif kill is None and gave_back[place]:
                gave_back[place] -= 1
                self.done["claims again after the store was out of reach"] += 1
                self.done["claims again after a kill or a restart"] -= 1
            elif kill is None and late[place]:
                late[place] -= 1
                self.done["claims again of a recorded step whose message came back"] += 1
                self.done["claims again after a kill or a restart"] -= 1
            elif kill is None:
                lines = "".join(f"\n    {line}" for line in self._lines_of(*place))
                self.wrong.append(f"step {place[1]} of run {place[0]} was claimed once more without a reason:{lines}")
            else:
                kills.remove(kill)

    def _woke_up_overtaken(self, attempts: dict[tuple[str, int], int]) -> Counter[tuple[str, int]]:
        """How many workers of each step went on after another one had claimed it."""
        claimed: dict[tuple[str, int, int], float] = {}
        woke: set[tuple[str, int, int]] = set()
        for move, run, step, attempt, at in self._logged("move", "run", "step", "attempt", "timestamp"):
            if move in ("claim", "reclaim"):
                claimed[run, step, attempt] = _moment(at)
        for move, run, step, attempt, at in self._logged("move", "run", "step", "attempt", "timestamp"):
            if move == "record" and claimed.get((run, step, attempt + 1), float("inf")) < _moment(at):
                woke.add((run, step, attempt))
        counts = Counter((run, step) for run, step, _ in woke)
        for message, run, step, cause in self._logged("message", "run", "step", "cause"):
            if message == "step_put_off" and str(cause).startswith("Overtaken") and (run, step) in attempts:
                counts[run, step] += 1
        return counts

    def _given_back(self) -> Counter[tuple[str, int]]:
        """How often a worker let go of a step because the store did not answer it: a machine too slow to be in time."""
        counts: Counter[tuple[str, int]] = Counter()
        for message, run, step, cause in self._logged("message", "run", "step", "cause"):
            if message == "step_put_off" and not str(cause).startswith("Overtaken"):
                counts[run, step] += 1
        # A release that the script did not ask for: the one other thing a worker lets go for.
        scripted = {
            (client_run.id, step): times
            for client_run in self.client_runs
            for step, times in client_run.script.hiccups.items()
        }
        released = Counter((run, step) for move, run, step in self._logged("move", "run", "step") if move == "release")
        for place, times in released.items():
            counts[place] += max(0, times - scripted.get(place, 0))
        return counts

    def _came_back_late(self, attempts: dict[tuple[str, int], int]) -> Counter[tuple[str, int]]:
        """How many claims found their step's record: the message came back before it was acknowledged. The model is not
        called then."""
        recorded: dict[tuple[str, int], float] = {}
        claims: list[tuple[tuple[str, int], float]] = []
        for move, run, step, at in self._logged("move", "run", "step", "timestamp"):
            if move == "record":
                recorded[run, step] = min(_moment(at), recorded.get((run, step), float("inf")))
            elif move == "reclaim" and (run, step) in attempts:
                claims.append(((run, step), _moment(at)))
        return Counter(place for place, at in claims if at > recorded.get(place, float("inf")))

    def _lines_of(self, run: str, step: int) -> list[str]:
        """The log lines of this step."""
        lines = (line[line.find('{"level"') :] for line in "\n".join(self.logs).splitlines() if f'"{run}"' in line)
        return [line for line in lines if f'"step":{step},' in line.replace(" ", "") or '"step"' not in line]

    def _logged(self, *names: str) -> list[tuple[Any, ...]]:
        """These fields of every log line of the functions that has the first of them."""
        rows = []
        for line in "\n".join(self.logs).splitlines():
            at = line.find('{"level"')
            if at < 0:
                continue
            try:
                entry = json.loads(line[at:])
            except ValueError:
                continue
            if names[0] in entry:
                rows.append(tuple(entry.get(name) for name in names))
        return rows

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


def _judged(client_run: ClientRun, question: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """What is wrong with a run that has ended."""
    run, script, wrong = client_run.seen["run"], client_run.script, []
    whole = "".join(script.says)
    content, steps = answer["content"], run["step_count"]
    if question["content"] != script.prompt:
        wrong.append("its question is not the prompt")
    asked = sum(part["type"] == "tool-announce" for part in answer["parts"])
    # A step that a stop ended may have come to its calls and not to its question.
    unasked = steps - run["usage"]["requests"]
    if unasked != asked and (run["status"] != "aborted" or unasked != asked - 1):
        wrong.append(f"{run['usage']['requests']} model requests recorded for {steps} steps, {asked} of which asked")
    if sum(part["type"] == "step-start" for part in answer["parts"]) != run["usage"]["requests"]:
        wrong.append(f"{steps} steps, shown otherwise")
    calls = [part for part in answer["parts"] if part["type"].startswith("tool-")]
    open_calls = [part for part in calls if not part["state"].startswith("output-")]
    if open_calls:
        wrong.append(f"unfinished calls: {open_calls}")
    if run["status"] == "aborted":
        if not client_run.stops:
            wrong.append(f"aborted without a stop: {run['error']}")
        if run["error"] is not None or not whole.startswith(content):
            wrong.append(f"aborted with {run['error']}, saying {content!r}")
    else:
        if True in client_run.stops:
            wrong.append(f"{run['status']} though a stop was answered true")
        expected = ("failed" if script.refused else "succeeded", len(script.says) + script.asks)
        if (run["status"], steps) != expected or content != whole:
            wrong.append(f"{run['status']} after {steps} steps, {run['error']}, saying {content!r}")
    return wrong


def _moment(at: str) -> float:
    return datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f%z").timestamp()


def _from_iso(at: str) -> float:
    return datetime.fromisoformat(re.sub("Z$", "+00:00", at)).timestamp()


def soak(*, runs: int, chats: int, seed: int, restarts: int, seconds: float, **more: Any) -> Soak:
    """The soak, over and judged, on a stack of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder).resolve() / "state", **SETTINGS)
        stack.start()
        try:
            soaked = Soak(stack, chats, runs, seed, restarts, seconds, **more)
            soaked.go()
            soaked.judge()
        finally:
            stack.stop()
    return soaked


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
