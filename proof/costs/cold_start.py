"""What a cold start costs: import and clients of each function, in a fresh process, in floors.

A floor is what the function's libraries and one client cost, however little our own code did. Processor time is taken,
not the clock's, since others are at work on the machine; function and floor take turns, and the least of each counts:
noise only ever adds. `python -m proof.costs.cold_start` prints the table of docs/performance.md, `--check` is the part of
`make check` that bounds it. It is no test: what it finds hangs on a machine.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
LIGHT = ("start", "stop", "answer", "file", "read", "tail", "chat", "sweep")
PYTHON = ROOT / ".envs" / "dev" / "bin" / "python"

LIGHT_FLOOR = """
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pynamodb.models import Model

class Row(Model):
    class Meta:
        table_name, region = "outlive", "us-east-1"

Row._get_connection().connection.client
Logger(service="outlive"), APIGatewayHttpResolver()
"""
"""Resolver, logger, PynamoDB, and its one client."""

STEP_FLOOR = """
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from pynamodb.models import Model
from pydantic_ai import Agent
from pydantic_ai.ui.vercel_ai import VercelAIAdapter

class Row(Model):
    class Meta:
        table_name, region = "outlive", "us-east-1"

Row._get_connection().connection.client
Logger(service="outlive"), BatchProcessor(event_type=EventType.SQS)

def look_up(topic: str) -> str:
    "Look something up."
    return topic

Agent(tools=[look_up])
"""
"""The same with the batch processor in the resolver's place, and Pydantic AI with an agent of one tool."""

BARE_AGENT = """
from pydantic_ai import Agent

def look_up(topic: str) -> str:
    "Look something up."
    return topic

Agent(tools=[look_up])
"""
"""Pydantic AI alone, with an agent of one tool."""

MEASURED = """
import time
before = time.process_time()
{code}
print(time.process_time() - before)
"""

ENVIRONMENT = {
    "TABLE_NAME": "outlive",
    "QUEUE_URL": "http://127.0.0.1:9/queue",
    "AGENT_MODEL": "offline",
    "FILES_BUCKET": "files",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_SERVICE_NAME": "outlive",
    "POWERTOOLS_METRICS_NAMESPACE": "Outlive",
}


def seconds(code: str, function: str = "", python: Path | str = PYTHON, isolated: Iterable[str] = ()) -> float:
    """Processor time `code` takes in a fresh process that finds the function's code. Raises RuntimeError if it
    fails."""
    path = [str(ROOT / "shared"), str(ROOT / "functions" / function), str(ROOT)] if function else []
    done = subprocess.run(
        [str(python), *isolated, "-c", MEASURED.format(code=code)],
        env={"PATH": os.environ["PATH"], **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.splitlines()[-1])


@dataclass
class Race:
    """A function against its floor, in turns."""

    function: str
    floor: str = LIGHT_FLOOR
    python: Path | str = PYTHON
    own: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    def run(self, rounds: int) -> float:
        """Take so many more turns; the ratio after all turns so far."""
        for _ in range(rounds):
            self.floors.append(seconds(self.floor, python=self.python))
            self.own.append(seconds("import app", self.function, self.python))
        return self.ratio

    @property
    def ratio(self) -> float:
        """The function in floors."""
        return min(self.own) / min(self.floors)

    @property
    def typical(self) -> float:
        """The function in floors, turn by turn: on a busy machine both are slow, and one quiet moment is only one's."""
        return median(own / floor for own, floor in zip(self.own, self.floors, strict=True))


MOST = {**dict.fromkeys(LIGHT, 1.2), "chat": 1.25, "step": 1.25}
"""How many floors a function may cost. Its own code is a tenth: a new library, or a second client, is more. `chat` has the
code of `start` and of `tail`."""
MOST_ROUNDS = 30


def settled(function: str) -> float:
    """The function in floors, after as many turns as it takes to be within its bounds, or after very many.

    By the least of each, which a quiet machine gives soon, or by the turn in the middle, which others' work spoils least.
    """
    race = Race(function, STEP_FLOOR if function == "step" else LIGHT_FLOOR, sys.executable)
    while len(race.own) < MOST_ROUNDS:
        race.run(1)
        if min(race.ratio, race.typical) <= MOST[function]:
            break
    return min(race.ratio, race.typical)


def too_slow() -> list[str]:
    """A sentence for each function whose cold start costs more than it may."""
    floors = {function: settled(function) for function in MOST}
    found = [
        f"a cold start of {function} takes {ratio:.2f} times what its libraries take, and may take {MOST[function]:.2f}"
        for function, ratio in floors.items()
        if ratio > MOST[function]
    ]
    # Of a light function: nothing of the agent library may creep in.
    if seconds("import app", "start", sys.executable) >= seconds(BARE_AGENT, python=sys.executable):
        found.append("a cold start of start takes as long as the agent library, which it must not import")
    return found


def report(rounds: int = 15) -> list[tuple[str, float, float, float]]:
    """Function, its time and its floor's in seconds, and the ratio: the light ones, step, and step over the bare
    agent."""
    races = {name: Race(name) for name in LIGHT}
    races["step"] = Race("step", STEP_FLOOR)
    bare = Race("step", BARE_AGENT)
    for _ in range(rounds):
        for race in (*races.values(), bare):
            race.run(1)
    return [
        (name, min(race.own), min(race.floors), race.ratio)
        for name, race in {**races, "step, over Pydantic AI alone": bare}.items()
    ]


def main(arguments: list[str]) -> int:
    """Print the table; with `--check`, what is too slow."""
    if arguments == ["--check"]:
        found = too_slow()
        sys.stderr.write("".join(f"outlive: {sentence}\n" for sentence in found))
        return 1 if found else 0
    for name, own, floor, ratio in report(*map(int, arguments)):
        sys.stdout.write(f"{name:30} {own * 1000:7.0f} ms {floor * 1000:7.0f} ms {ratio:6.3f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
