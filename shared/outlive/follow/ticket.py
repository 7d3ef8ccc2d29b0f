"""Tickets: what a browser's EventSource has in place of a token, for it sends no header and addresses end up in logs.

A ticket names its workspace and run, so that it can be looked up, and is as good as it is secret: stored is its hash, in
the run's own partition. It opens the events of that one run, for a few minutes, as often as they are asked for.
"""

import msgspec

from outlive.opaque import decode, encode
from outlive.request import ID

TICKET_SECONDS = 300
MAX_TICKET = 4096
"""Characters of a ticket at most; a longer one is not looked at."""
MAX_WORKSPACE = 256
"""Characters; as a token's claim."""


def new_ticket(workspace_id: str, run_id: str, secret: str) -> str:
    """A ticket for the run. Nobody can guess it who can't guess `secret`."""
    return encode(msgspec.json.encode((workspace_id, run_id, secret)))


def read_ticket(ticket: str) -> tuple[str, str] | None:
    """The workspace and run that `ticket` names; whether there is such a ticket only the table knows. None: it is none."""
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
