"""`make bench`: everything, deterministic things first. Or only what is named: cost, scale, cold, overhead, recovery."""

import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from bench import cost, overhead, recovery, scale
from bench.pages import put, say, table
from proof.costs import cold_start, sizes


def machine(chosen: list[str]) -> str:
    """When, where and by what the figures were taken."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123  # not a file of ours
            name = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    command = "make bench" if chosen == list(PARTS) else f'make bench ARGS="{" ".join(chosen)}"'
    return (
        f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC · {os.cpu_count()} cores, {name}, {platform.system()} · Python "
        f"{platform.python_version()} · load before: {load} · `{command}`"
    )


def cold() -> None:
    """Cold starts and artifacts."""
    rows = [
        [name, f"{own * 1000:.0f}", f"{floor * 1000:.0f}", f"{ratio:.2f}"]
        for name, own, floor, ratio in cold_start.report()
    ]
    put("performance.md", "cold", table(["function", "ms of processor time", "its floor, ms", "in floors"], rows))
    rows = [[name, f"{packed / 1e6:.1f}", f"{flat / 1e6:.1f}"] for name, packed, flat in sizes.report()]
    put("performance.md", "sizes", table(["artifact", "MB zipped", "MB unpacked"], rows))


PARTS: dict[str, Callable[[], object]] = {
    "cost": cost.report,
    "scale": scale.report,
    "cold": cold,
    "overhead": overhead.report,
    "recovery": recovery.report,
}


def main() -> int:
    """Measure what is chosen, and write the pages."""
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        say(f"there is no {unknown[0]}; there are {', '.join(PARTS)}")
        return 2
    if {"cold", "overhead", "recovery"} & set(chosen):
        put("performance.md", "machine", machine(chosen))
    for name in chosen:
        say(name)
        PARTS[name]()
    say("the pages in docs are written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
