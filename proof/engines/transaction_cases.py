"""Cases of transactions."""

from collections.abc import Iterator

from proof.engines.calls import FULL, KEY, Call, Case, at, change, item, key, put, transact, v, when


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
