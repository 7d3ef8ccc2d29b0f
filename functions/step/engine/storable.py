"""Text and JSON values that any store and any reader can take.

A model may stream half of a surrogate pair, a tool may return a NUL or a float that JSON has no word for. None of that
may reach a table: it would fail there, or in a browser years later.
"""

import math
from typing import Any

REPLACEMENT = "\ufffd"


def mend(text: str) -> str:
    """`text` as valid UTF-8 without NUL: surrogate pairs joined, lone ones and NULs become U+FFFD."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", REPLACEMENT)


def storable(value: Any) -> Any:
    """A copy of a JSON value with every string in it mended, keys too, and NaN and infinities as null."""
    if isinstance(value, str):
        return mend(value)
    if isinstance(value, dict):
        return {mend(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Mender:
    """Mends a text that comes in pieces: half a surrogate pair waits for the piece that may bring its other half."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """What of `piece`, and of what was held before it, can be shown now."""
        text, self._held = self._held + piece, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return mend(text)

    def rest(self) -> str:
        """What is still held, mended; the text is over."""
        text, self._held = self._held, ""
        return mend(text)
