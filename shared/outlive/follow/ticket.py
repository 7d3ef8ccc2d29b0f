"""Tickets: what a browser's EventSource has in place of a token, for it sends no header and addresses end up in logs.

A ticket names its workspace and run, so that it can be looked up, and is as good as it is secret: stored is its hash, in
the run's own partition. It opens the events of that one run, for a few minutes, as often as they are asked for.
"""

import base64

import msgspec

from outlive.request import ID

TICKET_SECONDS = 300
LONGEST = 4096
LONGEST_WORKSPACE = 256
"""Characters; as a token's claim."""


def new_ticket(workspace_id: str, run_id: str, secret: str) -> str:
    """A ticket for the run. Nobody can guess it who can't guess `secret`."""
    return base64.urlsafe_b64encode(msgspec.json.encode((workspace_id, run_id, secret))).decode().rstrip("=")


def read_ticket(ticket: str) -> tuple[str, str] | None:
    """The workspace and run that `ticket` names; whether there is such a ticket only the table knows. None: it is none."""
    if len(ticket) > LONGEST:
        return None
    try:
        text = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
        workspace_id, run_id, _ = msgspec.json.decode(text, type=tuple[str, str, str])
    except (ValueError, msgspec.MsgspecError):
        return None
    if not 1 <= len(workspace_id) <= LONGEST_WORKSPACE or not ID.fullmatch(run_id):
        return None
    return workspace_id, run_id
