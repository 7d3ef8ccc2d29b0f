"""One local stack for every test of this folder, a browser, and tests that share their waiting."""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from proof.stacks.deployed import Stack

from . import browser
from .browser import DESKTOP, Visitor

# A lease is longer than a busy machine keeps a worker from its heartbeat, and shorter than a user has it: what is killed is
# waited for. Few workers: each costs the machine a cold start of its own, again after each test that kills them all.
SETTINGS = {"LEASE_SECONDS": "10", "MAXIMUM_CONCURRENCY": "6", "APPROVER_CLAIM": "roles:approver"}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One stack for all tests of the session; each test takes chats of its own."""
    with tempfile.TemporaryDirectory() as folder:
        started = Stack(Path(folder).resolve() / "state of tests", **SETTINGS)
        started.start()
        try:
            yield started
        finally:
            started.stop()


@pytest.fixture
def chat() -> str:
    """The id of a new chat."""
    return f"chat-{uuid.uuid4().hex}"


@pytest.fixture
def workspace() -> str:
    """The name of a new workspace."""
    return f"workspace-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """The browser. Of this module alone: while its driver runs, nothing else in this process may run an event loop."""
    try:
        with browser.running() as started:
            yield started
    except browser.Absent as absent:
        pytest.skip(str(absent))


@pytest.fixture
def visitor(chromium, stack: Stack) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors. After each test, no page has logged an error, and none has called another origin."""
    made: list[Visitor] = []

    def make(**how: object) -> Visitor:
        made.append(Visitor(stack, chromium.new_context(**{**DESKTOP, **how})))
        return made[-1]

    yield make
    for one in made:
        one.leave()
    assert [complaint for one in made for complaint in one.complaints] == []
    assert [stray for one in made for stray in one.strays] == []


@pytest.fixture
def ada(visitor) -> Visitor:
    return visitor()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `deployed`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.deployed)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "together: runs at the same time as its file's others; takes the stack only")


AT_ONCE = 10
PLAYED = pytest.StashKey[dict[Path, dict[str, Future[None]]]]()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A file's tests marked `together` run at the same time, each in a thread: what they do is mostly waiting.

    The first of them plays all, the `long` ones first, and waits for all, so that no other test meets their runs.
    Such a test takes the session's `stack` and its own parameters, and chats of its own.
    """
    if pyfuncitem.get_closest_marker("together") is None:
        return None
    played = pyfuncitem.session.stash.setdefault(PLAYED, {}).setdefault(pyfuncitem.path, {})
    if not played:
        marked = [
            (one, one.get_closest_marker("together")) for one in pyfuncitem.session.items if one.path == pyfuncitem.path
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for item, mark in sorted(marked, key=lambda one: not (one[1] and one[1].kwargs.get("long"))):
                if isinstance(item, pytest.Function) and mark:
                    given = item.callspec.params if hasattr(item, "callspec") else {}
                    played[item.nodeid] = pool.submit(item.obj, stack=pyfuncitem.funcargs["stack"], **given)
    played[pyfuncitem.nodeid].result()
    return True
