"""The lifecycle as tables in Markdown, from `shared/outlive/lifecycle.py` and `guards.py`."""

import ast
import inspect
from collections.abc import Sequence
from enum import Enum
from functools import cache
from pathlib import Path

from outlive.guards import Guard
from outlive.lifecycle import ACTIVE, MESSAGE_STATUS, MOVES, Move, Status


@cache
def _members(file: str) -> dict[str, dict[str, str]]:
    """The text under each member, by the names of enumeration and member: an enumeration keeps none at run time."""
    source = ast.parse(Path(file).read_text())
    meanings: dict[str, dict[str, str]] = {}
    for kind in source.body:
        if not isinstance(kind, ast.ClassDef):
            continue
        for member, text in zip(kind.body, kind.body[1:], strict=False):
            match member, text:
                case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(meaning))):
                    meanings.setdefault(kind.name, {})[name] = " ".join(meaning.split())
    return meanings


def explained(kind: type[Enum]) -> dict[str, str]:
    """The meaning of each member, by its name, of those with a text under them in the code."""
    return _members(inspect.getfile(kind)).get(kind.__name__, {})


def statuses() -> str:
    """What each status means, who moves it on, and what happens if they die."""
    meanings = explained(Status)
    rows = [(f"`{status}`", f"`{MESSAGE_STATUS[status]}`", meanings[status.name]) for status in Status]
    return table(("run", "its message", "what it means"), rows)


def moves() -> str:
    """Every move."""
    rows = [
        (
            f"`{move.name}`",
            move.by,
            _sources(move),
            f"`{move.to}`" if move.to else "as it was",
            ", ".join(_worded(guard) for guard in move.guards) or "–",
            move.does,
        )
        for move in MOVES
    ]
    return table(("move", "made by", "from", "to", "requires", "does"), rows)


def guards() -> str:
    """Every clause, with its reason and the moves that carry it."""
    rows = [
        (_worded(guard), guard.reason, ", ".join(f"`{move.name}`" for move in MOVES if guard in move.guards))
        for guard in Guard
    ]
    return table(("clause", "why it is there", "part of"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _sources(move: Move) -> str:
    if move.sources == ACTIVE:
        return "`pending`, `running`"
    return ", ".join(f"`{status}`" for status in Status if status in move.sources) or "none"


def _worded(guard: Guard) -> str:
    return guard.name.lower().replace("_", " ")
