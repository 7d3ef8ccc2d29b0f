"""The items that expire within a day: live text, tickets, and the buckets of the limits. No run depends on them."""

import hashlib

from outlive.store.attributes import OptionalText, OptionalWhole, Text
from outlive.store.row import Row


class Live(Row):
    """Piece `k` of the text and calls that attempt `a` of step `n` has streamed. For readers alone: no decision uses it.

    It never changes once it is written, and expires a day later: the step's record contains all of it.
    """

    passages = Text()
    """A list of passages as JSON, as `outlive.follow.passages` writes them."""

    NEEDED = ("passages", "created_at")

    @staticmethod
    def sort_key(step: int, attempt: int, number: int) -> str:
        """The piece's sort key in its run's partition. It sorts before the run itself."""
        return f"LIVE#{step:06d}#{attempt:06d}#{number:06d}"

    @property
    def place(self) -> tuple[int, int, int]:
        """Step, attempt and number of the piece."""
        _, step, attempt, number = self.sk.split("#")
        return int(step), int(attempt), int(number)


class Ticket(Row):
    """Gives the holder of a secret access to the events of one run for a while. The key is the hash of the secret."""

    owner = Text()

    NEEDED = ("owner", "expires_at")

    @staticmethod
    def sort_key(ticket: str) -> str:
        """The ticket's sort key in its run's partition. The ticket itself is not stored."""
        return f"TICKET#{hashlib.sha256(ticket.encode()).hexdigest()}"


class Bucket(Row):
    """A user's token bucket for one kind of request. Only the time when it is full again is stored; an unused bucket
    expires.
    """

    full_at = OptionalWhole()
    """Milliseconds since the epoch."""
    taken_by = OptionalText()
    """The request that took the last token, so that it recognises its own write."""

    @staticmethod
    def key(workspace_id: str, user: str) -> str:
        """The partition of the user's buckets. The user's name is hashed because it may contain `#`."""
        return f"{workspace_id}#{hashlib.sha256(user.encode()).hexdigest()}"

    @staticmethod
    def sort_key(kind: str) -> str:
        """The sort key of the bucket for this kind of request."""
        return f"BUCKET#{kind}"
