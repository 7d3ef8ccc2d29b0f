"""What holds for every test: it passes on any machine, in any order, beside any other."""

from hypothesis import HealthCheck, settings

# How fast an example runs is the machine's business, and what is tried is the same every time: `make test` either passes
# or fails. `--hypothesis-profile=default` tries other examples.
settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("same")
