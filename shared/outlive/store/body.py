"""The body of a record, packed: the same content in two forms takes its room once."""

import lzma
import zlib
from dataclasses import dataclass
from typing import Any

import msgspec

from outlive.asked import AskedCall
from outlive.follow.passages import OUTPUT_PART


@dataclass(frozen=True, slots=True)
class Body:
    """The result of a step: UI parts for the reader, and the same in the agent's own form (JSON) for the next step."""

    parts: list[dict[str, Any]]
    messages: str | None = None
    asked: tuple[AskedCall, ...] = ()
    """The calls that wait for an answer."""

    @property
    def text(self) -> str:
        """All text parts in order."""
        return "".join(part["text"] for part in self.parts if part.get("type") == "text")

    @property
    def output(self) -> Any:
        """The structured output, a JSON value; None if there is none."""
        last = self.parts[-1] if self.parts else {}
        return last.get("data") if last.get("type") == OUTPUT_PART else None


NO_MESSAGES = b"null"
ZLIB_WINDOW_BYTES = 32_768
"""Up to here zlib packs as tightly as LZMA, and twenty times as fast."""
XZ = b"\xfd7zXZ"


class _Packed(msgspec.Struct, array_like=True):
    """A body as it is stored. It contains the messages as JSON, not as a text of JSON."""

    parts: list[dict[str, Any]]
    messages: msgspec.Raw
    asked: tuple[AskedCall, ...] = ()


def pack(body: Body) -> bytes:
    """`body` compressed.

    The window spans all of it and both forms escape alike, so the text they share takes its room once.
    """
    messages = NO_MESSAGES if body.messages is None else body.messages.encode()
    data = msgspec.json.encode(_Packed(body.parts, msgspec.Raw(messages), body.asked))
    if len(data) <= ZLIB_WINDOW_BYTES:
        return zlib.compress(data)
    window = [{"id": lzma.FILTER_LZMA2, "preset": 4, "dict_size": max(4096, len(data))}]
    return lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=window)


def unpack(data: bytes) -> Body:
    """The body that `pack` made `data` of."""
    plain = lzma.decompress(data) if data.startswith(XZ) else zlib.decompress(data)
    packed = msgspec.json.decode(plain, type=_Packed)
    messages = bytes(packed.messages)
    return Body(packed.parts, None if messages == NO_MESSAGES else messages.decode(), packed.asked)
