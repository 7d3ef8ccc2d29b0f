"""Writes the generated files from the code and the template, or reports which of them are out of date.

    docs/generator/generate.py            writes (`make docs`)
    docs/generator/generate.py --check    writes nothing; ends with 1 and one sentence if a file is not what would be written

A generated region of a Markdown file stands between `<!-- generated: name -->` and `<!-- end: name -->`.
"""

# ruff: noqa: E402  # the path comes first: this is started as a script, from anywhere

import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]
# Some modules read AWS settings while they are imported.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from docs.generator import lifecycle, openapi, template
from docs.generator.answers import ANSWERS, calls
from docs.generator.calls import Call
from docs.generator.template import Drift
from outlive.errors import Problem
from outlive.run_error import RunErrorCode
from outlive.store import rows

REGION = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)


def routes() -> str:
    """The API in one table."""
    lines = [
        (
            f"`{call.method} {call.path}`",
            call.summary,
            f"**{ANSWERS[call.name].status}**",
            ", ".join(f"{kind.status} `{kind.code}`" for kind in _by_status(call) if kind.status not in (401, 500)),
        )
        for call in calls()
    ]
    return lifecycle.table(("call", "what it does", "answer", "problems"), lines)


def settings() -> str:
    """The template's parameters, one table a group."""
    tables = []
    for title, parameters in template.parameters(template.read()).items():
        lines = [
            (
                f"`{one.name}`",
                "must be given" if one.default is None else f"`{one.default}`" if one.default else "empty",
                f"{one.description}{f' ({one.values})' if one.values else ''}",
            )
            for one in parameters
        ]
        tables.append(lifecycle.table((title, "default", ""), lines))
    return "\n\n".join(tables)


def keys() -> str:
    """The kinds of rows with their keys, as `rows.py` lists them."""
    listed = re.findall(r"^ *\| (.+?) *\| (.+?) *\| ([A-Z]\w+) *\|$", rows.__doc__ or "", re.MULTILINE)
    if not listed:
        raise Drift("rows.py must list its kinds of rows with their keys")
    return lifecycle.table(("row", "pk", "sk"), [(f"`{name}`", pk, f"`{sk}`") for pk, sk, name in listed])


def run_errors() -> str:
    """The codes with which a run may end."""
    meanings = lifecycle.explained(RunErrorCode)
    unexplained = [code.name for code in RunErrorCode if code.name not in meanings]
    if unexplained:
        raise Drift(f"run_error.py must explain {unexplained[0]}")
    return lifecycle.table(("code", "what happened"), [(f"`{code}`", meanings[code.name]) for code in RunErrorCode])


def problems() -> str:
    """The codes of the API's problems."""
    kinds = sorted(Problem.__subclasses__(), key=lambda kind: (kind.status, kind.code))
    lines = [(f"`{kind.code}`", str(kind.status), (kind.__doc__ or "").strip()) for kind in kinds]
    return lifecycle.table(("code", "status", "what it means"), lines)


REGIONS = {
    "routes": routes,
    "problems": problems,
    "settings": settings,
    "keys": keys,
    "run-errors": run_errors,
    "statuses": lifecycle.statuses,
    "moves": lifecycle.moves,
    "clauses": lifecycle.guards,
}
PAGES = {
    "docs/api.md": {"routes", "problems", "run-errors"},
    "docs/settings.md": {"settings"},
    "docs/table.md": {"keys"},
    "docs/lifecycle.md": {"statuses", "moves", "clauses"},
}


def generated() -> dict[str, str]:
    """Every generated file as it ought to be. Raises Drift."""
    document = json.dumps(openapi.document(), indent=2, ensure_ascii=False) + "\n"
    return {"docs/openapi.json": document, **{name: _filled(name) for name in PAGES}}


def main() -> int:
    """Write, or check with `--check`."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.stderr.write("outlive: docs/generator/generate.py takes nothing but --check\n")
        return 2
    try:
        wanted = generated()
    except Drift as drift:
        sys.stderr.write(f"outlive: {drift}\n")
        return 1
    stale = [name for name, text in wanted.items() if _read(name) != text]
    if check and stale:
        sys.stderr.write(f"outlive: {' and '.join(stale)} not as the code says; make docs writes what is generated\n")
        return 1
    for name in stale:
        (ROOT / name).write_text(wanted[name])
        print(f"wrote {name}")
    return 0


def _by_status(call: Call) -> list[type[Problem]]:
    return sorted(call.problems, key=lambda kind: (kind.status, kind.code))


def _filled(name: str) -> str:
    text = _read(name)
    places = [region[2] for region in REGION.finditer(text)]
    if sorted(places) != sorted(PAGES[name]):
        raise Drift(f"{name} must have a place for each of {', '.join(sorted(PAGES[name]))}, and for nothing else")
    return REGION.sub(lambda region: f"{region[1]}\n{REGIONS[region[2]]()}\n\n{region[3]}", text)


def _read(name: str) -> str:
    file = ROOT / name
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
