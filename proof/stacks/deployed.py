"""The template, deployed: `make serve` as a user starts it, on a free port, with every function in its own role."""

import json
import os
import signal
import subprocess
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import boto3
from botocore.config import Config

from local import identity
from outlive.store.row import Row
from proof.stacks.exchange import PATIENCE, Answer, exchange
from proof.stacks.ports import reserve

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".envs" / "local" / "bin" / "python"
STOP_SECONDS = 300

UNANSWERED = {"read_failed", "start_failed", "stop_failed"}
"""Problems of a store that did not answer. If that took `STORE_SECONDS`, the machine was too busy, which says nothing: all
processes of the local AWS share it with the tests. The request may be sent again. A sooner one is for the test to see."""
STORE_SECONDS = Row.Meta.connect_timeout_seconds
"""The least time after which a function gives up on a store that does not answer."""
TRIES = 3

T = TypeVar("T")


class Stack:
    """A local stack of its own, in a process of its own."""

    def __init__(self, state: Path, tree: Path = ROOT, **settings: str) -> None:
        self.state = state
        self.tree = tree
        self.port, held = reserve()
        weakref.finalize(self, held.close)
        self.releases = state.parent / f"releases of {self.port}"
        self.releases.mkdir()
        self.settings = settings
        self.expected_complaints = set[str]()
        """Lines of the log in which functions complain about what a test has done to them on purpose."""
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.url, self.outputs = "", dict[str, str]()
        self._clients: dict[str, Any] = {}
        self._tokens: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    # --- start and stop ---

    def start(self, **settings: str) -> None:
        """Serve until it is ready; `settings` change those it was made with."""
        self.settings |= settings
        own = {"PORT": str(self.port), "STATE": str(self.state), "OFFLINE_RELEASES": str(self.releases)}
        errors = self.state.parent / f"{self.state.name}.err"
        with errors.open("w") as out:
            self._process = _serve(self.tree, {**own, **self.settings}, out)
        # It is ready or ends: it bounds its own start.
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.startswith("ready "):
            self.stop()
            raise AssertionError(f"make serve did not come up: {line} {errors.read_text()}")
        self.url = line.removeprefix("ready ").strip()
        (stack,) = self.client("cloudformation").describe_stacks(StackName="outlive")["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def stop(self, how: int = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does, or by another signal; its state stays. Returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(how)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout:
                process.stdout.close()
        return code

    def release(self, name: str) -> None:
        """Let what waits `until` this name go on, now and from now on."""
        (self.releases / name).touch()

    # --- the API ---

    def token(self, workspace: str = "acme", user: str = "ada", **claims: object) -> str:
        """A valid token; `claims` replace or add, None leaves one out."""
        key = json.dumps([workspace, user, claims])
        if key not in self._tokens:
            self._tokens[key] = identity.token(self.state, self.port, workspace, user, **claims)
        return self._tokens[key]

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """One request. `token` None sends none, empty one of ada at acme; `raw` goes as it is in place of `body`.

        It is sent again where the store did not answer in time and where that makes no second run.
        """
        again = method == "GET" or path.endswith("/stop") or "Idempotency-Key" in (headers or {})
        for _ in range(TRIES if again else 1):
            begun = time.monotonic()
            answer = exchange(method, self.url + path, body, self.token() if token == "" else token, headers, raw)
            if not _unanswered(answer) or time.monotonic() < begun + STORE_SECONDS:
                break
        return answer

    # --- underneath ---

    def client(self, service: str) -> Any:
        """A boto3 client that may do everything."""
        if service not in self._clients:
            self._clients[service] = _client(service, self.endpoint)
        return self._clients[service]

    def items(self, pk: str | None = None) -> list[dict[str, Any]]:
        """Rows of the table as DynamoDB has them: all, or those under one partition key."""
        return _rows(self.client("dynamodb"), self.outputs["TableName"], pk)

    def row(self, run: dict[str, Any], *names: str, workspace: str = "acme") -> dict[str, str | None]:
        """These attributes of a run's row, as text; None where there are none."""
        key = {"pk": {"S": f"{workspace}#{run['id']}"}, "sk": {"S": "RUN"}}
        answer = self.client("dynamodb").get_item(TableName=self.outputs["TableName"], Key=key, ConsistentRead=True)
        return {name: next(iter(answer["Item"].get(name, {"": None}).values())) for name in names}

    @property
    def log(self) -> str:
        """The output of the local AWS since it was started, and of the functions that were not called over HTTP."""
        return (self.state / "aws.log").read_text(errors="replace")

    def logged(self) -> list[str]:
        """The lines that all functions have logged, those of the platform included."""
        return _lines(self.client("logs"))

    def run_row(self, run_id: str) -> dict[str, Any]:
        """The RUN row of a run, as DynamoDB has it."""
        (row,) = [row for row in self.items() if row["sk"]["S"] == "RUN" and row["pk"]["S"].endswith(run_id)]
        return row

    def send(self, message: object, **request: Any) -> None:
        """Put a message on the queue: text as it is, anything else as JSON."""
        body = message if isinstance(message, str) else json.dumps(message)
        self.client("sqs").send_message(QueueUrl=self.outputs["QueueUrl"], MessageBody=body, **request)

    def queued(self, queue: str = "QueueUrl") -> int:
        """How many messages are on the queue, visible or not."""
        return _depth(self.client("sqs"), self.outputs[queue])

    def sweep(self, **event: object) -> dict[str, Any]:
        """Invoke the sweep now; returns its counts."""
        scheduled = json.loads((ROOT / "events" / "sweep.json").read_text())
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs["SweepFunction"], Payload=json.dumps({**scheduled, **event}).encode()
        )
        counts = json.load(answer["Payload"])
        assert "FunctionError" not in answer, counts
        return counts

    def workers(self, function: str = "Step") -> list[int]:
        """Process ids of the live workers of a function."""
        mark = f"{self.state}/tmp/ministack-lambda-{self.outputs[f'{function}Function']}-"
        return _processes(mark)

    def kill_workers(self, function: str = "Step") -> list[int]:
        """Kill every worker of a function the hard way; returns their process ids."""
        killed = self.workers(function)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        return killed


def _serve(tree: Path, settings: dict[str, str], errors: IO[str]) -> "subprocess.Popen[str]":
    """`make serve` of this tree, with token checks."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"AUTH": "true", **settings}
    # As under make: it then ends with the process that started it, even if that is killed.
    env.setdefault("MAKELEVEL", "1")
    command = [PYTHON, "-m", "local.serve"]
    return subprocess.Popen(command, cwd=tree, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)


def _client(service: str, endpoint: str) -> Any:
    """A boto3 client that may do everything."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    return session.client(service, endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 2}))


def _unanswered(answer: Answer) -> bool:
    """True if the store did not answer the function."""
    return answer.status == 503 and isinstance(answer.body, dict) and answer.body.get("code") in UNANSWERED


def _rows(client: Any, table: str, pk: str | None) -> list[dict[str, Any]]:
    request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    if pk is not None:
        request |= {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}}
    pages = client.get_paginator("scan" if pk is None else "query").paginate(**request)
    return [row for page in pages for row in page["Items"]]


def _lines(logs: Any) -> list[str]:
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    pages = [page for name in groups for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name)]
    return [line for page in pages for event in page["events"] for line in event["message"].splitlines()]


def _depth(sqs: Any, url: str) -> int:
    kinds = ("", "NotVisible", "Delayed")
    names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(value) for value in answer["Attributes"].values())


def _processes(mark: str) -> list[int]:
    """Process ids of those whose command holds `mark`."""
    command = ["ps", "-axww", "-o", "pid=,command="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if mark in line]


def until(
    look: Callable[[], T], is_it: Callable[[T], bool] = bool, *, seconds: float = PATIENCE, every: float = 0.05
) -> T:
    """What `look` returns as soon as it is what is waited for; fails with what it returned last after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if is_it(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds in vain; last seen: {seen}")
        time.sleep(every)
