"""Opaque tokens: text that a client stores and sends back without reading it.

A sealed token is good only for the scope it was made for. The seal is no secret: what a caller may read is decided by the
owner of the row, never by a token.
"""

import base64
import hashlib

MAX_SEALED = 256
"""Characters of a sealed token at most; a longer one is not looked at."""


def seal(text: str, *scope: str) -> str:
    """The ASCII text as a token for `scope`."""
    return encode(f"{text}.{mark(text, *scope)}".encode())


def unseal(token: str, *scope: str) -> str | None:
    """The text that was sealed for `scope`, None if `token` was not made by `seal` for it."""
    sealed = decode(token) if len(token) <= MAX_SEALED else None
    if sealed is None or not sealed.isascii():
        return None
    text, _, digits = sealed.decode().rpartition(".")
    return text if digits == mark(text, *scope) else None


def mark(*scope: str) -> str:
    """16 hexadecimal digits that are the same for the same scope."""
    return hashlib.sha256("\n".join(scope).encode()).hexdigest()[:16]


def encode(data: bytes) -> str:
    """The bytes as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(token: str) -> bytes | None:
    """The bytes behind URL-safe base64 without padding, None if it is none."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
