"""Artifacts stay small enough to start fast, and far below Lambda's limit."""

import pytest

from local.build import GROUP
from proof.costs.sizes import LIMIT_UNPACKED, unpacked

MB = 1_000_000
MOST = {"light": 12 * MB, "step": 100 * MB, "stream": 35 * MB, "layer": MB, None: MB}
"""Unpacked, without byte code: that is as much again where the right Python is at hand to compile it."""


@pytest.mark.parametrize("name", [*GROUP, "layer"])
def test_an_artifact_stays_within_its_bounds(name):
    """Built for this machine, as the local stack runs it."""
    assert unpacked(name, "here") <= MOST[GROUP.get(name, name)]


def test_the_largest_function_and_the_layer_with_byte_code_are_below_lambdas_limit():
    assert 2 * (MOST["step"] + MOST["layer"]) < LIMIT_UNPACKED
