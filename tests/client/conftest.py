import pytest

from .both import Async, Sync


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def make_client(request):
    """Makes a client of either kind from a fake API."""
    return request.param
