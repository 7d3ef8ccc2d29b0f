"""The seven handlers on moto: one thread, one table, one queue, and a clock that tests can turn."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from outlive.clock import Clock
from outlive.store.rows import Row
from outlive.sweep import in_turn
from proof.dynamodb.memory_table import MemoryTable
from proof.stacks.handlers import ENVIRONMENT, ROOT, Faults, Hands, Stack, load


@pytest.fixture
def environment() -> dict[str, str]:
    """Settings besides the usual ones; override in a test module, or parametrize."""
    return {}


@pytest.fixture(scope="module")
def cloud() -> Iterator[tuple[Any, Any]]:
    """moto, with clients of our own for looking. Not for longer than a file: it would answer other files' calls, too."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    with mock_aws():
        yield boto3.client("dynamodb"), boto3.client("sqs")
    patch.undo()


VERBS = ("start", "step", "stop", "answer", "read", "tail", "chat", "sweep")


@pytest.fixture(scope="module")
def started(cloud: tuple[Any, Any]) -> Iterator[dict[str, dict[str, ModuleType]]]:
    """The handlers by their environment, each cold-started once."""
    Row._connection = None
    yield {}
    Row._connection = None


@pytest.fixture
def stack(
    cloud: tuple[Any, Any],
    started: dict[str, dict[str, ModuleType]],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
) -> Iterator[Stack]:
    """An empty table and queue, and the handlers on them."""
    dynamodb, sqs = cloud
    dynamodb.create_table(**_table())
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
    client = Row._get_connection().connection.client
    monkeypatch.setattr(client, "_make_api_call", client._make_api_call)
    faults = Faults(client)
    yield Stack(**modules, dynamodb=dynamodb, sqs=sqs, queue_url=queue_url, clock=hands, faults=faults)
    sqs.delete_queue(QueueUrl=queue_url)
    dynamodb.delete_table(TableName="outlive")


@pytest.fixture
def memory(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> MemoryTable:
    """The table in memory in moto's place: it holds more, answers sooner, and pages as DynamoDB does."""
    table = MemoryTable("outlive")
    monkeypatch.setattr(Row._get_connection().connection.client, "_make_api_call", table.call)
    stack.faults.__post_init__()
    return table


@cache
def _table() -> dict[str, Any]:
    """The template's table: its keys and indexes stand there alone."""

    class Loader(yaml.SafeLoader):
        """Reads CloudFormation's short forms as plain values."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    properties = next(
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::DynamoDB::Table"
    )
    wanted = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")
    return {"TableName": "outlive", **{name: properties[name] for name in wanted}}
