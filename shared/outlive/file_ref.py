"""What refers to a file of a chat: its address, its UI part, and what its content must begin with.

A stored message contains references alone. A reference never expires; the address in it is a route of this API, which
checks access each time.
"""

import re
from typing import Any

import msgspec

MAX_FILES = 10
"""Files of one message."""
MAX_FILES_BYTES = 20_000_000
"""Bytes of all files of one message, and of all files that one model request contains: as base64 they fit into the 32 MB
that providers take."""
MAX_NAME = 255
MAX_NAME_BYTES = 500
"""It stands with the object, percent-encoded, where S3 has room for 2 KB."""
BEGINNING_BYTES = 1024
FILE_ID = re.compile(r"[0-9a-f]{32}")
ADDRESS = re.compile(r"/chats/([A-Za-z0-9._:-]{1,128})/files/([0-9a-f]{32})")
SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The types that a browser may show by itself. Every other file is downloaded: an SVG or an HTML page can run scripts."""
BEGINNINGS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "application/pdf": re.compile(rb".{0,1019}%PDF-", re.DOTALL),
}
"""By type, what a content of it begins with. Types that are not here have no such mark."""


class FileRef(msgspec.Struct, frozen=True):
    """A file of a message."""

    id: str
    name: str
    media_type: str
    size: int


def address_of(chat_id: str, file_id: str) -> str:
    """The file's path in this API."""
    return f"/chats/{chat_id}/files/{file_id}"


def id_in(address: str, chat_id: str) -> str | None:
    """The id of the file of this chat that the path or URL leads to; None if it leads anywhere else."""
    match = ADDRESS.search(address)
    return match[2] if match and match.end() == len(address) and match[1] == chat_id else None


def part_of(file: FileRef, chat_id: str) -> dict[str, Any]:
    """The file as a UI part of a message."""
    url = address_of(chat_id, file.id)
    return {"type": "file", "mediaType": file.media_type, "filename": file.name, "url": url}


def begins_as(media_type: str, beginning: bytes) -> bool:
    """False if no content of this type begins so."""
    mark = BEGINNINGS.get(media_type)
    return mark is None or mark.match(beginning) is not None
