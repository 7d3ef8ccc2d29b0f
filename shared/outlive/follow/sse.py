"""Events as server-sent events, which a browser's EventSource reads and asks for again by itself.

A window ends with the last event there is; the browser comes back after `RETRY_MS` with the id of the last one it got.
"""

import msgspec

from outlive.follow.events import Event
from outlive.text import one_line

RETRY_MS = 1000
"""Milliseconds until a browser asks for the next window."""
KIND = "text/event-stream"


def streamed(events: list[Event]) -> str:
    """The window; one without events says so in a comment."""
    return "".join([f"retry: {RETRY_MS}\n\n", *(map(framed, events) if events else [": nothing new\n\n"])])


def framed(event: Event) -> str:
    """One event."""
    data = one_line(msgspec.json.encode(event).decode())
    return f"id: {event.id}\nevent: {event.__struct_config__.tag}\ndata: {data}\n\n"
