"""Text that every part downstream can take."""

import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


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
