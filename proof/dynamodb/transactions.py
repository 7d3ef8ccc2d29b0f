"""TransactWriteItems: all of its actions or none."""

from collections.abc import Mapping

from proof.dynamodb.documents import Refused
from proof.dynamodb.refusals import cancelled
from proof.dynamodb.rows import Row
from proof.dynamodb.schema import Key, Schema, Wire
from proof.dynamodb.values import Attributes, Invalid
from proof.dynamodb.writes import Write, check_action, delete_action, put_action, update_action

TRANSACTION_BYTES = 4 * 1024 * 1024
TRANSACTION_ACTIONS = 100
MAKERS = {"Put": put_action, "Update": update_action, "Delete": delete_action, "ConditionCheck": check_action}


def checked(schema: Schema, actions: list[Wire]) -> list[Write]:
    """The actions, each checked, and all of them together. Raises `Invalid`."""
    if not 1 <= len(actions) <= TRANSACTION_ACTIONS:
        raise Invalid("Member must have length less than or equal to 100 and at least 1")
    writes: list[Write] = []
    for entry in actions:
        if len(entry) != 1:
            raise Invalid("TransactItems can only contain one of Check, Put, Update or Delete")
        ((sort, action),) = entry.items()
        schema.named("TransactWriteItems", action)
        if sort == "Update" and action.get("UpdateExpression") is None:
            raise Invalid("An Update in a transaction needs an update expression")
        writes.append(MAKERS[sort](schema, action))
    keys = [write.key for write in writes]
    if len(set(keys)) != len(keys):
        raise Invalid("Transaction request cannot include multiple operations on one item")
    if sum(write.weight for write in writes) > TRANSACTION_BYTES:
        raise Invalid("Collection size exceeded: the transaction is larger than 4 MB")
    return writes


def tried(rows: Mapping[Key, Row], writes: list[Write]) -> dict[Key, Attributes | None]:
    """What the writes make of the items they name. Raises as DynamoDB does where one of them is refused."""
    changed: dict[Key, Attributes | None] = {}
    reasons: list[Wire] = []
    for write in writes:
        row = rows.get(write.key)
        old = None if row is None else row.attributes
        if not write.holds(old):
            reason: Wire = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
            if (shown := write.shown(old)) is not None:
                reason["Item"] = shown
            reasons.append(reason)
            continue
        try:
            if write.writes:
                changed[write.key] = write.make(old)
            reasons.append({"Code": "None"})
        except Refused as refusal:
            reasons.append({"Code": "ValidationError", "Message": str(refusal)})
    if any(reason["Code"] != "None" for reason in reasons):
        raise cancelled(reasons)
    return changed
