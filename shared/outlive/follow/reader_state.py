"""How much of a run's events a reader has received, and its form as a cursor.

A cursor is opaque, and good only for the workspace and run it was made for. It never expires.
"""

import re

import msgspec

from outlive.errors import CursorRefused
from outlive.follow.passages import BEGINNING, Position
from outlive.opaque import seal, unseal

FORM = (
    r"([0-9]{1,6})\.([01])\.([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,9})"
    r"\.([0-9]{1,9})\.([0-9]{1,10})\.([0-9]{1,10})\.(text|reasoning|results|)"
    r"\.([a-z]{0,9})\.([01])\.([01])(?:\.([01]))?(?:\.([0-9]{1,9}))?"
)


class ReaderState(msgspec.Struct, frozen=True):
    """What the reader has received up to an event. At the start it has received nothing, not even the run."""

    step: int = 0
    """The step under way, or the next one."""
    started: bool = False
    attempt: int = 0
    """The attempt whose live pieces the reader received; 0 if it received the record."""
    number: int = 0
    """The first live piece that the reader has not received completely."""
    inside: int = 0
    """How much of that piece the reader received, as in `Position.length`."""
    position: Position = BEGINNING
    """How much of the step the reader received."""
    status: str = ""
    """The run's status in the last `run` event."""
    stopping: bool = False
    """Whether that event had a requested stop."""
    settled: bool = False
    retrying: bool = False
    """Whether the last `run` event had `retrying`. Older cursors do not contain this field, nor the next one."""
    changes: int = 0
    """How many `run` events the reader has received: a run that changes back and forth gives no two events the same id."""


AT_THE_START = ReaderState()


def cursor_of(state: ReaderState, *scope: str) -> str:
    """The cursor for `state` in `scope` (workspace, run)."""
    at = state.position
    fields: list[object] = [
        state.step, int(state.started), state.attempt, state.number, state.inside,
        at.length, at.crc, at.adler, at.last, state.status, int(state.stopping), int(state.settled), int(state.retrying),
        state.changes,
    ]  # fmt: skip
    return seal(".".join(map(str, fields)), *scope)


def reader_state_of(cursor: str | None, *scope: str) -> ReaderState:
    """The state that `cursor` stands for, AT_THE_START without one. Raises CursorRefused if it was not made for `scope`."""
    if cursor is None:
        return AT_THE_START
    fields = re.fullmatch(FORM, unseal(cursor, *scope) or "")
    if not fields:
        raise CursorRefused("is not a cursor of this run's events")
    step, started, attempt, number, inside, length, crc, adler = (int(one) for one in fields.groups()[:8])
    return ReaderState(
        step, started == 1, attempt, number, inside, Position(length, crc, adler, fields[9]),
        fields[10], fields[11] == "1", fields[12] == "1", fields[13] == "1", int(fields[14] or 0),
    )  # fmt: skip
