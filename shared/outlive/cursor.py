"""Where a list goes on: opaque, and good only for the workspace, chat and call it was made for."""

import base64
import binascii
import hashlib
import re

from outlive.errors import InvalidRequest


def cursor_at(seq: int, *scope: str) -> str:
    """The cursor that stands right after message sequence `seq` of `scope` (workspace, chat, call)."""
    return base64.urlsafe_b64encode(f"{seq}.{_mark(seq, scope)}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *scope: str) -> int | None:
    """The sequence `cursor` stands for, None without one. Raises InvalidRequest if it was not made for `scope`."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    found = re.fullmatch(r"([0-9]{1,12})\.([0-9a-f]{16})", text)
    if not found or found[2] != _mark(int(found[1]), scope):
        raise InvalidRequest("cursor", "is not one this call gave for this chat")
    return int(found[1])


def _mark(seq: int, scope: tuple[str, ...]) -> str:
    """Ties a cursor to its scope. Not a secret: who may read is decided by the chat's owner, not by a cursor."""
    return hashlib.sha256("\n".join([str(seq), *scope]).encode()).hexdigest()[:16]
