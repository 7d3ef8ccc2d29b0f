"""Reading rows that may be damaged: logs a warning, and returns what can still be used."""

from typing import Any, TypeVar

from outlive.errors import StoreUnreadable
from outlive.log import damaged
from outlive.store.body import Body, pack
from outlive.store.row import Row
from outlive.store.rows import Answer, Message, Record

AnyRow = TypeVar("AnyRow", bound=Row)


def readable(kind: type[AnyRow], item: dict[str, Any]) -> AnyRow | None:
    """The row, or None, with one warning, if it is unreadable."""
    try:
        return kind.of(item)
    except StoreUnreadable as error:
        damaged("row_unreadable", row=item["sk"]["S"], cause=error.attribute)
        return None


def row_of(item: dict[str, Any]) -> Message | Record | Answer | None:
    """The row of an item of a chat's transcript; None, with a warning, for an unreadable message or answer."""
    if "#STEP#" in item["sk"]["S"]:
        return record_of(item)
    return readable(Answer, item) if "#ANSWER#" in item["sk"]["S"] else readable(Message, item)


def record_of(item: dict[str, Any]) -> Record:
    """The record of an item. Attributes that are missing or can't be read are empty, with a warning.

    A record is never left out, because a log with a gap could neither go on nor end. Its sort key has its step.
    """
    pk, sk = item["pk"]["S"], item["sk"]["S"]
    empty: dict[str, Any] = {"run_id": "", "kind": "step", "packed": pack(Body([])), "size": 0, "created_at": 0}
    try:
        record = Record.of(item)
        missing = [name for name in empty if getattr(record, name) is None]
        cause = "missing: " + ", ".join(missing)
    except Exception as error:
        record, missing, cause = Record(pk, sk), list(empty), type(error).__name__
    record.step = int(sk.rpartition("#")[2])
    if missing:
        damaged("row_unreadable", row=sk, cause=cause)
        for name in missing:
            setattr(record, name, empty[name])
    return record
