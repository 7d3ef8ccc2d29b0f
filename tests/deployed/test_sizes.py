"""Artifacts stay small enough to start fast, and far below what Lambda takes."""

import pytest

from bench.sizes import LIMIT_UNPACKED, sizes
from local.build import GROUP

MB = 1_000_000
MOST = {"light": 25 * MB, "step": 180 * MB, "layer": MB}
"""Unpacked. A build for this machine holds byte code as well, which doubles what is Python."""


@pytest.mark.parametrize("name", [*GROUP, "layer"])
def test_an_artifact_stays_within_its_bounds(name):
    """Built for this machine, as the local stack runs it."""
    zipped, unpacked = sizes(name, "here")
    assert unpacked <= MOST[GROUP.get(name, name)]
    assert zipped < unpacked / 2


def test_the_largest_function_and_the_layer_are_far_below_lambdas_limit():
    assert MOST["step"] + MOST["layer"] < 0.75 * LIMIT_UNPACKED
