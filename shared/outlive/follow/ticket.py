"""Tickets: a browser's EventSource has one in its address, because it can send no token in a header.

A ticket names its workspace and run, so that it can be looked up. The table stores only its hash, in the run's partition.
It opens the events of that one run any number of times, until it expires; so an address in a log is soon worthless.
"""

import msgspec

from outlive.opaque import decode, encode
from outlive.request import ID

TICKET_S = 300
"""Seconds until a ticket expires."""
MAX_TICKET = 4096
"""Characters of a ticket at most; a longer one is not looked at."""
MAX_WORKSPACE = 256
"""Characters; as a token's claim."""


def new_ticket(workspace_id: str, run_id: str, secret: str) -> str:
    """A ticket for the run, as hard to guess as `secret`."""
    return encode(msgspec.json.encode((workspace_id, run_id, secret)))


def read_ticket(ticket: str) -> tuple[str, str] | None:
    """The workspace and run that `ticket` names, None if it has not the form of one. Whether it is valid, the table says."""
    text = decode(ticket) if len(ticket) <= MAX_TICKET else None
    if text is None:
        return None
    try:
        workspace_id, run_id, _ = msgspec.json.decode(text, type=tuple[str, str, str])
    except (ValueError, msgspec.MsgspecError):
        return None
    if not 1 <= len(workspace_id) <= MAX_WORKSPACE or not ID.fullmatch(run_id):
        return None
    return workspace_id, run_id
