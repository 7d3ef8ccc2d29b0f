"""The files of each function's zip, for Lambda or for this machine.

The module needs only Python and uv. `sam build` runs it through the Makefile and the local stack imports it, so both
ship the same files; only the platform of the native wheels differs.
"""

import compileall
import fcntl
import hashlib
import json
import py_compile
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from local.messages import UserError, progress, run_main

ROOT = Path(__file__).resolve().parent.parent
AGENTS = ROOT / "agents"
Platform = Literal["lambda", "here"]

GROUP = {
    "start": "light",
    "step": "step",
    "stop": "light",
    "answer": "light",
    "file": "light",
    "read": "light",
    "tail": "light",
    "chat": "light",
    "stream": "stream",
    "sweep": "light",
    "console": None,
}
"""Function → the requirements group in its zip, if any."""

LAYER = "Shared"
LAMBDA_PYTHON = "3.13"
LAMBDA_PLATFORM = "aarch64-manylinux_2_28"

NO_BYTE_CODE = (
    "no byte code, because this machine has no Python 3.13: the function works, and starts 1.5 to 3 seconds slower; "
    ".envs/uv/bin/uv python install 3.13 installs one, then build again"
)

# botocore describes 400 services in 120 MB of JSON; these functions use three.
BOTOCORE_DATA = {
    "dynamodb",
    "sqs",
    "s3",
    "endpoints.json",
    "partitions.json",
    "_retry.json",
    "sdk-default-configuration.json",
}


def packages(group: str, platform: Platform) -> Path:
    """The folder with the packages of a group, installed on the first call.

    They are those of `requirements/<group>.txt`; the step function's agents add those of `agents/requirements.txt`. Its
    name is a hash of its inputs, so an existing folder is up to date. Raises `UserError` if the installer fails.
    """
    requirements = [ROOT / "requirements" / f"{group}.txt", *([AGENTS / "requirements.txt"] if group == "step" else [])]
    inputs = [*(file.read_bytes() for file in requirements), Path(__file__).read_bytes(), _python(platform).encode()]
    key = hashlib.sha256(b"\0".join(inputs))
    folder = ROOT / ".build" / platform / f"{group}-{key.hexdigest()[:16]}"
    with _only_builder(folder):
        if not folder.exists():
            progress(f"installing the packages of {_names(requirements)}")
            # Built under another name and renamed at the end: an interrupted build leaves no incomplete folder.
            staging = folder.with_name(f"{folder.name}.staging")
            shutil.rmtree(staging, ignore_errors=True)
            _install(requirements, staging, platform)
            if group in ("light", "stream"):
                _drop_unused_services(staging)
            _compile(staging, platform, processes=2)
            staging.rename(folder)
    return folder


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Wait until no other process builds this folder; the lock ends with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def function(name: str, to: Path, platform: Platform = "lambda") -> None:
    """Fill `to` with the content of the function's zip: its own code and its packages."""
    own_code(name, to, platform)
    if group := GROUP[name]:
        shutil.copytree(packages(group, platform), to, dirs_exist_ok=True)


def own_code(name: str, to: Path, platform: Platform) -> None:
    """Fill `to` with the function's own code, without packages."""
    _copy_source(ROOT / "functions" / name, to)
    if name == "step":
        _copy_source(AGENTS, to / "agents")
    if name == "console":
        _copy_source(ROOT / "console", to / "page")
    _compile(to, platform)


def layer(to: Path, platform: Platform = "lambda") -> None:
    """Fill `to` with the layer: the shared code, in the `python` folder that Lambda puts on the path.

    The names of the agents are written into it. Raises `UserError` if there is no agent, or one can't be read.
    """
    _copy_source(ROOT / "shared", to / "python")
    (to / "python" / "outlive" / "agents.json").write_text(json.dumps(_agent_names()))
    _compile(to, platform)


def _agent_names() -> tuple[str, ...]:
    module = runpy.run_path(str(ROOT / "shared" / "outlive" / "agent_names.py"))
    try:
        names: tuple[str, ...] = module["names_in"](AGENTS)
    except SyntaxError as error:
        raise UserError(f"agents/{Path(error.filename or '').name} is no Python: {error.msg}") from error
    if not names:
        raise UserError("no module in agents/ assigns an agent to the name `agent`")
    return names


def _python(platform: Platform) -> str:
    """The Python that a build for `platform` depends on."""
    if platform == "here":
        return f"{sys.version} {sys.executable}"
    return f"{LAMBDA_PYTHON} {LAMBDA_PLATFORM}{' compiled' if _python_313() else ''}"


def _names(requirements: list[Path]) -> str:
    return " and ".join(str(file.relative_to(ROOT)) for file in requirements)


def _install(requirements: list[Path], to: Path, platform: Platform) -> None:
    uv = ROOT / ".envs" / "uv" / "bin" / "uv"
    if not uv.exists():
        raise UserError("the installer is missing; run make build or make run, which set it up")
    target = (
        ["--python-version", LAMBDA_PYTHON, "--python-platform", LAMBDA_PLATFORM]
        if platform == "lambda"
        else ["--python", sys.executable]
    )
    command = ["pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    result = subprocess.run(
        [
            str(uv),
            *command,
            *target,
            "--target",
            str(to),
            *(part for file in requirements for part in ("-r", str(file))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = (result.stderr.strip() or "no reason given").splitlines()[-1].strip()
        raise UserError(f"{_names(requirements)} could not be installed for {platform}: {reason}")
    shutil.rmtree(to / "bin", ignore_errors=True)


def _drop_unused_services(folder: Path) -> None:
    for entry in (folder / "botocore" / "data").iterdir():
        if entry.name in BOTOCORE_DATA:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    # A cold start parses this file for its list of regions. Without the other services it takes a sixth less time.
    file = folder / "botocore" / "data" / "endpoints.json"
    endpoints = json.loads(file.read_text())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in BOTOCORE_DATA}
    file.write_text(json.dumps(endpoints, separators=(",", ":")))


def _compile(folder: Path, platform: Platform, processes: int = 1) -> None:
    """Write byte code beside the source if a Python of the right version is installed; else a cold start compiles.

    Byte code is `unchecked-hash` because the zip changes the files' dates and Lambda's disk is read-only.
    """
    if platform == "here" and processes == 1:
        # A process of its own would take longer to start than a function's own code takes to compile.
        compileall.compile_dir(folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        return
    python = sys.executable if platform == "here" else _python_313()
    if python is None:
        return
    mode = ["--invalidation-mode", "unchecked-hash"]
    subprocess.run(
        [python, "-m", "compileall", "-q", "-j", str(processes), *mode, folder], capture_output=True, check=False
    )


def _python_313() -> str | None:
    uv = ROOT / ".envs" / "uv" / "bin" / "uv"
    result = subprocess.run(
        [uv, "python", "find", "--no-python-downloads", "--no-project", LAMBDA_PYTHON],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or None if result.returncode == 0 else None


def _copy_source(source: Path, to: Path) -> None:
    # Byte code in the source folders belongs to another Python.
    shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))


def _size(folder: Path) -> str:
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{total / 1_000_000:.1f} MB"


def main() -> int:
    """`build.py <name> <folder>`: build the function or layer that has this name in template.yaml. `sam build` runs it."""
    name, to = sys.argv[1], Path(sys.argv[2])
    if name == LAYER:
        layer(to)
    elif name.lower() in GROUP:
        function(name.lower(), to)
    else:
        raise UserError(f"template.yaml has no function or layer {name}")
    sys.stdout.write(f"{name}: {_size(to)} unpacked\n")
    if _python_313() is None:
        sys.stdout.write(f"{name}: {NO_BYTE_CODE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
