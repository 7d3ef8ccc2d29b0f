"""The cursors of lists: opaque, and valid only for the workspace, chat and call they were made for."""

import re

from outlive.errors import CursorRefused
from outlive.opaque import seal, unseal


def cursor_at(seq: int, *scope: str) -> str:
    """The cursor that stands right after message sequence `seq` of `scope` (workspace, chat, call)."""
    return seal(str(seq), *scope)


def read_cursor(cursor: str | None, *scope: str) -> int | None:
    """The sequence `cursor` stands for, None without one. Raises CursorRefused if it was not made for `scope`."""
    if cursor is None:
        return None
    seq = unseal(cursor, *scope)
    if seq is None or not re.fullmatch(r"[0-9]{1,12}", seq):
        raise CursorRefused("is not one this call gave for this chat")
    return int(seq)
