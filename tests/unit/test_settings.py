"""What a function refuses to start with, by name."""

import pytest

from outlive.errors import SettingError
from outlive.settings import read_settings

TABLE = {"TABLE_NAME": "runs"}


@pytest.mark.parametrize(("stale", "lease"), [("29", ""), ("599", "600"), ("1", "2"), ("", "601"), ("", "900")])
def test_a_run_is_not_stale_before_its_lease_is_over(stale: str, lease: str) -> None:
    """Also where only one of the two is given and the other is its default: the error names both, with their values."""
    with pytest.raises(SettingError, match=r"STALE_SECONDS \([0-9]+\) .* LEASE_SECONDS \([0-9]+\)"):
        read_settings({**TABLE, "STALE_SECONDS": stale, "LEASE_SECONDS": lease})


@pytest.mark.parametrize(("stale", "lease"), [("30", ""), ("2", "2"), ("", "600"), ("", "")])
def test_a_stale_window_as_long_as_a_lease_will_do(stale: str, lease: str) -> None:
    settings = read_settings({**TABLE, "STALE_SECONDS": stale, "LEASE_SECONDS": lease})
    assert settings.stale_seconds >= settings.lease_seconds
