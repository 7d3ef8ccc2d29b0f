"""The body of an answer as it comes in."""

import time

import httpx

from outlive_client.asking import Answer

MOST = 64_000_000
"""Bytes: several times what the API ever answers, and little enough to hold."""


class Intake:
    """The body of `response`, within `seconds` and `MOST`, however it is dripped or packed."""

    def __init__(self, response: httpx.Response, seconds: float) -> None:
        self._response = response
        self._until = time.monotonic() + seconds
        self._body = bytearray()

    def take(self, chunk: bytes) -> None:
        """Add `chunk`. Raises httpx.TransportError if it is getting too late or too much."""
        self._body += chunk
        if len(self._body) > MOST:
            raise httpx.RemoteProtocolError("too much")
        if time.monotonic() > self._until:
            raise httpx.ReadTimeout("too late")

    @property
    def answer(self) -> Answer:
        """The answer as plans take it."""
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Answer(self._response.status_code, headers, bytes(self._body))
