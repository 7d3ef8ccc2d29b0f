"""Text and JSON values that any store and any reader can take."""

import math
from typing import Any

REPLACEMENT = "\ufffd"
MOST_ESCAPED = 4_500_000
"""Bytes: a little less than an answer holds."""
BREAKING = "\x85\u2028\u2029"


def clean(value: Any) -> Any:
    """A copy of the JSON value in valid UTF-8 without NUL, keys included. NaN and infinities become null.

    The halves of a surrogate pair are joined; a lone half and NUL become U+FFFD. A lone surrogate has no UTF-8 form, and
    providers refuse NUL: either would break the chat in which it is stored for good.
    """
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {_clean_text(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _clean_text(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", REPLACEMENT)


def is_deeper(value: Any, levels: int) -> bool:
    """True if there is anything in the JSON value below that many levels. It takes no stack, however deep that is."""
    level = [value]
    for _ in range(levels):
        level = [
            inner for outer in level if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]  # fmt: skip
    return bool(level)


def one_line(data: str) -> str:
    """The JSON text as data of a server-sent event.

    JSON has no line break but as an escape. Some clients break lines where the standard does not: at these, which can
    only be in a string. If the escapes would make it too large for an answer, it is left as it is, which the standard
    allows.
    """
    escaped = data
    for character in BREAKING:
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return data if len(escaped) > len(data) and len(escaped.encode()) > MOST_ESCAPED else escaped
