"""Cases of conditions."""

from collections.abc import Iterator

from proof.dynamodb.tokens import RESERVED
from proof.engines.calls import FULL, KEY, Call, Case, Wire, at, change, key, put, v, when

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
