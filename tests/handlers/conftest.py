"""The handlers in one process: a table in memory, a queue of moto, and a clock that tests can turn."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from threading import Lock
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from outlive import wiring
from outlive.clock import Clock
from outlive.store.row import Row
from outlive.sweep import in_turn
from proof.dynamodb.memory_table import MemoryTable
from proof.s3.memory_bucket import MemoryBucket
from proof.stacks.handlers import ENVIRONMENT, Faults, Hands, Stack, load


@pytest.fixture
def environment() -> dict[str, str]:
    """Settings besides the usual ones; override in a test module, or parametrize."""
    return {}


@pytest.fixture(scope="module")
def cloud() -> Iterator[tuple[Any, Any, Any]]:
    """moto, with clients of our own for looking. Not for longer than a file: it would answer other files' calls, too."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    with mock_aws():
        s3 = boto3.client("s3", config=wiring.FILES)
        patch.setattr(wiring, "_s3", lambda: s3)
        yield boto3.client("dynamodb"), boto3.client("sqs"), s3
    patch.undo()


VERBS = ("start", "step", "stop", "answer", "file", "read", "tail", "chat", "sweep")


@pytest.fixture(scope="module")
def started(cloud: tuple[Any, Any, Any]) -> Iterator[dict[str, dict[str, ModuleType]]]:
    """The handlers by their environment, each cold-started once."""
    Row._connection = None
    yield {}
    Row._connection = None


@pytest.fixture
def memory() -> MemoryTable:
    """The table, empty."""
    return MemoryTable("outlive")


@pytest.fixture
def stack(
    cloud: tuple[Any, Any, Any],
    started: dict[str, dict[str, ModuleType]],
    memory: MemoryTable,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
) -> Iterator[Stack]:
    """An empty table and queue, and the handlers on them."""
    dynamodb, sqs, s3 = cloud
    queue_url = sqs.create_queue(QueueName="steps")["QueueUrl"]
    for name, value in {**environment, "QUEUE_URL": queue_url}.items():
        monkeypatch.setenv(name, value)
    key = json.dumps(environment, sort_keys=True)
    if key not in started:
        started[key] = {verb: load(verb) for verb in VERBS}
    modules = started[key]
    for verb in ("start", "step"):
        monkeypatch.setattr(modules[verb], verb, getattr(modules[verb], verb))
    # In one thread, so that a fault that is planned for a call meets the same one each time.
    monkeypatch.setattr(modules["sweep"], "sweep", replace(modules["sweep"].sweep, side_by_side=in_turn))
    hands, real = Hands(), Clock.now
    monkeypatch.setattr(Clock, "now", lambda self: real(self) + hands.ahead)
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)
    client, whole = Row._get_connection().connection.client, Lock()

    def call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        # A step has threads of its own, and the table in memory is made for one.
        with whole:
            return memory.call(operation, request)

    for one in (client, dynamodb):
        monkeypatch.setattr(one, "_make_api_call", call)
    bucket = MemoryBucket()
    monkeypatch.setattr(s3, "_make_api_call", bucket.call)
    yield Stack(
        **modules, bucket=bucket, dynamodb=dynamodb, table=memory, sqs=sqs, queue_url=queue_url, clock=hands,
        faults=Faults(client), file_faults=Faults(s3),
    )  # fmt: skip
    sqs.delete_queue(QueueUrl=queue_url)
