import json
import sys

import httpx
import pytest

from outlive_client import Outlive
from outlive_client.command import options, outlive

from .both import Async, Sync
from .fake_api import BASE, TOKEN


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def make_client(request):
    """Makes a client of either kind from a fake API."""
    return request.param


class Finished:
    """A finished command: its exit code and output."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a command in this process: command(api, *arguments)."""
    monkeypatch.setenv("OUTLIVE_URL", BASE)
    monkeypatch.setenv("OUTLIVE_TOKEN", TOKEN)

    def run(api, *arguments):
        def open_client(url, token):
            return Outlive(url, token, transport=httpx.MockTransport(api), sleep=lambda seconds: None)

        monkeypatch.setattr(options, "open_client", open_client)
        monkeypatch.setattr(sys, "argv", ["outlive", *arguments])
        code = outlive.main()
        return Finished(int(code), *capsys.readouterr())

    return run
