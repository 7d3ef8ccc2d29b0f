"""How the tests share two processes: all that use the deployed stack run in one, so that there is one stack."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/deployed/"):
            item.add_marker(pytest.mark.xdist_group("deployed"))
