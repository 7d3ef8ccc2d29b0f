"""What DynamoDB bills for a call, worked out from the items it touched.

The rules: a write unit is 1 KB of the larger of an item's two forms, a consistent read unit 4 KB, half of one where the
read may lag; a Query is billed for the sum of what it looked at, a Get for each item by itself; a transaction bills
double, also for the entries its writes make in indexes; a refused condition bills as if it had been met. An index entry
that comes or goes is a write of its size, one whose keys change is two. Amazon's own DynamoDB Local answers the same
numbers (`python -m bench.cost --against-dynamodb-local`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proof.dynamodb.memory_table import MemoryTable
from proof.dynamodb.rows import Row
from proof.dynamodb.schema import INDEXES, Index
from proof.dynamodb.values import item_weight

WRITE_UNIT = 1024
READ_UNIT = 4096

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Units:
    """Request units."""

    read: float = 0
    write: float = 0

    def __add__(self, other: "Units") -> "Units":
        return Units(self.read + other.read, self.write + other.write)


def bill(table: MemoryTable, operation: str, request: dict[str, Any]) -> tuple[dict[str, Any] | Exception, Units]:
    """Make the call, and say what it is billed: the answer (or what was raised instead of one) and its units."""
    if operation not in BILLED:
        raise NotImplementedError(f"the cost of {operation} is not described here")
    before = table.state.rows
    try:
        answer: dict[str, Any] | Exception = table.call(operation, request)
    except Exception as error:
        answer = error
    after = table.state.rows
    if operation in ("GetItem", "BatchGetItem"):
        return answer, Units(
            read=sum(_units(_weight(before, key), READ_UNIT) for key in _read_keys(operation, request))
        )
    if operation == "Query":
        return answer, Units(read=_queried(answer, request))
    write = 0
    for key in _written(operation, request):
        heavier = max(_weight(before, key), _weight(after, key))
        write += _units(heavier, WRITE_UNIT) + _index_units(before.get(key), after.get(key))
    return answer, Units(write=write * (2 if operation == "TransactWriteItems" else 1))


BILLED = frozenset({"GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "TransactWriteItems"})


def _units(size: int, unit: int) -> int:
    return max(1, math.ceil(size / unit))


def _weight(rows: Any, key: Key) -> int:
    row = rows.get(key)
    return 0 if row is None else int(row.weight)


def _key(attributes: dict[str, Any]) -> Key:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def _read_keys(operation: str, request: dict[str, Any]) -> Iterator[Key]:
    if operation == "GetItem":
        yield _key(request["Key"])
        return
    for part in request["RequestItems"].values():
        yield from map(_key, part["Keys"])


def _queried(answer: dict[str, Any] | Exception, request: dict[str, Any]) -> float:
    size = 0 if isinstance(answer, Exception) else sum(item_weight(item) for item in answer["Items"])
    # One that finds nothing bills the least there is; DynamoDB Local says 0 there.
    units = _units(size, READ_UNIT)
    return units if request.get("ConsistentRead") else units / 2


def _written(operation: str, request: dict[str, Any]) -> Iterator[Key]:
    actions = [request]
    if operation == "TransactWriteItems":
        actions = [action for entry in request["TransactItems"] for action in entry.values()]
    for action in actions:
        yield _key(action.get("Key") or action["Item"])


def _index_units(old: Row | None, new: Row | None) -> int:
    return sum(_entry_units(_entry(index, old), _entry(index, new)) for index in INDEXES)


def _entry(index: Index, row: Row | None) -> dict[str, Any] | None:
    """What a KEYS_ONLY index holds of the row, None where it has no place in it."""
    if row is None or index.hash[0] not in row.attributes or index.range[0] not in row.attributes:
        return None
    return {name: row.attributes[name] for name in ("pk", "sk", index.hash[0], index.range[0])}


def _entry_units(old: dict[str, Any] | None, new: dict[str, Any] | None) -> int:
    if old == new:
        return 0
    return sum(_units(item_weight(entry), WRITE_UNIT) for entry in (old, new) if entry is not None)
