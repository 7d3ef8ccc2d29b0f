"""A case of the conformance tests: its calls, and the requests they are made of."""

from dataclasses import dataclass, field, replace
from typing import Any

from proof.engines.engines import TABLE

Wire = dict[str, Any]
KEY: Wire = {"pk": {"S": "a"}, "sk": {"S": "b"}}
FULL: Wire = {
    **KEY,
    "s": {"S": "héllo😀"},
    "n": {"N": "12"},
    "l": {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}]},
    "m": {"M": {"x": {"S": "1"}}},
    "nl": {"NULL": True},
    "t": {"BOOL": True},
    "b": {"B": b"abc"},
    "ss": {"SS": ["a", "b"]},
}


@dataclass(frozen=True)
class Call:
    """One request; `label` is unique within its case."""

    label: str
    operation: str
    request: Wire


@dataclass(frozen=True)
class Case:
    """A story of calls. Items `given` are put first, and put again before each call where `afresh`.

    `exotic` cases run on the reference alone: they are about limits and malformed requests, which the others take
    lightly and Outlive never sends. So are the calls whose labels are in `exotic_calls`.
    """

    name: str
    calls: list[Call]
    given: list[Wire] = field(default_factory=list)
    afresh: bool = False
    exotic: bool = False
    exotic_calls: frozenset[str] = frozenset()

    def common(self) -> "Case":
        """The case without what is exotic."""
        plain = [] if self.exotic else [call for call in self.calls if call.label not in self.exotic_calls]
        return replace(self, calls=plain)


def v(**values: Any) -> Wire:
    """Placeholders from plain values: `v(a=1)` is `{":a": {"N": "1"}}`; a dict stands for itself."""
    return {f":{name}": wire(value) for name, value in values.items()}


def wire(value: Any) -> Wire:
    """The wire form of a plain value."""
    if isinstance(value, dict):
        return value
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, bytes):
        return {"B": value}
    return {"S": value}


def item(pk: str, sk: str, **attributes: Any) -> Wire:
    """An item from plain values."""
    return {"pk": {"S": pk}, "sk": {"S": sk}, **{name: wire(value) for name, value in attributes.items()}}


def key(pk: str, sk: str) -> Wire:
    """A key."""
    return item(pk, sk)


def put(it: Wire, **rest: Any) -> Wire:
    """A PutItem request, or a transaction's Put."""
    return {"TableName": TABLE, "Item": it, **rest}


def at(k: Wire, **rest: Any) -> Wire:
    """A request on one key."""
    return {"TableName": TABLE, "Key": k, **rest}


def when(text: str, values: Wire | None = None, names: Wire | None = None, **rest: Any) -> Wire:
    """The members of a condition that shows the old item when it is refused."""
    request: Wire = {"ConditionExpression": text, "ReturnValuesOnConditionCheckFailure": "ALL_OLD", **rest}
    if values is not None:
        request["ExpressionAttributeValues"] = values
    if names is not None:
        request["ExpressionAttributeNames"] = names
    return request


def change(text: str, values: Wire | None = None, names: Wire | None = None, **rest: Any) -> Wire:
    """The members of an update."""
    request: Wire = {"UpdateExpression": text, **rest}
    if values is not None:
        request["ExpressionAttributeValues"] = values
    if names is not None:
        request["ExpressionAttributeNames"] = names
    return request


def transact(*actions: Wire, **rest: Any) -> Wire:
    """A TransactWriteItems request."""
    return {"TransactItems": list(actions), **rest}


def query(pk: str, more: str = "", values: Wire | None = None, **rest: Any) -> Wire:
    """A Query of one partition of the table."""
    text = "#pk = :pk" + (f" AND {more}" if more else "")
    names = {"#pk": "pk", **({"#sk": "sk"} if "#sk" in more else {})}
    return {
        "TableName": TABLE,
        "KeyConditionExpression": text,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {":pk": {"S": pk}, **(values or {})},
        **rest,
    }
