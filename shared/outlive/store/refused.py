"""A write whose condition was false, and the rows that refused it."""

from outlive.errors import Item, OutliveError
from outlive.store.readable import record_of
from outlive.store.rows import Chat, Record, Run
from outlive.store.short_lived import Bucket


class Refused(OutliveError):
    """A condition was false. That is a normal answer: it brings back the rows that the conditions compared, as they were then.

    `by` names the refused actions. A property is None if its action was not refused, or if there was no row. Raises
    StoreUnreadable if the row is damaged.
    """

    def __init__(self, items: dict[str, Item | None]) -> None:
        super().__init__("refused by " + ", ".join(items))
        self.by = frozenset(items)
        self._items = items

    @property
    def run(self) -> Run | None:
        """The run."""
        item = self._items.get("run")
        return Run.of(item) if item else None

    @property
    def chat(self) -> Chat | None:
        """The chat."""
        item = self._items.get("chat")
        return Chat.of(item) if item else None

    @property
    def record(self) -> Record | None:
        """The record in the slot that a record or a seal was to take."""
        item = self._items.get("record") or self._items.get("seal")
        return record_of(item) if item else None

    def chat_holds(self, run_id: str) -> bool:
        """True if the chat's slot names this run, no matter what else of the chat is damaged."""
        return (self._items.get("chat") or {}).get("active_run_id") == {"S": run_id}

    def has_row(self, action: str) -> bool:
        """True if there was a row where the refused action was to write."""
        return self._items[action] is not None

    @property
    def bucket(self) -> Bucket | None:
        """The bucket as it stands, or None."""
        item = self._items.get("bucket")
        return Bucket.of(item) if item else None
