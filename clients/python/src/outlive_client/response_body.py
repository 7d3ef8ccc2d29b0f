"""The body of a response while it arrives, with a bound on its size and on its time."""

import time

import httpx

from outlive_client.plans import Answer

MAX_BYTES = 64_000_000
"""Several times the API's largest answer, and little enough to hold in memory."""


class ResponseBody:
    """The body of `response`. Its size after decompression is at most MAX_BYTES, and all of it arrives within `seconds`."""

    def __init__(self, response: httpx.Response, seconds: float) -> None:
        self._response = response
        self._deadline = time.monotonic() + seconds
        self._body = bytearray()

    def add(self, chunk: bytes) -> None:
        """Append `chunk`. Raises httpx.TransportError if the body is too large or too late."""
        self._body += chunk
        if len(self._body) > MAX_BYTES:
            raise httpx.RemoteProtocolError("the body is too large")
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("the body took too long")

    @property
    def answer(self) -> Answer:
        """The response with the body so far, for a plan."""
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Answer(self._response.status_code, headers, bytes(self._body))
