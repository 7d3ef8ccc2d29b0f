"""Every alarm can fire: what the code writes is the metric that the alarm watches."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.operators import ALARMS, FILTERS, STACK, Metric, counted, matches, of_type, raised, resolved, watched
from tests.unit.test_template import GLOBALS, RESOURCES

ROOT = Path(__file__).parents[2]
OURS = frozenset({("service", STACK)})

WRITES = {
    "SettleFailed": ("StepLogs", "log.unsettled('r', 'c', ValueError('no'))"),
    "RunUnreadable": ("SweepLogs", "log.unreadable('r', 'status')"),
    "WorkerRetired": ("StepLogs", "log.retired('threads')"),
    "RowDamaged": ("ReadLogs", "readable(Message, {'pk': {'S': 'p'}, 'sk': {'S': 's'}})"),
    "Faults": ("TailLogs", "log.unexpected('request_failed', ValueError('no'))"),
    "RunsFailed": ("StepLogs", "moved(FAIL.name, run, 'running')"),
    "RunsSucceeded": ("StepLogs", "moved(SUCCEED.name, run, 'running')"),
    "RunsGivenUp": ("SweepLogs", "moved(ABORT_NEVER_STARTED.name, run, 'pending')"),
    "SweepUnfinished": ("SweepLogs", "log.logger.info('swept', **asdict(Counts(unfinished=True)))"),
}
"""By metric: the log group, and what the functions do when it counts."""

SCRIPT = """
import sys
from dataclasses import asdict
from outlive import log
from outlive.lifecycle import ABORT_NEVER_STARTED, FAIL, SUCCEED
from outlive.store.moves import moved
from outlive.store.readable import readable
from outlive.store.rows import Message, Run
from outlive.sweep import Counts

run = Run("RUN#acme#r", "RUN", id="r", chat_id="c", status="failed", attempt=1, claimed_step=0)
{call}
"""

# Namespace and name → the dimensions under which AWS publishes it: "Metrics and dimensions" of Lambda, SQS, HTTP APIs
# ("Working with metrics for HTTP APIs") and DynamoDB.
PUBLISHED = {
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/Lambda", "Invocations"): {"FunctionName"},
    ("AWS/Lambda", "ConcurrentExecutions"): {"FunctionName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"): {"QueueName"},
    ("AWS/ApiGateway", "Count"): {"ApiId"},
    ("AWS/ApiGateway", "Latency"): {"ApiId"},
    ("AWS/ApiGateway", "4xx"): {"ApiId"},
    ("AWS/ApiGateway", "5xx"): {"ApiId"},
    ("AWS/DynamoDB", "ReadThrottleEvents"): {"TableName"},
    ("AWS/DynamoDB", "WriteThrottleEvents"): {"TableName"},
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits"): {"TableName"},
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"): {"TableName"},
}
RESOURCE_OF = {
    "FunctionName": "AWS::Serverless::Function",
    "QueueName": "AWS::SQS::Queue",
    "ApiId": "AWS::Serverless::HttpApi",
    "TableName": "AWS::DynamoDB::Table",
}
HEALTHY = {"SweepMissingAlarm": [1.0] * 5}
TROUBLE: dict[str, list[float]] = {"SweepMissingAlarm": []}
"""Where silence is not healthy, and not being there is the trouble."""


@cache
def written(call: str) -> tuple[str, ...]:
    """The lines that a function's process writes when it makes this call, with the template's environment."""
    variables = resolved(GLOBALS["Environment"]["Variables"])
    settings = {name: str(value) for name, value in variables.items() if name.startswith("POWERTOOLS_")}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(call=call)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "shared"), **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(result.stdout.splitlines())


@pytest.mark.parametrize("metric", WRITES)
def test_what_the_code_writes_is_the_metric_of_its_name_and_of_this_stack(metric: str) -> None:
    """[80] Namespace, name and dimensions; nothing else is counted, but for a fault's error line."""
    logs, call = WRITES[metric]
    found = counted(logs, written(call))
    expected = Counter({Metric("Outlive", metric, OURS): 1})
    if any(json.loads(line).get("level") == "ERROR" for line in written(call)):
        expected[Metric("Outlive", "Faults", OURS)] = 1
    assert found == expected


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_raised_by_what_it_is_for_and_by_nothing_else(name: str) -> None:
    """[80] Quiet while all is well; raised by a metric that the code or AWS writes under exactly these dimensions."""
    alarm = ALARMS[name]
    metric = watched(alarm)
    assert not raised(alarm, HEALTHY.get(name, []))
    if metric.namespace == "Outlive":
        logs, call = WRITES[metric.name]
        enough = int(alarm["Threshold"]) + 1
        assert raised(alarm, [float(counted(logs, written(call))[metric])] * enough)
    else:
        assert {key for key, _ in metric.dimensions} == PUBLISHED[metric.namespace, metric.name]
        ((key, value),) = metric.dimensions
        assert RESOURCES[value.partition(".")[0]]["Type"] == RESOURCE_OF[key]
        assert raised(alarm, TROUBLE.get(name, [float(alarm["Threshold"]) + 1]))


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_and_its_end_reach_the_topic(name: str) -> None:
    topic = ["arn:aws:sns:us-east-1:123456789012:alarms"]
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == topic


def test_every_metric_of_the_code_and_of_the_filters_has_an_alarm() -> None:
    """A run that succeeds needs none."""
    code = (ROOT / "shared" / "outlive" / "log.py").read_text()
    metrics = set(re.findall(r'_count\("(\w+)"\)', code))
    metrics |= {one["MetricTransformations"][0]["MetricName"] for one in FILTERS.values()}
    assert metrics == set(WRITES)
    assert {watched(alarm).name for alarm in ALARMS.values()} >= metrics - {"RunsSucceeded"}


def test_every_function_that_logs_faults_has_them_counted() -> None:
    """The console serves files and logs nothing."""
    logs = {one["LogGroupName"] for one in FILTERS.values() if one["FilterPattern"] == '{ $.level = "ERROR" }'}
    assert logs == {name for name in RESOURCES if name.endswith("Logs")} - {"ApiLogs", "ConsoleLogs"}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_has_a_page_in_the_runbooks(name: str) -> None:
    """What it means, what to look at, and what to do."""
    assert f"Runbook - {name}." in ALARMS[name]["AlarmDescription"]
    page = (ROOT / "docs" / "runbooks.md").read_text()
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert [word for word in ("**Means.**", "**Look at.**", "**Do.**") if word not in section[1]] == []


def test_the_dashboard_shows_metrics_that_exist() -> None:
    (dashboard,) = of_type("AWS::CloudWatch::Dashboard").values()
    shown = [
        metric for one in json.loads(dashboard["DashboardBody"])["widgets"] for metric in one["properties"]["metrics"]
    ]
    for namespace, name, *rest in shown:
        key, value = rest[:2]
        if namespace == "Outlive":
            assert name in WRITES
            assert (key, value) in OURS
        else:
            assert {key} == PUBLISHED[namespace, name]
            assert RESOURCES[value.partition(".")[0]]["Type"] == RESOURCE_OF[key]


@pytest.mark.parametrize(
    ("pattern", "event", "selected"),
    [
        ('{ $.a = "x" }', {"a": "x"}, True),
        ('{ $.a = "x" }', {"a": "y"}, False),
        ('{ ($.a = "x") || ($.b = "y") }', {"b": "y"}, True),
        ('{ ($.a = "x") && ($.b IS TRUE) }', {"a": "x", "b": True}, True),
        ('{ ($.a = "x") && ($.b IS TRUE) }', {"a": "x", "b": "true"}, False),
    ],
)
def test_patterns_are_read_as_cloudwatch_reads_them(pattern: str, event: dict[str, object], selected: bool) -> None:
    assert matches(pattern, event) is selected
