"""Where suspended code stands, as one hashable value: equal for two processes that will behave alike from now on.

Two processes may have got different answers and still stand alike: a read that brought nothing new changes nothing. So
processes are compared by what their frames hold: the code, the instruction, and the contents of every local. An object of
a type that is not named here cannot be compared; its standpoint then equals no other one. That costs time, and no state is
missed. What the interpreter keeps between a frame's instructions is not visible, above all the iterator of a `for`. So a
frame inside a loop over anything but a range is not compared, unless its function is in `LISTING`; `Forest` tries out
whether two processes that look alike do behave alike.
"""

import dis
import functools
import threading
import types
import uuid
from collections.abc import Callable, Hashable
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import pynamodb
from greenlet import greenlet
from pynamodb.models import Model

PLAIN = frozenset({str, bytes, int, float, bool, type(None)})
ATOMS = (type, types.ModuleType, types.CodeType, types.MethodDescriptorType, property)
ITERATORS = frozenset({type(iter(range(0))), type(iter([])), type(iter(()))})
SEQUENCES = frozenset({tuple, list})
LOCK = type(threading.Lock())
# On the way of a call these hold nothing but the call, which is compared anyway.
CARRIERS = str(Path(pynamodb.__file__).parent)

LISTING = frozenset({"Sweep._see_all"})
"""Functions that loop over the entries of one answer. The process keeps that answer in its mark (`actors.Wire`)."""

PASS_ON = frozenset({
    "Calls._answered", "Calls._call", "Calls._call.<locals>.<lambda>", "Calls._transact", "Moves._move",
    "Wire._make_api_call",
})  # fmt: skip
"""Functions that build the request under way, which is compared anyway, and pass on its answer. Their locals are left
out."""
BY_ARGUMENTS = frozenset({"Table.settle", "Waiting.ask", "Waiting.answer"})
"""Functions that make one request. Their other locals follow from their arguments, so only these are compared."""

Seen: TypeAlias = dict[int, tuple[int, object]]


class Incomparable(Exception):
    """Something in a frame has no contents that could be compared."""


class Standpoint:
    """Makes standpoints.

    `ambient` are objects that are shared by all processes and never change; `harness` are the types of what runs the
    code, which the code cannot see.
    """

    def __init__(self, ambient: tuple[object, ...] = (), harness: tuple[type, ...] = ()) -> None:
        self._harness = frozenset((*harness, greenlet))
        # Kept alive, so that no other object ever has one of these ids.
        self._ambient = {id(each): each for each in ambient}
        self._how: dict[type, Callable[[Any, Seen], Hashable]] = {}

    def of(self, thread: greenlet) -> Hashable:
        """The standpoint of a suspended greenlet. Raises `Incomparable`."""
        frames: list[Hashable] = []
        frame = thread.gr_frame
        while frame is not None:
            code = frame.f_code
            carries = code.co_filename.startswith(CARRIERS)
            if not carries and any(start < frame.f_lasti < end for start, end in _blind_loops(code)):
                raise Incomparable(code.co_name)
            frames.append((id(code), frame.f_lasti, None if carries else self._contents(_compared(frame), {})))
            frame = frame.f_back
        return tuple(frames)

    def _contents(self, thing: Any, seen: Seen) -> Hashable:
        kind = type(thing)
        if kind in PLAIN:
            # With its type: 1, 1.0 and True are not alike.
            return (kind, thing)
        if kind in self._harness:
            return "harness"
        how = self._how.get(kind)
        if how is None:
            how = self._how[kind] = self._how_to(kind)
        if how is _name:
            # By its name wherever it stands: sets hold these in no certain order.
            return (kind, thing.name)
        number = id(thing)
        if number in self._ambient:
            return ("atom", number)
        if number in seen:
            return ("seen", seen[number][0])
        # Kept with its number: were it let go, the next thing made here could get its id.
        seen[number] = len(seen), thing
        return (kind, how(thing, seen))

    def _how_to(self, kind: type) -> Callable[[Any, Seen], Hashable]:
        """How things of this type are compared."""
        if issubclass(kind, dict):
            return self._mapping
        if issubclass(kind, Enum):
            return _name
        if kind in SEQUENCES or issubclass(kind, (tuple, list)):
            return lambda thing, seen: tuple([self._contents(each, seen) for each in thing])
        if issubclass(kind, (set, frozenset)):
            return lambda thing, seen: tuple(sorted((self._contents(each, seen) for each in thing), key=repr))
        if issubclass(kind, uuid.UUID):
            # PynamoDB numbers its calls for its signals; nothing else is drawn by chance.
            return lambda thing, seen: "uuid"
        if issubclass(kind, ATOMS):
            return lambda thing, seen: id(thing)
        if kind is types.BuiltinFunctionType:
            return lambda thing, seen: (thing.__name__, self._contents(thing.__self__, seen))
        if kind is types.FunctionType:
            return self._function
        if kind is types.MethodType:
            return lambda thing, seen: self._contents((thing.__func__, thing.__self__), seen)
        if kind is functools.partial:
            return lambda thing, seen: self._contents((thing.func, thing.args, thing.keywords), seen)
        if issubclass(kind, BaseException):
            return lambda thing, seen: self._contents((thing.args, vars(thing)), seen)
        if kind is types.GeneratorType:
            return self._generator
        if kind in ITERATORS:
            return lambda thing, seen: self._contents(thing.__reduce__()[1:], seen)
        if kind is LOCK:
            return lambda thing, seen: thing.locked()
        if issubclass(kind, Model):
            return lambda thing, seen: self._contents(thing.attribute_values, seen)
        if kind.__module__ == "builtins":
            raise Incomparable(kind.__name__)
        return self._fields

    def _mapping(self, thing: dict[Any, Any], seen: Seen) -> Hashable:
        try:
            keys = sorted(thing)
        except TypeError:
            keys = list(thing)
        return tuple(
            [(key if type(key) is str else self._contents(key, seen), self._contents(thing[key], seen)) for key in keys]
        )

    def _function(self, thing: types.FunctionType, seen: Seen) -> Hashable:
        cells = tuple([_cell(cell) for cell in thing.__closure__ or ()])
        return (id(thing.__code__), self._contents((cells, thing.__defaults__, thing.__kwdefaults__), seen))

    def _generator(self, thing: types.GeneratorType, seen: Seen) -> Hashable:
        frame = thing.gi_frame
        if frame is None:
            return None
        return (id(frame.f_code), frame.f_lasti, self._contents(dict(frame.f_locals), seen))

    def _fields(self, thing: Any, seen: Seen) -> Hashable:
        """An ordinary object by its attributes."""
        fields = dict(vars(thing)) if hasattr(thing, "__dict__") else {}
        for name in _slots(type(thing)):
            if hasattr(thing, name):
                fields[name] = getattr(thing, name)
        return self._mapping(fields, seen)


def _compared(frame: types.FrameType) -> dict[str, Any]:
    """The locals of a frame that can make a difference."""
    code = frame.f_code
    if code.co_qualname in PASS_ON:
        return {}
    if code.co_qualname in BY_ARGUMENTS:
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return {name: frame.f_locals[name] for name in arguments}
    return frame.f_locals


def _name(thing: Any, seen: Seen) -> Hashable:
    return str(thing.name)


@functools.cache
def _blind_loops(code: types.CodeType) -> tuple[tuple[int, int], ...]:
    """The bodies of loops whose iterator does not follow from the locals: from the instruction that steps it to its
    exit."""
    if code.co_qualname in LISTING:
        return ()
    bodies: list[tuple[int, int]] = []
    recent: list[str] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "FOR_ITER" and "range" not in recent[-12:]:
            assert isinstance(instruction.argval, int)
            bodies.append((instruction.offset, instruction.argval))
        recent.append(str(instruction.argval))
    return tuple(bodies)


@functools.cache
def _slots(kind: type) -> tuple[str, ...]:
    names: list[str] = []
    for each in kind.__mro__:
        slots = each.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
