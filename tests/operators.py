"""What operators would see: the template's metric filters and alarms, applied to what the code writes.

A metric is its namespace, its name and its exact dimensions: an alarm that leaves one out watches another metric, which
never has a value.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.unit.test_template import PARAMETERS, RESOURCES, TEMPLATE

STACK = "prod"
GIVEN = {"AWS::StackName": STACK, "AWS::NoValue": None, "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms"}
"""What a deployment is given; every other parameter has its default."""


class Metric(NamedTuple):
    """What CloudWatch tells metrics apart by."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


def resolved_with(node: Any, **given: str) -> Any:
    """`node` without intrinsic functions, for a deployment with these parameters."""
    before = dict(GIVEN)
    GIVEN.update(given)
    try:
        return resolved(node)
    finally:
        GIVEN.clear()
        GIVEN.update(before)


def resolved(node: Any) -> Any:
    """`node` without intrinsic functions. A resource stands for itself: its name, or `name.attribute`."""
    match node:
        case {"Ref": str(name)}:
            return GIVEN.get(name, PARAMETERS.get(name, {}).get("Default", name))
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"{name}.{attribute}"
        case {"Fn::Select": [int(index), parts]}:
            return resolved(parts)[index]
        case {"Fn::Split": [str(separator), text]}:
            return str(resolved(text)).split(separator)
        case {"Fn::If": [str(condition), yes, no]}:
            return resolved(yes if holds(TEMPLATE["Conditions"][condition]) else no)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", lambda name: str(GIVEN.get(name[1], name[1])), text)
        case {"Fn::Sub": [str(text), dict(values)]}:
            for name, value in values.items():
                text = text.replace(f"${{{name}}}", str(resolved(value)))
            return resolved({"Fn::Sub": text})
        case dict():
            return {name: resolved(value) for name, value in node.items()}
        case list():
            return [resolved(value) for value in node]
    return node


def holds(condition: Any) -> bool:
    """True if the condition of the template is true."""
    match condition:
        case {"Fn::Equals": [one, other]}:
            return bool(resolved(one) == resolved(other))
        case {"Fn::Not": [inner]}:
            return not holds(inner)
        case {"Fn::And": conditions}:
            return all(map(holds, conditions))
        case {"Condition": str(name)}:
            return holds(TEMPLATE["Conditions"][name])
    raise NotImplementedError(condition)


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The resources of this type by their names, their properties resolved."""
    return {name: resolved(one["Properties"]) for name, one in RESOURCES.items() if one["Type"] == kind}


ALARMS = of_type("AWS::CloudWatch::Alarm")
FILTERS = of_type("AWS::Logs::MetricFilter")


def watched(alarm: dict[str, Any]) -> Metric:
    """The metric that the alarm watches."""
    dimensions = frozenset((one["Name"], one["Value"]) for one in alarm["Dimensions"])
    return Metric(alarm["Namespace"], alarm["MetricName"], dimensions)


def counted(logs: str, lines: Iterable[str]) -> Counter[Metric]:
    """What CloudWatch counts when these lines arrive in the log group `logs`."""
    found: Counter[Metric] = Counter()
    for line in lines:
        event = json.loads(line)
        for one in event.get("_aws", {}).get("CloudWatchMetrics", []):
            for names in one["Dimensions"]:
                dimensions = frozenset((name, event[name]) for name in names)
                for metric in one["Metrics"]:
                    found[Metric(one["Namespace"], metric["Name"], dimensions)] += sum(event[metric["Name"]])
        for about in FILTERS.values():
            if about["LogGroupName"] == logs and matches(about["FilterPattern"], event):
                (made,) = about["MetricTransformations"]
                dimensions = frozenset(
                    (one["Key"], event[one["Value"].removeprefix("$.")]) for one in made["Dimensions"]
                )
                found[Metric(made["MetricNamespace"], made["MetricName"], dimensions)] += int(made["MetricValue"])
    return found


TERM = re.compile(r'\$\.(\w+) (?:= "([^"]*)"|(IS TRUE))')


def matches(pattern: str, event: dict[str, Any]) -> bool:
    """True if the filter pattern, of the kind that this template uses, selects the log line."""
    assert pattern.startswith("{ ")
    assert pattern.endswith(" }")

    def truth(term: re.Match[str]) -> str:
        value = event.get(term[1])
        return str(value is True if term[3] else value == term[2])

    terms = TERM.sub(truth, pattern[2:-2]).replace("&&", "and").replace("||", "or")
    assert re.fullmatch(r"(True|False|and|or|[() ])+", terms), f"a filter pattern this can't read: {pattern}"
    return bool(eval(terms))  # words of logic alone, as the line above asserts


def raised(alarm: dict[str, Any], values: list[float]) -> bool:
    """True if these values, or none, within one period put the alarm into the state ALARM."""
    if not values:
        return bool(alarm["TreatMissingData"] == "breaching")
    value = {"Sum": sum, "Minimum": min, "Maximum": max}[alarm["Statistic"]](values)
    threshold = float(alarm["Threshold"])
    return {"GreaterThanThreshold": value > threshold, "LessThanThreshold": value < threshold}[
        alarm["ComparisonOperator"]
    ]
