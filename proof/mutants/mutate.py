"""Every mutant, played: the proof has to notice each, or its survival is explained and it does survive.

    python -m proof.mutants.mutate                      all of `mutants.py`
    python -m proof.mutants.mutate --only 'claim without NO_STOP'
    python -m proof.mutants.mutate --search             on every scene, not only those named

Ends with 1 if a mutant is missed, if one that is listed as surviving is noticed, or if one no longer applies.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from proof.mutants.mutant import Mutant
from proof.mutants.mutants import mutants

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 90.0
"""Seconds a mutant may take."""
MOST = 400_000
"""States an exploration may take: more than any scene named in the list has."""
CHEAP_FIRST = 25_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant. `by` is the exploration that noticed it, `problem` the promise that was broken."""

    mutant: Mutant
    seconds: float
    by: str = ""
    problem: str = ""
    trouble: str = ""
    """Why there is no verdict: the mutant does not apply, or a named scene could not be explored to its end."""

    @property
    def fine(self) -> bool:
        """True if it is as the list says."""
        return not self.trouble and bool(self.by) is not bool(self.mutant.survives)


def tree_with(mutant: Mutant, root: Path, folder: Path) -> None:
    """Copy what the proof runs of the project into `folder`, changed by the mutant."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "shared", folder / "shared", ignore=ignored)
    shutil.copytree(root / "functions" / "step", folder / "functions" / "step", ignore=ignored)
    for path, text in mutant.texts(root).items():
        (folder / path).write_text(text)


def play(mutant: Mutant, *, search: bool, limit: float) -> Verdict:
    """Have a process of its own explore the mutant."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="outlive-mutant-") as folder:
        try:
            tree_with(mutant, ROOT, Path(folder))
        except ValueError as error:
            return Verdict(mutant, 0.0, trouble=str(error))
        named = [] if search else mutant.noticed
        path = os.pathsep.join([str(ROOT), str(Path(folder) / "shared")])
        environment = {**os.environ, "PROOF_TREE": folder, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "proof.mutants.mutate", "--inside", *named, "--limit", str(limit)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit + 30, check=False
            )
        except subprocess.TimeoutExpired:
            return Verdict(mutant, time.perf_counter() - began, trouble="did not end")
    seconds = time.perf_counter() - began
    if done.returncode:
        return Verdict(mutant, seconds, trouble=done.stderr.strip().splitlines()[-1] if done.stderr else "no answer")
    report = json.loads(done.stdout.splitlines()[-1])
    trouble = "" if report["by"] or report["complete"] else "not explored to the end"
    return Verdict(mutant, seconds, report["by"], report["problem"], trouble)


def inside(named: list[str], limit: float) -> None:
    """Explore, in the tree that PROOF_TREE names, until a promise is broken; print the promise and the scene as one
    line of JSON."""
    from proof.explorer.explorer import explore
    from proof.scenes.performance import Performance
    from proof.scenes.prove import kinds_of
    from proof.scenes.scenarios import scene_named

    ends, complete = time.perf_counter() + limit, True
    rounds = [MOST] if named else [CHEAP_FIRST, MOST]
    for most in rounds:
        complete = True
        for each in named or everything():
            name, kind, faults = (*each.split(), "1")[:3]
            performance = Performance(scene_named(name))
            opening, world = performance.begin(kinds_of(kind), 0 if kind == "none" else int(faults))
            report = explore(opening, world, until=max(0.1, ends - time.perf_counter()), most=most)
            performance.close()
            complete = complete and report.complete
            if report.failure is not None:
                print(json.dumps({"by": each, "problem": report.failure.problems[0], "complete": True}))
                return
            if time.perf_counter() > ends:
                break
    print(json.dumps({"by": "", "problem": "", "complete": complete}))


def everything() -> Iterator[str]:
    """Every scene without a fault, then with one of each kind."""
    from proof.explorer.faults import FAULTS
    from proof.scenes.scenarios import scenes

    for kind in ("none", *FAULTS):
        for scene in scenes():
            if kind == "none" or kind in scene.kinds:
                yield f"{scene.name} {kind}"


def line_of(verdict: Verdict) -> str:
    """The line of a mutant in the report."""
    if verdict.trouble:
        outcome = f"TROUBLE: {verdict.trouble}"
    elif verdict.by:
        outcome = f"{'NOTICED, though listed as surviving, ' if verdict.mutant.survives else ''}by {verdict.by}: {verdict.problem}"
    else:
        outcome = f"survives: {verdict.mutant.survives}" if verdict.mutant.survives else "MISSED"
    return f"{verdict.mutant.name:40} {verdict.seconds:5.1f} s  {outcome}"


def main() -> int:
    """Play the mutants that the options choose."""
    parser = argparse.ArgumentParser(description="See that the proof notices every mutant.")
    parser.add_argument("--only", action="append", help="only this mutant (or all whose name begins so)")
    parser.add_argument("--search", action="store_true", help="try every scene, not only those named")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds a mutant may take")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--inside", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        inside(options.inside, options.limit)
        return 0
    began = time.perf_counter()
    chosen = [each for each in mutants() if not options.only or each.name.startswith(tuple(options.only))]
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for verdict in pool.map(lambda each: play(each, search=options.search, limit=options.limit), chosen):
            print(line_of(verdict), flush=True)
            verdicts.append(verdict)
    noticed = sum(bool(verdict.by) for verdict in verdicts)
    wrong = [verdict for verdict in verdicts if not verdict.fine]
    print(
        f"{len(verdicts)} mutants: {noticed} noticed, {len(verdicts) - noticed} not, {len(wrong)} otherwise than listed; "
        f"{time.perf_counter() - began:.0f} s on {options.jobs} cores"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
