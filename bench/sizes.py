"""How large the artifacts are, as they are deployed."""

import sys
import tempfile
from pathlib import Path

from local.build import GROUP, Platform, function, layer
from local.zips import zipped

LIMIT_UNPACKED = 250_000_000
"""What Lambda takes: a function and its layers, unpacked."""


def sizes(name: str, platform: Platform = "lambda") -> tuple[int, int]:
    """Bytes of a function (or of the `layer`): zipped, unpacked. Builds what isn't built yet."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder)
        if name == "layer":
            layer(to, platform)
        else:
            function(name, to, platform)
        unpacked = sum(file.stat().st_size for file in to.rglob("*") if file.is_file())
        return len(zipped(to)[0]), unpacked


def report(platform: Platform = "lambda") -> list[tuple[str, int, int]]:
    """Name, zipped and unpacked bytes of each."""
    return [(name, *sizes(name, platform)) for name in (*GROUP, "layer")]


if __name__ == "__main__":
    for name, packed, unpacked in report():
        sys.stdout.write(f"{name:6} {packed / 1e6:6.1f} MB zipped {unpacked / 1e6:6.1f} MB unpacked\n")
