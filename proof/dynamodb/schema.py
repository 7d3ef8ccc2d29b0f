"""The keys of a table and of its indexes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from proof.dynamodb.refusals import client_error
from proof.dynamodb.values import Attributes, Invalid, Value, copy_attributes, kind, order, text_bytes

Wire: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[Any, Any]


HASH_BYTES, RANGE_BYTES = 2048, 1024


@dataclass(frozen=True, slots=True)
class Index:
    """A key: names and types of its hash and range attribute. `name` is None for the table's own."""

    name: str | None
    hash: tuple[str, str]
    range: tuple[str, str]


BASE = Index(None, ("pk", "S"), ("sk", "S"))
INDEXES = (
    Index("active", ("active_shard", "S"), ("created_at", "S")),
    Index("due", ("due_shard", "S"), ("due_at", "S")),
    Index("by_chat", ("chat_key", "S"), ("assistant_seq", "N")),
)


class Schema:
    """A table's name, its key and its indexes: what a key may be, and where an item stands."""

    def __init__(self, name: str = "runs", base: Index = BASE, indexes: tuple[Index, ...] = INDEXES) -> None:
        self.name = name
        self.base = base
        self.indexes = {index.name: index for index in indexes}

    def named(self, operation: str, request: Wire) -> None:
        if request.get("TableName") != self.name:
            raise client_error(
                operation, "ResourceNotFoundException", "Cannot do operations on a non-existent table"
            ) from None

    def key(self, attributes: Attributes, exact: bool) -> Key:
        """The key in `attributes`, which are nothing else if `exact`. Raises `Invalid`."""
        names = (self.base.hash[0], self.base.range[0])
        if exact and set(attributes) != set(names):
            raise Invalid("The provided key element does not match the schema")
        held = []
        for (name, tag), limit in zip((self.base.hash, self.base.range), (HASH_BYTES, RANGE_BYTES), strict=True):
            value = attributes.get(name)
            if value is None:
                raise Invalid(f"One or more parameter values were invalid: Missing the key {name} in the item")
            held.append(_key_part(name, tag, limit, value, exact))
        return held[0], held[1]

    def indexable(self, attributes: Attributes) -> None:
        """Raise `Invalid` where an index's key attribute has a type or size the index can't take."""
        for index in self.indexes.values():
            for (name, tag), limit in zip((index.hash, index.range), (HASH_BYTES, RANGE_BYTES), strict=True):
                value = attributes.get(name)
                if value is None:
                    continue
                if kind(value) != tag:
                    raise Invalid(
                        f"One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {tag} "
                        f"Actual: {kind(value)} IndexName: {index.name}"
                    )
                if tag != "N" and not 0 < length(value) <= limit:
                    raise Invalid(
                        f"One or more parameter values are not valid. The size of the value for index key {name} of "
                        f"{index.name} is out of bounds"
                    )

    def keys_only(self, index: Index, attributes: Attributes) -> Attributes:
        names = {self.base.hash[0], self.base.range[0], index.hash[0], index.range[0]}
        return copy_attributes({name: value for name, value in attributes.items() if name in names})

    def place(self, index: Index, attributes: Attributes) -> tuple[Any, ...]:
        """Where an item stands in an index: by its range key, ties broken by the table's own key."""
        base = tuple(order(attributes[name]) for name in (self.base.hash[0], self.base.range[0]))
        return (order(attributes[index.range[0]]), *base)


def length(value: Value) -> int:
    held = value[kind(value)]
    return text_bytes(held) if isinstance(held, str) else len(held)


def _key_part(name: str, tag: str, limit: int, value: Value, exact: bool) -> Any:
    if kind(value) != tag:
        if exact:
            raise Invalid("The provided key element does not match the schema")
        raise Invalid(
            f"One or more parameter values were invalid: Type mismatch for key {name} expected: {tag} "
            f"actual: {kind(value)}"
        )
    held = value[tag]
    if tag == "N":
        return Decimal(held)
    if not held:
        raise Invalid(f"One or more parameter values are not valid. The AttributeValue for {name} is empty")
    if length(value) > limit:
        raise Invalid(f"One or more parameter values were invalid: Size of {name} has exceeded the maximum size limit")
    return held
