"""Reads by key, one item and many."""

from collections.abc import Mapping

from proof.dynamodb.parsed import Parsed
from proof.dynamodb.queries import projected
from proof.dynamodb.rows import Row
from proof.dynamodb.schema import Key, Schema, Wire
from proof.dynamodb.values import Attributes, Invalid, legal_attributes

BATCH_BYTES = 16 * 1024 * 1024
BATCH_KEYS = 100


def get(schema: Schema, rows: Mapping[Key, Row], request: Wire) -> Wire:
    """The item of one key."""
    schema.named("GetItem", request)
    parsed = Parsed(request)
    projection = parsed.projection()
    parsed.all_used()
    row = rows.get(schema.key(legal_attributes(request["Key"]), exact=True))
    return {} if row is None else {"Item": projected(row.attributes, projection)}


def batch_get(schema: Schema, rows: Mapping[Key, Row], request: Wire) -> Wire:
    """The items of many keys, and the keys that one answer has no room for."""
    items = request.get("RequestItems")
    if not items:
        raise Invalid("The requestItems parameter is required for BatchGetItem")
    if sum(len(part["Keys"]) for part in items.values()) > BATCH_KEYS:
        raise Invalid("Too many items requested for the BatchGetItem call")
    items_found: list[Attributes] = []
    left: list[Attributes] = []
    taken = 0
    for name, part in items.items():
        schema.named("BatchGetItem", {"TableName": name})
        if not part["Keys"]:
            raise Invalid("The list of keys must not be empty")
        parsed = Parsed(part)
        projection = parsed.projection()
        parsed.all_used()
        keys = [schema.key(legal_attributes(key), exact=True) for key in part["Keys"]]
        if len(set(keys)) != len(keys):
            raise Invalid("Provided list of item keys contains duplicates")
        for key, raw in zip(keys, part["Keys"], strict=True):
            row = rows.get(key)
            if row is None:
                continue
            if left or taken + row.weight > BATCH_BYTES:
                left.append(raw)
                continue
            taken += row.weight
            items_found.append(projected(row.attributes, projection))
    rest = {schema.name: {**items[schema.name], "Keys": left}} if left else {}
    return {"Responses": {schema.name: items_found}, "UnprocessedKeys": rest}
