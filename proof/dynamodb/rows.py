"""The items of a table: immutable and shared."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from proof.dynamodb.schema import Key
from proof.dynamodb.values import Attributes, frozen, item_weight


class Row:
    """An item as it stands in the table: immutable by convention, one object for equal contents."""

    __slots__ = ("attributes", "number", "weight")
    _interned: dict[Any, "Row"] = {}

    attributes: Attributes
    number: int
    weight: int

    @classmethod
    def of(cls, attributes: Attributes) -> "Row":
        """The one row with these contents. `attributes` must be in canonical form and never change again."""
        identity = frozenset((name, frozen(value)) for name, value in attributes.items())
        interned = cls._interned.get(identity)
        if interned is None:
            interned = cls()
            interned.attributes = attributes
            interned.number = len(cls._interned)
            interned.weight = item_weight(attributes)
            cls._interned[identity] = interned
        return interned


class State(NamedTuple):
    """All a table holds at one instant: its rows, and the finished transactions by client token."""

    rows: Mapping[Key, Row]
    tokens: Mapping[str, tuple[float, str]]
