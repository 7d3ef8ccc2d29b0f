"""Reading a row: each attribute of each kind of row, damaged in every way, is reported by its name or reads as before."""

from collections.abc import Iterator
from typing import Any

import pytest

from outlive.agent import Usage
from outlive.errors import StoreUnreadable
from outlive.run_error import LastError, RunError
from outlive.store.body import Body, pack
from outlive.store.row import Row
from outlive.store.rows import Chat, Message, Record, Run
from outlive.store.short_lived import Live, Ticket
from outlive.views import view_message, view_run
from tests.unit.test_lifecycle import NOW, a_run

CAUSE = {"code": "x", "message": "y"}
ROWS: list[Row] = [
    a_run(
        metadata={"a": 1}, usage=Usage(1, 2, 3), error=RunError("x", "y"), last_error=LastError("x", "y"),
        finish_reason="error", started_at=NOW, finished_at=NOW, stop_requested_at=NOW, lease_until=NOW, progress_at=NOW,
        resend_after=NOW, lease_id="l", expires_at=1,
    ),
    Chat("w#c", Chat.SK, owner="ada", sequence=2, active_run_id="r", latest_run_id="r", created_at=NOW, updated_at=NOW),
    Message(
        "w#c", Message.sort_key(2), id="m", run_id="r", role="assistant", status="error", created_at=NOW, updated_at=NOW,
        metadata={"error": CAUSE, "finish_reason": "error", "usage": {"input_tokens": 1}},
    ),
    Record(
        "w#c", Record.sort_key(2, 0), run_id="r", step=0, kind="final", packed=pack(Body([])), size=0, usage=Usage(),
        created_at=NOW, finish_reason="stop",
    ),
    Live("w#r", Live.sort_key(0, 1, 0), passages="[]", created_at=NOW, expires_at=2),
    Ticket("w#r", Ticket.sort_key("t"), owner="ada", created_at=NOW, expires_at=2),
]  # fmt: skip


def damages(value: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    """What may have become of an attribute."""
    yield from (None, {"BOOL": True}, {"NULL": True}, {"M": {}}, {"L": []})
    if "S" in value:
        yield from ({"S": text} for text in ("", "?", '{"%', "[7]", "{}", "7", "null", '{"code": 1}', "2026-13-01"))
        yield {"N": "7"}
    else:
        yield from ({"S": "x"}, {"N": "1.5"}, {"B": b"x"})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_a_damaged_attribute_is_named_or_does_no_harm(row: Row) -> None:
    """[51] No reader meets a row that it can read in half."""
    whole = row.serialize()
    assert type(row).of(whole).serialize().items() <= whole.items()
    wrong = {}
    for name in whole.keys() - {"pk", "sk"}:
        for value in damages(whole[name]):
            item = {**whole, name: value}
            if value is None:
                del item[name]
            try:
                shown(type(row).of(item))
            except StoreUnreadable as found:
                if found.attribute != name or found.item is not item:
                    wrong[name, str(value)] = f"blamed on {found.attribute}"
            except Exception as error:
                wrong[name, str(value)] = f"{type(error).__name__}: {error}"
    assert wrong == {}


def shown(row: Row) -> None:
    """Show the row as clients see it."""
    if isinstance(row, Run):
        view_run(row)
    elif isinstance(row, Message):
        view_message(row, [], "c")
