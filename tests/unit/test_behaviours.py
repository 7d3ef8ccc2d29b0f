"""The numbers in test descriptions are those of docs/behaviours.md and docs/guarantees.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests").rglob("*.py"))
PAGE = (ROOT / "docs" / "behaviours.md").read_text()
BEHAVIOURS = dict(re.findall(r'^- <a id="b\d+"></a>\*\*\[(\d+)\]\*\* ((?:.+\n)(?:  .+\n)*)', PAGE, re.MULTILINE))
GUARANTEES = set(re.findall(r'<a id="g(\d+)"></a>', (ROOT / "docs" / "guarantees.md").read_text()))
ELSEWHERE = "Shown elsewhere:"


def _descriptions() -> Iterator[tuple[str, str]]:
    """Every docstring of the tests, with the file and the name it belongs to."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                yield f"{file.name}: {getattr(node, 'name', '')}", ast.get_docstring(node) or ""


DESCRIPTIONS = list(_descriptions())


def numbers(text: str) -> set[str]:
    """The behaviours that a description names: `[13] [14] ...`, or `... and [24]`."""
    return set(re.findall(r"(?<![\w`])\[(\d+)\](?!`)", text))


def test_behaviours_are_numbered_in_order() -> None:
    """A number is given once. One that was given stays, so some are missing."""
    listed = [int(number) for number in BEHAVIOURS]
    assert listed == sorted(set(listed))
    assert all(len(text.split()) > 5 for text in BEHAVIOURS.values())


def test_every_behaviour_that_a_test_names_is_on_the_page() -> None:
    assert {
        where: numbers(text) - set(BEHAVIOURS) for where, text in DESCRIPTIONS if numbers(text) - set(BEHAVIOURS)
    } == {}


def test_every_behaviour_on_the_page_is_shown_by_a_test_or_says_where() -> None:
    named = {number for _, text in DESCRIPTIONS for number in numbers(text)}
    assert {number for number, text in BEHAVIOURS.items() if number not in named and ELSEWHERE not in text} == set()


def test_every_guarantee_that_a_test_names_is_on_its_page() -> None:
    named = {number for _, text in DESCRIPTIONS for number in re.findall(r"[Gg]uarantees? (\d+)", text)}
    assert named
    assert named <= GUARANTEES


def test_the_proof_names_behaviours_and_guarantees_that_exist() -> None:
    """In the messages of the checks: `[behaviour 4]`, or `[4]` for a guarantee."""
    checks = "".join(file.read_text() for file in (ROOT / "proof" / "scenes").rglob("*.py"))
    behaviours, guarantees = re.findall(r'"\[behaviour (\d+)\]', checks), re.findall(r'"\[(\d+)\]', checks)
    assert behaviours
    assert guarantees
    assert set(behaviours) <= set(BEHAVIOURS)
    assert set(guarantees) <= GUARANTEES


def test_nothing_refers_to_a_contract_outside_of_the_project() -> None:
    """What is binding stands in docs/guarantees.md, docs/lifecycle.md and docs/behaviours.md."""
    texts = [
        *FILES,
        *(ROOT / "shared").rglob("*.py"),
        *(ROOT / "functions").rglob("*.py"),
        *(ROOT / "docs").glob("*.md"),
    ]
    reference = re.compile(r"contract('s)?,? (section )?\d|\bthe contract\b(?!\.py)", re.IGNORECASE)
    assert [file.name for file in texts if file != Path(__file__) and reference.search(file.read_text())] == []
