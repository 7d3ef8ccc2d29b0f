"""Cases of updates, and of the values that they put."""

from collections.abc import Iterator
from typing import Any

from proof.engines.calls import FULL, KEY, Call, Case, Wire, at, change, item, key, put, transact, v

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
