"""How the tests share two processes: those that use the deployed stack run in two groups, each with a stack of its own."""

import pytest

CLIENTS = {"test_ai_sdk.py", "test_command.py", "test_console.py", "test_stream.py"}
"""What uses the stack as a client would: a browser, the command, chat pages. They take as long as all the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/deployed/"):
            item.add_marker(pytest.mark.xdist_group("clients" if item.path.name in CLIENTS else "deployed"))
