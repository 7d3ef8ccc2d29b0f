"""The handlers as they are, in one process: a real event in, a real answer out, and messages moved by hand."""

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from outlive.agent import Agent, Ask, Interrupt, Outcome
from outlive.errors import RouteNotFound
from outlive.follow.passages import Words
from proof.dynamodb.memory_table import MemoryTable
from proof.dynamodb.values import copy_attributes
from proof.s3.memory_bucket import MemoryBucket
from proof.stacks.events import ROOT, Context, event, message_event
from proof.stacks.faults import Faults, Hands
from proof.stacks.http import Answer, Route, answer_of, http_event

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "outlive",
    "AGENT_MODEL": "offline",
    "FILES_BUCKET": "files",
    "POWERTOOLS_METRICS_NAMESPACE": "Outlive",
    "POWERTOOLS_SERVICE_NAME": "outlive",
}


@dataclass
class Stack:
    """Everything deployed, in one process. `handle` is every message moved by hand; nothing runs by itself."""

    start: ModuleType
    step: ModuleType
    stop: ModuleType
    answer: ModuleType
    file: ModuleType
    read: ModuleType
    tail: ModuleType
    chat: ModuleType
    sweep: ModuleType
    dynamodb: Any
    table: MemoryTable
    bucket: MemoryBucket
    sqs: Any
    queue_url: str
    clock: Hands
    faults: Faults
    file_faults: Faults
    workspace: str = "acme"
    user: str = "ada"
    context: Context = field(default_factory=Context)

    # --- over HTTP ---

    def call(
        self, method: str, path: str, body: Any = None, *, workspace: str | None = None, user: str | None = None,
        headers: dict[str, str] | None = None, query: dict[str, str] | None = None, claims: dict[str, Any] | None = None,
        raw: str | None = None,
    ) -> Answer:  # fmt: skip
        """Call the function behind `method path`; ids in `path` are taken literally."""
        route = Route.of(method, path)
        module = getattr(self, route.verb)
        if claims is None:
            claims = {"workspace_id": workspace or self.workspace, "sub": user or self.user}
        text = raw if raw is not None else None if body is None else json.dumps(body)
        answer = answer_of(module.handler(http_event(method, route, text, claims, headers, query), self.context))
        if "problem" in answer.headers.get("content-type", ""):
            declared = module.api.problems.get(route.key, {RouteNotFound})
            codes = {kind.code for kind in declared}
            assert answer.body["code"] in codes, f"{route.key} does not declare {answer.body}"
        return answer

    def begin(self, chat: str = "chat-1", prompt: str = "hello", **fields: Any) -> Answer:
        """Start a run."""
        options = {name: fields.pop(name) for name in ("workspace", "user", "headers", "claims") if name in fields}
        return self.call("POST", f"/chats/{chat}/runs", {"prompt": prompt, **fields}, **options)

    def script(self, chat: str = "chat-1", *entries: dict[str, Any], **fields: Any) -> Answer:
        """Start a scripted run."""
        return self.begin(chat, "#script " + json.dumps(entries), **fields)

    def upload(
        self, content: bytes, media_type: str = "image/png", name: str = "map.png", chat: str = "chat-1", **who: str
    ) -> str:
        """Upload a file to the chat; returns its id."""
        body = {"name": name, "media_type": media_type, "size": len(content)}
        made = self.call("POST", f"/chats/{chat}/files", body, **who).body
        assert self.bucket.put(made["upload"]["url"], made["upload"]["headers"], content) == 200
        file_id: str = made["file"]["id"]
        return file_id

    def run_of(self, run_id: str, **who: str) -> dict[str, Any]:
        """The run as its owner reads it."""
        run: dict[str, Any] = self.call("GET", f"/runs/{run_id}", **who).body["run"]
        return run

    def transcript(self, chat: str = "chat-1", **who: str) -> list[dict[str, Any]]:
        """All messages of the chat."""
        messages: list[dict[str, Any]] = self.call("GET", f"/chats/{chat}/messages", **who).body["messages"]
        return messages

    # --- the queue ---

    def take(self) -> dict[str, Any] | None:
        """The next visible message, as SQS delivers it; it stays hidden until it is acknowledged or given back."""
        messages = self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=1, VisibilityTimeout=300, AttributeNames=["All"]
        ).get("Messages")
        return dict(messages[0]) if messages else None

    def deliver(self, message: dict[str, Any], context: Context | None = None) -> bool:
        """Hand a message to a worker; True if it was acknowledged."""
        failed = json.loads(json.dumps(self.step.handler(message_event(message), context or self.context)))[
            "batchItemFailures"
        ]
        if not failed:
            self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return not failed

    def message(self, run_id: str, step: int, workspace: str | None = None) -> dict[str, Any]:
        """A message of our own making, as if it came twice or late."""
        body = {"workspace_id": workspace or self.workspace, "run_id": run_id, "step": step}
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps(body))
        while (taken := self.take()) is not None:
            if json.loads(taken["Body"]) == body:
                return taken
        raise AssertionError("the message is gone")

    def work(self, most: int = 100) -> int:
        """Deliver until nothing is visible; returns how many messages were."""
        for count in range(most):
            message = self.take()
            if message is None:
                return count
            self.deliver(message)
        raise AssertionError("the queue does not run dry")

    def equip(self, **tools: Any) -> None:
        """Give the step's worker these tools instead of its own."""
        self.step.step = replace(self.step.step, tools=replace(self.step.step.tools, **tools))

    def watch_the_agent(self) -> list[Ask]:
        """Every request to the agent from now on."""
        return self.answer_with(self.step.step.tools.agent)

    def answer_with(self, *answers: Outcome | BaseException | Callable[..., Outcome]) -> list[Ask]:
        """Put a scripted double in the agent's place; the last answer is repeated."""
        asks: list[Ask] = []
        self.equip(agent=_double(answers, asks))
        return asks

    # --- the table ---

    def items(self) -> list[dict[str, Any]]:
        """Every item, as DynamoDB holds it."""
        return [copy_attributes(item) for item in self.table.items()]

    def item(self, run_id: str, workspace: str | None = None) -> dict[str, Any]:
        """The run's item."""
        key = {"pk": {"S": f"{workspace or self.workspace}#{run_id}"}, "sk": {"S": "RUN"}}
        row: dict[str, Any] = self.dynamodb.get_item(TableName="outlive", Key=key)["Item"]
        return row

    def records(self, run_id: str) -> list[dict[str, Any]]:
        """The items of the run's log."""
        return [item for item in self.items() if "#STEP#" in item["sk"]["S"] and item["run_id"]["S"] == run_id]

    def change(self, pk: str, sk: str, **attributes: dict[str, Any] | None) -> None:
        """Put these attributes, in DynamoDB's form, onto a stored item, or take away (None) what they name."""
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        item = self.dynamodb.get_item(TableName="outlive", Key=key)["Item"] | attributes
        row = {name: value for name, value in item.items() if value is not None}
        self.dynamodb.put_item(TableName="outlive", Item=row)

    def look_once(self) -> None:
        """A step looks for a stop once, at its end, however slow the machine is."""
        self.equip(settings=replace(self.step.step.tools.settings, stop_poll_seconds=600))

    def sweep_in_vain(self) -> None:
        """The sweeps, a minute apart, that send a lost message again as often as may be; no message arrives."""
        for _ in range(self.sweep.settings.sweep_resend_limit):
            self.sweep_now()
            while self.take():
                pass
            self.clock.forward(61)

    def sweep_now(self, **fields: Any) -> dict[str, Any]:
        """Sweep once."""
        counts: dict[str, Any] = json.loads(json.dumps(self.sweep.handler({**event("sweep"), **fields}, self.context)))
        return counts


def _double(answers: tuple[Outcome | BaseException | Callable[..., Outcome], ...], asks: list[Ask]) -> Agent:
    def double(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        answer = answers[min(len(asks), len(answers) - 1)]
        asks.append(ask)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Outcome) else answer(ask, say, interrupt)

    return double


def load(verb: str) -> ModuleType:
    """Cold-start the handler of `functions/<verb>/app.py`: a fresh module each time."""
    path = ROOT / "functions" / verb / "app.py"
    spec = importlib.util.spec_from_file_location(f"{verb}_app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
