"""DynamoDB's attribute values in their wire form: what is legal, what is equal, what they weigh."""

from collections.abc import Hashable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, TypeAlias

Value: TypeAlias = dict[str, Any]
Attributes: TypeAlias = dict[str, Value]

SCALARS = frozenset({"S", "N", "B", "BOOL", "NULL"})
SETS = {"SS": "S", "NS": "N", "BS": "B"}
ORDERED = frozenset({"S", "N", "B"})
TYPES = SCALARS | SETS.keys() | {"M", "L"}
DEPTH = 32

_EXACT = Context(prec=38, traps=[Inexact, InvalidOperation, Overflow])
_BIGGEST = Decimal("9.9999999999999999999999999999999999999E+125")
_SMALLEST = Decimal("1E-130")


class Invalid(Exception):
    """The request is malformed; DynamoDB says ValidationException before it looks at any item."""


def number(text: str) -> str:
    """The one spelling DynamoDB keeps of a number. Raises `Invalid` for what it can't hold exactly."""
    if text.isascii() and text.isdigit() and len(text) < 38 and (text[0] != "0" or text == "0"):
        return text
    try:
        exact = _EXACT.create_decimal(text)
    except Inexact:
        raise Invalid("Attempting to store more than 38 significant digits in a Number") from None
    except (InvalidOperation, Overflow, TypeError, ValueError):
        raise Invalid("The parameter cannot be converted to a numeric value") from None
    return spelled(exact)


def spelled(exact: Decimal) -> str:
    """Write a decimal without exponent and without idle zeros. Raises `Invalid` when it is out of DynamoDB's range."""
    if not exact.is_finite():
        raise Invalid("The parameter cannot be converted to a numeric value")
    if exact.is_zero():
        return "0"
    if abs(exact) > _BIGGEST:
        raise Invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if abs(exact) < _SMALLEST:
        raise Invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    return format(exact.normalize(_EXACT), "f")


def add(left: str, right: str, sign: int = 1) -> str:
    """`left + sign * right` as DynamoDB computes it: exactly, or `Invalid`."""
    try:
        return spelled(_EXACT.add(Decimal(left), sign * Decimal(right)))
    except Inexact:
        raise Invalid("Number overflow. Attempting to store a number with more than 38 significant digits") from None


def kind(value: Value) -> str:
    """The type tag of a legal value."""
    return next(iter(value))


def legal(value: object, depth: int = 0) -> Value:
    """A copy of `value` in canonical form, sharing nothing mutable with it. Raises `Invalid`."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise Invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    if depth > DEPTH:
        raise Invalid("Nesting Levels have exceeded supported limits")
    ((tag, held),) = value.items()
    if tag == "S":
        if not isinstance(held, str):
            raise Invalid("A string attribute must hold a string")
        return {"S": held}
    if tag == "N":
        if not isinstance(held, str):
            raise Invalid("A number attribute must hold its digits as a string")
        return {"N": number(held)}
    if tag == "B":
        return {"B": bytes(held)}
    if tag == "BOOL":
        return {"BOOL": bool(held)}
    if tag == "NULL":
        if held is not True:
            raise Invalid("Null attribute value types must have the value of true")
        return {"NULL": True}
    if tag == "M":
        return {"M": {name: legal(inner, depth + 1) for name, inner in held.items()}}
    if tag == "L":
        return {"L": [legal(inner, depth + 1) for inner in held]}
    if tag in SETS:
        if not held:
            raise Invalid("An attribute value may not contain an empty set")
        members = [legal({SETS[tag]: member})[SETS[tag]] for member in held]
        if len(set(members)) != len(members):
            raise Invalid("Input collection contains duplicates")
        return {tag: sorted(members)}
    raise Invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")


def legal_attributes(attributes: object) -> Attributes:
    """Every value of an item or a placeholder map in canonical form. Raises `Invalid`."""
    if not isinstance(attributes, Mapping):
        raise Invalid("An item must be a map of attribute values")
    return {name: legal(value) for name, value in attributes.items()}


def copy(value: Value) -> Value:
    """A value its holder may change."""
    ((tag, held),) = value.items()
    if tag == "M":
        return {"M": {name: copy(inner) for name, inner in held.items()}}
    if tag == "L":
        return {"L": [copy(inner) for inner in held]}
    if tag in SETS:
        return {tag: list(held)}
    return {tag: held}


def copy_attributes(attributes: Mapping[str, Value]) -> Attributes:
    """An item its holder may change."""
    return {name: copy(value) for name, value in attributes.items()}


def frozen(value: Value) -> Hashable:
    """Equal exactly where DynamoDB's `=` holds; hashable."""
    ((tag, held),) = value.items()
    if tag == "M":
        return tag, frozenset((name, frozen(inner)) for name, inner in held.items())
    if tag == "L":
        return tag, tuple(frozen(inner) for inner in held)
    if tag in SETS:
        return tag, frozenset(held)
    return tag, held


def order(value: Value) -> Any:
    """The sort key among values of one ordered type. Code points order as their UTF-8 bytes do."""
    ((tag, held),) = value.items()
    return Decimal(held) if tag == "N" else held


def text_bytes(text: str) -> int:
    """Length in UTF-8; a lone surrogate counts as the three bytes it would take."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def weight(value: Value) -> int:
    """Bytes a value counts for against the limits on items and pages."""
    ((tag, held),) = value.items()
    if tag == "S":
        return text_bytes(held)
    if tag == "N":
        return number_weight(held)
    if tag == "B":
        return len(held)
    if tag in ("BOOL", "NULL"):
        return 1
    if tag == "M":
        return 3 + sum(1 + text_bytes(name) + weight(inner) for name, inner in held.items())
    if tag == "L":
        return 3 + sum(1 + weight(inner) for inner in held)
    return sum(weight({SETS[tag]: member}) for member in held)


def number_weight(text: str) -> int:
    """Two digits a byte, plus one, plus one for a minus; idle zeros at either end are free."""
    exact = Decimal(text)
    if exact.is_zero():
        return 1
    sign, digits, exponent = exact.normalize().as_tuple()
    assert isinstance(exponent, int)
    # Digits are packed in pairs aligned to the decimal point, so an odd exponent can cost half a byte more.
    start = exponent % 2
    return (len(digits) + start + 1) // 2 + 1 + sign


def item_weight(attributes: Mapping[str, Value]) -> int:
    """Bytes an item counts for: attribute names included."""
    return sum(text_bytes(name) + weight(value) for name, value in attributes.items())
