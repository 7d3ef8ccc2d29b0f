"""What durability takes on top of the agent: ours and the peers', on the same agent, in turns on the same machine.

Each runtime runs in a process of its own, which also runs the agent plainly, in turns with its own runs; a figure is a
ratio to that. The runtimes take turns as well, a round each, and the median of the rounds counts.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.pages import put, say, table
from bench.peers.environments import ROOT, Absent, python_of, restate_server
from proof.engines.engines import Absent as EngineAbsent
from proof.engines.engines import dynamodb_local_endpoint

ROUNDS = 3
PATIENCE = 400

Figures = dict[str, Any]


@dataclass
class Runtime:
    """One line of the table."""

    key: str
    title: str
    python: Callable[[], Path]
    arguments: tuple[str, ...]
    rounds: list[Figures] = field(default_factory=list)
    absent: str = ""

    def run(self) -> None:
        """Take one round, or learn why that can't be."""
        if self.absent:
            return
        say(self.title)
        try:
            python = self.python()
        except (Absent, EngineAbsent) as why:
            self.absent = str(why)
            return
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "figures.json"
            env = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "shared")]),
                "BENCH_STAMPS": str(Path(folder) / "stamps"),
                "RESTATE_SERVER": str(restate_server()),
            }
            said = Path(folder) / "errors"
            code = _ended([str(python), "-m", self.arguments[0], str(out), *self.arguments[1:]], env, said)
            if code is None:
                self.absent = f"a round took longer than {PATIENCE} seconds"
                return
            if code or not out.exists():
                self.absent = (said.read_text().strip() or "no reason given").splitlines()[-1]
                return
            self.rounds.append(json.loads(out.read_text()))

    def typical(self, figure: Callable[[Figures], float]) -> float:
        """The median of the rounds."""
        return median(map(figure, self.rounds))


def _ended(command: list[str], env: dict[str, str], said: Path) -> int | None:
    """Run `command` to its end: its exit code, None if that took too long. What it says on stderr goes to `said`.

    Whatever it started and left behind, a server, ends with it.
    """
    with said.open("w") as errors:
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def runtimes() -> list[Runtime]:
    """Ours, and the peers."""
    own = Path(sys.executable)

    def with_dynamodb_local() -> Path:
        with dynamodb_local_endpoint():
            return own

    return [
        Runtime("memory", "Outlive, a table in memory", lambda: own, ("bench.ours", "memory")),
        Runtime("memory-20", "the same, 20 steps per message", lambda: own, ("bench.ours", "memory", "20")),
        Runtime("local", "Outlive, DynamoDB Local", with_dynamodb_local, ("bench.ours", "dynamodb_local")),
        Runtime(
            "local-20", "the same, 20 steps per message", with_dynamodb_local, ("bench.ours", "dynamodb_local", "20")
        ),
        Runtime("dbos", "DBOS", lambda: python_of("dbos"), ("bench.peers.run_dbos",)),
        Runtime("langgraph", "LangGraph", lambda: python_of("langgraph"), ("bench.peers.run_langgraph",)),
        Runtime("restate", "Restate", lambda: python_of("restate"), ("bench.peers.run_restate",)),
    ]


def overhead(figures: Figures) -> float:
    """Seconds a step takes on top of the agent's own."""
    return float(figures["step"] - figures["plain_step"])


def lines(found: list[Runtime]) -> list[list[str]]:
    """The table's rows, without the absent."""
    rows = []
    for one in found:
        if not one.rounds:
            continue
        first = one.rounds[0]
        rows.append([
            f"{one.title} {first['version']}".strip(),
            first["storage"],
            f"{one.typical(lambda f: f['work'] / f['plain_work']):.1f}",
            f"{one.typical(lambda f: overhead(f) / f['plain_step']):.1f}",
            f"{one.typical(overhead) * 1000:.1f}",
            f"{one.typical(lambda f: f['ten'] / f['plain_ten']):.1f}",
            f"{one.typical(lambda f: f['start_median'] / f['plain_step']):.2f}",
            f"{one.typical(lambda f: f['start_p95'] / f['plain_step']):.2f}",
            f"{one.typical(lambda f: f['steps_a_second'] / f['plain_steps_a_second']):.3f}",
            f"{one.typical(lambda f: f['steps_a_second']):.0f}",
            f"{one.typical(lambda f: f['step_50'] / f['step_2']):.1f}",
            f"{one.typical(lambda f: f['memory']) / 1e6:.0f} + {one.typical(lambda f: f['server_memory']) / 1e6:.0f}",
        ])  # fmt: skip
    return rows


HEADS = [
    "", "what it stores in", "processor time, in plain runs", "overhead of a step, in plain steps", "the same, ms", "a 10-step run, in plain runs",
    "start, median, in plain steps", "start, p95", "steps a second with 16 chats, over plain", "the same, steps/s",
    "step 50 over step 2", "memory, MB: own + server",
]  # fmt: skip


def report(rounds: int = ROUNDS) -> list[Runtime]:
    """Run everything, and write the table of docs/performance.md."""
    found = runtimes()
    for number in range(rounds):
        say(f"overhead, round {number + 1} of {rounds}")
        for one in found:
            one.run()
    put("performance.md", "overhead", table(HEADS, lines(found), left=2))
    skipped = "\n".join(f"- {one.title}: skipped, {one.absent}." for one in found if not one.rounds)
    put("performance.md", "skipped", skipped or "Nothing was skipped.")
    plain = median(f["plain_step"] for one in found for f in one.rounds)
    grown = median(f["plain_step_50"] / f["plain_step_2"] for one in found for f in one.rounds)
    put(
        "performance.md", "plain",
        f"The plain step, that is the agent's own time, took {plain * 1000:.1f} ms (median of all rounds); "
        f"its 50th took {grown:.1f} times its 2nd.",
    )  # fmt: skip
    return found


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
