"""Where suspended code stands, as one hashable value: equal for two processes that have the same life before them.

What a process was answered is more than what it still knows: a read that told nothing new leaves it where it was. So
processes are compared by what their frames hold: the code, the instruction, and every local by its contents. What can't be
compared (an object of a kind not named here) makes a standpoint equal to no other, which costs time and never truth. The
one thing not seen is what the interpreter keeps between a frame's instructions; `Forest` therefore tries twins out.
"""

import functools
import threading
import types
import uuid
from collections.abc import Hashable
from enum import Enum
from typing import Any, TypeAlias

from greenlet import greenlet
from pynamodb.models import Model

PLAIN = (str, bytes, int, float, bool, type(None))
ATOMS = (type, types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.MethodDescriptorType, property)
ITERATORS = (type(iter(range(0))), type(iter([])), type(iter(())))
LOCK = type(threading.Lock())


Seen: TypeAlias = dict[int, tuple[int, object]]


class Incomparable(Exception):
    """Something in a frame has no contents that could be compared."""


class Standpoint:
    """Makes standpoints.

    `ambient` are objects that are the same for everybody and never change; `harness` are the types of what runs the code,
    whose contents are no business of the code's.
    """

    def __init__(self, ambient: tuple[object, ...] = (), harness: tuple[type, ...] = ()) -> None:
        self._harness = (*harness, greenlet)
        # Kept alive, so that no other object ever has one of these ids.
        self._ambient = {id(each): each for each in ambient}

    def of(self, thread: greenlet) -> Hashable:
        """The standpoint of a suspended greenlet. Raises `Incomparable`."""
        found: list[Hashable] = []
        frame = thread.gr_frame
        while frame is not None:
            found.append((id(frame.f_code), frame.f_lasti, self._contents(dict(frame.f_locals), {})))
            frame = frame.f_back
        return tuple(found)

    def _contents(self, thing: Any, seen: Seen) -> Hashable:
        if isinstance(thing, Enum):
            return (type(thing).__name__, thing.name)
        if isinstance(thing, PLAIN):
            return (type(thing).__name__, thing)
        if isinstance(thing, uuid.UUID):
            # PynamoDB numbers its calls for its signals; nothing else is drawn by chance.
            return "uuid"
        if isinstance(thing, self._harness):
            return "harness"
        if isinstance(thing, types.BuiltinMethodType) and not isinstance(
            thing.__self__, types.ModuleType | type | None
        ):
            return (thing.__name__, self._contents(thing.__self__, seen))
        if isinstance(thing, ATOMS) or id(thing) in self._ambient:
            return ("atom", id(thing))
        if id(thing) in seen:
            return ("seen", seen[id(thing)][0])
        # Kept with its number: were it let go, the next thing made here could get its id.
        seen[id(thing)] = len(seen), thing
        return (type(thing).__name__, self._held(thing, seen))

    def _held(self, thing: Any, seen: Seen) -> Hashable:
        if isinstance(thing, dict):
            return tuple((self._contents(key, seen), self._contents(thing[key], seen)) for key in _in_order(thing))
        if isinstance(thing, (tuple, list)):
            return tuple(self._contents(each, seen) for each in thing)
        if isinstance(thing, (set, frozenset)):
            return tuple(sorted((self._contents(each, seen) for each in thing), key=repr))
        if isinstance(thing, types.FunctionType):
            cells = [_cell(cell) for cell in thing.__closure__ or ()]
            return (id(thing.__code__), self._contents([cells, thing.__defaults__, thing.__kwdefaults__], seen))
        if isinstance(thing, types.MethodType):
            return self._contents([thing.__func__, thing.__self__], seen)
        if isinstance(thing, functools.partial):
            return self._contents([thing.func, thing.args, thing.keywords], seen)
        if isinstance(thing, BaseException):
            return self._contents([thing.args, vars(thing)], seen)
        if isinstance(thing, types.GeneratorType):
            frame = thing.gi_frame
            return (
                None if frame is None else (id(frame.f_code), frame.f_lasti, self._contents(dict(frame.f_locals), seen))
            )
        if isinstance(thing, ITERATORS):
            return self._contents(list(thing.__reduce__()[1:]), seen)
        if isinstance(thing, LOCK):
            return thing.locked()
        if isinstance(thing, Model):
            return self._contents(thing.attribute_values, seen)
        return self._fields(thing, seen)

    def _fields(self, thing: Any, seen: Seen) -> Hashable:
        """An ordinary object by its attributes."""
        fields = dict(vars(thing)) if hasattr(thing, "__dict__") else {}
        for kind in type(thing).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(thing, name):
                    fields[name] = getattr(thing, name)
        if not fields and type(thing).__reduce__ is object.__reduce__ and type(thing).__module__ == "builtins":
            raise Incomparable(type(thing).__name__)
        return self._contents(fields, seen)


def _in_order(thing: dict[Any, Any]) -> list[Any]:
    keys = list(thing)
    return sorted(keys) if all(isinstance(key, str) for key in keys) else keys


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
