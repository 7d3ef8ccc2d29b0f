"""Cases of keys, sizes and reads by key."""

from collections.abc import Iterator
from typing import Any

from proof.engines.calls import FULL, KEY, Call, Case, Wire, at, change, item, key, put, transact, v
from proof.engines.engines import TABLE


def keys() -> Iterator[Case]:
    """Legal and illegal keys."""
    odd: list[tuple[str, Wire]] = [
        ("missing range", {"pk": {"S": "a"}}),
        ("one too many", {**KEY, "n": {"N": "1"}}),
        ("number for text", {"pk": {"N": "1"}, "sk": {"S": "b"}}),
        ("null", {"pk": {"NULL": True}, "sk": {"S": "b"}}),
        ("empty hash", key("", "b")),
        ("empty range", key("a", "")),
        ("hash at its limit", key("a" * 2048, "b")),
        ("hash too long", key("a" * 2049, "b")),
        ("hash too long in bytes", key("é" * 1025, "b")),
        ("range at its limit", key("a", "é" * 512)),
        ("range too long", key("a", "é" * 512 + "b")),
    ]
    puts = [Call(name, "PutItem", put(k)) for name, k in odd if name != "one too many"]
    changes = [Call(name, "UpdateItem", at(k, **change("SET q = :a", v(a=1)))) for name, k in odd]
    yield Case("keys to get", [Call(name, "GetItem", at(k)) for name, k in odd], [FULL], exotic=True)
    yield Case("keys to put", puts, exotic=True)
    yield Case("keys to update", changes, exotic=True)
    yield Case(
        "index keys to put",
        [
            Call("a number for the shard", "PutItem", put(item("a", "1", active_shard=1, created_at="x"))),
            Call("an empty shard", "PutItem", put(item("a", "2", active_shard="", created_at="x"))),
            Call("no sort key", "PutItem", put(item("a", "3", active_shard="x"))),
            Call("a text for a number", "PutItem", put(item("a", "4", chat_key="c", assistant_seq="x"))),
            Call("a null", "PutItem", put(item("a", "5", chat_key={"NULL": True}))),
            Call("shard too long", "PutItem", put(item("a", "6", active_shard="x" * 2049, created_at="x"))),
        ],
        exotic=True,
    )


def sizes() -> Iterator[Case]:
    """Items at and past 400 KB, weighed as DynamoDB weighs them."""
    limit = 400 * 1024
    # pk, sk and their values weigh 2 + 1 + 2 + 1; the attribute's name one more.
    room = limit - 6 - 1
    weighed: list[tuple[str, Any, int]] = [
        ("text", {"S": ""}, 0),
        ("wide text", {"S": "é😀"}, 6),
        ("bytes", {"B": b"abc"}, 3),
        ("true", {"BOOL": True}, 1),
        ("null", {"NULL": True}, 1),
        ("list", {"L": [{"S": "abc"}, {"NULL": True}]}, 3 + 1 + 3 + 1 + 1),
        ("map", {"M": {"key": {"S": "abc"}}}, 3 + 1 + 3 + 3),
        ("empty map", {"M": {}}, 3),
        ("set", {"SS": ["a", "bc"]}, 3),
        ("number 0", {"N": "0"}, 1),
        ("number 1", {"N": "1"}, 2),
        ("number 10", {"N": "10"}, 2),
        ("number 12", {"N": "12"}, 2),
        ("number 100", {"N": "100"}, 2),
        ("number 123", {"N": "123"}, 3),
        ("number -1", {"N": "-1"}, 3),
        ("number -123", {"N": "-123"}, 4),
        ("number 1.5", {"N": "1.5"}, 3),
        ("number 1763688000123", {"N": "1763688000123"}, 8),
        ("number 0.001", {"N": "0.001"}, 2),
    ]
    for name, value, weight in weighed:
        fill = room - 1 - weight
        yield Case(
            f"size of {name}",
            [
                Call("fits", "PutItem", put(item("a", "b", f="x" * fill, g=value))),
                Call("one byte too many", "PutItem", put(item("a", "b", f="x" * (fill + 1), g=value))),
            ],
            exotic=True,
        )
    yield Case(
        "growing past the limit",
        [
            Call("update fits", "UpdateItem", at(key("a", "b"), **change("SET f = :a", v(a="x" * room)))),
            Call("update too large", "UpdateItem", at(key("a", "b"), **change("SET f = :a", v(a="x" * (room + 1))))),
            Call(
                "put in a transaction", "TransactWriteItems", transact({"Put": put(item("a", "c", f="x" * (room + 1)))})
            ),
            Call(
                "update in a transaction",
                "TransactWriteItems",
                transact(
                    {"Put": put(key("z", "z"))},
                    {"Update": at(key("a", "b"), **change("SET f = :a, g = :b", v(a="x" * room, b="y")))},
                ),
            ),
        ],
        exotic=True,
    )


def reads() -> Iterator[Case]:
    """Items by key, one and many."""
    rows = [item("a", f"{n}", n=n) for n in range(3)]

    def many(*wanted: Wire, **rest: Any) -> Wire:
        return {"RequestItems": {TABLE: {"Keys": list(wanted), **rest}}}

    yield Case(
        "reads",
        [
            Call("there", "GetItem", at(key("a", "1"), ConsistentRead=True)),
            Call("missing", "GetItem", at(key("a", "9"))),
            Call("projected", "GetItem", at(key("a", "1"), ProjectionExpression="n, gone")),
            Call("many", "BatchGetItem", many(key("a", "1"), key("a", "9"), key("a", "0"), ConsistentRead=True)),
            Call("many, projected", "BatchGetItem", many(key("a", "1"), ProjectionExpression="n")),
            Call("twice the same", "BatchGetItem", many(key("a", "1"), key("a", "1"))),
            Call("none", "BatchGetItem", many()),
            Call("101", "BatchGetItem", many(*(key("a", str(n)) for n in range(101)))),
            Call("no such table", "GetItem", {**at(KEY), "TableName": "walks"}),
        ],
        rows,
        exotic_calls=frozenset({"twice the same", "none", "101"}),
    )
