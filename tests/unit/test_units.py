"""What the cost pages rest on: DynamoDB's rounding rules, each by an example worked out by hand."""

from typing import Any

import pytest

from proof.costs.units import Units, bill
from proof.dynamodb.memory_table import MemoryTable

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
INDEXED = {"active_shard": {"S": "1"}, "created_at": {"S": "2026"}}
NAMES = len("pk") + len("p") + len("sk") + len("s")


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable("runs")


def item(size: int, **more: Any) -> dict[str, Any]:
    """An item of exactly so many bytes, besides `more`."""
    return {**KEY, "x": {"S": "x" * (size - NAMES - 1)}, **more}


def put(table: MemoryTable, what: dict[str, Any], **more: Any) -> Units:
    return bill(table, "PutItem", {"TableName": "runs", "Item": what, **more})[1]


@pytest.mark.parametrize(("size", "units"), [(100, 1), (1024, 1), (1025, 2), (5000, 5)])
def test_a_write_is_a_unit_for_each_begun_kilobyte(table, size, units):
    assert put(table, item(size)) == Units(write=units)


def test_a_write_is_billed_for_the_larger_of_what_was_and_what_is(table):
    put(table, item(3000))
    assert put(table, item(100)) == Units(write=3)


def test_a_refused_write_is_billed_like_one_that_was_made(table):
    put(table, item(3000))
    refused = {"ConditionExpression": "attribute_not_exists(pk)"}
    answer, units = bill(table, "PutItem", {"TableName": "runs", "Item": item(100), **refused})
    assert isinstance(answer, Exception)
    assert units == Units(write=3)


def test_an_index_entry_is_billed_when_it_comes_changes_or_goes_and_not_otherwise(table):
    assert put(table, item(100, **INDEXED)) == Units(write=2)
    assert put(table, item(200, **INDEXED)) == Units(write=1)
    assert put(table, item(200, **{**INDEXED, "active_shard": {"S": "2"}})) == Units(write=3)
    assert put(table, item(200)) == Units(write=2)


def test_a_transaction_is_billed_double_item_by_item(table):
    puts = [{**KEY, "sk": {"S": f"s{number}"}, **(INDEXED if number else {})} for number in range(2)]
    request = {"TransactItems": [{"Put": {"TableName": "runs", "Item": one}} for one in puts]}
    assert bill(table, "TransactWriteItems", request)[1] == Units(write=6)


@pytest.mark.parametrize(("size", "units"), [(100, 1), (4096, 1), (4097, 2)])
def test_a_read_is_a_unit_for_each_begun_four_kilobytes(table, size, units):
    put(table, item(size))
    asked = {"TableName": "runs", "Key": KEY, "ConsistentRead": True}
    assert bill(table, "GetItem", asked)[1] == Units(read=units)


def test_a_query_is_billed_for_the_sum_and_half_where_it_may_lag(table):
    for number in range(3):
        put(table, {**item(2000, **INDEXED), "sk": {"S": str(number)}})
    base = {"TableName": "runs", "ExpressionAttributeValues": {":p": {"S": "p"}}, "KeyConditionExpression": "pk = :p"}
    assert bill(table, "Query", {**base, "ConsistentRead": True})[1] == Units(read=2)
    lagging = {**base, "IndexName": "active", "KeyConditionExpression": "active_shard = :p"}
    lagging["ExpressionAttributeValues"] = {":p": {"S": "1"}}
    assert bill(table, "Query", lagging)[1] == Units(read=0.5)


def test_a_call_without_a_price_is_refused_not_guessed(table):
    with pytest.raises(NotImplementedError):
        bill(table, "Scan", {})
