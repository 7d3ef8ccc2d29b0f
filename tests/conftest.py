"""How the tests share two processes: those that use the deployed stack run in two groups, each with a stack of its own."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

CLIENTS = ("ai_sdk", "command", "console", "stream")
"""Tests that use the stack as a client would: chat pages, the command, a browser. They take as long as all the others."""


def group_of(nodeid: str) -> str:
    """What a test has to run in one process with; itself alone, if it uses no stack that is there for many."""
    if not nodeid.startswith("tests/deployed/"):
        return nodeid
    file = nodeid.removeprefix("tests/deployed/test_").partition(".py")[0]
    return "clients" if file in CLIENTS else "deployed"


class InGroups(LoadScopeScheduling):
    """Hands out whole groups, the largest first. (`--dist loadgroup` does not know the ids of pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InGroups:
    return InGroups(config, log)
