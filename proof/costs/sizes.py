"""How large the artifacts are, as they are deployed."""

import sys
import tempfile
from pathlib import Path

from local.build import AGENTS, GROUP, ROOT, Platform, function, layer, packages
from local.zips import zipped

LIMIT_UNPACKED = 250_000_000
"""What Lambda takes: a function and its layers, unpacked."""


def unpacked(name: str, platform: Platform = "lambda") -> int:
    """Bytes of a function, or of the `layer`, as they lie on Lambda's disk. Installs what isn't installed yet."""
    return sum(_size(folder) for folder in _folders(name, platform))


def zip_size(name: str, platform: Platform = "lambda") -> int:
    """Bytes of its zip."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder)
        if name == "layer":
            layer(to, platform)
        else:
            function(name, to, platform)
        return len(zipped(to)[0])


def report(platform: Platform = "lambda") -> list[tuple[str, int, int]]:
    """Name, zipped and unpacked bytes of each."""
    return [(name, zip_size(name, platform), unpacked(name, platform)) for name in (*GROUP, "layer")]


def _folders(name: str, platform: Platform) -> list[Path]:
    if name == "layer":
        return [ROOT / "shared"]
    pages = [ROOT / "console"] if name == "console" else []
    group = GROUP[name]
    agents = [AGENTS] if name == "step" else []
    return [ROOT / "functions" / name, *agents, *pages, *([packages(group, platform)] if group else [])]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


if __name__ == "__main__":
    for name, packed, flat in report():
        sys.stdout.write(f"{name:6} {packed / 1e6:6.1f} MB zipped {flat / 1e6:6.1f} MB unpacked\n")
