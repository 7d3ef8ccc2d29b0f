"""What `make test` runs is all there is."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_folder_with_tests_is_run() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    assert set(named) == {str(file.parent.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py")}
