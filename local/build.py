"""What goes into each function's zip, for Lambda or for this machine.

Needs nothing but Python and uv. `sam build` comes here through the Makefile, the local stack by import, so both ship
the same files; only the platform of the native wheels differs.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from local.said import Trouble, note, or_say

ROOT = Path(__file__).resolve().parent.parent
Platform = Literal["lambda", "here"]

GROUP = {
    "start": "light",
    "step": "step",
    "stop": "light",
    "read": "light",
    "tail": "light",
    "chat": "light",
    "stream": "stream",
    "sweep": "light",
    "console": None,
}
"""Function → the requirements it ships, if any."""

LAMBDA_PYTHON = "3.13"
LAMBDA_PLATFORM = "aarch64-manylinux_2_28"

# botocore describes 400 services in 120 MB of JSON; these functions speak to two.
BOTOCORE_DATA = {
    "dynamodb",
    "sqs",
    "endpoints.json",
    "partitions.json",
    "_retry.json",
    "sdk-default-configuration.json",
}


def packages(group: str, platform: Platform) -> Path:
    """The folder with everything `requirements/<group>.txt` asks for, installed on the first call.

    Folders are named by what was asked of them, so one that exists is right. Raises `Trouble` if the installer fails.
    """
    wanted = ROOT / "requirements" / f"{group}.txt"
    key = hashlib.sha256(b"\0".join([wanted.read_bytes(), Path(__file__).read_bytes(), _python(platform).encode()]))
    folder = ROOT / ".build" / platform / f"{group}-{key.hexdigest()[:16]}"
    if not folder.exists():
        note(f"installing what {group} needs")
        # Built beside its place and renamed at the end: an interrupted or a simultaneous build leaves no half folder.
        half = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(half, ignore_errors=True)
        _install(wanted, half, platform)
        if group in ("light", "stream"):
            _drop_unused_services(half)
        _compile(half, platform)
        _put_in_place(half, folder)
    return folder


def function(name: str, to: Path, platform: Platform = "lambda") -> None:
    """Fill `to` with the function's own code and its packages, as its zip will hold them."""
    own_code(name, to, platform)
    if group := GROUP[name]:
        shutil.copytree(packages(group, platform), to, dirs_exist_ok=True)


def own_code(name: str, to: Path, platform: Platform) -> None:
    """Fill `to` with the function's own code alone."""
    _copy_source(ROOT / "functions" / name, to)
    if name == "console":
        _copy_source(ROOT / "console", to / "page")
    _compile(to, platform)


def layer(to: Path, platform: Platform = "lambda") -> None:
    """Fill `to` with the layer: our own code, in the `python` folder that Lambda puts on the path."""
    _copy_source(ROOT / "shared", to / "python")
    _compile(to, platform)


def _python(platform: Platform) -> str:
    """What a build for `platform` depends on, besides the requirements."""
    if platform == "here":
        return f"{sys.version} {sys.executable}"
    return f"{LAMBDA_PYTHON} {LAMBDA_PLATFORM}{' compiled' if _python_313() else ''}"


def _install(wanted: Path, to: Path, platform: Platform) -> None:
    uv = ROOT / ".envs" / "uv" / "bin" / "uv"
    if not uv.exists():
        raise Trouble("the installer is missing: run make once, it sets it up")
    target = (
        ["--python-version", LAMBDA_PYTHON, "--python-platform", LAMBDA_PLATFORM]
        if platform == "lambda"
        else ["--python", sys.executable]
    )
    command = ["pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    done = subprocess.run(
        [str(uv), *command, *target, "--target", str(to), "-r", str(wanted)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip() or "no reason given").splitlines()[-1].strip()
        raise Trouble(f"{wanted.name} could not be installed for {platform}: {why}")
    shutil.rmtree(to / "bin", ignore_errors=True)


def _drop_unused_services(folder: Path) -> None:
    for entry in (folder / "botocore" / "data").iterdir():
        if entry.name in BOTOCORE_DATA:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    # A cold start parses all of it, only to learn which regions there are: without the other services in a sixth less time.
    file = folder / "botocore" / "data" / "endpoints.json"
    known = json.loads(file.read_text())
    for partition in known["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in BOTOCORE_DATA}
    file.write_text(json.dumps(known, separators=(",", ":")))


def _compile(folder: Path, platform: Platform) -> None:
    """Byte code beside the source, if the right Python is at hand; without it a cold start compiles for itself.

    `unchecked-hash`, because a file in a zip has a date of its own and Lambda's disk is read-only.
    """
    python = _python_313() if platform == "lambda" else sys.executable
    if python is None:
        return
    subprocess.run(
        [python, "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash", folder],
        capture_output=True,
        check=False,
    )


def _python_313() -> str | None:
    uv = ROOT / ".envs" / "uv" / "bin" / "uv"
    found = subprocess.run(
        [uv, "python", "find", "--no-python-downloads", "--no-project", LAMBDA_PYTHON],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None if found.returncode == 0 else None


def _copy_source(source: Path, to: Path) -> None:
    # Byte code that lies around here belongs to the Python of this machine, at best.
    shutil.copytree(source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))


def _put_in_place(half: Path, folder: Path) -> None:
    try:
        half.rename(folder)
    except OSError:
        # Another build was first with the same content.
        shutil.rmtree(half)
        if not folder.exists():
            raise


def _size(folder: Path) -> str:
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{total / 1_000_000:.1f} MB"


def main() -> int:
    """`build.py <function or layer> <folder>`: what one target of `sam build` runs."""
    name, to = sys.argv[1], Path(sys.argv[2])
    if name == "layer":
        layer(to)
    else:
        function(name, to)
    sys.stdout.write(f"{name}: {_size(to)} unpacked\n")
    return 0


if __name__ == "__main__":
    sys.exit(or_say(main))
