"""The runs that wait for their chat's slot, in the order in which they take it."""

import msgspec

QUEUE_LIMIT = 10
"""How many runs may wait in one chat."""


class ChatQueue(msgspec.Struct, frozen=True):
    """The ids of a chat's queued runs. Those that steer take the slot before the others."""

    steered: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them, the next one first."""
        return self.steered + self.plain

    def position(self, run_id: str) -> int | None:
        """The place of the run, from 1; None if it does not wait here."""
        return self.ids.index(run_id) + 1 if run_id in self.ids else None

    def followed_by(self, run_id: str, *, steers: bool) -> "ChatQueue":
        """The queue with one more run: the last one, or the last of those that steer."""
        if steers:
            return ChatQueue((*self.steered, run_id), self.plain)
        return ChatQueue(self.steered, (*self.plain, run_id))

    def without(self, run_id: str) -> "ChatQueue | None":
        """The queue without this run; None if that leaves no run."""
        left = ChatQueue(
            tuple(each for each in self.steered if each != run_id), tuple(each for each in self.plain if each != run_id)
        )
        return left if left.ids else None
