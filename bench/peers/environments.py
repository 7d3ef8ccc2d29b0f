"""Where the peers live: an environment each, made when it is first needed."""

import shutil
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL_SECONDS = 600


class Absent(Exception):
    """The peer can't be had here; the message says why."""


def python_of(name: str) -> Path:
    """The Python that has the peer. Raises Absent."""
    with (Path(__file__).parent / "environments.toml").open("rb") as file:
        wanted = tomllib.load(file)[name]
    folder = ROOT / ".envs" / f"bench-{name}"
    said = "\n".join([*wanted["packages"], wanted.get("npm", "")])
    done = folder / ".done"
    if not done.exists() or done.read_text() != said:
        _install(folder, wanted)
        done.write_text(said)
    return folder / "bin" / "python"


def restate_server() -> Path:
    """The server that npm brought: the binary itself, for ending npm's script would leave it running."""
    folder = ROOT / ".envs" / "bench-restate" / "node" / "node_modules" / "@restatedev"
    return next(folder.glob("restate-server-*/bin/restate-server"), folder / "restate-server")


def _install(folder: Path, wanted: dict[str, list[str]]) -> None:
    uv = ROOT / ".envs" / "uv" / "bin" / "uv"
    base = ROOT / ".envs" / "uv" / "bin" / "python"
    _run("its environment", uv, "venv", "--quiet", "--clear", "--python", base, folder)
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", folder / "bin" / "python"]
    _run("its packages", *install, *wanted["packages"])
    if "npm" in wanted:
        npm = shutil.which("npm")
        if npm is None:
            raise Absent("npm is not here")
        _run(
            "its server",
            npm,
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            folder / "node",
            wanted["npm"],
        )


def _run(what: str, *command: object) -> None:
    try:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"{what} took longer than {INSTALL_SECONDS} seconds to install") from None
    if done.returncode:
        raise Absent(f"{what} could not be installed")
