"""Cases of queries, of the table and of its indexes."""

from collections.abc import Iterator
from typing import Any

from proof.engines.calls import Call, Case, Wire, at, change, item, key, put, query, transact, v, when
from proof.engines.engines import TABLE


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
