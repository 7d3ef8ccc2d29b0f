"""The definitions that the comparison of frames names exist, so that a rename is noticed."""

from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from proof.explorer.standpoint import BY_ARGUMENTS, LISTING, PASS_ON

ROOT = Path(__file__).resolve().parents[2]


def definitions(code: CodeType) -> Iterator[str]:
    """The qualified names of everything defined in this code."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner.co_qualname
            yield from definitions(inner)


@pytest.mark.parametrize("name", sorted(PASS_ON | BY_ARGUMENTS | LISTING))
def test_every_definition_that_is_compared_in_its_own_way_exists(name: str) -> None:
    """A missing name costs no truth, but the explorer then visits far more states."""
    files = [file for folder in ("shared/outlive", "proof") for file in (ROOT / folder).rglob("*.py")]
    assert name in {each for file in files for each in definitions(compile(file.read_text(), str(file), "exec"))}
