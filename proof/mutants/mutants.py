"""The mutants: one guard taken away, or one pair of writes reordered, at a time.

The lifecycle's mutants are made from its own table, so a guard added there is among them at once. All others are edits of
a definition by what stands in it (`written.py`); `test_mutants.py` holds that every one still applies. A mutant of which
no exploration is named in `verdicts.py` is tried on every scene.
"""

from collections.abc import Iterator
from dataclasses import replace

from outlive import lifecycle
from outlive.lifecycle import Move
from proof.mutants.edit import Edit
from proof.mutants.mutant import Mutant
from proof.mutants.verdicts import NOTICED, SURVIVES
from proof.mutants.written import LIFECYCLE, WRITTEN


def mutants() -> list[Mutant]:
    """All of them."""
    listed = [*of_lifecycle(), *WRITTEN]
    return [replace(each, noticed=NOTICED.get(each.name, ()), survives=SURVIVES.get(each.name, "")) for each in listed]


def of_lifecycle() -> Iterator[Mutant]:
    """For each move: without each of its guards, and from any status."""
    for name, move in vars(lifecycle).items():
        if isinstance(move, Move):
            for guard in move.guards:
                gone = Edit(LIFECYCLE, name, f"Guard.{guard.name}")
                yield Mutant(f"{move.name} without {guard.name}", "the guard is gone", (gone,))
            if move.sources:
                anyhow = Edit(LIFECYCLE, name, "Move(A, B, C, D, E, F)", "Move(A, B, frozenset(Status), D, E, F)")
                yield Mutant(f"{move.name} from any status", "its sources are gone", (anyhow,))
