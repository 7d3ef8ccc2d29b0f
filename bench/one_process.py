"""The handlers as they are, in one process: a real event in, a real answer out, and a queue that is worked off by hand.

What stands behind them is handed in: the table in memory, or a real DynamoDB Local. The agent is `peers/fake_agent.py`,
through the same code that runs a real one.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from bench.peers.fake_agent import new_agent, prompt
from proof.sqs.memory_queue import MemoryQueue
from proof.stacks.handlers import Context, event, load

ROOT = Path(__file__).resolve().parents[1]
VERBS = ("start", "step", "stop", "read", "tail", "sweep")
TABLE = "runs"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": TABLE,
    "QUEUE_URL": "http://127.0.0.1:9/queue",
    "AGENT_MODEL": "offline",
    "MAX_STEPS": "1000",
    "POWERTOOLS_METRICS_NAMESPACE": "Outlive",
}

Call = Callable[[str, dict[str, Any]], dict[str, Any]]
"""A client's call: operation and request in, answer out, ClientError raised."""


class Due(Protocol):
    """A message as it is received."""

    body: str
    receipt: str


@dataclass
class Sqs:
    """The queue's client: every call goes through `call`, so that it can be counted."""

    call: Call

    def send_message(self, **request: Any) -> Any:
        """SendMessage."""
        return self.call("SendMessage", request)

    def get_queue_attributes(self, **request: Any) -> Any:
        """GetQueueAttributes."""
        return self.call("GetQueueAttributes", request)

    def change_message_visibility(self, **request: Any) -> Any:
        """ChangeMessageVisibility."""
        return self.call("ChangeMessageVisibility", request)


@dataclass
class OneProcess:
    """Everything deployed, in this process. `sqs` is the queue as the handlers call it."""

    dynamodb: Call | None
    """None leaves the real client in place; its endpoint is the environment's."""
    queue: MemoryQueue
    sqs: Call
    long_ids: bool = False
    """Workspace and user as others make them: 36 characters, which every key and row then holds."""
    handlers: dict[str, ModuleType] = field(init=False)
    context: Context = field(default_factory=Context)

    def __post_init__(self) -> None:
        os.environ.update(ENVIRONMENT)
        sys.path[:0] = [str(ROOT / "shared"), str(ROOT / "functions" / "step"), str(ROOT)]
        self.handlers = {verb: load(verb) for verb in VERBS}
        from engine.turn import PydanticAgent  # type: ignore[import-not-found]  # noqa: PLC0415
        from outlive.store.queue import Queue  # noqa: PLC0415
        from outlive.store.row import Row  # noqa: PLC0415

        if self.dynamodb is not None:
            client: Any = Row._get_connection().connection.client  # noqa: SLF001
            client._make_api_call = self.dynamodb  # noqa: SLF001
        queue = Queue(Sqs(self.sqs), ENVIRONMENT["QUEUE_URL"])
        for verb in ("start", "sweep"):
            module = self.handlers[verb]
            setattr(module, verb, replace(getattr(module, verb), queue=queue))
        step: Any = self.handlers["step"]
        tools = replace(step.step.tools, queue=queue, agent=PydanticAgent(new_agent(), "offline"))
        step.step = replace(step.step, tools=tools)

    def hush(self) -> None:
        """Have the functions log nothing."""
        from outlive.log import logger  # noqa: PLC0415

        logger.setLevel("CRITICAL")

    @contextmanager
    def steps_per_message(self, count: int) -> Iterator[None]:
        """Within, one message stands for `count` steps."""
        module: Any = self.handlers["step"]
        before = module.step
        settings = replace(before.tools.settings, steps_per_message=count)
        module.step = replace(before, tools=replace(before.tools, settings=settings))
        try:
            yield
        finally:
            module.step = before

    def begin(self, chat: str, run: str, steps: int) -> dict[str, Any]:
        """The run that a start was answered with."""
        request = self._asking("start")
        request["pathParameters"] = {"chat_id": chat}
        request["headers"].pop("idempotency-key", None)
        request["body"] = json.dumps({"prompt": prompt(run, steps)})
        request["isBase64Encoded"] = False
        answer = self.handlers["start"].handler(request, self.context)
        assert answer["statusCode"] == 202, answer
        found: dict[str, Any] = json.loads(answer["body"])["run"]
        return found

    def look(self, run_id: str) -> dict[str, Any]:
        """The run and its message as a client reads them."""
        request = self._asking("read")
        request["routeKey"] = request["requestContext"]["routeKey"] = "GET /runs/{run_id}"
        request["requestContext"]["http"]["method"] = "GET"
        request["pathParameters"] = {"run_id": run_id}
        answer = self.handlers["read"].handler(request, self.context)
        assert answer["statusCode"] == 200, answer
        found: dict[str, Any] = json.loads(answer["body"])
        return found

    def _asking(self, name: str) -> dict[str, Any]:
        request = event(name)
        if self.long_ids:
            request["requestContext"]["authorizer"]["jwt"]["claims"] |= LONG
        return request

    def take(self) -> bool:
        """Deliver the next message; False if there is none."""
        waiting = self.queue.visible()
        if not waiting:
            return False
        letter = self.queue.deliver(waiting[0].number, 330)
        request = event("step")
        request["Records"][0] |= {
            "messageId": str(letter.number),
            "receiptHandle": letter.receipt,
            "body": letter.body,
        }
        failed = self.handlers["step"].handler(request, self.context)["batchItemFailures"]
        assert not failed, "a step was given back"
        self.queue.delete_message(ReceiptHandle=letter.receipt)
        return True

    def work(self) -> int:
        """Deliver until the queue is empty; how many messages it was."""
        count = 0
        while self.take():
            count += 1
        return count


LONG = {
    "workspace_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "sub": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
}
