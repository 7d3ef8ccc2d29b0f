"""Events as server-sent events, which a browser's EventSource reads and asks for again by itself.

A window ends with the last event there is; the browser comes back after `RETRY` with the id of the last one it got.
"""

import msgspec

from outlive.events import Event

RETRY = 1000
"""Milliseconds until a browser asks for the next window."""
KIND = "text/event-stream"
BREAKING = "\x85\u2028\u2029"


def streamed(events: list[Event]) -> str:
    """The window; one without events says so in a comment."""
    return "".join([f"retry: {RETRY}\n\n", *(map(_streamed, events) if events else [": nothing new\n\n"])])


def _streamed(event: Event) -> str:
    # JSON has no line break but as an escape, so an event's data is one line. Some clients break lines where the standard
    # does not: at these, which can only stand in a string.
    data = msgspec.json.encode(event).decode()
    for character in BREAKING:
        data = data.replace(character, f"\\u{ord(character):04x}")
    return f"id: {event.id}\nevent: {event.__struct_config__.tag}\ndata: {data}\n\n"
