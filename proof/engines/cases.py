"""The calls that every engine must answer alike. Each case starts on an empty table.

A call's label names it within its case, for the list of known deviations and for the report of a failure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from proof.dynamodb.tokens import RESERVED
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


CONDITIONS: list[tuple[str, Wire | None]] = [
    # A missing attribute differs from everything, and is nothing else.
    ("gone <> :a", v(a="1")),
    ("gone = :a", v(a="1")),
    ("NOT gone = :a", v(a="1")),
    ("gone < :a", v(a="1")),
    ("gone <> gone2", None),
    ("gone = gone2", None),
    ("gone BETWEEN :a AND :b", v(a=1, b=3)),
    ("gone IN (:a)", v(a=12)),
    ("NOT gone IN (:a)", v(a=12)),
    ("size(gone) < :a", v(a=1)),
    ("attribute_type(gone, :a)", v(a="S")),
    ("begins_with(gone, :a)", v(a="S")),
    ("contains(gone, :a)", v(a="S")),
    ("attribute_not_exists(m.y)", None),
    ("attribute_exists(m.x) AND attribute_exists(nl) AND attribute_not_exists(gone)", None),
    # Types never mix.
    ("s <> :a", v(a=1)),
    ("s < :a", v(a=1)),
    ("n = :a", v(a="12")),
    ("begins_with(n, :a)", v(a="1")),
    ("contains(s, :a)", v(a=1)),
    ("contains(n, :a)", v(a="1")),
    # What holds.
    ("n = :a", v(a={"N": "12.0"})),
    ("n >= :a AND n <= :a AND NOT n > :a AND NOT n < :a AND NOT n <> :a", v(a=12)),
    (":a < n", v(a=3)),
    ("nl = :a", v(a={"NULL": True})),
    ("t = :a", v(a=True)),
    ("b = :a", v(a=b"abc")),
    ("begins_with(b, :a)", v(a=b"ab")),
    ("begins_with(s, :a)", v(a="hé")),
    ("begins_with(:a, s)", v(a="hé")),
    ("contains(s, :a)", v(a="llo")),
    ("contains(l, :a)", v(a={"N": "1.0"})),
    ("contains(ss, :a)", v(a="a")),
    ("contains(:a, n)", v(a={"L": [{"N": "12"}]})),
    ("NOT contains(s, :a)", v(a="zz")),
    ("attribute_type(s, :a)", v(a="S")),
    ("l = :a", v(a={"L": [{"N": "1.0"}, {"N": "2"}, {"N": "3"}]})),
    ("m = :a", v(a={"M": {"x": {"S": "1"}}})),
    ("ss = :a", v(a={"SS": ["b", "a"]})),
    ("m.x = :a", v(a="1")),
    ("l[0] = :a", v(a=1)),
    ("l[5] = :a", v(a=1)),
    ("s.x = :a", v(a=1)),
    ("n BETWEEN :a AND :b", v(a=1, b=12)),
    ("n BETWEEN :a AND :a", v(a=12)),
    ("n IN (:a, :b)", v(a="12", b=12)),
    ("NOT n IN (:a)", v(a=12)),
    (":a = :b", v(a="s", b="s")),
    # Sizes.
    ("size(s) = :a", v(a=7)),
    ("size(n) = :a", v(a=2)),
    ("size(b) = :a AND size(l) = :a", v(a=3)),
    ("size(m) = :a", v(a=1)),
    ("size(s) < size(m)", None),
    # Precedence and parentheses.
    ("n = :a OR n = :a AND s = :a", v(a=12)),
    ("NOT n = :a OR n = :a", v(a=12)),
    ("NOT NOT n = :a", v(a=12)),
    ("n = :a and not (s = :a or s = :b)", v(a=12, b="x")),
    ("(n = :a) AND (n = :a)", v(a=12)),
    ("((n = :a) AND (n = :a))", v(a=12)),
    ("(n = :a)", v(a=12)),
]
MALFORMED_CONDITIONS: list[tuple[str, Wire | None]] = [
    # Operands no operator takes.
    ("n < :a", v(a=True)),
    ("n < :a", v(a={"NULL": True})),
    ("l < :a", v(a={"L": [{"N": "1"}]})),
    ("ss < :a", v(a={"SS": ["a"]})),
    ("n BETWEEN :a AND :b", v(a="1", b=3)),
    ("begins_with(s, :a)", v(a=1)),
    ("attribute_type(s, :a)", v(a="Q")),
    ("attribute_type(s, :a)", v(a=1)),
    # One pair of parentheses too many.
    ("((n = :a))", v(a=12)),
    ("(((n = :a) AND (n = :a)))", v(a=12)),
    ("NOT ((n = :a))", v(a=12)),
    # What can't be read.
    ("", v(a=12)),
    ("n", v(a=12)),
    ("n == :a", v(a=12)),
    ("n = :x", v(a=12)),
    ("n = :a", v(a=12, b=12)),
    ("n = :a", {}),
    ("n = :a", v(a={"N": "abc"})),
    ("n = n", None),
    ("n BETWEEN :a AND :b", v(a=15, b=1)),
    ("n BETWEEN :a AND n", v(a=1)),
    ("foo(s)", None),
    ("SIZE(s) = :a", v(a=9)),
    ("Attribute_Exists(s)", None),
    ("attribute_exists(:a)", v(a="s")),
    ("begins_with(s, s)", None),
    ("contains(s, s)", None),
    ("status = :a", v(a=12)),
]

UPDATES: list[tuple[str, Wire | None]] = [
    ("SET n = n + :a", v(a=1)),
    ("SET n = n - :a", v(a=20)),
    ("SET n = n + :a", v(a={"N": "0.1"})),
    ("SET n = :a + :a", v(a=1)),
    ("SET n = n", None),
    ("SET g = n", None),
    ("SET n = s, s = n", None),
    ("SET g = if_not_exists(g, :a)", v(a=1)),
    ("SET n = if_not_exists(n, :a)", v(a=1)),
    ("SET n = if_not_exists(n, :a) + :a", v(a=1)),
    ("SET g = if_not_exists(g, :a) + :a", v(a=1)),
    ("SET g = if_not_exists(g, n)", None),
    ("SET g = if_not_exists(g, h)", None),
    ("SET g = if_not_exists(n, h)", None),
    ("SET g = if_not_exists(g, if_not_exists(h, n))", None),
    ("SET l = list_append(l, :a)", v(a={"L": [{"N": "4"}]})),
    ("SET l = list_append(:a, l)", v(a={"L": [{"N": "4"}]})),
    ("SET m.x = :a", v(a=1)),
    ("SET m.q = :a", v(a=1)),
    ("SET l[1] = :a", v(a=9)),
    ("SET l[9] = :a", v(a=9)),
    ("SET n = :a, l[0] = :a, m.x = :a", v(a=1)),
    ("REMOVE n, s", None),
    ("REMOVE gone", None),
    ("REMOVE m.gone", None),
    ("REMOVE l[0], l[2]", None),
    ("REMOVE l[9]", None),
    ("ADD n :a", v(a=5)),
    ("ADD gone :a", v(a=5)),
    ("ADD ss :a", v(a={"SS": ["c", "a"]})),
    ("DELETE ss :a", v(a={"SS": ["a"]})),
    ("DELETE ss :a", v(a={"SS": ["a", "b"]})),
    ("DELETE gone :a", v(a={"SS": ["a"]})),
    ("SET n = :a REMOVE s ADD q :a", v(a=2)),
    ("remove s set n = :a", v(a=2)),
    # The item can't take it.
    ("SET n = s + :a", v(a=1)),
    ("SET n = gone + :a", v(a=1)),
    ("SET n = gone", None),
    ("SET l = list_append(s, l)", None),
    ("SET zz.q = :a", v(a=1)),
    ("SET s.q = :a", v(a=1)),
    ("ADD s :a", v(a=5)),
    ("DELETE s :a", v(a={"SS": ["a"]})),
    ("SET active_shard = :a", v(a="x")),
    ("SET assistant_seq = n REMOVE active_shard", None),
]
MALFORMED_UPDATES: list[tuple[str, Wire | None]] = [
    # Index keys of the wrong type.
    ("SET active_shard = :a", v(a=1)),
    ("SET active_shard = :a", v(a="")),
    ("SET active_shard = :a", v(a={"NULL": True})),
    ("SET assistant_seq = :a", v(a="x")),
    ("SET assistant_seq = s", None),
    # What can't be read.
    ("", None),
    ("SET", None),
    ("SET n = :a, n = :a", v(a=1)),
    ("SET n = :a REMOVE n", v(a=1)),
    ("SET m.x = :a, m = :a", v(a=1)),
    ("SET n = :a SET s = :a", v(a=1)),
    ("SET n = n + :a + :a", v(a=1)),
    ("SET n = - :a", v(a=1)),
    ("SET n = :a, s = :b", v(a=1)),
    ("SET n = n + :a", v(a="a")),
    ("SET n = list_append(:a, :a)", v(a=1)),
    ("SET n = size(s)", None),
    ("SET n = attribute_exists(s)", None),
    ("ADD s :a", v(a="x")),
    ("DELETE n :a", v(a=1)),
    ("SET pk = :a", v(a="a")),
    ("REMOVE sk", None),
    ("SET status = :a", v(a="a")),
]

NUMBERS = "0 -0 0.00 1.50 1e3 +12 00012 -3.14 1e-20 12345678901234567890123456789012345678".split()
BAD_NUMBERS = ["", "abc", " 12", "NaN", "1" * 39, "1e126", "1e-131"]
VALUES: list[tuple[str, Any]] = [
    ("empty text", ""),
    ("text with NUL", "a\x00b"),
    ("empty bytes", b""),
    ("empty map", {"M": {}}),
    ("empty list", {"L": []}),
    ("nested", {"M": {"l": {"L": [{"M": {"n": {"N": "1.0"}}}, {"NULL": True}]}}}),
]
BAD_VALUES: list[tuple[str, Any]] = [
    ("empty set", {"SS": []}),
    ("set with a member twice", {"SS": ["a", "a"]}),
    ("null that is false", {"NULL": False}),
    ("two types at once", {"S": "a", "N": "1"}),
    ("no type at all", {}),
]


def conditions() -> Iterator[Case]:
    """Every condition on an item that is there, and on none."""
    for there in (True, False):
        given, named = ([FULL] if there else []), f"item {'there' if there else 'missing'}"
        yield Case(f"conditions, {named}", _conditional(CONDITIONS), given, afresh=True)
        yield Case(
            f"malformed conditions, {named}", _conditional(MALFORMED_CONDITIONS), given, afresh=True, exotic=True
        )
    calls = [Call(word, "DeleteItem", at(KEY, **when(f"attribute_exists({word})"))) for word in sorted(RESERVED)]
    yield Case("reserved words", calls, exotic=True)
    texts = ["#a = :a AND #a = :a", "#a.#b = :a", "#c = :a", "a = :a", "#a.#b = :a AND #a <> :a"]
    yield Case(
        "names",
        [
            *(Call(text, "DeleteItem", at(KEY, **when(text, v(a="1"), {"#a": "m", "#b": "x"}))) for text in texts),
            Call("no names", "DeleteItem", at(KEY, **when("n = :a", v(a=1), {}))),
            Call("names without expression", "DeleteItem", at(KEY, ExpressionAttributeNames={"#a": "m"})),
            Call("values without expression", "DeleteItem", at(KEY, ExpressionAttributeValues=v(a=1))),
        ],
        [FULL],
        afresh=True,
        exotic=True,
    )


def _conditional(texts: list[tuple[str, Wire | None]]) -> list[Call]:
    return [
        Call(f"{n} {text} {values}", "DeleteItem", at(KEY, **when(text, values)))
        for n, (text, values) in enumerate(texts)
    ]


def updates() -> Iterator[Case]:
    """Every update on an item that is there, and on none; each by itself and in a transaction."""
    for there in (True, False):
        given, named = ([FULL] if there else []), f"item {'there' if there else 'missing'}"
        yield Case(f"updates, {named}", _updating(UPDATES), given, afresh=True)
        yield Case(f"malformed updates, {named}", _updating(MALFORMED_UPDATES), given, afresh=True, exotic=True)
        yield Case(f"updates in a transaction, {named}", _transacting(UPDATES), given, afresh=True)
        yield Case(
            f"malformed updates in a transaction, {named}",
            _transacting([pair for pair in MALFORMED_UPDATES if pair[0] not in ("SET pk = :a", "REMOVE sk")]),
            given,
            afresh=True,
            exotic=True,
        )
    set_n = "SET n = :a"
    yield Case("numbers", _numbered(NUMBERS), [FULL], afresh=True)
    yield Case(
        "bad numbers",
        [
            *_numbered(BAD_NUMBERS),
            Call("add across magnitudes", "UpdateItem", at(KEY, **change("ADD n :a", v(a={"N": "1e-60"})))),
        ],
        [FULL],
        afresh=True,
        exotic=True,
    )
    for name, values in (("values", VALUES), ("bad values", BAD_VALUES)):
        yield Case(
            name,
            [
                *(
                    Call(what, "UpdateItem", at(KEY, **change(set_n, v(a=value)), ReturnValues="ALL_NEW"))
                    for what, value in values
                ),
                *(Call(f"{what}, put", "PutItem", put(item("a", "c", a=value))) for what, value in values),
            ],
            [FULL],
            exotic=name == "bad values",
        )
    yield Case(
        "return values",
        [
            *(
                Call(f"update {r}", "UpdateItem", at(KEY, **change("SET n = :a", v(a=n)), ReturnValues=r))
                for n, r in enumerate(["NONE", "ALL_OLD", "ALL_NEW"])
            ),
            *(Call(f"put {r}", "PutItem", put(FULL, ReturnValues=r)) for r in ("NONE", "ALL_OLD")),
            *(Call(f"delete {r}", "DeleteItem", at(KEY, ReturnValues=r)) for r in ("ALL_OLD", "NONE")),
            Call("update of nothing", "UpdateItem", at(KEY, **change("SET n = :a", v(a=1)), ReturnValues="ALL_OLD")),
            Call("put over nothing", "PutItem", put(item("q", "q"), ReturnValues="ALL_OLD")),
            Call("no expression at all", "UpdateItem", at(key("n", "n"), ReturnValues="ALL_NEW")),
            Call("remove from nothing", "UpdateItem", at(key("m", "m"), **change("REMOVE n"), ReturnValues="ALL_NEW")),
        ],
        [FULL],
    )
    yield Case(
        "odd return values",
        [
            Call("update", "UpdateItem", at(KEY, **change("SET n = :a", v(a=1)), ReturnValues="NEVER")),
            Call("put", "PutItem", put(FULL, ReturnValues="ALL_NEW")),
            Call("delete", "DeleteItem", at(KEY, ReturnValues="ALL_NEW")),
            Call("on failure", "PutItem", put(KEY, ReturnValuesOnConditionCheckFailure="ALL_NEW")),
        ],
        [FULL],
        exotic=True,
    )


def _updating(texts: list[tuple[str, Wire | None]]) -> list[Call]:
    return [
        Call(f"{n} {text} {values}", "UpdateItem", at(KEY, **change(text, values), ReturnValues="ALL_NEW"))
        for n, (text, values) in enumerate(texts)
    ]


def _transacting(texts: list[tuple[str, Wire | None]]) -> list[Call]:
    other = {"Put": put(key("z", "z"))}
    return [
        Call(f"{n} {text} {values}", "TransactWriteItems", transact(other, {"Update": at(KEY, **change(text, values))}))
        for n, (text, values) in enumerate(texts)
    ]


def _numbered(numbers: list[str]) -> list[Call]:
    return [
        Call(repr(n), "UpdateItem", at(KEY, **change("SET n = :a", v(a={"N": n})), ReturnValues="ALL_NEW"))
        for n in numbers
    ]


def refusals() -> Iterator[Case]:
    """What a refused condition shows."""
    taken, free = "attribute_exists(pk)", "attribute_not_exists(pk)"
    yield Case(
        "refusals",
        [
            Call("put shows the old item", "PutItem", put(KEY, **when(free))),
            Call("put shows nothing unasked", "PutItem", put(KEY, ConditionExpression=free)),
            Call("put on nothing", "PutItem", put(key("x", "x"), **when(taken))),
            Call("update shows the old item", "UpdateItem", at(KEY, **when(free), **change("REMOVE n"))),
            Call("update on nothing", "UpdateItem", at(key("x", "x"), **when(taken), **change("REMOVE n"))),
            Call("delete shows the old item", "DeleteItem", at(KEY, **when(free))),
            Call("delete on nothing", "DeleteItem", at(key("x", "x"), **when(taken))),
            Call("delete of nothing", "DeleteItem", at(key("x", "x"))),
        ],
        [FULL],
    )


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


def queries() -> Iterator[Case]:
    """Pages of the table."""
    names = [
        "CHAT",
        *(f"MSG#{n:04}" for n in range(1, 6)),
        "MSG#0002#STEP#000",
        "MSG#0002#STEP#001",
        "Z",
        "é",
        "😀",
        "~",
    ]
    rows = [item("c", name, n=n) for n, name in enumerate(names)] + [item("d", "MSG#0001"), item("cc", "CHAT")]
    heads = "begins_with(#sk, :h)"
    whole = query("c")
    yield Case(
        "queries",
        [
            Call("all", "Query", whole),
            Call("consistent", "Query", query("c", ConsistentRead=True)),
            Call("backwards", "Query", query("c", ScanIndexForward=False)),
            Call("nobody's", "Query", query("x")),
            Call("begins", "Query", query("c", heads, v(h="MSG#"))),
            Call(
                "begins, backwards, limited", "Query", query("c", heads, v(h="MSG#"), ScanIndexForward=False, Limit=2)
            ),
            Call("begins with nothing", "Query", query("c", heads, v(h=""))),
            Call("above nothing", "Query", query("c", "#sk > :a", v(a=""))),
            Call("between", "Query", query("c", "#sk BETWEEN :a AND :b", v(a="MSG#0002", b="MSG#0003"))),
            Call("between, turned", "Query", query("c", "#sk BETWEEN :a AND :b", v(a="N", b="M"))),
            Call("below", "Query", query("c", "#sk < :a", v(a="MSG#0002"))),
            Call("up to", "Query", query("c", "#sk <= :a", v(a="MSG#0002"))),
            Call("above", "Query", query("c", "#sk > :a", v(a="MSG#0002"))),
            Call("from", "Query", query("c", "#sk >= :a", v(a="MSG#0002"))),
            Call("exactly", "Query", query("c", "#sk = :a", v(a="MSG#0002"))),
            Call("not equal", "Query", query("c", "#sk <> :a", v(a="MSG#0002"))),
            Call("number for text", "Query", query("c", "#sk = :a", v(a=1))),
            Call("no such key", "Query", query("c", "n = :a", v(a=1))),
            Call("twice the range", "Query", query("c", "#sk > :a AND #sk < :b", v(a="A", b="B"))),
            Call("limit 1", "Query", query("c", Limit=1)),
            Call("limit 0", "Query", query("c", Limit=0)),
            Call("limit exact", "Query", query("c", Limit=len(names))),
            Call("limit beyond", "Query", query("c", Limit=len(names) + 1)),
            Call("from a start", "Query", query("c", Limit=3, ExclusiveStartKey=key("c", "MSG#0001"))),
            Call("from a start that is gone", "Query", query("c", ExclusiveStartKey=key("c", "MSG#0001x"))),
            Call(
                "from a start, backwards", "Query", query("c", ScanIndexForward=False, ExclusiveStartKey=key("c", "M"))
            ),
            Call("from the end", "Query", query("c", ExclusiveStartKey=key("c", "😀"))),
            Call("foreign start", "Query", query("c", ExclusiveStartKey=key("d", "MSG#0001"))),
            Call("broken start", "Query", query("c", ExclusiveStartKey={"pk": {"S": "c"}})),
            Call("start of another type", "Query", query("c", ExclusiveStartKey={"pk": {"S": "c"}, "sk": {"N": "1"}})),
            Call(
                "start out of bounds",
                "Query",
                query("c", heads, v(h="MSG#"), ExclusiveStartKey=key("c", "CHAT")),
            ),
            Call("filtered", "Query", query("c", "", v(a=3), FilterExpression="n > :a")),
            Call("filtered, limited", "Query", query("c", "", v(a=3), FilterExpression="n > :a", Limit=5)),
            Call("counted", "Query", query("c", Select="COUNT")),
            Call("projected", "Query", query("c", ProjectionExpression="n", Limit=2)),
            Call("no partition", "Query", {**whole, "KeyConditionExpression": "#pk > :pk"}),
            Call("parentheses", "Query", query("c", f"({heads})", v(h="MSG#"))),
            Call("empty partition", "Query", query("")),
        ],
        rows,
        exotic_calls=frozenset(
            {
                "begins with nothing",
                "above nothing",
                "between, turned",
                "not equal",
                "number for text",
                "no such key",
                "twice the range",
                "limit 0",
                "foreign start",
                "broken start",
                "start of another type",
                "start out of bounds",
                "no partition",
                "empty partition",
            }
        ),
    )
    chat = {"IndexName": "by_chat", "KeyConditionExpression": "chat_key = :c"}
    runs = [item("r", f"{n}", chat_key="c", assistant_seq=n * 7, secret="x") for n in range(1, 5)]
    runs += [item("r", "other", chat_key="d", assistant_seq=1), item("r", "half", chat_key="c")]
    active = {"IndexName": "active", "KeyConditionExpression": "active_shard = :s AND created_at < :t"}
    runs += [item("s", f"{n}", active_shard="3", created_at=f"2026-0{n}") for n in range(1, 5)]

    def by(request: Wire, values: Wire, **rest: Any) -> Wire:
        return {"TableName": TABLE, **request, "ExpressionAttributeValues": values, **rest}

    start = {**key("r", "2"), "chat_key": {"S": "c"}, "assistant_seq": {"N": "14"}}
    yield Case(
        "index queries",
        [
            Call("forward", "Query", by(chat, v(c="c"))),
            Call("backwards", "Query", by(chat, v(c="c"), ScanIndexForward=False)),
            Call("limited", "Query", by(chat, v(c="c"), Limit=2)),
            Call("from a start", "Query", by(chat, v(c="c"), ExclusiveStartKey=start)),
            Call(
                "from a start, backwards", "Query", by(chat, v(c="c"), ExclusiveStartKey=start, ScanIndexForward=False)
            ),
            Call("from a broken start", "Query", by(chat, v(c="c"), ExclusiveStartKey=key("r", "2"))),
            Call("from a foreign start", "Query", by(chat, v(c="d"), ExclusiveStartKey=start)),
            Call("consistent", "Query", by(chat, v(c="c"), ConsistentRead=True)),
            Call("older than", "Query", by(active, v(s="3", t="2026-03"))),
            Call("older than, limited", "Query", by(active, v(s="3", t="2026-03"), Limit=1)),
            Call("nobody's shard", "Query", by(active, v(s="4", t="2026-03"))),
            Call("no such index", "Query", by({**active, "IndexName": "passive"}, v(s="4", t="2026-03"))),
        ],
        runs,
        exotic_calls=frozenset({"from a broken start", "from a foreign start", "consistent", "no such index"}),
    )
    due = {"IndexName": "due", "KeyConditionExpression": "due_shard = :s AND due_at <= :t"}
    waiting = [item("w", f"{n}", due_shard="3", due_at=f"2026-0{n}") for n in range(1, 4)]
    at_work = item("w", "run", active_shard="3", created_at="2026-01")
    record = {"Put": put(item("w", "record"), **when("attribute_not_exists(pk)"))}
    asks = change("SET due_shard = :s, due_at = :t REMOVE active_shard", v(s="3", t="2026-02"))
    goes_on = change("SET active_shard = :s REMOVE due_shard, due_at", v(s="3"))
    yield Case(
        "from one index to another",
        [
            Call("at work", "Query", by(active, v(s="3", t="2026-03"))),
            Call("asks", "TransactWriteItems", transact({"Update": at(key("w", "run"), **asks)}, record)),
            Call("no longer at work", "Query", by(active, v(s="3", t="2026-03"))),
            Call("due", "Query", by(due, v(s="3", t="2026-02"))),
            Call("asks again", "TransactWriteItems", transact({"Update": at(key("w", "run"), **goes_on)}, record)),
            Call("goes on", "UpdateItem", at(key("w", "run"), **goes_on)),
            Call("no longer due", "Query", by(due, v(s="3", t="2026-02"))),
            Call("at work again", "Query", by(active, v(s="3", t="2026-03"))),
        ],
        [*waiting, at_work],
    )
    half = 512 * 1024
    wide = [item("p", f"{n}", f="x" * (300 * 1024)) for n in range(5)]
    exact = [item("e", f"{n}", f="x" * (half // 2 - 6 - 1)) for n in range(6)]
    yield Case(
        "pages of a megabyte",
        [
            Call("wide rows", "Query", query("p")),
            Call("wide rows, the rest", "Query", query("p", ExclusiveStartKey=key("p", "2"))),
            Call("wide rows, backwards", "Query", query("p", ScanIndexForward=False)),
            Call("exactly a megabyte", "Query", query("e")),
            Call("projected", "Query", query("p", ProjectionExpression="sk")),
        ],
        wide + exact,
        exotic_calls=frozenset({"exactly a megabyte"}),
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


def transactions() -> Iterator[Case]:
    """All or nothing, with the reasons in the order asked."""
    taken, free = "attribute_exists(pk)", "attribute_not_exists(pk)"
    new = item("t", "new", n=1)
    good = {"Put": put(new, **when(free))}
    update = at(KEY, **change("SET n = n + :a", v(a=1)))
    bad_put = {"Put": put(KEY, **when(free))}
    bad_update = {"Update": at(key("a", "gone"), **{**change("SET n = :a", v(a=1)), "ConditionExpression": taken})}
    shown_update = {"Update": {**at(KEY, **change("SET n = :a", v(a=1))), **when("n > :a", v(a=12))}}
    bad_update["Update"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    bad_check = {"ConditionCheck": at(key("a", "never"), **when(taken))}
    bad_delete = {"Delete": at(KEY, **when(free))}
    check = {"ConditionCheck": at(key("c", "c"), **when(taken))}
    given = [FULL, key("c", "c")]

    yield Case(
        "transactions, refused",
        [
            Call("one of two", "TransactWriteItems", transact(good, bad_put)),
            Call("other order", "TransactWriteItems", transact(bad_put, good)),
            Call("all kinds", "TransactWriteItems", transact(bad_check, check, good, bad_update, bad_put)),
            Call("update shows its item", "TransactWriteItems", transact(check, shown_update)),
            Call("delete shows its item", "TransactWriteItems", transact(bad_delete, good)),
            Call("unasked", "TransactWriteItems", transact({"Put": put(KEY, ConditionExpression=free)})),
            Call("same item twice", "TransactWriteItems", transact({"Put": put(KEY)}, {"Update": update})),
            Call("check and write one item", "TransactWriteItems", transact(check, {"Put": put(key("c", "c"))})),
            Call("none", "TransactWriteItems", transact()),
            Call("two in one entry", "TransactWriteItems", transact({**good, **check})),
            Call("a check without condition", "TransactWriteItems", transact({"ConditionCheck": at(KEY)})),
            Call(
                "101",
                "TransactWriteItems",
                transact(*({"Put": put(key("many", str(n)))} for n in range(101))),
            ),
            Call(
                "more than 4 MB",
                "TransactWriteItems",
                transact(*({"Put": put(item("big", str(n), f="x" * 399_000))} for n in range(11))),
            ),
            Call("unused value", "TransactWriteItems", transact({"Put": put(KEY, **when(free, v(a=1)))})),
            Call("malformed condition", "TransactWriteItems", transact(good, {"Put": put(KEY, **when("n = "))})),
            Call("no such table", "TransactWriteItems", transact({"Put": {**put(KEY), "TableName": "walks"}})),
        ],
        given,
        exotic_calls=frozenset(
            {
                "same item twice",
                "check and write one item",
                "none",
                "two in one entry",
                "a check without condition",
                "101",
                "more than 4 MB",
                "unused value",
                "malformed condition",
            }
        ),
    )
    yield Case(
        "transactions, done",
        [
            Call("put, update, check", "TransactWriteItems", transact(good, {"Update": update}, check)),
            Call("delete", "TransactWriteItems", transact({"Delete": at(KEY, **when(taken))})),
            Call(
                "update makes an item",
                "TransactWriteItems",
                transact({"Update": at(key("u", "u"), **change("SET n = :a", v(a=1)))}),
            ),
            Call("100", "TransactWriteItems", transact(*({"Put": put(key("many", str(n)))} for n in range(100)))),
        ],
        given,
    )
    once = transact({"Update": update}, ClientRequestToken="token-1")
    other = transact({"Update": at(KEY, **change("SET n = n + :a", v(a=2)))}, ClientRequestToken="token-1")
    refused = transact(bad_put, ClientRequestToken="token-2")
    yield Case(
        "client tokens",
        [
            Call("first", "TransactWriteItems", once),
            Call("again", "TransactWriteItems", once),
            Call("other words, same token", "TransactWriteItems", other),
            Call("refused", "TransactWriteItems", refused),
            Call("refused again", "TransactWriteItems", refused),
            Call("out of the way", "DeleteItem", at(KEY)),
            Call("no longer refused", "TransactWriteItems", refused),
        ],
        given,
    )


def cases() -> list[Case]:
    """All of them but those that are built with PynamoDB."""
    makers = (conditions, updates, refusals, keys, sizes, queries, reads, transactions)
    return [case for make in makers for case in make()]
