"""Runs MiniStack; started by `aws.py`, as a script, under a Python that holds no packages.

    emulator.py <the site-packages that MiniStack is in>

The functions run under the Python that runs MiniStack. This one has nothing of its own, so that a package missing from a
function's zip is missing here, too; MiniStack's packages are on its own path alone.
"""

import os
import signal
import site
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

# A function that somebody waits for over HTTP. The gateway gives up after 30 seconds.
ANSWERS_WITHIN = 29
WIDTH = 4
# Of the function whose callers wait for something new: each holds its worker for as long.
WAITING, WAITING_WIDTH = "-Tail-", 24
LOOK = 0.2
"""Seconds between two looks for messages that have come back."""


def live_no_longer_than_the_parent() -> None:
    """Ask to end, as Ctrl-C would, when the other end of our standard input is gone: its process is, too."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def waiting(hand_out: Callable[..., tuple[Any, str]]) -> Callable[..., tuple[Any, str]]:
    """Let callers over HTTP wait for one of a few workers, which take milliseconds for an answer.

    MiniStack starts another worker for every call that finds none free, as Lambda does. On two cores twenty at once are
    twenty cold starts that slow each other down to seconds.
    """

    def acquire(name: str, config: dict[str, Any], code: bytes, qualifier: str = "$LATEST") -> tuple[Any, str]:
        width = WAITING_WIDTH if WAITING in name else WIDTH if config.get("Timeout", 0) <= ANSWERS_WITHIN else None
        patience = time.monotonic() + ANSWERS_WITHIN
        while True:
            worker, reason = hand_out(name, config, code, qualifier=qualifier, max_concurrency=width)
            if worker is not None or time.monotonic() > patience:
                return worker, reason
            time.sleep(0.005)

    return acquire


def look_often(wake: threading.Event) -> None:
    """Have messages delivered soon after they come back.

    MiniStack looks at once when one is sent, but only every second for those whose time is over. AWS asks all the time.
    """
    while True:
        time.sleep(LOOK)
        wake.set()


def main() -> None:
    """Serve until told to stop."""
    site.addsitedir(sys.argv.pop(1))
    threading.Thread(target=live_no_longer_than_the_parent, daemon=True).start()
    try:
        from ministack import app  # noqa: PLC0415
        from ministack.core.concurrency import esm_wake  # noqa: PLC0415
        from ministack.services import lambda_svc  # noqa: PLC0415

        lambda_svc.acquire_worker = waiting(lambda_svc.acquire_worker)
        threading.Thread(target=look_often, args=[esm_wake], daemon=True).start()
        app.main()
    finally:
        # What it knew is saved. A function at work would go on without it, up to its time limit.
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
