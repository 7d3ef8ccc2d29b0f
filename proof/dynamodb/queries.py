"""A Query: the page of rows that it answers with."""

from collections.abc import Callable, Mapping
from typing import Any

from proof.dynamodb.documents import Steps
from proof.dynamodb.key_conditions import KeyCondition
from proof.dynamodb.parsed import Parsed
from proof.dynamodb.rows import Row
from proof.dynamodb.schema import Index, Key, Schema, Wire, length
from proof.dynamodb.values import (
    Attributes,
    Invalid,
    Value,
    copy_attributes,
    item_weight,
    kind,
    legal_attributes,
    order,
)

PAGE_BYTES = 1024 * 1024


def query(schema: Schema, held: Mapping[Key, Row], request: Wire) -> Wire:
    schema.named("Query", request)
    for unknown in ("KeyConditions", "QueryFilter", "AttributesToGet"):
        if request.get(unknown) is not None:
            raise NotImplementedError(f"the table in memory does not know {unknown}")
    index = schema.base
    if request.get("IndexName") is not None:
        if request["IndexName"] not in schema.indexes:
            raise Invalid(f"The table does not have the specified index: {request['IndexName']}")
        index = schema.indexes[request["IndexName"]]
        if request.get("ConsistentRead"):
            raise Invalid("Consistent reads are not supported on global secondary indexes")
    limit = request.get("Limit")
    if limit is not None and limit < 1:
        raise Invalid("Limit must be greater than or equal to 1")
    parsed = Parsed(request)
    clauses = parsed.key_condition()
    filtered = parsed.condition("FilterExpression")
    projection = parsed.projection()
    parsed.all_used()
    partition, within = _key_bounds(index, clauses, parsed.values)
    forward = request.get("ScanIndexForward", True)
    rows = [
        row
        for row in held.values()
        if (hashed := row.attributes.get(index.hash[0])) is not None
        and hashed == partition
        and index.range[0] in row.attributes
        and within(row.attributes[index.range[0]])
    ]
    places = {id(row): schema.place(index, row.attributes) for row in rows}
    rows.sort(key=lambda row: places[id(row)], reverse=not forward)
    start = request.get("ExclusiveStartKey")
    if start is not None:
        after = _start(schema, index, legal_attributes(start), partition, within)
        rows = [row for row in rows if (places[id(row)] > after if forward else places[id(row)] < after)]
    page: list[Attributes] = []
    taken = scanned = 0
    last: Row | None = None
    for row in rows:
        seen = row.attributes if index.name is None else schema.keys_only(index, row.attributes)
        size = row.weight if index.name is None else item_weight(seen)
        if scanned and taken + size > PAGE_BYTES:
            break
        taken += size
        scanned += 1
        last = row
        if filtered is None or filtered.test(seen, parsed.values):
            page.append(projected(seen, projection))
        if limit is not None and scanned == limit:
            break
    answer: Wire = {"Count": len(page), "ScannedCount": scanned}
    if request.get("Select") != "COUNT":
        answer["Items"] = page
    if last is not None and (scanned < len(rows) or (limit is not None and scanned == limit)):
        answer["LastEvaluatedKey"] = schema.keys_only(index, last.attributes)
    return answer


def _start(
    schema: Schema, index: Index, start: Attributes, partition: Value, within: Callable[[Value], bool]
) -> tuple[Any, ...]:
    names = {schema.base.hash[0], schema.base.range[0], index.hash[0], index.range[0]}
    if set(start) != names:
        raise Invalid("The provided starting key is invalid")
    for each in (schema.base, index):
        for name, tag in (each.hash, each.range):
            if kind(start[name]) != tag:
                raise Invalid("The provided starting key is invalid")
    if start[index.hash[0]] != partition or not within(start[index.range[0]]):
        raise Invalid("The provided starting key is outside query boundaries based on provided conditions")
    return schema.place(index, start)


def _key_bounds(index: Index, clauses: list[KeyCondition], values: Attributes) -> tuple[Value, Callable[[Value], bool]]:
    """The partition a key condition names, and the test it puts on the range key. Raises `Invalid`."""
    names = [clause.name for clause in clauses]
    if len(clauses) > 2 or len(set(names)) != len(names):
        raise Invalid("KeyConditionExpressions must only contain one condition per key")
    keys = {index.hash[0]: index.hash[1], index.range[0]: index.range[1]}
    for clause in clauses:
        if clause.name not in keys:
            raise Invalid(f"Query condition missed key schema element: {index.hash[0]}")
        for operand in clause.operands:
            if kind(values[operand]) != keys[clause.name]:
                raise Invalid(
                    "One or more parameter values were invalid: Condition parameter type does not match schema"
                )
            if keys[clause.name] != "N" and not length(values[operand]):
                raise Invalid("One or more parameter values are not valid. The value of a key can not be empty")
    by_name = {clause.name: clause for clause in clauses}
    hashed = by_name.get(index.hash[0])
    if hashed is None:
        raise Invalid(f"Query condition missed key schema element: {index.hash[0]}")
    if hashed.operator != "=":
        raise Invalid("Query key condition not supported")
    partition = values[hashed.operands[0]]
    ranged = by_name.get(index.range[0])
    if ranged is None:
        return partition, lambda value: True
    operands = [values[operand] for operand in ranged.operands]
    tag = index.range[1]
    if ranged.operator == "begins_with":
        if tag == "N":
            raise Invalid(
                "Invalid KeyConditionExpression: Incorrect operand type for operator or function; begins_with"
            )
        head = operands[0][tag]
        return partition, lambda value: value[tag].startswith(head)
    if ranged.operator == "between":
        low, high = order(operands[0]), order(operands[1])
        return partition, lambda value: low <= order(value) <= high
    bound = order(operands[0])
    tests: dict[str, Callable[[Value], bool]] = {
        "=": lambda value: order(value) == bound,
        "<": lambda value: order(value) < bound,
        "<=": lambda value: order(value) <= bound,
        ">": lambda value: order(value) > bound,
        ">=": lambda value: order(value) >= bound,
    }
    return partition, tests[ranged.operator]


def projected(attributes: Attributes, paths: list[Steps] | None) -> Attributes:
    """The projected paths, or all; always a copy."""
    if paths is None:
        return copy_attributes(attributes)
    if any(len(path) > 1 for path in paths):
        raise NotImplementedError("the table in memory projects top-level attributes only")
    return copy_attributes({str(path[0]): attributes[str(path[0])] for path in paths if path[0] in attributes})
