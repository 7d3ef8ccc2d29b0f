"""The table in memory answers as DynamoDB does: the same cases on every engine at hand, answer by answer.

DynamoDB Local is the reference. moto and MiniStack take part so that the limits of a test on them are visible;
where one of them (or the reference) departs from what AWS documents, `deviations` names it.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from proof.dynamodb.values import Invalid, legal_attributes
from proof.engines.calls import Call, Case
from proof.engines.cases import cases
from proof.engines.deviations import DEVIATIONS
from proof.engines.engines import ENGINES, TABLE, Absent, Engine, Memory

REFERENCE = "dynamodb_local"
CASES = {case.name: case for case in cases()}
# What an answer says besides these is about the connection or the bill.
MEMBERS = ("Item", "Items", "Attributes", "Count", "ScannedCount", "LastEvaluatedKey", "Responses", "UnprocessedKeys")


@pytest.fixture(scope="module", params=[name for name in ENGINES if name != "memory"])
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[str, Engine]]:
    name = request.param
    maker = ENGINES[name]()
    try:
        made = maker.__enter__()
    except Absent as absent:
        pytest.skip(str(absent))
    try:
        yield name, made
    finally:
        maker.__exit__(None, None, None)


def answers(engine: Engine, case: Case) -> Iterator[tuple[Call, Any]]:
    """Each call of the case with its normalised answer and, if it is a write, the table after it."""
    engine.clear()
    for row in case.given:
        engine.call("PutItem", {"TableName": TABLE, "Item": row})
    for call in case.calls:
        if case.afresh:
            engine.clear()
            for row in case.given:
                engine.call("PutItem", {"TableName": TABLE, "Item": row})
        answer = normal(engine, call)
        if call.operation not in ("GetItem", "BatchGetItem", "Query"):
            answer["table"] = sorted((plain(row) for row in engine.contents()), key=repr)
        yield call, answer


def normal(engine: Engine, call: Call) -> dict[str, Any]:
    """An answer without what differs between two good engines: wording, capacity, the order of a batch and of a set."""
    try:
        answer = engine.call(call.operation, dict(call.request))
    except ClientError as error:
        outcome: dict[str, Any] = {"error": error.response["Error"]["Code"]}
        if "Item" in error.response:
            outcome["item"] = plain(error.response["Item"])  # type: ignore[typeddict-item]
        if "CancellationReasons" in error.response:
            reasons = error.response["CancellationReasons"]  # type: ignore[typeddict-item]
            if any(reason["Code"] == "ValidationError" for reason in reasons):
                # AWS documents a reason of this code where an item can't take an update; no local engine gives it, they
                # all answer as if the whole request were malformed. Nothing here tells the two apart.
                return {"error": "ValidationException"}
            outcome["reasons"] = [
                (reason["Code"], plain(reason["Item"]) if "Item" in reason else None) for reason in reasons
            ]
        return outcome
    except Exception as error:
        # moto dies of some requests with errors of its own.
        return {"error": type(error).__name__}
    outcome = {name: answer[name] for name in MEMBERS if name in answer}
    for name in ("Item", "Attributes", "LastEvaluatedKey"):
        if name in outcome:
            outcome[name] = plain(outcome[name])
    if "Items" in outcome:
        outcome["Items"] = [plain(row) for row in outcome["Items"]]
    if "Responses" in outcome:
        outcome["Responses"] = sorted((plain(row) for row in outcome["Responses"].get(TABLE, [])), key=repr)
    return outcome


def plain(row: Any) -> Any:
    """A row with its numbers spelled one way and its names in order, so that rows compare and sort."""
    try:
        return dict(sorted(legal_attributes(row).items()))
    except Invalid:
        return row


@pytest.mark.parametrize("name", CASES)
def test_engine_answers_as_the_table_in_memory_does(engine: tuple[str, Engine], name: str) -> None:
    """Result or error code, reasons, items and the table afterwards are equal."""
    which, real = engine
    case = CASES[name] if which == REFERENCE else CASES[name].common()
    known = {label: reason for (where, title, label), reason in DEVIATIONS.items() if (where, title) == (which, name)}
    differing: dict[str, Any] = {}
    for (call, outcome), (_, expected) in zip(answers(real, case), answers(Memory(), case), strict=True):
        if outcome != expected:
            differing[call.label] = {which: outcome, "memory": expected}
    unknown = {label: both for label, both in differing.items() if label not in known}
    assert not unknown
    healed = known.keys() - differing.keys()
    assert not healed, f"{which} no longer deviates here; take it off the list"


def test_case_names_and_labels_are_unique() -> None:
    """A deviation names exactly one call."""
    everything = cases()
    assert len({case.name for case in everything}) == len(everything)
    for case in everything:
        assert len({call.label for call in case.calls}) == len(case.calls), case.name


def test_every_deviation_names_a_call_that_exists() -> None:
    """A deviation whose call is gone leaves the list."""
    for (which, title, label), reason in DEVIATIONS.items():
        assert which in ENGINES
        assert label in {call.label for call in CASES[title].calls}, (title, label)
        assert reason
