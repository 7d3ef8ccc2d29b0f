"""How often a user may start runs, and let a read wait for news, which holds an execution."""

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
    """One token bucket per user and kind. It holds the tokens of a minute, and they come back one at a time.

    A request may ask twice, because its first answer may be lost: it is known by its id and takes one token.
    """

    table: Table
    clock: Clock
    settings: Settings

    def admit_start(self, caller: Caller, run_id: str) -> None:
        """Take a token for the start of this run. Raises TooManyRequests if there is none."""
        self._take(caller, run_id, "starts", self.settings.starts_per_minute)

    def admit_held_read(self, caller: Caller, read_id: str) -> None:
        """Take a token for this read, which waits. Raises TooManyRequests if there is none."""
        self._take(caller, read_id, "reads", self.settings.held_reads_per_minute)

    def _take(self, caller: Caller, taker: str, kind: str, per_minute: int) -> None:
        if not per_minute:
            return
        bucket = Bucket(Bucket.key(caller.workspace_id, caller.user), Bucket.sort_key(kind))
        missing_ms = self.table.take_token(bucket, taker, MINUTE // per_minute, per_minute, self.clock.now())
        if missing_ms:
            text = f"at most {per_minute} {kind} a minute; send the same request again later"
            raise TooManyRequests(text, math.ceil(missing_ms / SECOND))
