"""The handlers as they are, on the table and the queue in memory, under a clock that stands still unless it is moved.

A worker runs in a thread of its own and waits in mid-step, in its request to the model, until the story answers for the
model. Only one thread runs at a time. A worker that died never writes again.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any, Final

import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from botocore.exceptions import ReadTimeoutError

from outlive.agent import Ask, Interrupt, Outcome
from outlive.clock import SECOND, Clock
from outlive.follow.passages import Words
from outlive.log import logger
from outlive.store.queue import Queue
from outlive.store.row import Row
from outlive.watch import Watch
from proof.dynamodb.memory_table import MemoryTable
from proof.sqs.memory_queue import Letter, MemoryQueue
from proof.stacks.events import Context, event
from proof.stacks.faults import Hands
from proof.stacks.handlers import ENVIRONMENT, Stack, load
from proof.stacks.http import Answer

BEGIN: Final = 1_795_252_200_000
INVOCATION_SECONDS: Final = 300
PATIENCE: Final = 30
VERBS: Final = ("start", "step", "stop", "answer", "read", "tail", "sweep")
WRITES: Final = frozenset({"PutItem", "UpdateItem", "TransactWriteItems"})

AgentAnswer = Callable[[Ask, Callable[[Words], None], Interrupt], Outcome]


class Killed(BaseException):
    """The worker is dead."""


class Worker(threading.Thread):
    """One invocation of the step function. `pending` is the request while it waits for the model; `acknowledged` is set once it
    has ended."""

    def __init__(self, world: "World", letter: Letter) -> None:
        super().__init__(name=f"worker of message {letter.number}", daemon=True)
        self.world = world
        self.letter = letter
        self.pending: Ask | None = None
        self.watch: Watch | None = None
        self.interrupt: Interrupt | None = None
        self.acknowledged: bool | None = None
        self.dead = False
        self._trouble: BaseException | None = None
        self._replies: SimpleQueue[AgentAnswer | None] = SimpleQueue()
        self._stands: SimpleQueue[None] = SimpleQueue()

    def run(self) -> None:
        batch = event("step")
        batch["Records"][0] |= {"receiptHandle": self.letter.receipt, "body": self.letter.body}
        try:
            failed = self.world.step.handler(batch, self.world.context)["batchItemFailures"]
            self.acknowledged = not failed
        except Killed:
            self.dead = True
        except BaseException as error:
            self._trouble = error
        finally:
            self.pending = None
            self._stands.put(None)

    def until_it_stands(self) -> None:
        """Return when the worker waits for the model, or has ended."""
        self._stands.get(timeout=PATIENCE)
        if self._trouble is not None:
            raise self._trouble

    def reply(self, answer: AgentAnswer) -> None:
        """Have the model answer like this, and wait until the invocation has ended."""
        self._replies.put(answer)
        self.until_it_stands()

    def kill(self) -> None:
        """End it where it stands."""
        self.dead = True
        if self.is_alive():
            self._replies.put(None)
            self.join(PATIENCE)

    def wait_for_the_model(self, ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        self.pending, self.interrupt = ask, interrupt
        self._stands.put(None)
        answer = self._replies.get(timeout=PATIENCE)
        self.pending = None
        if answer is None:
            raise Killed
        return answer(ask, say, interrupt)


def _ask_in_this_thread(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
    worker = threading.current_thread()
    assert isinstance(worker, Worker)
    return worker.wait_for_the_model(ask, say, interrupt)


class _ProcessorOfEachThread(threading.local, BatchProcessor):
    """On Lambda a process has one invocation at a time, and so a processor of its own."""


@contextmanager
def _watched_by_hand(watch: Watch) -> Iterator[None]:
    worker = threading.current_thread()
    assert isinstance(worker, Worker)
    worker.watch = watch
    yield


@dataclass
class World:
    """Table, queue, clock and handlers."""

    settings: dict[str, str]
    now: int = BEGIN
    loses_an_answer: bool = False
    """The next write to the table takes effect, but its answer is lost."""
    dies_after: str | None = None
    """The worker that makes the next call of this operation dies after it."""

    def __post_init__(self) -> None:
        self.table = MemoryTable("outlive", now=lambda: self.now / SECOND)
        self.queue = MemoryQueue(lambda: self.now, visibility=330)
        self.context = Context(seconds_left=INVOCATION_SECONDS)
        self.workers: list[Worker] = []
        self._ids = 0
        self._patch = pytest.MonkeyPatch()
        self._level = logger.log_level
        self._connection = Row._connection
        try:
            self._wire()
        except BaseException:
            self.close()
            raise

    def _wire(self) -> None:
        patch = self._patch
        for name, value in {**ENVIRONMENT, **self.settings, "QUEUE_URL": "memory"}.items():
            patch.setenv(name, value)
        patch.setattr(Clock, "now", lambda clock: self.now)
        patch.setattr(Clock, "sleep", lambda clock, seconds: None)
        logger.setLevel(logging.CRITICAL)
        modules = _handlers(tuple(sorted(self.settings.items())))
        self.start, self.step, self.stop, self.answer, self.read, self.tail, self.sweep = modules.values()
        client = modules["start"].start.table._connection.client
        patch.setattr(client, "_make_api_call", self._call)
        queue = Queue(_Sqs(self.queue), "memory")
        for verb, module in modules.items():
            if verb in ("read", "tail"):
                continue
            if verb == "answer":
                patch.setattr(module, "answers", replace(module.answers, queue=queue))
                continue
            parts: dict[str, Any] = {"new_id": self._new_id}
            if verb in ("start", "sweep"):
                parts["queue"] = queue
            if verb == "step":
                tools = {"queue": queue, "agent": _ask_in_this_thread, "watching": _watched_by_hand}
                parts["tools"] = replace(module.step.tools, **tools)
                processor = _ProcessorOfEachThread(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
                patch.setattr(module, "processor", processor)
            patch.setattr(module, verb, replace(getattr(module, verb), **parts))
        self.http = Stack(
            start=self.start, step=self.step, stop=self.stop, answer=self.answer, file=None, read=self.read, tail=self.tail,
            chat=None, sweep=self.sweep, dynamodb=None, table=self.table, bucket=None, sqs=None, queue_url="",
            clock=Hands(), faults=None, file_faults=None,
        )  # type: ignore[arg-type]  # fmt: skip

    def close(self) -> None:
        """End every worker and put everything back."""
        for worker in self.workers:
            worker.kill()
        self._patch.undo()
        logger.setLevel(self._level)
        Row._connection = self._connection

    def call(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        """One HTTP call."""
        return self.http.call(method, path, body, **how)

    def sweep_now(self) -> dict[str, Any]:
        """One sweep; returns its counts."""
        counts: dict[str, Any] = self.sweep.handler(event("sweep"), self.context)
        return counts

    def deliver(self, letter: Letter) -> Worker:
        """Hand a visible message to a fresh worker, which runs until it waits for the model or has ended."""
        worker = Worker(self, self.queue.deliver(letter.number))
        self.workers.append(worker)
        worker.start()
        worker.until_it_stands()
        self._after(worker)
        return worker

    def reply(self, worker: Worker, answer: AgentAnswer) -> None:
        """Have the model answer a waiting worker, which then runs to its end."""
        worker.reply(answer)
        self._after(worker)

    def _after(self, worker: Worker) -> None:
        """What the event source mapping does."""
        if worker.acknowledged:
            self.queue.delete_message(ReceiptHandle=worker.letter.receipt)

    def letters(self, run_id: str) -> list[Letter]:
        """The messages of a run that could be delivered now."""
        return [letter for letter in self.queue.visible() if json.loads(letter.body)["run_id"] == run_id]

    def sent(self) -> list[tuple[str, int]]:
        """Run and step of every message ever sent, in order."""
        letters = sorted((*self.queue.state.letters, *self.queue.state.gone))
        bodies = [json.loads(letter.body) for letter in letters]
        return [(one["run_id"], one["step"]) for one in bodies]

    def _call(self, operation: str, request: dict[str, Any]) -> Any:
        worker = threading.current_thread()
        if isinstance(worker, Worker) and worker.dead:
            raise Killed
        answer = self.table.call(operation, request)
        if operation == self.dies_after and isinstance(worker, Worker):
            self.dies_after = None
            raise Killed
        if self.loses_an_answer and operation in WRITES:
            self.loses_an_answer = False
            raise ReadTimeoutError(endpoint_url="http://table")
        return answer

    def _new_id(self) -> str:
        # Counted, not random: the same rules then always do the same, shard by shard.
        self._ids += 1
        return f"id-{self._ids}"


class _Sqs:
    """The queue as the client offers it."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue

    def send_message(self, **request: Any) -> Any:
        return self._queue.call("SendMessage", {**request})

    def get_queue_attributes(self, **request: Any) -> Any:
        return self._queue.call("GetQueueAttributes", {**request})

    def change_message_visibility(self, **request: Any) -> Any:
        return self._queue.call("ChangeMessageVisibility", {**request})


_LOADED: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}


def _handlers(settings: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The handlers, cold-started once for these settings, on a connection that is theirs alone."""
    if settings not in _LOADED:
        Row._connection = None
        _LOADED[settings] = {verb: load(verb) for verb in VERBS}
    return _LOADED[settings]
