"""The AI SDK transport in clients/js: its own tests, run by node, and its types, read by TypeScript."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "js"
NODE = shutil.which("node")


def test_the_transport_keeps_its_promises():
    """Each is one of `clients/js/test`."""
    if NODE is None:
        pytest.skip("node is not here")
    done = subprocess.run([NODE, "--test"], cwd=CLIENT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(re.findall(r"pass (\d+)", done.stdout)[0]) > 0


def test_the_transport_needs_nothing_built_and_nothing_installed():
    """What is published is what is here, and imports itself alone."""
    package = json.loads((CLIENT / "package.json").read_text())
    assert "dependencies" not in package
    assert set(package["peerDependencies"]) == {"ai"}
    for file in package["files"]:
        sources = re.findall(r'from "(.*?)"', (CLIENT / file).read_text())
        assert set(sources) <= {
            "./windows.js",
            "./files.js",
            "./requests.js",
            *(["ai"] if file.endswith(".d.ts") else []),
        }


def test_the_page_in_the_documentation_is_the_one_that_compiles():
    """What readers copy is what the compiler has read."""
    page = (ROOT / "tests" / "ai_sdk" / "decisions.tsx").read_text()
    written = (ROOT / "docs" / "chat-page.md").read_text()
    assert page[page.index("export function Chat") :] in written
    assert page[page.index("import { useChat") : page.index("import { OutliveChatTransport")] in written


@pytest.mark.parametrize("major", ["7", "6"])
def test_the_types_fit_those_of_the_sdk(major, request):
    """A page in strict TypeScript compiles, and what it must not write does not."""
    packages = ROOT / ".envs" / f"ai-sdk-{major}"
    if not (packages / ".done").exists():
        pytest.skip(f"version {major} of the AI SDK is not here; make .envs/ai-sdk-{major}/.done gets it through npm")
    # Beside the packages, where the compiler looks for them, and as npm would install the client.
    page = packages / f"types-{os.getpid()}"
    request.addfinalizer(lambda: shutil.rmtree(page, ignore_errors=True))
    page.mkdir()
    for file in ("page.tsx", "decisions.tsx", "tsconfig.json"):
        shutil.copy(ROOT / "tests" / "ai_sdk" / file, page)
    shutil.copytree(CLIENT, page / "outlive-chat", ignore=shutil.ignore_patterns("test"))
    compiler = packages / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([compiler, "-p", page], capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
