"""The AI SDK transport in clients/js: its own tests, run by node."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "clients" / "js"
NODE = shutil.which("node")


def test_the_transport_keeps_its_promises():
    """Each is one of `clients/js/test`."""
    if NODE is None:
        pytest.skip("node is not here")
    done = subprocess.run([NODE, "--test"], cwd=CLIENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(re.findall(r"pass (\d+)", done.stdout)[0]) > 0


def test_the_transport_needs_nothing_built_and_nothing_installed():
    """What is published is what is here, and imports itself alone."""
    package = json.loads((CLIENT / "package.json").read_text())
    assert "dependencies" not in package
    assert set(package["peerDependencies"]) == {"ai"}
    for file in package["files"]:
        sources = re.findall(r'from "(.*?)"', (CLIENT / file).read_text())
        assert set(sources) <= {"./windows.js", *(["ai"] if file.endswith(".d.ts") else [])}
