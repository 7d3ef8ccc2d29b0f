"""Actions that write one item: checked, and ready to be tried on the row they name."""

from collections.abc import Callable
from dataclasses import dataclass

from proof.dynamodb.documents import Refused
from proof.dynamodb.expressions import Condition
from proof.dynamodb.parsed import Parsed
from proof.dynamodb.schema import Key, Schema, Wire
from proof.dynamodb.updates import apply
from proof.dynamodb.values import Attributes, Invalid, copy_attributes, item_weight, legal_attributes, weight

ITEM_BYTES = 400 * 1024
ALL_OLD = "ALL_OLD"


@dataclass(slots=True)
class Write:
    """One checked action, ready to be tried on the row it names. `old` and `new` are None where there is no item."""

    key: Key
    test: Condition | None
    values: Attributes
    make: Callable[[Attributes | None], Attributes | None]
    writes: bool
    on_failure: str
    weight: int

    def holds(self, old: Attributes | None) -> bool:
        """Whether the item, or none, meets the condition."""
        return self.test is None or self.test.test(old or {}, self.values)

    def shown(self, old: Attributes | None) -> Attributes | None:
        """The item that a refusal shows, if it was asked to."""
        return copy_attributes(old) if old is not None and self.on_failure == ALL_OLD else None


def _guarded(action: Wire) -> Parsed:
    for unknown in ("Expected", "AttributeUpdates", "ConditionalOperator"):
        if action.get(unknown) is not None:
            raise NotImplementedError(f"the table in memory does not know {unknown}")
    if action.get("ReturnValuesOnConditionCheckFailure", "NONE") not in ("NONE", ALL_OLD):
        raise Invalid("ReturnValuesOnConditionCheckFailure must be NONE or ALL_OLD")
    return Parsed(action)


def put_action(schema: Schema, action: Wire) -> Write:
    parsed = _guarded(action)
    test = parsed.condition()
    parsed.all_used()
    item = legal_attributes(action["Item"])
    key = schema.key(item, exact=False)
    schema.indexable(item)
    heavy = item_weight(item)
    if heavy > ITEM_BYTES:
        raise Invalid("Item size has exceeded the maximum allowed size")
    return _write(action, key, test, parsed, lambda old: item, heavy)


def update_action(schema: Schema, action: Wire) -> Write:
    parsed = _guarded(action)
    update = parsed.update()
    test = parsed.condition()
    parsed.all_used()
    named = legal_attributes(action["Key"])
    key = schema.key(named, exact=True)
    if update is not None:
        for steps in update.paths:
            if steps[0] in named:
                raise Invalid(
                    f"One or more parameter values were invalid: Cannot update attribute {steps[0]}. This attribute "
                    "is part of the key"
                )

    def make(old: Attributes | None) -> Attributes:
        before = named if old is None else old
        new = before if update is None else apply(update, before, parsed.values)
        try:
            schema.indexable(new)
        except Invalid as mismatch:
            raise Refused(str(mismatch)) from None
        if item_weight(new) > ITEM_BYTES:
            raise Refused("Item size to update has exceeded the maximum allowed size")
        return new

    return _write(action, key, test, parsed, make, sum(map(weight, parsed.values.values())))


def delete_action(schema: Schema, action: Wire) -> Write:
    parsed = _guarded(action)
    test = parsed.condition()
    parsed.all_used()
    key = schema.key(legal_attributes(action["Key"]), exact=True)
    return _write(action, key, test, parsed, lambda old: None, 0)


def check_action(schema: Schema, action: Wire) -> Write:
    if action.get("ConditionExpression") is None:
        raise Invalid("A ConditionCheck needs a condition")
    write = delete_action(schema, action)
    write.writes = False
    return write


def _write(
    action: Wire,
    key: Key,
    test: Condition | None,
    parsed: Parsed,
    make: Callable[[Attributes | None], Attributes | None],
    heavy: int,
) -> Write:
    on_failure = action.get("ReturnValuesOnConditionCheckFailure", "NONE")
    return Write(key, test, parsed.values, make, True, on_failure, heavy)
