"""How the table is called, and what its errors mean."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import QueryError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex

from outlive.errors import Item, StoreBroken, StoreBusy, StoreUnanswered
from outlive.store.refused import Refused
from outlive.store.row import Row

BUSY = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
    }
)
UNANSWERED = frozenset(
    {"TransactionInProgressException", "InternalServerError", "InternalFailure", "ServiceUnavailable", "RequestTimeout"}
)
HTTP_SERVER_ERROR = 500
REFUSAL_CODES = frozenset({"None", "ConditionalCheckFailed"})
"""The codes of a transaction's actions if only conditions refused it."""
BATCH_ROUNDS = 5
"""How often the keys that a batch left over are read again; a page of the largest runs takes two."""


def store_error(error: Exception, names: tuple[str, ...]) -> Exception:
    """The error of Outlive for an error of the table's client: `Refused`, `StoreBusy`, `StoreUnanswered` or `StoreBroken`.

    PynamoDB drops the items of a refusal; the original error has them.
    """
    if isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError)):
        return StoreUnanswered(type(error).__name__)
    if not isinstance(error, ClientError):
        return StoreBroken(type(error).__name__)
    answer: dict[str, Any] = dict(getattr(error.__cause__, "response", None) or error.response)
    code = answer["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return Refused({names[0]: answer.get("Item") or None})
    if code == "TransactionCanceledException":
        reasons = answer.get("CancellationReasons") or []
        codes = {reason["Code"] for reason in reasons}
        if codes <= REFUSAL_CODES:
            refused = zip(names, reasons, strict=True)
            return Refused({name: why.get("Item") or None for name, why in refused if why["Code"] != "None"})
        others = ", ".join(sorted(codes - REFUSAL_CODES))
        return StoreBusy(others) if codes - REFUSAL_CODES <= BUSY else StoreBroken(f"TransactWriteItems: {others}")
    if code in BUSY:
        return StoreBusy(code)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in UNANSWERED or status >= HTTP_SERVER_ERROR:
        return StoreUnanswered(code)
    return StoreBroken(f"{error.operation_name}: {code}")


class Calls:
    """Calls of one table, with one client."""

    def __init__(self, connection: TableConnection) -> None:
        self._connection = connection.connection
        self._name = connection.table_name

    def _updating(self, row: Row, actions: list[Action], condition: Condition) -> dict[str, Any]:
        update = row.get_update_kwargs_from_instance(
            actions=actions, condition=condition, return_values_on_condition_failure="ALL_OLD"
        )
        return {"Update": update}

    def _putting(self, row: Row, condition: Condition) -> dict[str, Any]:
        put = row.get_save_kwargs_from_instance(condition=condition, return_values_on_condition_failure="ALL_OLD")
        return {"Put": put}

    def _checking(self, row: Row, condition: Condition) -> dict[str, Any]:
        check = row.get_delete_kwargs_from_instance(condition=condition, return_values_on_condition_failure="ALL_OLD")
        return {"ConditionCheck": check}

    def _transact(self, actions: dict[str, dict[str, Any]]) -> None:
        self._call("TransactWriteItems", {"TransactItems": list(actions.values())}, *actions)

    def _get(self, pk: str, sk: str) -> Item | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        answer = self._call("GetItem", {"TableName": self._name, "Key": key, "ConsistentRead": True})
        return answer.get("Item")

    def _get_all(self, keys: list[Item], projection: Mapping[str, Any] | None = None) -> Iterator[Item]:
        remaining = {self._name: {"Keys": keys, "ConsistentRead": True, **(projection or {})}} if keys else {}
        for _ in range(BATCH_ROUNDS):
            if not remaining:
                return
            answer = self._call("BatchGetItem", {"RequestItems": remaining})
            yield from answer["Responses"].get(self._name, [])
            remaining = answer.get("UnprocessedKeys") or {}
        raise StoreBusy("keys were left over again and again")

    def _query(
        self,
        key: str,
        range_condition: Condition | None,
        *,
        index: GlobalSecondaryIndex[Row] | None = None,
        consistent: bool = False,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Iterator[Item]:
        start, left = None, limit
        while True:
            ask = partial(
                self._connection.query,
                self._name,
                key,
                range_key_condition=range_condition,
                consistent_read=consistent,
                exclusive_start_key=start,
                index_name=index.Meta.index_name if index is not None else None,
                limit=left,
                scan_index_forward=not backwards,
            )
            page = self._answered(ask)
            yield from page["Items"]
            start = page.get("LastEvaluatedKey")
            left = None if left is None else left - len(page["Items"])
            if not start or left == 0:
                return

    def _call(self, operation: str, request: dict[str, Any], *names: str) -> dict[str, Any]:
        return self._answered(lambda: self._connection.dispatch(operation, request), *names)

    def _answered(self, ask: Callable[[], dict[str, Any]], *names: str) -> dict[str, Any]:
        """The table's answer. Raises the errors of `store_error`; `names` are the request's actions, in their order."""
        try:
            return ask()
        except QueryError as error:
            raise store_error(error.cause or error, names) from error
        except (BotoCoreError, ClientError) as error:
            raise store_error(error, names) from error
