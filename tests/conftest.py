"""What holds for every test: it passes on any machine, in any order, beside any other."""

import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.schedule import FromBothEnds

# A shell that starts the tests in the background has them ignore Ctrl-C. What they start would inherit that, and several
# tests press Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast an example runs is the machine's business, and what is tried is the same every time: `make test` either passes
# or fails. `--hypothesis-profile=default` tries other examples.
settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("same")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FromBothEnds | None:
    """Files are shared out from both ends, unless another way is asked for."""
    return FromBothEnds(config, log) if config.getvalue("dist") == "loadfile" else None
