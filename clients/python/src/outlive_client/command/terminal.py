"""What goes to the screen. Nothing that came over the network reaches a terminal as a command to it."""

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

# All control characters but tab and newline, those of the second half (C1) too; what turns the direction of writing, so
# that a line reads otherwise than it is; and halves of surrogate pairs, which have no UTF-8.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with everything that a terminal would obey written out as JSON would."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def one_line(value: object) -> str:
    """`value` as one line: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return visible(" ".join(text.split()))


class Screen:
    """Standard output for results, standard error for notes about them. With `as_json` the one holds JSON alone."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # JSON is UTF-8 whatever the locale says; anything else rather shows a question mark than ends in an error.
                stream.reconfigure(errors="replace", **({"encoding": "utf-8"} if as_json else {}))
        self._out = _Console(highlight=False, markup=False, emoji=False)
        self._err = _Console(highlight=False, markup=False, emoji=False, stderr=True)
        self.is_terminal = self._out.is_terminal
        self._line_is_open = False

    def write(self, text: str, style: str = "") -> None:
        """A piece of text, as it is."""
        if not text:
            return
        if self.is_terminal and style:
            self._out.out(visible(text), style=style, end="", highlight=False)
        else:
            _put(visible(text))
        self._line_is_open = not text.endswith("\n")

    def end_line(self) -> None:
        """What comes next begins a line."""
        if self._line_is_open:
            self.write("\n")

    def line(self, text: str, style: str = "") -> None:
        """A line of its own; on a terminal no longer than that."""
        self.end_line()
        text = " ".join(text.split("\n"))
        if self.is_terminal and len(text) > self._out.width:
            clipped = Text(visible(text))
            clipped.truncate(self._out.width, overflow="ellipsis")
            text = clipped.plain
        self.write(f"{text}\n", style)

    def gap(self) -> None:
        """A line is left out."""
        self.end_line()
        self.write("\n")

    def note(self, text: str, style: str = "dim") -> None:
        """A word about what happens, for whoever looks on."""
        if not self.as_json:
            self.tell(text, style)

    def tell(self, text: str, style: str = "") -> None:
        """A word that is said in any case."""
        if self._line_is_open and self.is_terminal and self._err.is_terminal:
            self.end_line()
        self._err.out(visible(text), style=style or None, highlight=False)

    def table(self, head: list[str], rows: list[list[str]]) -> None:
        """A table; tabs between its columns where no person looks on."""
        cells = [[one_line(cell) for cell in row] for row in rows]
        if not self.is_terminal:
            _put("".join("\t".join(row) + "\n" for row in [head, *cells]))
            return
        table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
        for name in head:
            # An id that is not whole is none: rather the last column is folded.
            table.add_column(name, no_wrap=name != head[-1], overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell, style=_STATUS_STYLE.get(cell, "")) for cell in row))
        self._out.print(table)

    def json(self, value: Any) -> None:
        """`value` as one line of JSON, with times as the API writes them."""
        plain = msgspec.to_builtins(value, builtin_types=(datetime,))
        _put(visible(json.dumps(plain, ensure_ascii=False, default=iso)) + "\n")


class ReaderLeft(Exception):
    """Whoever read the output has closed it. No OSError: Click would end the command by itself, as if a run had failed."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise ReaderLeft


def _put(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderLeft from None


_STATUS_STYLE = {"succeeded": "green", "failed": "red", "aborted": "yellow", "running": "cyan", "pending": "cyan"}


def local(at: datetime) -> str:
    """The time as a person reads it, in the zone of this machine."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def style_of(status: str) -> str:
    """How a status is shown."""
    return _STATUS_STYLE.get(status, "")


def iso(at: datetime) -> str:
    """The time as the API writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
