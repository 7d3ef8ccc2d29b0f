"""How often a user may do what costs much: start runs, and hold an execution while a read waits for news."""

import math
from dataclasses import dataclass

from outlive.caller import Caller
from outlive.clock import MINUTE, SECOND, Clock
from outlive.errors import TooManyRequests
from outlive.settings import Settings
from outlive.store.short_lived import Bucket
from outlive.store.table import Table


@dataclass(frozen=True, slots=True)
class Limits:
    """A token bucket a user: it holds the tokens of a minute, and one comes back at a time."""

    table: Table
    clock: Clock
    settings: Settings

    def admit_start(self, caller: Caller) -> None:
        """Take a token for a start. Raises TooManyRequests if there is none."""
        self._take(caller, "starts", self.settings.starts_per_minute)

    def admit_held_read(self, caller: Caller) -> None:
        """Take a token for a read that waits. Raises TooManyRequests if there is none."""
        self._take(caller, "reads", self.settings.held_reads_per_minute)

    def _take(self, caller: Caller, what: str, per_minute: int) -> None:
        if not per_minute:
            return
        bucket = Bucket(Bucket.key(caller.workspace_id, caller.user), Bucket.sort_key(what))
        missing_ms = self.table.take_token(bucket, MINUTE // per_minute, per_minute, self.clock.now())
        if missing_ms:
            text = f"at most {per_minute} {what} a minute; send the same request again later"
            raise TooManyRequests(text, math.ceil(missing_ms / SECOND))
