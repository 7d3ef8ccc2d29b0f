"""The items that expire within a day: live text, tickets, and the buckets of the limits. No run depends on them."""

import hashlib

from outlive.store.attributes import OptionalWhole, Text
from outlive.store.row import Row


class Live(Row):
    """Piece `k` of what attempt `a` of step `n` has said so far. For readers alone: no decision and no model sees it.

    Never changed once it is written, and expired a day later: the record has it all.
    """

    said = Text()
    """JSON: a list of passages, as `outlive.follow.passages` writes them."""

    NEEDED = ("said", "created_at")

    @staticmethod
    def sort_key(step: int, attempt: int, number: int) -> str:
        """Where the piece stands in its run's partition: before the run itself."""
        return f"LIVE#{step:06d}#{attempt:06d}#{number:06d}"

    @property
    def place(self) -> tuple[int, int, int]:
        """Step, attempt and number of the piece."""
        _, step, attempt, number = self.sk.split("#")
        return int(step), int(attempt), int(number)


class Ticket(Row):
    """Leave to read one run's events for a while, for whoever holds the secret that the key is a hash of."""

    owner = Text()

    NEEDED = ("owner", "expires_at")

    @staticmethod
    def sort_key(ticket: str) -> str:
        """Where the ticket stands in its run's partition; the ticket itself is stored nowhere."""
        return f"TICKET#{hashlib.sha256(ticket.encode()).hexdigest()}"


class Bucket(Row):
    """A user's tokens for one kind of request. Only the moment when it is full again is stored; unused ones expire."""

    full_at = OptionalWhole()
    """Milliseconds since the epoch."""

    @staticmethod
    def key(workspace_id: str, user: str) -> str:
        """The partition of the user's buckets. A user's name may hold any character, its hash none of ours."""
        return f"{workspace_id}#{hashlib.sha256(user.encode()).hexdigest()}"

    @staticmethod
    def sort_key(what: str) -> str:
        """Where the bucket for this kind of request stands."""
        return f"BUCKET#{what}"
