"""The seven handlers as they are, in one process: a real event in, a real answer out, and messages moved by hand."""

import base64
import copy
import gzip
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError, ReadTimeoutError

from outlive.agent import Ask, Interrupt, Outcome
from outlive.errors import RouteNotFound
from outlive.follow.passages import Words
from proof.dynamodb.memory_table import MemoryTable
from proof.dynamodb.values import copy_attributes

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "outlive",
    "AGENT_MODEL": "offline",
    "POWERTOOLS_METRICS_NAMESPACE": "Outlive",
    "POWERTOOLS_SERVICE_NAME": "outlive",
}


def event(name: str) -> dict[str, Any]:
    """The event of `events/<name>.json`."""
    loaded: dict[str, Any] = json.loads(_event_text(name))
    return loaded


@cache
def _event_text(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


@dataclass
class Context:
    """What a handler uses of Lambda's context."""

    seconds_left: float = 300
    function_name: str = "test"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds_left * 1000)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: Any
    headers: dict[str, str]
    carried: int = 0
    """Bytes of the function's whole return value as JSON, which is what Lambda bounds."""


@dataclass
class Stack:
    """Everything deployed, in one process. `handle` is every message moved by hand; nothing runs by itself."""

    start: ModuleType
    step: ModuleType
    stop: ModuleType
    answer: ModuleType
    read: ModuleType
    tail: ModuleType
    chat: ModuleType
    sweep: ModuleType
    dynamodb: Any
    table: MemoryTable
    sqs: Any
    queue_url: str
    clock: "Hands"
    faults: "Faults"
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
        first, *rest = path.strip("/").split("/")
        if first == "api":
            first, rest = "api/chat", rest[1:]
        identifier, *rest = rest or [""]
        if first == "tickets":
            identifier = unquote(identifier)  # a hostile one may hold anything
        parameter = {"runs": "run_id", "tickets": "ticket"}.get(first, "chat_id")
        route = f"{method} /" + "/".join([first, *(["{" + parameter + "}"] if identifier else []), *rest])
        verbs = {"stop": self.stop, "answers": self.answer, "runs": self.start, "ticket": self.tail}
        module = verbs.get(rest[-1] if rest else "", self.read)
        if method == "GET":
            module = self.tail if rest[-1:] == ["events"] else self.read
        if first == "api/chat":
            module = self.chat
        request = copy.deepcopy(event("read"))
        request["routeKey"] = request["requestContext"]["routeKey"] = route
        request["rawPath"] = "/" + "/".join([first, *([quote(identifier, safe="")] if identifier else []), *rest])
        request["requestContext"]["http"]["method"] = method
        request["requestContext"]["http"]["path"] = request["rawPath"]
        request["pathParameters"] = {parameter: identifier} if identifier else None
        request["queryStringParameters"] = query
        request["headers"] |= {name.lower(): value for name, value in (headers or {}).items()}
        if claims is None:
            claims = {"workspace_id": workspace or self.workspace, "sub": user or self.user}
        request["requestContext"]["authorizer"]["jwt"]["claims"] = claims
        if first == "tickets":
            del request["requestContext"]["authorizer"]
        request["body"] = raw if raw is not None else None if body is None else json.dumps(body)
        request["isBase64Encoded"] = False
        returned_value = module.handler(request, self.context)
        response_headers = {name.lower(): value for name, value in (returned_value.get("headers") or {}).items()}
        response_headers |= {
            name.lower(): values[0] for name, values in (returned_value.get("multiValueHeaders") or {}).items()
        }
        returned = json.dumps(returned_value)
        returned_value = json.loads(returned)
        packed = (
            base64.b64decode(returned_value["body"])
            if returned_value.get("isBase64Encoded")
            else (returned_value.get("body") or "").encode()
        )
        body = (gzip.decompress(packed) if response_headers.get("content-encoding") == "gzip" else packed).decode()
        if "problem" in response_headers.get("content-type", ""):
            declared = module.api.problems.get(route, {RouteNotFound})
            assert json.loads(body)["code"] in {kind.code for kind in declared}, f"{route} does not declare {body}"
        is_json = "json" in response_headers.get("content-type", "")
        return Answer(
            returned_value["statusCode"], json.loads(body) if is_json else body, response_headers, len(returned)
        )

    def begin(self, chat: str = "chat-1", prompt: str = "hello", **fields: Any) -> Answer:
        """Start a run."""
        options = {name: fields.pop(name) for name in ("workspace", "user", "headers", "claims") if name in fields}
        return self.call("POST", f"/chats/{chat}/runs", {"prompt": prompt, **fields}, **options)

    def script(self, chat: str = "chat-1", *entries: dict[str, Any], **fields: Any) -> Answer:
        """Start a scripted run."""
        return self.begin(chat, "#script " + json.dumps(entries), **fields)

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
        batch = event("step")
        batch["Records"][0] |= {
            "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
        }  # fmt: skip
        batch["Records"][0]["attributes"] |= message.get("Attributes", {})
        failed = json.loads(json.dumps(self.step.handler(batch, context or self.context)))["batchItemFailures"]
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
        asks: list[Ask] = []
        agent = self.step.step.tools.agent

        def spy(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
            asks.append(ask)
            outcome: Outcome = agent(ask, say, interrupt)
            return outcome

        self.equip(agent=spy)
        return asks

    def answer_with(self, *answers: Outcome | BaseException | Callable[..., Outcome]) -> list[Ask]:
        """Put a scripted double in the agent's place; the last answer is repeated."""
        asks: list[Ask] = []

        def double(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
            answer = answers[min(len(asks), len(answers) - 1)]
            asks.append(ask)
            if isinstance(answer, BaseException):
                raise answer
            return answer if isinstance(answer, Outcome) else answer(ask, say, interrupt)

        self.equip(agent=double)
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


@dataclass
class Faults:
    """What happens to the next calls of the table's client, below our code and above the wire."""

    client: Any
    planned: list[tuple[str, str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        real = self.client._make_api_call

        def call(operation: str, request: dict[str, Any]) -> Any:
            self.calls.append(operation)
            self.requests.append(request)
            for index, (planned, kind, detail) in enumerate(self.planned):
                if planned in (operation, f"{operation} {request.get('Key', {}).get('sk', {}).get('S')}"):
                    del self.planned[index]
                    return self._act(kind, detail, lambda: real(operation, request), operation)
            return real(operation, request)

        self.client._make_api_call = call

    def _act(self, kind: str, detail: Any, call: Callable[[], Any], operation: str) -> Any:
        if kind == "blank":
            return {}
        if kind == "lose":
            call()
            raise ReadTimeoutError(endpoint_url="http://table")
        if kind == "twice":
            call()
            return call()
        if kind == "then":
            answer = call()
            detail()
            return answer
        if kind == "first":
            detail()
            return call()
        if kind == "conflict":
            reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "None"}, {"Code": "None"}]
            error = {"Error": {"Code": "TransactionCanceledException", "Message": "?"}, "CancellationReasons": reasons}
            raise ClientError(error, operation)  # type: ignore[arg-type]
        raise ClientError({"Error": {"Code": detail, "Message": "?"}}, operation)

    @property
    def counted(self) -> list[str]:
        """The calls but those that store live text: a slow machine makes some of them."""
        calls = zip(self.calls, self.requests, strict=True)
        return [call for call, request in calls if not is_piece(request)]

    def forget(self) -> None:
        """Count from here."""
        self.calls.clear()
        self.requests.clear()

    def lose(self, operation: str) -> None:
        """The next `operation` takes effect, but no answer comes."""
        self.planned.append((operation, "lose", None))

    def twice(self, operation: str) -> None:
        """The next `operation` takes effect, its answer is lost, and the client itself tries again."""
        self.planned.append((operation, "twice", None))

    def refuse(self, operation: str, code: str = "ThrottlingException", times: int = 1) -> None:
        """The next `operation` fails with `code` and does nothing."""
        self.planned += [(operation, "refuse", code)] * times

    def conflict(self, times: int = 1) -> None:
        """The next transaction meets another one."""
        self.planned += [("TransactWriteItems", "conflict", None)] * times

    def blank(self, sk: str) -> None:
        """The next read of an item with this sort key answers that there is none."""
        self.planned.append(("GetItem " + sk, "blank", None))

    def then(self, operation: str, do: Callable[[], Any]) -> None:
        """Right after the next `operation`, `do` happens."""
        self.planned.append((operation, "then", do))

    def first(self, operation: str, do: Callable[[], Any]) -> None:
        """Right before the next `operation`, `do` happens."""
        self.planned.append((operation, "first", do))


def is_piece(request: dict[str, Any]) -> bool:
    """True if this call stores a piece of live text."""
    return str(request.get("Item", {}).get("sk", {}).get("S", "")).startswith("LIVE#")


class Hands:
    """A clock whose hands can be moved."""

    def __init__(self) -> None:
        self.ahead = 0

    def forward(self, seconds: float) -> None:
        """Let time pass for our code (not for the queue)."""
        self.ahead += int(seconds * 1000)


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
