"""A cold start costs what its libraries cost, and little more."""

import sys

import pytest

from proof.costs.cold_start import BARE_AGENT, LIGHT, LIGHT_FLOOR, STEP_FLOOR, Race, seconds

MOST = {**dict.fromkeys(LIGHT, 1.15), "chat": 1.2, "step": 1.25}
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


@pytest.mark.parametrize("function", [*LIGHT, "step"])
def test_import_time_stays_near_the_floor(function: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Import and clients of a light function cost little more than what its libraries and one client cost."""
    ratio = settled(function)
    with capsys.disabled():
        sys.stdout.write(f" {function} {ratio:.2f}")
    assert ratio <= MOST[function], f"{function} takes {ratio:.2f} times the floor"


def test_import_time_of_a_light_function_is_far_below_an_agents() -> None:
    """A light function costs less than the bare agent library alone would: nothing of that may creep in."""
    assert seconds("import app", "start", sys.executable) < seconds(BARE_AGENT, python=sys.executable)
