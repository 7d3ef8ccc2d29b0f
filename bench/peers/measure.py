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

    tens, plain_tens = [], []
    for number in range(TENS):
        tens.append(await whole(f"t{number}", STEPS))
        plain_tens.append(await plain(f"pt{number}", STEPS))

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


def peak_memory(pid: int) -> int:
    """The most bytes that a process and those it has started held at any time, each for itself; 0 where nobody tells."""
    folder = Path("/proc") / str(pid)
    try:
        status = (folder / "status").read_text()
        children = (folder / "task" / str(pid) / "children").read_text().split()
    except OSError:
        return 0
    own = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    # What stands beside this process as a server is told apart.
    return own if pid == os.getpid() else own + sum(peak_memory(int(child)) for child in children)


def hand_over(figures: dict[str, Any]) -> None:
    """Write the figures where whoever started this process looks for them: the file named first on the command line."""
    Path(sys.argv[1]).write_text(json.dumps(figures))
