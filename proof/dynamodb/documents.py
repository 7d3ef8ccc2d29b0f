"""An item as a document: what stands at a path, and how it is put there and taken away."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from proof.dynamodb.values import SETS, Attributes, Value, kind

Steps: TypeAlias = tuple[str | int, ...]


class Refused(Exception):
    """The request is well formed, but this item can't take it; inside a transaction it is a ValidationError reason."""


def look(item: Mapping[str, Value], steps: Steps) -> Value | None:
    """The value at a document path, or None."""
    part = item.get(steps[0])  # type: ignore[arg-type]
    for step in steps[1:]:
        if part is None:
            return None
        if isinstance(step, int):
            held = part.get("L")
            part = held[step] if held is not None and step < len(held) else None
        else:
            held = part.get("M")
            part = held.get(step) if held is not None else None
    return part


def size(value: Value | None) -> Value | None:
    """What `size(path)` yields; None where it has no meaning."""
    if value is None:
        return None
    tag = kind(value)
    if tag == "S":
        # Counted in UTF-16 units, as the service's own strings are.
        return {"N": str(len(value["S"].encode("utf-16-le", "surrogatepass")) // 2)}
    if tag in ("B", "M", "L") or tag in SETS:
        return {"N": str(len(value[tag]))}
    return None


def _holder(item: Attributes, steps: Steps) -> Any:
    """The map or list that holds the last step, or None."""
    if len(steps) == 1:
        return item
    holder = look(item, steps[:-1])
    if holder is None:
        return None
    return holder.get("L") if isinstance(steps[-1], int) else holder.get("M")


def put(item: Attributes, steps: Steps, value: Value) -> None:
    held = _holder(item, steps)
    if held is None:
        raise Refused("The document path provided in the update expression is invalid for update")
    last = steps[-1]
    if isinstance(last, int) and last >= len(held):
        held.append(value)
    else:
        held[last] = value


def remove(item: Attributes, steps: Steps) -> None:
    held = _holder(item, steps)
    if held is None:
        raise Refused("The document path provided in the update expression is invalid for update")
    last = steps[-1]
    if isinstance(last, int):
        if last < len(held):
            del held[last]
    else:
        held.pop(last, None)
