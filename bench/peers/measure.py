"""What is measured of a runtime, the same for each: `measured` takes two functions and returns figures.

Every runtime's process also runs the same agent plainly, in turns with its own runs, so that each figure can be told as
a ratio to something that ran on the same machine at the same time.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.peers.fake_agent import gaps, new_agent, plainly

STARTS = 40
TENS = 12
FIFTIES = 3
CHATS = 16
STEPS = 10

Begin = Callable[[str, str, int], Awaitable[Any]]
"""Chat, run and number of steps to a handle, as soon as the run is accepted."""
Finish = Callable[[Any], Awaitable[None]]
"""Waits for the run of that handle to end."""


async def measured(
    name: str, version: str, storage: str, begin: Begin, finish: Finish, server: int | None = None
) -> dict[str, Any]:
    """Every figure of one runtime. Times are seconds; `server` is the process that stands beside this one, if one does."""
    agent = new_agent()

    async def whole(run: str, steps: int) -> float:
        before = time.perf_counter()
        await finish(await begin(f"chat-{run}", run, steps))
        return time.perf_counter() - before

    async def plain(run: str, steps: int) -> float:
        before = time.perf_counter()
        await plainly(agent, run, steps)
        return time.perf_counter() - before

    for number in range(3):
        await whole(f"warm{number}", 3)
        await plain(f"warmplain{number}", 3)

    starts = []
    for number in range(STARTS):
        before = time.perf_counter()
        handle = await begin(f"chat-s{number}", f"s{number}", 1)
        starts.append(time.perf_counter() - before)
        await finish(handle)

    tens, plain_tens, work, plain_work = [], [], 0.0, 0.0
    for number in range(TENS):
        before = processor_time()
        tens.append(await whole(f"t{number}", STEPS))
        work += processor_time() - before
        before = processor_time()
        plain_tens.append(await plain(f"pt{number}", STEPS))
        plain_work += processor_time() - before

    for number in range(FIFTIES):
        await whole(f"f{number}", 50)
        await plain(f"pf{number}", 50)

    before = time.perf_counter()
    handles = await asyncio.gather(*(begin(f"chat-c{number}", f"c{number}", STEPS) for number in range(CHATS)))
    await asyncio.gather(*map(finish, handles))
    together = time.perf_counter() - before
    before = time.perf_counter()
    for number in range(CHATS):
        await plain(f"pc{number}", STEPS)
    plain_together = time.perf_counter() - before

    each = gaps()

    def typical(mark: str, place: slice) -> float:
        return median(gap for run, found in each.items() if run.rstrip("0123456789") == mark for gap in found[place])

    return {
        "name": name,
        "version": version,
        "storage": storage,
        "start_median": median(starts),
        "start_p95": quantiles(starts, n=20)[-1],
        "ten": median(tens),
        "plain_ten": median(plain_tens),
        "work": work / TENS / STEPS,
        "plain_work": plain_work / TENS / STEPS,
        "step": typical("t", slice(None)),
        "plain_step": typical("pt", slice(None)),
        "step_2": typical("f", slice(1, 4)),
        "step_50": typical("f", slice(-3, None)),
        "plain_step_2": typical("pf", slice(1, 4)),
        "plain_step_50": typical("pf", slice(-3, None)),
        "steps_a_second": CHATS * STEPS / together,
        "plain_steps_a_second": CHATS * STEPS / plain_together,
        "memory": peak_memory(os.getpid()),
        "server_memory": 0 if server is None else peak_memory(server),
    }


def processor_time() -> float:
    """Seconds of processor time of this process and of those it has started, as far as they can be seen."""
    return time.process_time() + sum(_time_of(child) for child in _children(os.getpid()))


def _time_of(pid: int) -> float:
    try:
        fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_time_of(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    try:
        # Each thread tells of the processes it has started.
        found = [tasks.read_text().split() for tasks in (Path("/proc") / str(pid) / "task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for children in found for child in children]


def peak_memory(pid: int) -> int:
    """The most bytes that a process and those it has started held at any time, each for itself; 0 where nobody tells."""
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
    except OSError:
        return 0
    own = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    # What stands beside this process as a server is told apart.
    return own if pid == os.getpid() else own + sum(map(peak_memory, _children(pid)))


def hand_over(figures: dict[str, Any]) -> None:
    """Write the figures where whoever started this process looks for them: the file named first on the command line."""
    Path(sys.argv[1]).write_text(json.dumps(figures))
