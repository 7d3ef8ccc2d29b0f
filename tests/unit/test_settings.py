"""What a function refuses to start with, by name."""

import pytest

from outlive.errors import SettingError
from outlive.settings import BOUNDS, read_settings

TABLE = {"TABLE_NAME": "runs"}


@pytest.mark.parametrize(("stale", "lease"), [("29", ""), ("299", "300"), ("10", "11")])
def test_a_run_is_not_stale_before_its_lease_is_over(stale: str, lease: str) -> None:
    """Also if only one of the two is given and the other has its default: the error names both, with their values."""
    with pytest.raises(SettingError, match=r"STALE_SECONDS \([0-9]+\) .* LEASE_SECONDS \([0-9]+\)"):
        read_settings({**TABLE, "STALE_SECONDS": stale, "LEASE_SECONDS": lease})


@pytest.mark.parametrize(("stale", "lease"), [("30", ""), ("10", "10"), ("", "300"), ("", "")])
def test_a_stale_window_as_long_as_a_lease_will_do(stale: str, lease: str) -> None:
    settings = read_settings({**TABLE, "STALE_SECONDS": stale, "LEASE_SECONDS": lease})
    assert settings.stale_seconds >= settings.lease_seconds


@pytest.mark.parametrize("name", BOUNDS)
def test_a_number_out_of_its_bounds_is_refused_by_name(name: str) -> None:
    least, most = BOUNDS[name]
    for value in (least, most):
        read_settings({**TABLE, "LEASE_SECONDS": "10", name: str(value)})
    for value in (least - 1, most + 1, "many"):
        with pytest.raises(SettingError, match=f"{name} must be a number from {least} to {most}, not '{value}'"):
            read_settings({**TABLE, "LEASE_SECONDS": "10", name: str(value)})
