"""Retries of writes and reads that the store could not carry out."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from outlive.errors import StoreError, StoreUnreadable

TRIES = 3
PAUSE = 0.05

T = TypeVar("T")


class Sleeper(Protocol):
    """A clock that can wait."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


def persistently(call: Callable[[], T], sleeper: Sleeper, jitter: Callable[[], float] = lambda: 1.0) -> T:
    """Call `call` at most 3 times, with pauses of 50 ms × attempt × `jitter`, and return its result.

    `call` must be idempotent: a try before may have taken effect. Raises the last `StoreError`, and
    `StoreUnreadable` at once.
    """
    for attempt in range(1, TRIES):
        try:
            return call()
        except StoreUnreadable:
            raise
        except StoreError:
            sleeper.sleep(PAUSE * attempt * jitter())
    return call()
