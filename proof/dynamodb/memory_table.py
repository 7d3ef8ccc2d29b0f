"""One DynamoDB table in memory, at the level of botocore's request and response dicts.

Rows are immutable and shared: a write replaces the dict of rows, so a snapshot is a reference and restoring one is an
assignment. Equal items are one object, so states compare and hash by identity. What this table does not know it refuses
with NotImplementedError, never with a guess. The conformance tests hold it to the real engine.
"""

import json
from collections.abc import Callable, Mapping

from proof.dynamodb.documents import Refused
from proof.dynamodb.gets import batch_get, get
from proof.dynamodb.queries import query
from proof.dynamodb.refusals import client_error, condition_failed, invalid
from proof.dynamodb.rows import Row, State
from proof.dynamodb.schema import BASE, INDEXES, Index, Key, Schema, Wire
from proof.dynamodb.transactions import checked, tried
from proof.dynamodb.values import Attributes, Invalid, copy_attributes
from proof.dynamodb.writes import ALL_OLD, delete_action, put_action, update_action

TOKEN_SECONDS = 600

READS = {"GetItem": get, "BatchGetItem": batch_get, "Query": query}
WRITES = {
    "PutItem": (put_action, {"NONE", ALL_OLD}),
    "DeleteItem": (delete_action, {"NONE", ALL_OLD}),
    "UpdateItem": (update_action, {"NONE", ALL_OLD, "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"}),
}
"""How each write is made of its request, and what it may return."""


class MemoryTable:
    """A table with its indexes. `now` is the clock that client tokens expire by; fixed where none is given."""

    def __init__(
        self,
        name: str = "runs",
        base: Index = BASE,
        indexes: tuple[Index, ...] = INDEXES,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.schema = Schema(name, base, indexes)
        self.now = now
        self.state = State({}, {})

    def call(self, operation: str, request: Wire) -> Wire:
        """The answer DynamoDB gives to `request`; raises botocore's ClientError as it would."""
        try:
            if operation in READS:
                return READS[operation](self.schema, self.state.rows, request)
            if operation in WRITES:
                return self._write(operation, request)
            if operation == "TransactWriteItems":
                return self._transact(request)
        except (Invalid, Refused) as refusal:
            raise invalid(operation, str(refusal)) from None
        raise NotImplementedError(f"the table in memory does not know {operation}")

    def digest(self) -> tuple[int, ...]:
        """Equal exactly where the rows are; tokens never decide anything a run can see, so they are left out."""
        return tuple(sorted(row.number for row in self.state.rows.values()))

    def items(self) -> list[Attributes]:
        """Every item, for reading only, in key order."""
        return [self.state.rows[key].attributes for key in sorted(self.state.rows)]

    def _write(self, operation: str, request: Wire) -> Wire:
        make, possible = WRITES[operation]
        write = make(self.schema, request)
        self.schema.named(operation, request)
        returns = request.get("ReturnValues", "NONE")
        if returns not in possible:
            raise Invalid(f"ReturnValues can not be {returns} for {operation}")
        row = self.state.rows.get(write.key)
        old = None if row is None else row.attributes
        if not write.holds(old):
            raise condition_failed(operation, write.shown(old))
        new = write.make(old)
        self._replace({write.key: new})
        if returns == ALL_OLD and old is not None:
            return {"Attributes": copy_attributes(old)}
        if returns == "ALL_NEW" and new is not None:
            return {"Attributes": copy_attributes(new)}
        if returns in ("UPDATED_OLD", "UPDATED_NEW"):
            raise NotImplementedError(f"the table in memory does not know ReturnValues {returns}")
        return {}

    def _transact(self, request: Wire) -> Wire:
        actions = request.get("TransactItems") or []
        writes = checked(self.schema, actions)
        token = request.get("ClientRequestToken")
        if token is None:
            self._replace(tried(self.state.rows, writes))
            return {}
        content = json.dumps(actions, sort_keys=True, default=repr)
        until, before = self.state.tokens.get(token, (self.now(), ""))
        if self.now() < until:
            if before != content:
                raise client_error(
                    "TransactWriteItems",
                    "IdempotentParameterMismatchException",
                    "The request was rejected because it was retried with a different payload",
                )
            return {}
        self._replace(tried(self.state.rows, writes))
        tokens = {**self.state.tokens, token: (self.now() + TOKEN_SECONDS, content)}
        self.state = self.state._replace(tokens=tokens)
        return {}

    def _replace(self, changed: Mapping[Key, Attributes | None]) -> None:
        rows = dict(self.state.rows)
        for key, new in changed.items():
            if new is None:
                rows.pop(key, None)
            else:
                rows[key] = Row.of(new)
        self.state = self.state._replace(rows=rows)
