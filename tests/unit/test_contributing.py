"""CONTRIBUTING.md names every place to touch for a new route, verb, setting, tool, alarm or page.

Each list is compared with the places that mention something of that kind that exists already.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
FOLDERS = (
    "agents", "functions", "shared", "console", "clients", "local", "events", "docs", "tests", "proof", "bench", "requirements",
)  # fmt: skip
TEXT = {".py", ".md", ".json", ".yaml", ".yml", ".toml", ".js", ".html", ".sh", ".in", ""}


def project() -> dict[str, str]:
    """Every text file of the project by its path, without what is installed or built."""
    files = [*ROOT.iterdir(), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))]
    return {
        file.relative_to(ROOT).as_posix(): file.read_text()
        for file in files
        if file.is_file() and file.suffix in TEXT and not {"__pycache__", "node_modules"} & set(file.parts)
    }


FILES = project()
HANDLER = re.search(r'@api\.post\("/runs/<run_id>/ticket".*?\)\s*def (\w+)', FILES["functions/tail/app.py"], re.DOTALL)
assert HANDLER is not None
TICKET_ROUTE = rf"\{{run_id\}}/ticket|<run_id>/ticket|\b{HANDLER[1]}\b"
TICKET_CALL = r"def ticket\("


def places(heading: str, **names: str) -> set[str]:
    """The files that the list under `### heading` names, with `<verb>` and the like replaced."""
    match = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, heading
    listed = re.findall(r"`([\w./<>-]+)`", match[1])
    for name, value in names.items():
        listed = [one.replace(f"<{name}>", value) for one in listed]
    return {one for one in listed if "/" in one or one in FILES}


def mentions(pattern: str, *, inside: tuple[str, ...] = ("",)) -> set[str]:
    """The files in one of the folders `inside` that the pattern is found in."""
    return {name for name, text in FILES.items() if name.startswith(inside) and re.search(pattern, text, re.MULTILINE)}


def counted(found: set[str], listed: set[str]) -> set[str]:
    """`found` without what only uses or explains it: prose, tests, proofs and measurements that no list names."""
    others = ("tests/", "proof/", "bench/")
    return {name for name in found if name in listed or not (name.startswith(others) or name.endswith(".md"))}


HEADINGS = re.findall(r"^### (.*)$", PAGE[PAGE.index("## How to add") :], re.MULTILINE)


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_place_of_a_list_exists(heading: str) -> None:
    listed = places(heading, verb="tail", page="operating")
    assert listed
    assert {name for name in listed if name not in FILES} == set()


def test_a_route_is_mentioned_where_the_list_says_and_nowhere_else() -> None:
    listed = places("a route to an existing function", verb="tail")
    found = counted(mentions(TICKET_ROUTE), listed) | mentions(
        TICKET_CALL, inside=("clients/", "shared/outlive/tail.py")
    )
    assert found == listed


def test_a_verb_is_mentioned_where_the_list_says_and_nowhere_else() -> None:
    """A file that names several verbs keeps a list of them: three verbs stand for all."""
    listed = places("a verb, which is a new function", verb="tail")
    own = {"shared/outlive/tail.py", "functions/tail/app.py", "events/tail.json"}
    registers = set.intersection(
        *(
            mentions(rf'"{verb}"|"{verb.title()}"|^  {verb.title()}:$|^    {verb} {{2,}}\w')
            for verb in ("tail", "stop", "read")
        )
    )
    assert registers - {"tests/unit/test_contributing.py"} | own == listed


def test_a_setting_is_mentioned_where_the_list_says_and_nowhere_else() -> None:
    # A start ends the run that keeps its chat busy by the same rule as the sweep.
    listed = places("a setting", verb="sweep") | {"shared/outlive/overdue.py"}
    assert counted(mentions(r"SWEEP_RESEND_LIMIT|SweepResendLimit|sweep_resend_limit"), listed) == listed


def test_a_tool_is_mentioned_where_the_list_says_and_nowhere_else() -> None:
    """A script of the demonstration or of the console's examples may call the tool; a new tool needs no such script."""
    listed = places("a tool") - {"agents/requirements.in"}
    shown = {"local/run.py", "console/draw.js"}
    assert counted(mentions(r"\bcalculate\b"), listed) - shown == listed


def test_an_alarm_is_mentioned_where_the_list_says_and_nowhere_else() -> None:
    listed = places("an alarm")
    assert counted(mentions(r"SettleAlarm|SettleFailed"), listed) == listed


def test_a_page_is_mentioned_where_the_list_says() -> None:
    listed = places("a page of the documentation", page="deploying")
    assert listed - {"docs/deploying.md"} <= mentions(r"deploying\.md")


def test_operating_names_every_alarm_and_every_line_of_a_fault() -> None:
    """docs/operating.md explains every alarm, every metric and every error line, and names no line that does not exist."""
    page = FILES["docs/operating.md"]
    alarms = set(re.findall(r"^  (\w+Alarm):$", FILES["template.yaml"], re.MULTILINE))
    code = "\n".join(text for name, text in FILES.items() if name.startswith(("functions/", "shared/")))
    metrics = set(re.findall(r'_count\("(\w+)"\)', code))
    faults = set(re.findall(r'(?:logger\.error|unexpected)\(\s*"(\w+)"', code))
    assert {"SettleAlarm", "UnreadableAlarm"} <= alarms
    assert {"SettleFailed", "WorkerRetired"} <= metrics
    assert {"settle_failed", "request_failed"} <= faults
    assert {name for name in alarms | metrics | faults if f"`{name}`" not in page} == set()
    lines = re.search(r"^\| line \|.*?\n\n", page, re.MULTILINE | re.DOTALL)
    assert lines is not None
    named = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in lines[0].split("\n")[2:] if row)))
    assert {name for name in named if f'"{name}"' not in code} == set()
