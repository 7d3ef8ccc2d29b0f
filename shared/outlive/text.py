"""Text that every part downstream can take."""

import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MOST_ESCAPED = 4_500_000
"""Bytes: a little less than an answer holds."""
BREAKING = "\x85\u2028\u2029"


def clean(value: Any) -> Any:
    """The JSON value with NUL and lone surrogates replaced by U+FFFD, in keys too.

    A lone surrogate has no UTF-8 form, and providers refuse NUL; either would break the chat it is stored in for good.
    """
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value


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
    only stand in a string. Where the escapes would make it too large for an answer it is left as it is, as the standard
    allows.
    """
    escaped = data
    for character in BREAKING:
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return data if len(escaped) > len(data) and len(escaped.encode()) > MOST_ESCAPED else escaped
