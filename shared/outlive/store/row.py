"""The base of all items: key, the attributes of the indexes, and how an item is read."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.operand import Path
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from outlive.errors import StoreUnreadable
from outlive.store.attributes import OptionalText, OptionalTime, OptionalWhole, Time, Whole


class ActiveIndex(GlobalSecondaryIndex["Row"]):
    """Every run that is not terminal, by age. For the sweep alone, and never a gate: it may lag."""

    class Meta:
        """As in the template."""

        index_name = "active"
        projection = KeysOnlyProjection()

    active_shard = UnicodeAttribute(hash_key=True)
    created_at = Time(range_key=True)


class DueIndex(GlobalSecondaryIndex["Row"]):
    """Every row that something has to happen to at a time. For the sweep alone, and never a gate: it may lag."""

    class Meta:
        """As in the template."""

        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = Time(range_key=True)


class ChatIndex(GlobalSecondaryIndex["Row"]):
    """The runs of a chat, in the order they were started. For lists alone: it may lag."""

    class Meta:
        """As in the template."""

        index_name = "by_chat"
        projection = KeysOnlyProjection()

    chat_key = UnicodeAttribute(hash_key=True)
    assistant_seq = Whole(range_key=True)


class Row(Model):
    """Any item. It declares the keys and indexes, so that all kinds share one connection and one client."""

    class Meta:
        """Bound to the table at cold start."""

        table_name = "unbound"
        region = "us-east-1"
        # A call with its one retry ends within 10 seconds, and `persistently`'s three within a function's 29, if the store hangs.
        connect_timeout_seconds = 2
        read_timeout_seconds = 3
        max_retry_attempts = 1

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    created_at = Time(null=True)
    updated_at = Time(null=True)
    expires_at = OptionalWhole()
    """When DynamoDB may delete the item: seconds since the epoch, as its TTL requires. Without it the item is never deleted."""
    active_shard = OptionalText()
    due_shard = OptionalText()
    due_at = OptionalTime()
    chat_key = OptionalText()
    assistant_seq = Whole(null=True)

    active = ActiveIndex()
    due = DueIndex()
    by_chat = ChatIndex()

    NEEDED: ClassVar[tuple[str, ...]] = ()
    """The attributes without which a row of this kind can't be read."""

    @staticmethod
    def path(name: str) -> Path:
        """The attribute in a condition on its stored form."""
        return Path(name)

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """The row of an item of DynamoDB. Raises StoreUnreadable if any of its attributes is damaged."""
        try:
            row = cls.from_raw_data(item)
        except Exception:
            raise StoreUnreadable(item, next(cls.damages(item), "?")) from None
        if any(getattr(row, name) is None for name in cls.NEEDED) or any("NULL" in value for value in item.values()):
            raise StoreUnreadable(item, next(cls.damages(item), "?"))
        return row

    @classmethod
    def damages(cls, item: dict[str, Any]) -> Iterator[str]:
        """The attributes of an item that are missing or hold an invalid value."""
        for name, attribute in cls.get_attributes().items():
            value = item.get(name)
            if value is None:
                if name in cls.NEEDED:
                    yield name
                continue
            try:
                attribute.deserialize(attribute.get_value(value))
            except Exception:
                yield name
