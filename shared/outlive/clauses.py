"""Clauses over a row: each is true or false for a row in hand, and is a condition of a write, from one definition.

As in DynamoDB, a comparison with an attribute that is not there is false.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Compare = Callable[[Any, Any], Any]


class Clause(Protocol):
    """One requirement of a move; `facts` are what the caller brings."""

    def holds(self, row: Any, facts: Any) -> bool:
        """True if the clause is true of `row`, which has each attribute or None in its place."""
        ...

    def condition(self, columns: Any, facts: Any) -> Any:
        """The clause as a condition, made of the attributes of the class `columns`."""
        ...


@dataclass(frozen=True, slots=True)
class Absent:
    """The attribute is not there."""

    attribute: str

    def holds(self, row: Any, facts: Any) -> bool:
        """True if the row does not have the attribute."""
        return getattr(row, self.attribute) is None

    def condition(self, columns: Any, facts: Any) -> Any:
        """`attribute_not_exists`."""
        return getattr(columns, self.attribute).does_not_exist()


@dataclass(frozen=True, slots=True)
class Present:
    """The attribute is there."""

    attribute: str

    def holds(self, row: Any, facts: Any) -> bool:
        """True if the row has the attribute."""
        return getattr(row, self.attribute) is not None

    def condition(self, columns: Any, facts: Any) -> Any:
        """`attribute_exists`."""
        return getattr(columns, self.attribute).exists()


@dataclass(frozen=True, slots=True)
class Compared:
    """The attribute is there and compares so with a value made of the facts."""

    attribute: str
    compare: Compare
    value: Callable[[Any], Any]

    def holds(self, row: Any, facts: Any) -> bool:
        """True if the row has the attribute and it compares so."""
        current = getattr(row, self.attribute)
        return current is not None and bool(self.compare(current, self.value(facts)))

    def condition(self, columns: Any, facts: Any) -> Any:
        """`=`, `<`, `<=` or `>`."""
        return self.compare(getattr(columns, self.attribute), self.value(facts))


@dataclass(frozen=True, slots=True)
class AsRead:
    """The attribute is as it was read: it has the value made of the facts, or it is not there if that is None."""

    attribute: str
    value: Callable[[Any], Any]

    def holds(self, row: Any, facts: Any) -> bool:
        """True if the row has it so."""
        return bool(getattr(row, self.attribute) == self.value(facts))

    def condition(self, columns: Any, facts: Any) -> Any:
        """`=`, or `attribute_not_exists`."""
        column, value = getattr(columns, self.attribute), self.value(facts)
        return column.does_not_exist() if value is None else column == value


@dataclass(frozen=True, slots=True)
class StoredAsRead:
    """These attributes are stored as they were read: in DynamoDB's form, by name, None where there was none."""

    stored: Callable[[Any], Mapping[str, Any]]

    def holds(self, row: Any, facts: Any) -> bool:
        """True if the row has them so."""
        item = row.serialize()
        return all(item.get(name) == value for name, value in self.stored(facts).items())

    def condition(self, columns: Any, facts: Any) -> Any:
        """`=` or `attribute_not_exists` for each, on a row that is there."""
        condition = columns.pk.exists()
        for name, value in self.stored(facts).items():
            path = columns.path(name)
            condition &= path.does_not_exist() if value is None else path == value
        return condition


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of two clauses."""

    one: Clause
    other: Clause

    def holds(self, row: Any, facts: Any) -> bool:
        """True if one of them is."""
        return self.one.holds(row, facts) or self.other.holds(row, facts)

    def condition(self, columns: Any, facts: Any) -> Any:
        """`OR`."""
        return self.one.condition(columns, facts) | self.other.condition(columns, facts)


@dataclass(frozen=True, slots=True)
class Both:
    """Both of two clauses."""

    one: Clause
    other: Clause

    def holds(self, row: Any, facts: Any) -> bool:
        """True if both of them are."""
        return self.one.holds(row, facts) and self.other.holds(row, facts)

    def condition(self, columns: Any, facts: Any) -> Any:
        """`AND`."""
        return self.one.condition(columns, facts) & self.other.condition(columns, facts)


def equal(attribute: str, value: Callable[[Any], Any]) -> Compared:
    """The attribute equals the value."""
    return Compared(attribute, operator.eq, value)


def at_most(attribute: str, value: Callable[[Any], Any]) -> Compared:
    """The attribute is the value or less."""
    return Compared(attribute, operator.le, value)


def less_than(attribute: str, value: Callable[[Any], Any]) -> Compared:
    """The attribute is less than the value."""
    return Compared(attribute, operator.lt, value)


def more_than(attribute: str, value: Callable[[Any], Any]) -> Compared:
    """The attribute is more than the value."""
    return Compared(attribute, operator.gt, value)
