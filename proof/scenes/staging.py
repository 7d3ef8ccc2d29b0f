"""What every check looks at."""

from dataclasses import dataclass, field

from proof.explorer.world import Stage, World
from proof.scenes.checks.moves import moving
from proof.scenes.checks.rows import standing
from proof.scenes.scene import Scene
from proof.scenes.snapshot import SKEW, Rows, Snapshot
from proof.scenes.terms import NOON


class Tables:
    """The tables that were reached on a stage, each sorted and judged once."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.deserted: dict[tuple[int, int], list[str]] = {}
        """By table and clock what would be broken if every process died then."""
        self._standing: dict[int, list[str]] = {}
        self._moving: dict[tuple[int, int, int], list[str]] = {}
        self._snapshots: dict[int, Snapshot] = {}

    def rows(self, table: int) -> Rows:
        """The table itself."""
        rows: Rows = self.stage.tables[table]
        return rows

    def snapshot(self, table: int) -> Snapshot:
        """The table, sorted."""
        cached = self._snapshots.get(table)
        if cached is None:
            cached = self._snapshots[table] = Snapshot.of(self.rows(table))
        return cached

    def problems(self, before: World, after: World) -> list[str]:
        """Every promise that a table breaks by itself or by the step that led to it."""
        stands = self._standing.get(after.table)
        if stands is None:
            stands = self._standing[after.table] = standing(self.rows(after.table))
        step = (before.table, after.table, after.clock)
        moved = self._moving.get(step)
        if moved is None:
            # By the slowest clock that could have moved it.
            moved = self._moving[step] = moving(self.rows(before.table), self.rows(after.table), after.clock + SKEW)
        return [*stands, *moved]


@dataclass
class Staging:
    """One exploration of a scene: with which kinds of fault, with how many of them and when it begins."""

    scene: Scene
    tables: Tables
    kinds: frozenset[str] = frozenset()
    faults: int = 10
    clock: int = NOON
    mailed: bool = True
    """Whether no message was lost before it began."""
    ends: dict[tuple[int, int, int], list[str]] = field(default_factory=dict)
    """By table, clock and faults left what is broken in the end."""

    @property
    def timed(self) -> bool:
        """Whether time passes of itself."""
        return bool(self.scene.jumps) or "time" in self.kinds

    def quiet(self, world: World) -> bool:
        """True if nothing has gone wrong so far."""
        return world.faults == self.faults
