"""What a stream needs of HTTP: a request as ASGI brings it, and an answer that goes on for as long as there is one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from outlive.errors import InvalidRequest
from outlive.log import unexpected

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 6_000_000
"""Bytes: what the API's gateway would hand on to a function."""
HEARTBEAT_S = 15
"""Seconds of silence after which a comment shows that the connection still stands."""
MAX_STREAM_S = 120
"""Seconds. A stream is billed until it ends by itself, also if its client has left: Lambda does not notice that. Clients
resume from their cursor."""
STILL_HERE = ": still here\n\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    scope: Scope
    receive: Receive

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> tuple[str, ...]:
        """Its parts, each decoded."""
        raw = self.scope.get("raw_path") or self.scope["path"].encode()
        return tuple(unquote(part) for part in raw.partition(b"?")[0].decode("ascii", "replace").strip("/").split("/"))

    def header(self, name: str) -> str | None:
        """A header, or None."""
        values = [value for key, value in self.scope["headers"] if key == name.lower().encode()]
        return values[0].decode("latin-1") if values else None

    def query(self, name: str) -> str | None:
        """A query parameter, or None."""
        parameters = parse_qs(self.scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        return parameters[name][-1] if name in parameters else None

    async def body(self) -> bytes:
        """All of it. Raises InvalidRequest if it is too large."""
        body = b""
        while True:
            message = await self.receive()
            body += bytes(message.get("body", b""))
            if len(body) > MAX_BODY_BYTES:
                raise InvalidRequest("body", f"must be at most {MAX_BODY_BYTES:,} bytes")
            if not message.get("more_body"):
                return body

    async def gone(self) -> None:
        """Returns as soon as the client has hung up."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stream goes, in seconds."""

    poll: float = 0.5
    heartbeat: float = HEARTBEAT_S
    longest: float = MAX_STREAM_S


Look = Callable[[], tuple[str, bool]]
"""Reads what is new, in a thread, and returns whether it was the last."""


async def stream(send: Send, request: Request, headers: Mapping[str, str], look: Look, first: str, pace: Pace) -> None:
    """Send `first`, then what `look` returns, until the end, until the client disconnects, or until time is over."""
    until = time.monotonic() + pace.longest
    await send({"type": "http.response.start", "status": 200, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": first.encode(), "more_body": True})
    gone = asyncio.ensure_future(request.gone())
    over, quiet_since = False, time.monotonic()
    try:
        while not (over or gone.done() or time.monotonic() > until):
            await asyncio.wait([gone], timeout=pace.poll)
            if gone.done():
                return
            try:
                new, over = await asyncio.to_thread(look)
            except Exception as error:
                # The client reconnects, and then receives an error status.
                unexpected("stream_broken", error)
                break
            if not new and time.monotonic() - quiet_since > pace.heartbeat:
                new = STILL_HERE
            if new:
                quiet_since = time.monotonic()
                await send({"type": "http.response.body", "body": new.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI sends them."""
    return [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
