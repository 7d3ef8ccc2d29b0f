"""Puts what was measured into the pages that tell of it: between `<!-- measured: name -->` and `<!-- end: name -->`."""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def put(page: str, name: str, text: str) -> None:
    """Have region `name` of docs/`page` read `text`. Raises ValueError if the page has no such region."""
    file = DOCS / page
    region = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
    before = file.read_text()
    after, found = region.subn(lambda match: f"{match[1]}{text.strip()}\n{match[2]}", before)
    if found != 1:
        raise ValueError(f"{page} has {found} regions named {name}")
    if after != before:
        file.write_text(after)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> str:
    """A Markdown table; all columns but the first `left` are numbers and stand to the right."""
    marks = [":--" if index < left else "--:" for index in range(len(heads))]
    lines = [heads, marks, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def say(text: str) -> None:
    """One line on stderr: what the benchmark is at."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
