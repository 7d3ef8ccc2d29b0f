"""Where a reader of a run's events stands: between two of them, for good.

A cursor is a place as text, opaque, and good only for the workspace and run it was made for.
"""

import re

import msgspec

from outlive.errors import CursorRefused
from outlive.follow.passages import BEGINNING, Position
from outlive.opaque import seal, unseal

FORM = (
    r"([0-9]{1,6})\.([01])\.([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,9})"
    r"\.([0-9]{1,9})\.([0-9]{1,10})\.([0-9]{1,10})\.(text|reasoning|)"
    r"\.([a-z]{1,9})\.([01])\.([01])"
)


class Place(msgspec.Struct, frozen=True):
    """What was told up to here. The first place of all has told nothing, not even the run."""

    step: int = 0
    """The step under way, or the next one."""
    started: bool = False
    attempt: int = 0
    """The attempt whose live pieces were told; 0 if it was the record."""
    number: int = 0
    """The first live piece that was not told to its end."""
    inside: int = 0
    """How much of that piece was told, as in `Position.length`."""
    position: Position = BEGINNING
    """How much of the step was told."""
    status: str = ""
    """The run's status as it was told last."""
    stopping: bool = False
    """Whether it was told that a stop was requested."""
    settled: bool = False


NOWHERE = Place()


def cursor_of(place: Place, *scope: str) -> str:
    """The cursor for `place` in `scope` (workspace, run)."""
    at = place.position
    fields: list[object] = [
        place.step, int(place.started), place.attempt, place.number, place.inside,
        at.length, at.crc, at.adler, at.last, place.status, int(place.stopping), int(place.settled),
    ]  # fmt: skip
    return seal(".".join(map(str, fields)), *scope)


def place_of(cursor: str | None, *scope: str) -> Place:
    """The place `cursor` stands for, the first of all without one. Raises CursorRefused if it was not made for `scope`."""
    if cursor is None:
        return NOWHERE
    found = re.fullmatch(FORM, unseal(cursor, *scope) or "")
    if not found:
        raise CursorRefused("is not a cursor of this run's events")
    step, started, attempt, number, inside, length, crc, adler = (int(one) for one in found.groups()[:8])
    return Place(
        step, started == 1, attempt, number, inside, Position(length, crc, adler, found[9]),
        found[10], found[11] == "1", found[12] == "1",
    )  # fmt: skip
