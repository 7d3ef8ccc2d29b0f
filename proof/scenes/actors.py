"""Outlive's own operations as processes: the real code, with a table, a queue, a clock, ids and an agent of the proof's.

The table goes through the real PynamoDB; only botocore's client at its far end is replaced. A worker is the step function's
own `do`, acknowledged as the event source mapping would. The heartbeat and the stop poll are the real `Watch`; the explorer
decides when it looks and when it beats, in place of a timer.
"""

import importlib.util
import json
import logging
import os
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

import outlive
from outlive import settle, sweep, unreadable
from outlive.agent import Agent, AgentError, Ask, Interrupt, Outcome, Usage
from outlive.answer import Answers
from outlive.asked import AskedCall
from outlive.caller import Caller
from outlive.clock import Clock
from outlive.errors import Problem, StoreError
from outlive.follow.passages import Words
from outlive.read import Read
from outlive.request import check_answers, check_start
from outlive.settings import Settings
from outlive.start import Start
from outlive.step import Step
from outlive.stop import Stop
from outlive.store import rows
from outlive.store.queue import Queue
from outlive.store.row import Row
from outlive.store.table import Table
from outlive.sweep import Sweep
from outlive.watch import Watch, Watching
from outlive.workbench import Workbench
from proof.explorer.processes import Request, running
from proof.sqs.memory_queue import Letter

TABLE = "runs"
QUEUE = "https://queue.invalid/steps"
SHARED = Path(outlive.__file__).resolve().parents[1]
STEP_SECONDS = 120

SETTINGS = Settings(table_name=TABLE, queue_url=QUEUE, agent_model="offline")


class Faulty(Exception):
    """What a broken agent raises."""


class Wire:
    """Stands where botocore's client stands, for table and queue alike."""

    _request_signer = None
    meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None))

    def _make_api_call(self, operation: str, request: dict[str, Any]) -> Any:
        request = {name: value for name, value in request.items() if name != "ReturnConsumedCapacity"}
        answer = running().ask(Request.of("table", operation, request))
        if "IndexName" in request or operation == "BatchGetItem":
            # A sweep goes through this while it does other things; no frame shows how far it is but by the key it is at.
            running().mark = repr(answer)
        return answer

    def send_message(self, **request: Any) -> Any:
        return running().ask(Request.of("queue", "SendMessage", request))

    def get_queue_attributes(self, **request: Any) -> Any:
        return running().ask(Request.of("queue", "GetQueueAttributes", request))

    def change_message_visibility(self, **request: Any) -> Any:
        return running().ask(Request.of("queue", "ChangeMessageVisibility", request))


class ProofClock(Clock):
    """The running process's clock. It moves when the explorer lets time pass, and only then.

    With `skewed` no two processes agree to the millisecond, as no two machines do; without, far fewer worlds differ.
    """

    def __init__(self, *, skewed: bool) -> None:
        self.skewed = skewed

    def now(self) -> int:
        process = running()
        return process.now + (_skew(process.name) if self.skewed else 0)

    def sleep(self, seconds: float) -> None:
        """Time passes by choice, not by waiting."""


def _skew(name: str) -> int:
    return int(name[1:]) * 7 % 97 + 50 if name[1:].isdigit() else sum(map(ord, name)) % 41


def new_id() -> str:
    """An id that is fresh and always the same: who made it, and its how many-th it is."""
    process = running()
    process.ids += 1
    return f"{process.name}.{process.ids}"


def jitter() -> float:
    """No jitter: pauses take no time here."""
    return 1.0


def watched(ticks: int, commands: tuple[str, ...] = ("look", "beat")) -> Watching:
    """The watch as a thread of the process. The explorer has it look or beat, at most so many times in a step."""
    far = 10**15

    @contextmanager
    def watching(watch: Watch) -> Iterator[None]:
        process = running()
        left = ticks

        def loop(first: Any) -> None:
            nonlocal left
            command = first
            del first
            while True:
                left -= 1
                if not left:
                    process.offers[number] = ()
                watch.look_at = 0 if command == "look" else far
                watch.heartbeat_at = 0 if command == "beat" else far
                if command == "deadline":
                    watch.out_of_time()
                else:
                    watch.tick()
                # What was due is of no more interest: processes that differ in nothing else stand alike.
                watch.look_at = watch.heartbeat_at = far
                command = None
                command = process.park()

        number = process.spawn(loop)
        process.offers[number] = commands
        try:
            yield
        finally:
            process.join(number)
            process.offers.pop(number, None)
            process.mark = None

    return watching


Script = Callable[[Ask], tuple[str, ...]]
"""What the agent may come to in a step, by name; the explorer takes every one of them."""


def asks_first(*calls: str, resumed: tuple[str, ...] = ("run",)) -> Script:
    """An agent whose first step asks about calls (`ask` about one, `ask both`), which the next one runs; then it
    answers."""

    def script(ask: Ask) -> tuple[str, ...]:
        if ask.asked:
            again = ask.attempt > 1 or ask.step > 1
            return ("run",) if again else resumed
        return calls or ("ask",) if ask.step == 0 else ("answer",)

    return script


def steps(last: int, **others: tuple[str, ...]) -> Script:
    """An agent that calls tools in each step before `last` and then answers; `others` replace steps
    (`s0=("raise",)`)."""

    def script(ask: Ask) -> tuple[str, ...]:
        usual = ("answer",) if ask.step >= last or ask.text_only else ("call",)
        return others.get(f"s{ask.step}", usual)

    return script


def agent_of(script: Script) -> Agent:
    """The agent a script makes: it streams a little, then comes to one of its outcomes, or breaks off if
    interrupted."""

    def agent(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        process = running()
        if ask.asked:
            process.notes.append(("ran", ask.run_id, ask.step, _decisions(ask)))
        else:
            process.notes.append(("asked", ask.run_id, ask.step, ask.attempt))
        if not process.covers[0] <= ask.step < process.covers[1]:
            process.notes.append(("astray", ask.step, process.covers[0]))
        if problem := _history_problem(ask):
            process.notes.append(("history", problem))
        text = f"{ask.run_id}/{ask.step} by {process.name}. "
        say(Words("text", text))
        wanted = script(ask)
        process.offers[0] = wanted

        def interrupted() -> None:
            process.offers[0] = ("break off", wanted[0])

        interrupt.on_set(interrupted)
        choice = process.ask(Request.of("choice", "model", (ask.run_id, ask.step, ask.attempt)))
        process.offers.pop(0, None)
        # Until the watch has ended, no code has what the agent returned.
        process.mark = choice
        return _outcome(choice, ask, text)

    return agent


def _outcome(choice: str, ask: Ask, text: str) -> Outcome:
    parts = [{"type": "step-start"}, {"type": "text", "text": text}]
    messages = json.dumps({"run": ask.run_id, "step": ask.step, "text": text})
    usage = Usage(10, 5, 1)
    if choice == "answer":
        return Outcome("final", parts, messages, usage, finish_reason="stop")
    if choice == "call":
        call = {"type": "tool-clock", "toolCallId": f"{ask.run_id}.{ask.step}", "state": "output-available",
                "input": {"at": ask.step}, "output": "noon"}  # fmt: skip
        return Outcome("step", [*parts, call], messages, usage)
    if choice in ASKS:
        asked = tuple(AskedCall(call_id, "approval", "pay", {"amount": 1}) for call_id in ASKS[choice])
        open_parts = [_call_part(call, "approval-requested") for call in asked]
        return Outcome("asked", [*parts, *open_parts], messages, usage, asked=asked)
    if choice == "run":
        done = [
            _call_part(call, "output-available" if approved else "output-denied")
            for call, (_, approved) in zip(ask.asked, _decisions(ask), strict=True)
        ]
        return Outcome("step", done, messages, Usage())
    if choice == "break off":
        return Outcome("partial", parts, messages, usage)
    if choice == "break off empty":
        return Outcome("partial", [], None, usage)
    if choice == "transient":
        return Outcome("partial", parts, messages, usage, error=AgentError("transient", "model_busy", "try later"))
    if choice == "permanent":
        return Outcome("partial", parts, messages, usage, error=AgentError("permanent", "model_refused", "bad request"))
    if choice == "raise":
        raise Faulty("the agent is broken")
    raise AssertionError(choice)


ASKS = {"ask": ("c1",), "ask both": ("c1", "c2"), "ask again": ("c1",)}
"""Outcomes that ask about calls, and about which."""


def _call_part(call: AskedCall, state: str) -> dict[str, Any]:
    return {"type": f"tool-{call.tool_name}", "toolCallId": call.tool_call_id, "input": call.input, "state": state}


def _decisions(ask: Ask) -> tuple[tuple[str, bool], ...]:
    """The calls that a step runs, and whether each was approved."""
    given = ask.decisions
    return tuple(
        (call.tool_call_id, call.tool_call_id in given and given[call.tool_call_id].approved is True)
        for call in ask.asked
    )


def _history_problem(ask: Ask) -> str | None:
    """What is wrong with the history: a step missing, twice or out of order, or no prompt before it."""
    seen = [turn.messages for turn in ask.history if turn.role == "assistant" and turn.messages is not None]
    if len(set(seen)) != len(seen):
        return "a step is in the history twice"
    own = [entry["step"] for entry in map(json.loads, seen) if entry["run"] == ask.run_id]
    if own != list(range(ask.step)):
        return f"asked for step {ask.step} after steps {own}"
    if not any(turn.role == "user" for turn in ask.history):
        return "no prompt"
    return None


def _load_step_app() -> ModuleType:
    """functions/step/app.py, without the agent library: nothing of it is on the way of a message."""
    path = SHARED.parent / "functions" / "step" / "app.py"
    doubles: dict[str, Any] = {
        "engine": SimpleNamespace(),
        "engine.agents": SimpleNamespace(Agents=lambda *_: None),
    }
    before = {name: sys.modules.get(name) for name in doubles}
    environment = {"TABLE_NAME": TABLE, "QUEUE_URL": QUEUE, "AGENT_MODEL": "offline", "AWS_REGION": "us-east-1"}
    saved = {name: os.environ.get(name) for name in environment}
    sys.modules.update(doubles)
    os.environ.update(environment)
    try:
        spec = importlib.util.spec_from_file_location("proof_step_app", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["proof_step_app"] = module
        spec.loader.exec_module(module)
    finally:
        for name, module_before in before.items():
            if module_before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module_before
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return module


class Cast:
    """The operations, put together as the functions' `wiring.py` does, for one script of the agent."""

    def __init__(
        self, script: Script, watching: Watching, *, settings: Settings = SETTINGS, skewed: bool = False
    ) -> None:
        logging.disable(logging.CRITICAL)
        settle.unsettled = _unsettled
        unreadable.unreadable = lambda run_id, cause: None
        wire, clock = Wire(), ProofClock(skewed=skewed)
        Row.Meta.table_name = TABLE
        connection = Row._get_connection()
        connection.connection._client = wire
        self.settings = settings
        self.table = Table(connection, settings.retention_days)
        self.queue = Queue(wire, QUEUE)
        self.starting = Start(self.table, self.queue, clock, new_id, settings, jitter)
        self.stopping = Stop(self.table, clock, new_id)
        self.sweeping = Sweep(self.table, self.queue, clock, new_id, settings)
        self.reading = Read(self.table)
        self.answering = Answers(self.table, self.queue, clock, settings)
        self.app = _load_step_app()
        tools = Workbench(
            self.table, self.queue, agent_of(script), clock, settings, watching, between=lambda low, high: low
        )
        self.app.step = Step(tools, new_id)
        self.app.clock = clock
        self.ambient: tuple[object, ...] = (
            self, self.table, self.queue, self.starting, self.stopping, self.sweeping, self.reading,
            self.answering, self.app, self.app.step,
            connection, connection.connection, wire, clock, settings, Row,
        )  # fmt: skip
        # One shard: eight would be eight reads a sweep, and no run stands in two.
        rows.SHARDS = sweep.SHARDS = 1

    def start(
        self,
        chat: str = "c",
        *,
        key: str | None = None,
        user: str = "ada",
        workspace: str = "w",
        prompt: str = "hello",
        in_place: bool = False,
    ) -> Callable[[], Hashable]:
        """A start: ends with ("accepted", run id, replayed) or with ("problem", status, code, active run id).

        With `in_place` it stands in for the answers of a run that waits, as a message typed in a chat page does.
        """

        def program() -> Hashable:
            body = json.dumps({"prompt": prompt, "metadata": {}})
            try:
                request = check_start(chat, key, body, self.settings.max_steps)
                request = replace(request, replaces_answers=in_place)
                started = self.starting.run(Caller(workspace, user), request)
            except Problem as problem:
                return _problem(problem)
            return ("accepted", started.run.id, started.replayed, str(started.run.status))

        return _safely(program)

    def stop_chat(self, chat: str = "c", *, user: str = "ada", workspace: str = "w") -> Callable[[], Hashable]:
        """A stop by chat: ends with ("stopped", whether, run id, status) or ("problem", …)."""
        return self._stop(lambda: self.stopping.of_chat(Caller(workspace, user), chat))

    def stop_run(self, run_id: str, *, user: str = "ada", workspace: str = "w") -> Callable[[], Hashable]:
        """A stop by run id."""
        return self._stop(lambda: self.stopping.of_run(Caller(workspace, user), run_id))

    def _stop(self, ask: Callable[[], Any]) -> Callable[[], Hashable]:
        def program() -> Hashable:
            try:
                stopped = ask()
            except Problem as problem:
                return _problem(problem)
            run = stopped.run
            return ("stopped", stopped.stopped, run.id if run else None, str(run.status) if run else None)

        return _safely(program)

    def answer(
        self,
        run_id: str,
        decisions: dict[str, bool],
        *,
        user: str = "ada",
        workspace: str = "w",
        approves: bool = False,
    ) -> Callable[[], Hashable]:
        """Answers: ends with ("answered", run id, status) or with ("problem", …)."""

        def program() -> Hashable:
            sent = {"answers": {call_id: {"approved": approved} for call_id, approved in decisions.items()}}
            try:
                checked, step = check_answers(json.dumps(sent).encode())
                answered = self.answering.run(Caller(workspace, user, approves=approves), run_id, checked, step)
            except Problem as problem:
                return _problem(problem)
            return ("answered", answered.run.id, str(answered.run.status))

        return _safely(program)

    def sweep(self, window: int | None = None) -> Callable[[], Hashable]:
        """A sweep: ends with ("swept", how many runs it could not deal with)."""

        def program() -> Hashable:
            counts = self.sweeping.run(running().now + 10**9, window)
            return ("swept", counts.failed)

        return _safely(program)

    def read(self, chat: str = "c", *, user: str = "ada", workspace: str = "w") -> Callable[[], Hashable]:
        """A reconnect: ends with ("read", run id, run status, message status)."""

        def program() -> Hashable:
            try:
                run, message = self.reading.latest(Caller(workspace, user), chat)
            except StoreError:
                # The router answers 503.
                return ("problem", 503, "read_failed", None)
            return ("read", run and run.id, run and str(run.status), message and str(message.status))

        return _safely(program)

    def work(self, letter: Letter) -> Callable[[], Hashable]:
        """A worker with one message: ends with True if the message was acknowledged."""

        def program() -> Hashable:
            record = SQSRecord(
                {
                    "messageId": str(letter.number),
                    "receiptHandle": letter.receipt,
                    "body": letter.body,
                    "attributes": {},
                }
            )
            due = json.loads(letter.body)["step"]
            running().covers = (due, due + self.settings.steps_per_message)
            context = SimpleNamespace(get_remaining_time_in_millis=lambda: STEP_SECONDS * 1000)
            try:
                self.app.do(record, context)
            except self.app.NotDone:
                return False
            running().notes.append(("acknowledges", json.loads(letter.body)["run_id"], due))
            request = {"QueueUrl": QUEUE, "ReceiptHandle": letter.receipt}
            try:
                running().ask(Request.of("queue", "DeleteMessage", request))
            except Exception:
                return False
            return True

        return _safely(program)


def _unsettled(run_id: str, chat_id: str, error: Exception) -> None:
    running().notes.append(("unsettled", run_id))


def _problem(problem: Problem) -> Hashable:
    return ("problem", problem.status, problem.code, problem.fields.get("active_run_id"))


def _safely(program: Callable[[], Hashable]) -> Callable[[], Hashable]:
    """The program; an unexpected exception is its result, which the scene reports as a broken promise."""

    def whole() -> Hashable:
        try:
            return program()
        except Exception as error:
            return ("error", f"{type(error).__name__}: {error}")

    return whole
