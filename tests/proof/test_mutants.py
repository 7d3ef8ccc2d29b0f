"""Every mutant applies; a short proof passes the product and notices some of the mutants."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from outlive.lifecycle import MOVES
from proof.mutants.mutants import mutants
from proof.scenes.scenarios import scene_named

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "two-owners",
    "one-key",
    "steps-stop",
    "settle-stop",
    "settle-sweep",
    "dead-before-send",
    "two-sweeps-final",
    "start-on-final",
    "start-on-frozen",
    "foreigners",
)
"""Scenes that are explored with every single fault in about a second each."""
SEEDED = ("claim without NO_STOP", "start without slot and sequence", "settle torn apart", "send before record")


def proof(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A process of its own: the proof puts its own clock, table and queue under the code.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "shared")])}
    command = [sys.executable, "-m", f"proof.{module}", "--jobs", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=3000, check=False)


def test_every_small_scene_holds_in_every_order_with_every_fault() -> None:
    """Guarantees 1 to 10: in every order of calls, with any one fault, no promise is broken."""
    done = proof("scenes.prove", "--short", *(word for scene in SMALL for word in ("--scene", scene)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SMALL)} scenes" in done.stdout


def test_seeded_bugs_are_noticed() -> None:
    """A proof that cannot fail proves nothing: for each of these it reports a broken promise."""
    done = proof("mutants.mutate", "--limit", "700", *(word for name in SEEDED for word in ("--only", name)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SEEDED)} mutants: {len(SEEDED)} noticed" in done.stdout


def test_every_guard_of_every_move_has_its_mutant() -> None:
    names = {mutant.name for mutant in mutants()}
    assert names >= {f"{move.name} without {guard.name}" for move in MOVES for guard in move.guards}
    assert names >= {f"{move.name} from any status" for move in MOVES if move.sources}


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_applies_to_the_source_as_it_is(mutant) -> None:  # type: ignore[no-untyped-def]
    for path, text in mutant.texts(ROOT).items():
        assert text != (ROOT / path).read_text()
        compile(text, path, "exec")
    for noticed in mutant.noticed:
        kinds = noticed.split()[1].split("+")
        assert {*kinds} <= {"none", *scene_named(noticed.split()[0]).kinds}
