"""Ctrl-C, but never in the middle of something that must be whole."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self


class Interrupts:
    """While this is entered Ctrl-C is a KeyboardInterrupt, as ever, except that it waits for the end of what is `whole`.

    So an event that was printed is one that the cursor has passed, and who goes on from there sees nothing twice. A second Ctrl-C does not
    wait: whoever reads the output may never take the rest.
    """

    def __init__(self) -> None:
        self._inside = False
        self._waiting = False

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        # Ignored by whoever started this: then it stays so.
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._came)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is done in here is done to its end."""
        self._inside = True
        try:
            yield
        finally:
            self._inside = False
        if self._waiting:
            raise KeyboardInterrupt

    def _came(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._inside or self._waiting:
            raise KeyboardInterrupt
        self._waiting = True
