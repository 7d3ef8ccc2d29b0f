"""The form of values in an item: the attributes that rows are made of."""

import json
from enum import StrEnum
from typing import Any

import msgspec
from pynamodb.attributes import Attribute
from pynamodb.constants import NUMBER, STRING

from outlive.clock import from_iso, iso


class Text(Attribute[str]):
    """Text that is always there."""

    attr_type = STRING


class OptionalText(Attribute[str | None]):
    """Text, or no attribute at all."""

    attr_type = STRING

    def __init__(self) -> None:
        super().__init__(null=True)


class Word(Attribute[str]):
    """One word of a list; any other is unreadable."""

    attr_type = STRING

    def __init__(self, words: type[StrEnum], *, null: bool = False) -> None:
        super().__init__(null=null)
        self._words = words

    def deserialize(self, value: str) -> str:
        """Read it back."""
        return self._words(value)


class Whole(Attribute[int]):
    """A whole number."""

    attr_type = NUMBER

    def serialize(self, value: int) -> str:
        """Write it as DynamoDB does."""
        return str(value)

    def deserialize(self, value: str) -> int:
        """Read it back."""
        return int(value)


class OptionalWhole(Attribute[int | None]):
    """A whole number, or no attribute at all."""

    attr_type = NUMBER

    def __init__(self) -> None:
        super().__init__(null=True)

    serialize = Whole.serialize
    deserialize = Whole.deserialize


class Time(Attribute[int]):
    """Milliseconds since the epoch, stored as ISO 8601: readable in a console, and it sorts."""

    attr_type = STRING

    def serialize(self, value: int) -> str:
        """Write it as ISO 8601."""
        return iso(value)

    def deserialize(self, value: str) -> int:
        """Read it back."""
        return from_iso(value)


class OptionalTime(Attribute[int | None]):
    """A time, or no attribute at all."""

    attr_type = STRING

    def __init__(self) -> None:
        super().__init__(null=True)

    serialize = Time.serialize
    deserialize = Time.deserialize


class Json(Attribute[Any]):
    """A JSON value of this shape as text, or no attribute at all."""

    attr_type = STRING

    def __init__(self, shape: Any) -> None:
        super().__init__(null=True)
        self._shape = shape

    def serialize(self, value: Any) -> str:
        """Write it compactly."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def deserialize(self, value: str) -> Any:
        """Read it back."""
        return msgspec.convert(json.loads(value), self._shape)


class Encoded(Attribute[Any]):
    """A value of this type as JSON, or no attribute at all."""

    attr_type = STRING

    def __init__(self, kind: Any) -> None:
        super().__init__(null=True)
        self._kind = kind

    def serialize(self, value: Any) -> str:
        """Write it as JSON."""
        return msgspec.json.encode(value).decode()

    def deserialize(self, value: str) -> Any:
        """Read it back."""
        return msgspec.json.decode(value, type=self._kind)
