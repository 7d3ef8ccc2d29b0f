"""What a process asks for and what it is answered: equal ones are one object."""

import pickle
from collections.abc import Callable, Hashable
from typing import Any

from botocore.exceptions import ClientError


class Request:
    """What a thread waits for. Equal requests are one object."""

    __slots__ = ("body", "key", "number", "operation", "where")
    _interned: dict[Hashable, "Request"] = {}

    where: str
    operation: str
    body: Any
    number: int
    key: Hashable

    @classmethod
    def of(cls, where: str, operation: str, body: Any = None) -> "Request":
        """The one request of `operation` with `body`, which must not change any more."""
        key = (where, operation, repr(body))
        interned = cls._interned.get(key)
        if interned is None:
            interned = cls()
            interned.where, interned.operation, interned.body, interned.key = where, operation, body, key
            interned.number = len(cls._interned)
            cls._interned[key] = interned
        return interned

    def __repr__(self) -> str:
        return f"{self.where}:{self.operation}"


class Answer:
    """What a thread gets: a value or an error. Equal answers are one object; every taker gets a copy of its own."""

    __slots__ = ("_stored", "error", "number", "shown")
    _interned: dict[Hashable, "Answer"] = {}

    number: int
    error: bool
    shown: str
    _stored: bytes | Callable[[], BaseException]

    @classmethod
    def value(cls, value: Any) -> "Answer":
        """The answer `value`."""
        key = ("value", repr(value))
        interned = cls._interned.get(key)
        if interned is None:
            interned = cls._new(key, error=False, shown="ok")
            interned._stored = pickle.dumps(value)
        return interned

    @classmethod
    def raised(cls, error: Exception) -> "Answer":
        """The error `error`, made anew for each taker."""
        if isinstance(error, ClientError):
            response, operation = pickle.dumps(error.response), error.operation_name
            key: Hashable = ("client error", operation, repr(error.response))
            shown = error.response["Error"]["Code"]

            def make() -> BaseException:
                return ClientError(pickle.loads(response), operation)

        else:
            kind, arguments = type(error), error.__reduce__()
            key, shown = ("error", kind, repr(error)), kind.__name__

            def make() -> BaseException:
                rebuilt = arguments[0](*arguments[1])  # type: ignore[operator]
                assert isinstance(rebuilt, BaseException)
                return rebuilt

        interned = cls._interned.get(key)
        if interned is None:
            interned = cls._new(key, error=True, shown=shown)
            interned._stored = make
        return interned

    @classmethod
    def _new(cls, key: Hashable, *, error: bool, shown: str) -> "Answer":
        answer = cls()
        answer.number, answer.error, answer.shown = len(cls._interned), error, shown
        cls._interned[key] = answer
        return answer

    def take(self) -> Any:
        """A copy of the value; raises a copy of the error."""
        if isinstance(self._stored, bytes):
            return pickle.loads(self._stored)
        raise self._stored()
