"""One DynamoDB table in memory, at the level of botocore's request and response dicts.

Rows are immutable and shared: a write replaces the dict of rows, so a snapshot is a reference and restoring one is an
assignment. Equal items are one object, so states compare and hash by identity. What this table does not know it refuses
with NotImplementedError, never with a guess. The conformance tests hold it to the real engine.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from proof.dynamodb import expressions
from proof.dynamodb.expressions import Placeholders, Steps
from proof.dynamodb.refusals import cancelled, client_error, condition_failed, invalid
from proof.dynamodb.values import (
    Attributes,
    Invalid,
    Value,
    copy_attributes,
    frozen,
    item_weight,
    kind,
    legal_attributes,
    order,
    text_bytes,
    weight,
)

Wire: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[Any, Any]

ITEM_BYTES = 400 * 1024
PAGE_BYTES = 1024 * 1024
BATCH_BYTES = 16 * 1024 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024
TRANSACTION_ACTIONS = 100
BATCH_KEYS = 100
HASH_BYTES, RANGE_BYTES = 2048, 1024
TOKEN_SECONDS = 600

ALL_OLD = "ALL_OLD"
RETURNS = {
    "PutItem": {"NONE", ALL_OLD},
    "DeleteItem": {"NONE", ALL_OLD},
    "UpdateItem": {"NONE", ALL_OLD, "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"},
}


@dataclass(frozen=True, slots=True)
class Index:
    """A key: names and types of its hash and range attribute. `name` is None for the table's own."""

    name: str | None
    hash: tuple[str, str]
    range: tuple[str, str]


BASE = Index(None, ("pk", "S"), ("sk", "S"))
INDEXES = (
    Index("active", ("active_shard", "S"), ("created_at", "S")),
    Index("due", ("due_shard", "S"), ("due_at", "S")),
    Index("by_chat", ("chat_key", "S"), ("assistant_seq", "N")),
)


class Row:
    """An item as it stands in the table: immutable by convention, one object for equal contents."""

    __slots__ = ("attributes", "number", "weight")
    _interned: dict[Any, "Row"] = {}

    attributes: Attributes
    number: int
    weight: int

    @classmethod
    def of(cls, attributes: Attributes) -> "Row":
        """The one row with these contents. `attributes` must be in canonical form and never change again."""
        identity = frozenset((name, frozen(value)) for name, value in attributes.items())
        interned = cls._interned.get(identity)
        if interned is None:
            interned = cls()
            interned.attributes = attributes
            interned.number = len(cls._interned)
            interned.weight = item_weight(attributes)
            cls._interned[identity] = interned
        return interned


class State(NamedTuple):
    """All a table holds at one instant: its rows, and the finished transactions by client token."""

    rows: Mapping[Key, Row]
    tokens: Mapping[str, tuple[float, str]]


class _Request:
    """One action's expressions with their placeholders: checked, and every placeholder accounted for."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        names = request.get("ExpressionAttributeNames")
        values = request.get("ExpressionAttributeValues")
        self.expressions = any(
            request.get(each) is not None
            for each in (
                "ConditionExpression",
                "UpdateExpression",
                "KeyConditionExpression",
                "FilterExpression",
                "ProjectionExpression",
            )
        )
        if names is not None and not self.expressions:
            raise Invalid("ExpressionAttributeNames can only be specified when using expressions")
        if values is not None and not self.expressions:
            raise Invalid("ExpressionAttributeValues can only be specified when using expressions")
        if names is not None and not names:
            raise Invalid("ExpressionAttributeNames must not be empty")
        if values is not None and not values:
            raise Invalid("ExpressionAttributeValues must not be empty")
        self.names: tuple[tuple[str, str], ...] = tuple((names or {}).items())
        self.values: Attributes = legal_attributes(values or {})
        self.used = Placeholders()
        self.request = request

    def condition(self, name: str = "ConditionExpression") -> expressions.Condition | None:
        text = self.request.get(name)
        if text is None:
            return None
        parsed = expressions.condition(name, text, self.names)
        self._take(parsed.used, parsed.checks)
        return parsed

    def update(self) -> expressions.Update | None:
        text = self.request.get("UpdateExpression")
        if text is None:
            return None
        parsed = expressions.update(text, self.names)
        self._take(parsed.used, parsed.checks)
        return parsed

    def key_condition(self) -> list[expressions.KeyCondition]:
        text = self.request.get("KeyConditionExpression")
        if text is None:
            raise Invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified")
        parsed, checks, used = expressions.key_condition(text, self.names)
        self._take(used, checks)
        return parsed

    def projection(self) -> list[Steps] | None:
        text = self.request.get("ProjectionExpression")
        if text is None:
            return None
        parsed, used = expressions.projection(text, self.names)
        self._take(used, [])
        return parsed

    def _take(self, used: Placeholders, checks: list[expressions.Check]) -> None:
        for check in checks:
            check(self.values)
        self.used.names |= used.names
        self.used.values |= used.values

    def all_used(self) -> None:
        """Raise `Invalid` where a placeholder is given that no expression uses."""
        if idle := {name for name, _ in self.names} - self.used.names:
            raise Invalid(f"Value provided in ExpressionAttributeNames unused in expressions: keys: {sorted(idle)}")
        if idle := set(self.values) - self.used.values:
            raise Invalid(f"Value provided in ExpressionAttributeValues unused in expressions: keys: {sorted(idle)}")


@dataclass(slots=True)
class _Write:
    """One checked action, ready to be tried on the row it names. `old` and `new` are None where there is no item."""

    key: Key
    test: expressions.Condition | None
    values: Attributes
    make: Callable[[Attributes | None], Attributes | None]
    writes: bool
    on_failure: str
    weight: int


class MemoryTable:
    """A table with its indexes. `now` is the clock that client tokens expire by; fixed where none is given."""

    def __init__(
        self,
        name: str = "runs",
        base: Index = BASE,
        indexes: tuple[Index, ...] = INDEXES,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name = name
        self.base = base
        self.indexes = {index.name: index for index in indexes}
        self.now = now
        self.state = State({}, {})
        self._calls: dict[str, Callable[[Wire], Wire]] = {
            "GetItem": self._get,
            "BatchGetItem": self._batch_get,
            "Query": self._query,
            "PutItem": self._put,
            "UpdateItem": self._update,
            "DeleteItem": self._delete,
            "TransactWriteItems": self._transact,
        }

    def call(self, operation: str, request: Wire) -> Wire:
        """The answer DynamoDB gives to `request`; raises botocore's ClientError as it would."""
        handler = self._calls.get(operation)
        if handler is None:
            raise NotImplementedError(f"the table in memory does not know {operation}")
        try:
            return handler(request)
        except (Invalid, expressions.Refused) as refusal:
            raise invalid(operation, str(refusal)) from None

    def digest(self) -> tuple[int, ...]:
        """Equal exactly where the rows are; tokens never decide anything a run can see, so they are left out."""
        return tuple(sorted(row.number for row in self.state.rows.values()))

    def items(self) -> list[Attributes]:
        """Every item, for reading only, in key order."""
        return [self.state.rows[key].attributes for key in sorted(self.state.rows)]

    # -- keys --

    def _named(self, operation: str, request: Wire) -> None:
        if request.get("TableName") != self.name:
            raise client_error(
                operation, "ResourceNotFoundException", "Cannot do operations on a non-existent table"
            ) from None

    def _key(self, attributes: Attributes, exact: bool) -> Key:
        """The key in `attributes`, which are nothing else if `exact`. Raises `Invalid`."""
        names = (self.base.hash[0], self.base.range[0])
        if exact and set(attributes) != set(names):
            raise Invalid("The provided key element does not match the schema")
        held = []
        for (name, tag), limit in zip((self.base.hash, self.base.range), (HASH_BYTES, RANGE_BYTES), strict=True):
            value = attributes.get(name)
            if value is None:
                raise Invalid(f"One or more parameter values were invalid: Missing the key {name} in the item")
            held.append(_key_part(name, tag, limit, value, exact))
        return held[0], held[1]

    def _indexable(self, attributes: Attributes) -> None:
        """Raise `Invalid` where an index's key attribute has a type or size the index can't take."""
        for index in self.indexes.values():
            for (name, tag), limit in zip((index.hash, index.range), (HASH_BYTES, RANGE_BYTES), strict=True):
                value = attributes.get(name)
                if value is None:
                    continue
                if kind(value) != tag:
                    raise Invalid(
                        f"One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {tag} "
                        f"Actual: {kind(value)} IndexName: {index.name}"
                    )
                if tag != "N" and not 0 < _length(value) <= limit:
                    raise Invalid(
                        f"One or more parameter values are not valid. The size of the value for index key {name} of "
                        f"{index.name} is out of bounds"
                    )

    # -- reads --

    def _get(self, request: Wire) -> Wire:
        self._named("GetItem", request)
        parsed = _Request(request)
        projection = parsed.projection()
        parsed.all_used()
        row = self.state.rows.get(self._key(legal_attributes(request["Key"]), exact=True))
        return {} if row is None else {"Item": _projected(row.attributes, projection)}

    def _batch_get(self, request: Wire) -> Wire:
        items = request.get("RequestItems")
        if not items:
            raise Invalid("The requestItems parameter is required for BatchGetItem")
        if sum(len(part["Keys"]) for part in items.values()) > BATCH_KEYS:
            raise Invalid("Too many items requested for the BatchGetItem call")
        items_found: list[Attributes] = []
        left: list[Attributes] = []
        taken = 0
        for name, part in items.items():
            self._named("BatchGetItem", {"TableName": name})
            if not part["Keys"]:
                raise Invalid("The list of keys must not be empty")
            parsed = _Request(part)
            projection = parsed.projection()
            parsed.all_used()
            keys = [self._key(legal_attributes(key), exact=True) for key in part["Keys"]]
            if len(set(keys)) != len(keys):
                raise Invalid("Provided list of item keys contains duplicates")
            for key, raw in zip(keys, part["Keys"], strict=True):
                row = self.state.rows.get(key)
                if row is None:
                    continue
                if left or taken + row.weight > BATCH_BYTES:
                    left.append(raw)
                    continue
                taken += row.weight
                items_found.append(_projected(row.attributes, projection))
        rest = {self.name: {**items[self.name], "Keys": left}} if left else {}
        return {"Responses": {self.name: items_found}, "UnprocessedKeys": rest}

    def _query(self, request: Wire) -> Wire:
        self._named("Query", request)
        for unknown in ("KeyConditions", "QueryFilter", "AttributesToGet"):
            if request.get(unknown) is not None:
                raise NotImplementedError(f"the table in memory does not know {unknown}")
        index = self.base
        if request.get("IndexName") is not None:
            if request["IndexName"] not in self.indexes:
                raise Invalid(f"The table does not have the specified index: {request['IndexName']}")
            index = self.indexes[request["IndexName"]]
            if request.get("ConsistentRead"):
                raise Invalid("Consistent reads are not supported on global secondary indexes")
        limit = request.get("Limit")
        if limit is not None and limit < 1:
            raise Invalid("Limit must be greater than or equal to 1")
        parsed = _Request(request)
        clauses = parsed.key_condition()
        filtered = parsed.condition("FilterExpression")
        projection = parsed.projection()
        parsed.all_used()
        partition, within = _bounds(index, clauses, parsed.values)
        forward = request.get("ScanIndexForward", True)
        rows = [
            row
            for row in self.state.rows.values()
            if (hashed := row.attributes.get(index.hash[0])) is not None
            and hashed == partition
            and index.range[0] in row.attributes
            and within(row.attributes[index.range[0]])
        ]
        places = {id(row): self._place(index, row.attributes) for row in rows}
        rows.sort(key=lambda row: places[id(row)], reverse=not forward)
        start = request.get("ExclusiveStartKey")
        if start is not None:
            after = self._start(index, legal_attributes(start), partition, within)
            rows = [row for row in rows if (places[id(row)] > after if forward else places[id(row)] < after)]
        page: list[Attributes] = []
        taken = scanned = 0
        last: Row | None = None
        for row in rows:
            seen = row.attributes if index.name is None else self._keys_only(index, row.attributes)
            size = row.weight if index.name is None else item_weight(seen)
            if scanned and taken + size > PAGE_BYTES:
                break
            taken += size
            scanned += 1
            last = row
            if filtered is None or filtered.test(seen, parsed.values):
                page.append(_projected(seen, projection))
            if limit is not None and scanned == limit:
                break
        answer: Wire = {"Count": len(page), "ScannedCount": scanned}
        if request.get("Select") != "COUNT":
            answer["Items"] = page
        if last is not None and (scanned < len(rows) or (limit is not None and scanned == limit)):
            answer["LastEvaluatedKey"] = self._keys_only(index, last.attributes)
        return answer

    def _keys_only(self, index: Index, attributes: Attributes) -> Attributes:
        names = {self.base.hash[0], self.base.range[0], index.hash[0], index.range[0]}
        return copy_attributes({name: value for name, value in attributes.items() if name in names})

    def _place(self, index: Index, attributes: Attributes) -> tuple[Any, ...]:
        """Where an item stands in an index: by its range key, ties broken by the table's own key."""
        base = tuple(order(attributes[name]) for name in (self.base.hash[0], self.base.range[0]))
        return (order(attributes[index.range[0]]), *base)

    def _start(
        self, index: Index, start: Attributes, partition: Value, within: Callable[[Value], bool]
    ) -> tuple[Any, ...]:
        names = {self.base.hash[0], self.base.range[0], index.hash[0], index.range[0]}
        if set(start) != names:
            raise Invalid("The provided starting key is invalid")
        for each in (self.base, index):
            for name, tag in (each.hash, each.range):
                if kind(start[name]) != tag:
                    raise Invalid("The provided starting key is invalid")
        if start[index.hash[0]] != partition or not within(start[index.range[0]]):
            raise Invalid("The provided starting key is outside query boundaries based on provided conditions")
        return self._place(index, start)

    # -- writes --

    def _put(self, request: Wire) -> Wire:
        return self._write_one("PutItem", request, self._put_action(request))

    def _update(self, request: Wire) -> Wire:
        return self._write_one("UpdateItem", request, self._update_action(request))

    def _delete(self, request: Wire) -> Wire:
        return self._write_one("DeleteItem", request, self._delete_action(request))

    def _write_one(self, operation: str, request: Wire, write: _Write) -> Wire:
        self._named(operation, request)
        returns = request.get("ReturnValues", "NONE")
        if returns not in RETURNS[operation]:
            raise Invalid(f"ReturnValues can not be {returns} for {operation}")
        row = self.state.rows.get(write.key)
        old = None if row is None else row.attributes
        if write.test is not None and not write.test.test(old or {}, write.values):
            shown = copy_attributes(old) if old is not None and write.on_failure == ALL_OLD else None
            raise condition_failed(operation, shown)
        new = write.make(old)
        self._replace({write.key: new})
        if returns == ALL_OLD and old is not None:
            return {"Attributes": copy_attributes(old)}
        if returns == "ALL_NEW" and new is not None:
            return {"Attributes": copy_attributes(new)}
        if returns in ("UPDATED_OLD", "UPDATED_NEW"):
            raise NotImplementedError(f"the table in memory does not know ReturnValues {returns}")
        return {}

    def _replace(self, changed: Mapping[Key, Attributes | None]) -> None:
        rows = dict(self.state.rows)
        for key, new in changed.items():
            if new is None:
                rows.pop(key, None)
            else:
                rows[key] = Row.of(new)
        self.state = self.state._replace(rows=rows)

    def _guarded(self, action: Wire) -> _Request:
        for unknown in ("Expected", "AttributeUpdates", "ConditionalOperator"):
            if action.get(unknown) is not None:
                raise NotImplementedError(f"the table in memory does not know {unknown}")
        if action.get("ReturnValuesOnConditionCheckFailure", "NONE") not in ("NONE", ALL_OLD):
            raise Invalid("ReturnValuesOnConditionCheckFailure must be NONE or ALL_OLD")
        return _Request(action)

    def _put_action(self, action: Wire) -> _Write:
        parsed = self._guarded(action)
        test = parsed.condition()
        parsed.all_used()
        item = legal_attributes(action["Item"])
        key = self._key(item, exact=False)
        self._indexable(item)
        heavy = item_weight(item)
        if heavy > ITEM_BYTES:
            raise Invalid("Item size has exceeded the maximum allowed size")
        return self._action(action, key, test, parsed, lambda old: item, heavy)

    def _update_action(self, action: Wire) -> _Write:
        parsed = self._guarded(action)
        update = parsed.update()
        test = parsed.condition()
        parsed.all_used()
        named = legal_attributes(action["Key"])
        key = self._key(named, exact=True)
        if update is not None:
            for steps in update.paths:
                if steps[0] in named:
                    raise Invalid(
                        f"One or more parameter values were invalid: Cannot update attribute {steps[0]}. This attribute "
                        "is part of the key"
                    )

        def make(old: Attributes | None) -> Attributes:
            before = named if old is None else old
            new = before if update is None else expressions.apply(update, before, parsed.values)
            try:
                self._indexable(new)
            except Invalid as mismatch:
                raise expressions.Refused(str(mismatch)) from None
            if item_weight(new) > ITEM_BYTES:
                raise expressions.Refused("Item size to update has exceeded the maximum allowed size")
            return new

        return self._action(action, key, test, parsed, make, sum(map(weight, parsed.values.values())))

    def _delete_action(self, action: Wire) -> _Write:
        parsed = self._guarded(action)
        test = parsed.condition()
        parsed.all_used()
        key = self._key(legal_attributes(action["Key"]), exact=True)
        return self._action(action, key, test, parsed, lambda old: None, 0)

    def _check_action(self, action: Wire) -> _Write:
        if action.get("ConditionExpression") is None:
            raise Invalid("A ConditionCheck needs a condition")
        write = self._delete_action(action)
        write.writes = False
        return write

    def _action(
        self,
        action: Wire,
        key: Key,
        test: expressions.Condition | None,
        parsed: _Request,
        make: Callable[[Attributes | None], Attributes | None],
        heavy: int,
    ) -> _Write:
        on_failure = action.get("ReturnValuesOnConditionCheckFailure", "NONE")
        return _Write(key, test, parsed.values, make, True, on_failure, heavy)

    # -- transactions --

    def _transact(self, request: Wire) -> Wire:
        actions = request.get("TransactItems") or []
        if not 1 <= len(actions) <= TRANSACTION_ACTIONS:
            raise Invalid("Member must have length less than or equal to 100 and at least 1")
        makers = {
            "Put": self._put_action,
            "Update": self._update_action,
            "Delete": self._delete_action,
            "ConditionCheck": self._check_action,
        }
        writes: list[_Write] = []
        for entry in actions:
            if len(entry) != 1:
                raise Invalid("TransactItems can only contain one of Check, Put, Update or Delete")
            ((sort, action),) = entry.items()
            self._named("TransactWriteItems", action)
            if sort == "Update" and action.get("UpdateExpression") is None:
                raise Invalid("An Update in a transaction needs an update expression")
            writes.append(makers[sort](action))
        keys = [write.key for write in writes]
        if len(set(keys)) != len(keys):
            raise Invalid("Transaction request cannot include multiple operations on one item")
        if sum(write.weight for write in writes) > TRANSACTION_BYTES:
            raise Invalid("Collection size exceeded: the transaction is larger than 4 MB")
        token = request.get("ClientRequestToken")
        content = "" if token is None else json.dumps(actions, sort_keys=True, default=repr)
        if token is not None and token in self.state.tokens:
            until, before = self.state.tokens[token]
            if self.now() < until:
                if before != content:
                    raise client_error(
                        "TransactWriteItems",
                        "IdempotentParameterMismatchException",
                        "The request was rejected because it was retried with a different payload",
                    )
                return {}
        changed: dict[Key, Attributes | None] = {}
        reasons: list[Wire] = []
        for write in writes:
            row = self.state.rows.get(write.key)
            old = None if row is None else row.attributes
            if write.test is not None and not write.test.test(old or {}, write.values):
                reason: Wire = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
                if old is not None and write.on_failure == ALL_OLD:
                    reason["Item"] = copy_attributes(old)
                reasons.append(reason)
                continue
            try:
                if write.writes:
                    changed[write.key] = write.make(old)
                reasons.append({"Code": "None"})
            except expressions.Refused as refusal:
                reasons.append({"Code": "ValidationError", "Message": str(refusal)})
        if any(reason["Code"] != "None" for reason in reasons):
            raise cancelled(reasons)
        self._replace(changed)
        if token is not None:
            tokens = {**self.state.tokens, token: (self.now() + TOKEN_SECONDS, content)}
            self.state = self.state._replace(tokens=tokens)
        return {}


def _length(value: Value) -> int:
    held = value[kind(value)]
    return text_bytes(held) if isinstance(held, str) else len(held)


def _key_part(name: str, tag: str, limit: int, value: Value, exact: bool) -> Any:
    if kind(value) != tag:
        if exact:
            raise Invalid("The provided key element does not match the schema")
        raise Invalid(
            f"One or more parameter values were invalid: Type mismatch for key {name} expected: {tag} "
            f"actual: {kind(value)}"
        )
    held = value[tag]
    if tag == "N":
        return Decimal(held)
    if not held:
        raise Invalid(f"One or more parameter values are not valid. The AttributeValue for {name} is empty")
    if _length(value) > limit:
        raise Invalid(f"One or more parameter values were invalid: Size of {name} has exceeded the maximum size limit")
    return held


def _bounds(
    index: Index, clauses: list[expressions.KeyCondition], values: Attributes
) -> tuple[Value, Callable[[Value], bool]]:
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
            if keys[clause.name] != "N" and not _length(values[operand]):
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


def _projected(attributes: Attributes, paths: list[Steps] | None) -> Attributes:
    """The projected paths, or all; always a copy."""
    if paths is None:
        return copy_attributes(attributes)
    if any(len(path) > 1 for path in paths):
        raise NotImplementedError("the table in memory projects top-level attributes only")
    return copy_attributes({str(path[0]): attributes[str(path[0])] for path in paths if path[0] in attributes})
