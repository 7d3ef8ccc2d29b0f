"""A mutant: a change of the code for the worse, which the proof has to notice."""

from dataclasses import dataclass
from pathlib import Path

from proof.mutants.edit import Edit, edited


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change for the worse."""

    name: str
    meaning: str
    edits: tuple[Edit, ...]
    noticed: tuple[str, ...] = ()
    survives: str = ""

    def texts(self, tree: Path) -> dict[str, str]:
        """The changed files by their path. Raises DoesNotApply."""
        changed: dict[str, str] = {}
        for edit in self.edits:
            changed[edit.path] = edited(changed.get(edit.path) or (tree / edit.path).read_text(), edit)
        return changed
