"""Outlive's own operations as processes: the real code, with a table, a queue, a clock, ids and an agent of the proof's.

A worker is the step function's own `do`, acknowledged as the event source mapping would."""

import importlib.util
import json
import logging
import os
import sys
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

import outlive
from outlive import settle, sweep, unreadable
from outlive.answer import Answers
from outlive.caller import Caller
from outlive.errors import Problem, StoreError
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
from outlive.watch import Watching
from outlive.workbench import Workbench
from proof.explorer.calls import Request
from proof.explorer.processes import running
from proof.scenes.agents import Script, agent_of
from proof.scenes.outside import QUEUE, TABLE, ProofClock, Wire, jitter, new_id
from proof.sqs.memory_queue import Letter

SHARED = Path(outlive.__file__).resolve().parents[1]
STEP_SECONDS = 120
SETTINGS = Settings(table_name=TABLE, queue_url=QUEUE, agent_model="offline")


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
        self.stopping = Stop(self.table, self.queue, clock, new_id, settings)
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
        on_busy: str = "reject",
        supersedes: str | None = None,
    ) -> Callable[[], Hashable]:
        """A start: ends with ("accepted", run id, replayed) or with ("problem", status, code, active run id).

        With `in_place` it stands in for the answers of a run that waits, as a message typed in a chat page does.
        """

        def program() -> Hashable:
            place = {"on_busy": on_busy, **({"run_id": supersedes} if supersedes else {})}
            body = json.dumps({"prompt": prompt, "metadata": {}, **place})
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
            due = json.loads(letter.body)["step"]
            running().covers = (due, due + self.settings.steps_per_message)
            context = SimpleNamespace(get_remaining_time_in_millis=lambda: STEP_SECONDS * 1000)
            try:
                self.app.do(_received(letter), context)
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


def _received(letter: Letter) -> SQSRecord:
    """The message as the event source mapping hands it over."""
    ids = {"messageId": str(letter.number), "receiptHandle": letter.receipt}
    return SQSRecord({**ids, "body": letter.body, "attributes": {}})


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
