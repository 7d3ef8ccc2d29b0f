"""Cursors and tickets keep their form: those that clients hold stay good."""

import msgspec
import pytest

from outlive.ai_sdk.chunks import Encoder
from outlive.caller import Caller
from outlive.chat import ChatReader
from outlive.cursor import cursor_at, read_cursor
from outlive.errors import CursorRefused
from outlive.follow.passages import Position
from outlive.follow.reader_state import ReaderState, cursor_of, reader_state_of
from outlive.follow.ticket import new_ticket, read_ticket

PLACE = ReaderState(3, True, 2, 7, 41, Position(120, 3735928559, 305419896, "text"), "running", True, False)
OF_TODAY = msgspec.structs.replace(PLACE, changes=2)
CURSOR_OF_TODAY = "My4xLjIuNy40MS4xMjAuMzczNTkyODU1OS4zMDU0MTk4OTYudGV4dC5ydW5uaW5nLjEuMC4wLjIuZDJlYjdkYjk0ODdmNTFlZA"
EVENT_CURSOR = "My4xLjIuNy40MS4xMjAuMzczNTkyODU1OS4zMDU0MTk4OTYudGV4dC5ydW5uaW5nLjEuMC4xZTg3NzUzODQ5ZmM2OGRk"


@pytest.mark.parametrize(
    ("cursor", "seq", "scope"),
    [
        ("MTIuYmEyMzM5NDAxYzFlYjA1Nw", 12, ("acme", "chat-1", "messages")),
        ("MC5lODMxMTE0ODI0M2I0NmMw", 0, ("Мастерская", "a:b", "runs")),
    ],
)
def test_a_list_cursor_that_a_client_holds_stays_good(cursor: str, seq: int, scope: tuple[str, ...]) -> None:
    """[66] The bytes of a cursor are the same in every version."""
    assert cursor_at(seq, *scope) == cursor
    assert read_cursor(cursor, *scope) == seq
    with pytest.raises(CursorRefused):
        read_cursor(cursor, *scope[:-1], "other")


@pytest.mark.parametrize(
    ("cursor", "place"),
    [
        (EVENT_CURSOR, PLACE),
        ("My4xLjIuNy40MS4xMjAuMzczNTkyODU1OS4zMDU0MTk4OTYudGV4dC5ydW5uaW5nLjEuMC4wLjk2ZWFmZDEyOTJlNDk4ODU", PLACE),
        (CURSOR_OF_TODAY, OF_TODAY),
    ],
    ids=["from before a run could be retrying", "from before changes were counted", "of today"],
)
def test_an_event_cursor_that_a_client_holds_stays_good(cursor: str, place: ReaderState) -> None:
    """[66] Of every version that handed cursors out."""
    assert reader_state_of(cursor, "acme", "run-1") == place


def test_the_bytes_of_an_event_cursor_stay_the_same() -> None:
    """[66] A deployment in the middle of a reader's run changes nothing for it."""
    assert cursor_of(OF_TODAY, "acme", "run-1") == CURSOR_OF_TODAY


def test_a_chat_cursor_that_a_client_holds_stays_good() -> None:
    """[66] The bytes of a cursor are the same in every version."""
    reader = ChatReader(Caller("acme", "ada"), "chat-1", "run-1", EVENT_CURSOR, Encoder())
    assert reader._cursor(EVENT_CURSOR) == f"run-1.6c6b645730ecf40e.{EVENT_CURSOR}"


def test_a_ticket_that_a_client_holds_stays_good() -> None:
    """The bytes of a ticket are the same in every version."""
    assert new_ticket("acme", "run-1", "secret") == "WyJhY21lIiwicnVuLTEiLCJzZWNyZXQiXQ"
    assert read_ticket("WyJhY21lIiwicnVuLTEiLCJzZWNyZXQiXQ") == ("acme", "run-1")
