"""A cold start of a light function costs what its libraries cost, and little more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIGHT = ("start", "stop", "read", "sweep")
ROUNDS = 5
MOST = 1.5
"""How many times the floor an import may cost. What was measured so far lies between 0.8 and 1.1."""

FLOOR = """
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pynamodb.models import Model

class Row(Model):
    class Meta:
        table_name, region = "outlive", "us-east-1"

Row._get_connection().connection.client
Logger(service="outlive"), APIGatewayHttpResolver()
"""
"""What every light function brings in whatever we do: resolver, logger, PynamoDB, and one client."""

# Processor time, not the clock's: others are at work on the same machine.
MEASURED = """
import time
before = time.process_time()
{code}
print(time.process_time() - before)
"""


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    """The least processor time of each import, every one in a fresh process, taken in turns."""
    codes = {"floor": FLOOR, **dict.fromkeys(LIGHT, "import app")}
    least = dict.fromkeys(codes, float("inf"))
    for _ in range(ROUNDS):
        for name, code in codes.items():
            least[name] = min(least[name], measured(name, code))
    return least


def measured(name: str, code: str) -> float:
    path = os.pathsep.join([str(ROOT / "shared"), *([str(ROOT / "functions" / name)] if name in LIGHT else [])])
    done = subprocess.run(
        [sys.executable, "-c", MEASURED.format(code=code)],
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_import_time_is_reported(seconds: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    """What was measured is said, so that a slow drift is seen before it is a failure."""
    said = ", ".join(f"{name} {seconds[name] / seconds['floor']:.2f}" for name in LIGHT)
    with capsys.disabled():
        sys.stdout.write(f" import time in floors of {seconds['floor'] * 1000:.0f} ms: {said} ")
    assert min(seconds.values()) > 0


@pytest.mark.parametrize("function", LIGHT)
def test_import_time_stays_near_the_floor(function: str, seconds: dict[str, float]) -> None:
    """Importing a light function costs at most 1.5 times what its libraries and one client cost."""
    ratio = seconds[function] / seconds["floor"]
    assert ratio <= MOST, f"{function} takes {ratio:.2f} times the floor"


ENVIRONMENT = {
    "TABLE_NAME": "outlive",
    "QUEUE_URL": "http://127.0.0.1:9/queue",
    "AGENT_MODEL": "offline",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}
