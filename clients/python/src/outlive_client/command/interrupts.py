"""Ctrl-C that does not interrupt what must be done completely."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self


class Interrupts:
    """In this context Ctrl-C raises KeyboardInterrupt, but not within an `uninterrupted` block: there it waits for the
    block's end.

    The command prints an event and moves its cursor in such a block, so a reader who resumes from the cursor sees no
    event twice. A second Ctrl-C does not wait, because the block itself waits while the output is not read.
    """

    def __init__(self) -> None:
        self._in_block = False
        self._pending = False

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        # The parent process may have this command ignore SIGINT, as with nohup.
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Delay a Ctrl-C until the block has ended."""
        self._in_block = True
        try:
            yield
        finally:
            self._in_block = False
        if self._pending:
            raise KeyboardInterrupt

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._in_block or self._pending:
            raise KeyboardInterrupt
        self._pending = True
