"""The command's output. Text from the network never reaches a terminal as a control sequence."""

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

# All control characters except tab and newline, C1 controls included; characters that change the direction of text, so
# that a line reads differently than it is; and halves of surrogate pairs, which have no UTF-8 form.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with each unsafe character escaped as in JSON."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text.replace("\r\n", "\n"))


def one_line(value: object) -> str:
    """`value` on one line: text as it is, other values as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return visible(" ".join(text.split()))


class Screen:
    """Results go to standard output, notes and errors to standard error. With `as_json` standard output holds only JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # JSON is UTF-8 in every locale. Other output shows a question mark where the locale lacks a character.
                stream.reconfigure(errors="replace", **({"encoding": "utf-8"} if as_json else {}))
        self._out = _Console(highlight=False, markup=False, emoji=False)
        self._err = _Console(highlight=False, markup=False, emoji=False, stderr=True)
        self.is_terminal = self._out.is_terminal
        self._line_is_open = False

    def write(self, text: str, style: str = "") -> None:
        """Write a piece of text without a line break."""
        if not text:
            return
        if self.is_terminal and style:
            self._out.out(visible(text), style=style, end="", highlight=False)
        else:
            _write(visible(text))
        self._line_is_open = not text.endswith("\n")

    def end_line(self) -> None:
        """End the current line, if there is one."""
        if self._line_is_open:
            self.write("\n")

    def line(self, text: str, style: str = "") -> None:
        """Write a line; on a terminal it is cut to the terminal's width."""
        self.end_line()
        text = " ".join(text.split("\n"))
        if self.is_terminal and len(text) > self._out.width:
            clipped = Text(visible(text))
            clipped.truncate(self._out.width, overflow="ellipsis")
            text = clipped.plain
        self.write(f"{text}\n", style)

    def gap(self) -> None:
        """Write an empty line."""
        self.end_line()
        self.write("\n")

    def note(self, text: str, style: str = "dim") -> None:
        """Write a line to standard error, except with `as_json`."""
        if not self.as_json:
            self.message(text, style)

    def message(self, text: str, style: str = "") -> None:
        """Write a line to standard error."""
        if self._line_is_open and self.is_terminal and self._err.is_terminal:
            self.end_line()
        self._err.out(visible(text), style=style or None, highlight=False)

    def table(self, head: list[str], rows: list[list[str]]) -> None:
        """Write a table. Without a terminal its columns are separated by tabs."""
        cells = [[one_line(cell) for cell in row] for row in rows]
        if not self.is_terminal:
            _write("".join("\t".join(row) + "\n" for row in [head, *cells]))
            return
        table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
        for name in head:
            # Ids are never cut, so only the last column folds.
            table.add_column(name, no_wrap=name != head[-1], overflow="fold")
        for row in cells:
            table.add_row(*(Text(cell, style=_STATUS_STYLE.get(cell, "")) for cell in row))
        self._out.print(table)

    def json(self, value: Any) -> None:
        """Write `value` as one line of JSON, with times in the API's format."""
        plain = msgspec.to_builtins(value, builtin_types=(datetime,))
        _write(visible(json.dumps(plain, ensure_ascii=False, default=iso)) + "\n")


class OutputClosed(Exception):
    """The reader of the output closed it. It is not an OSError: Click would handle that with exit code 1, a failed run's."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise OutputClosed


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None


_STATUS_STYLE = {
    "succeeded": "green",
    "failed": "red",
    "aborted": "yellow",
    "running": "cyan",
    "queued": "cyan",
    "pending": "cyan",
    "waiting": "magenta",
}


def local_time(at: datetime) -> str:
    """The time in this machine's time zone, for a terminal."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def style_of(status: str) -> str:
    """The style of a status."""
    return _STATUS_STYLE.get(status, "")


def iso(at: datetime) -> str:
    """The time in the API's format."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
