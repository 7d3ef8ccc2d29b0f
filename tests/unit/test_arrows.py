"""Which part may know which: imports point down the house, never up or sideways."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proof.costs.cold_start import ENVIRONMENT

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "shared" / "outlive"
FUNCTIONS = ROOT / "functions"

OPERATIONS = {"start", "step", "stop", "answer", "file", "read", "tail", "sweep", "chat"}
LIGHT = OPERATIONS - {"step"}
CALLED = {"chat": {"chat", "start", "answer", "tail"}}
"""What a handler calls besides the operation of its own name: an AI SDK client starts and follows in one request."""

MAP = re.split(
    r"^floor \d+.*$", ast.get_docstring(ast.parse((SHARED / "__init__.py").read_text())) or "", flags=re.MULTILINE
)
FLOORS = [set(re.findall(r"^    ([a-z_.]+) ", floor, re.MULTILINE)) for floor in MAP[1:]]
"""The house from the ground up, as `outlive/__init__.py` draws it."""

OUTSIDE = {
    "chat_queue": {"msgspec"},
    "store.slot": {"pynamodb"},
    "ai_sdk.chunks": {"msgspec"},
    "asked": {"msgspec"},
    "chat": {"msgspec"},
    "file": {"msgspec"},
    "file_ref": {"msgspec"},
    "follow.events": {"msgspec"},
    "follow.live": {"msgspec"},
    "follow.passages": {"msgspec"},
    "follow.reader_state": {"msgspec"},
    "follow.sse": {"msgspec"},
    "follow.storyline": {"msgspec"},
    "follow.ticket": {"msgspec"},
    "http": {"aws_lambda_powertools", "msgspec"},
    "log": {"aws_lambda_powertools"},
    "loops": {"msgspec"},
    "packing": {"msgspec"},
    "read": {"msgspec"},
    "request": {"msgspec"},
    "settle": {"msgspec"},
    "store.answers": {"botocore", "msgspec"},
    "store.attributes": {"pynamodb", "msgspec"},
    "store.body": {"msgspec"},
    "store.bucket": {"botocore"},
    "store.calls": {"pynamodb", "botocore"},
    "store.moves": {"pynamodb"},
    "store.queue": {"botocore"},
    "store.row": {"pynamodb"},
    "store.rows": {"pynamodb"},
    "store.table": {"pynamodb"},
    "store.waiting": {"pynamodb"},
    "tail": {"msgspec"},
    "views": {"msgspec"},
    "wiring": {"botocore"},
}
"""What a module takes from other people; one that isn't listed takes nothing."""

OWN = {"aws_lambda_powertools", "botocore", "msgspec", "pynamodb"}
THEIRS = {"dateutil", "jmespath", "six", "typing_extensions", "urllib3"}
# botocore takes certifi where it happens to be installed; no zip holds it.
LOADED = OWN | THEIRS | {"certifi"}
"""Every package that a light function may load: a new name here is a cold start that takes longer."""

SURROUNDINGS = {
    "os": {"wiring"},
    "uuid": {"wiring"},
    "random": {"wiring"},
    "time": {"clock"},
    "datetime": {"clock"},
    "threading": {"agent", "follow.live", "watch", "worker"},
}
"""Environment, chance, clock and threads: each has its one door, so that a proof can hold it shut."""
SHUT = {"secrets", "socket", "subprocess", "asyncio", "urllib.request", "http.client", "logging", "environ"}

MODULES = sorted(
    ".".join(file.relative_to(SHARED).with_suffix("").parts) for file in SHARED.rglob("*.py") if file.stem != "__init__"
)


def file_of(module: str) -> Path:
    return SHARED.joinpath(*module.split(".")).with_suffix(".py")


def imported(file: Path) -> set[str]:
    """Everything a file imports, wherever in it, by its full name; what only a type checker reads as well."""
    return set(_imports(ast.parse(file.read_text(), str(file))))


def _imports(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (one.name for one in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            assert level == 0, "imports are absolute here"
            yield str(module)
            yield from (f"{module}.{one.name}" for one in names)
    for inner in ast.iter_child_nodes(node):
        yield from _imports(inner)


def ours(file: Path) -> set[str]:
    """The modules of ours that a file imports."""
    return {name.removeprefix("outlive.") for name in imported(file)} & set(MODULES)


def roots(file: Path) -> set[str]:
    """The packages a file imports from, ours and the standard library's left out."""
    return {name.partition(".")[0] for name in imported(file)} - sys.stdlib_module_names - {"outlive"}


def floor(module: str) -> int:
    return next(number for number, modules in enumerate(FLOORS) if module in modules)


def test_every_arrow_has_its_floor() -> None:
    """A new module says where in the house it stands."""
    assert sorted(module for modules in FLOORS for module in modules) == MODULES
    for wing in SHARED.rglob("__init__.py"):
        assert imported(wing) == set()


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module: str) -> None:
    """No module knows one above it or beside it; so no operation knows another."""
    known = ours(file_of(module))
    assert {other for other in known if floor(other) >= floor(module)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_arrows_out_of_the_house_have_their_doors(module: str) -> None:
    """Only table and queue (with rows and wiring) import AWS's libraries, and no module here imports an agent's."""
    assert roots(file_of(module)) == OUTSIDE.get(module, set())


@pytest.mark.parametrize("module", MODULES)
def test_arrows_to_the_surroundings_have_their_doors(module: str) -> None:
    """Clock, environment and ids are handed in: no operation reads them by itself."""
    found = imported(file_of(module))
    assert found & SHUT == set()
    assert {name for name, doors in SURROUNDINGS.items() if name in found and module not in doors} == set()


@pytest.mark.parametrize("function", sorted(OPERATIONS))
def test_arrows_of_a_handler_lead_to_its_own_operation(function: str) -> None:
    """functions/<verb>/app.py calls the operation of its own name and no other, and leaves table and queue to it."""
    known = ours(FUNCTIONS / function / "app.py")
    assert known & OPERATIONS == CALLED.get(function, {function})
    below = {"store.table", "store.queue", "store.row", "store.rows", "settle", "overdue", "guards", "lifecycle"}
    assert known & below == set()


@pytest.mark.parametrize("file", sorted((FUNCTIONS / "step").rglob("*.py")), ids=lambda file: file.stem)
def test_arrows_between_agent_and_run_cross_the_seam_alone(file: Path) -> None:
    """Besides the handler, nothing around the agent knows more of a run than the seam and the agents' door say."""
    if file.stem == "app":
        assert roots(file) & {"pydantic", "pydantic_ai", "boto3"} == set()
    else:
        assert ours(file) <= {"follow.passages", "text", "agent", "agents", "asked", "file_ref", "usage", "worker"}


def test_arrows_from_the_agents_folder_lead_through_one_door() -> None:
    """The folder is the user's: a newer Outlive changes nothing that it imports."""
    files = sorted((ROOT / "agents").rglob("*.py"))
    assert files
    for file in files:
        assert ours(file) <= {"agents"}
    assert roots(SHARED / "agents.py") == set()


@pytest.mark.parametrize("function", sorted(LIGHT))
def test_arrows_of_a_light_function_stay_light(function: str) -> None:
    """A light function is its handler alone, and names no library but those of its zip."""
    assert [file.name for file in (FUNCTIONS / function).rglob("*.py")] == ["app.py"]
    assert roots(FUNCTIONS / function / "app.py") <= {"aws_lambda_powertools", "msgspec"}


@pytest.mark.parametrize("function", sorted(LIGHT))
def test_arrows_of_a_light_function_reach_no_agent_library_once_imported(function: str) -> None:
    """In a fresh process the handler brings in neither Pydantic (AI) nor boto3, nor another operation, by any way round."""
    loaded = modules_after_importing(function)
    packages = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert {name for name in packages if not name.startswith("_")} - {"app", "outlive"} <= LOADED
    assert {other for other in OPERATIONS if f"outlive.{other}" in loaded} == CALLED.get(function, {function})


BESIDE = {"proof": {"tests", "bench"}, "tests": {"bench"}, "bench": {"tests"}, "local": {"proof", "tests", "bench"}}
"""Which folder imports nothing from which: tests and benchmarks both stand on the proof, and the proof on neither."""


@pytest.mark.parametrize(("folder", "others"), BESIDE.items())
def test_arrows_between_proof_tests_and_benchmarks_lead_to_the_proof(folder: str, others: set[str]) -> None:
    """proof/ imports neither tests nor bench, and these two do not import each other."""
    for file in (ROOT / folder).rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text(), str(file))))
        named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        named |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
        assert others & {name.partition(".")[0] for name in named} == set(), file


def test_arrows_are_seen_by_this_test() -> None:
    """The step function does bring them in, so the test above would have noticed."""
    assert {"pydantic", "pydantic_ai", "outlive.step"} <= modules_after_importing("step")


def modules_after_importing(function: str) -> set[str]:
    """The modules of a fresh process that has imported the function's handler, as Lambda does."""
    code = "import app, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            **ENVIRONMENT,
            "PYTHONPATH": os.pathsep.join([str(FUNCTIONS / function), str(SHARED.parent), str(ROOT)]),
        },
        cwd=FUNCTIONS / function,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))
