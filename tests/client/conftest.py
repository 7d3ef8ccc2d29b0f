import pytest

from .both import Async, Sync


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def shell(request):
    """Makes a client of either kind."""
    return request.param
