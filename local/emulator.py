"""Run MiniStack. `aws.py` starts this script with a Python that has no packages.

    emulator.py <the site-packages folder that contains MiniStack>

The functions run with the same Python as MiniStack. It has no packages, so a package that is missing from a function's
zip is missing here too. MiniStack's own packages are only on the path of this process.
"""

import os
import signal
import site
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

HTTP_TIMEOUT_SECONDS = 29
"""A function with at most this timeout is called over HTTP. The gateway's own limit is 30 seconds."""
HTTP_WORKERS = 4
LONG_POLL_FUNCTIONS, LONG_POLL_WORKERS = ("-Tail-", "-Chat-"), 24
"""The callers of these functions wait for new events, and each of them occupies a worker while it waits."""
QUEUE_POLL_SECONDS = 0.2


def stop_with_the_parent() -> None:
    """Send this process SIGTERM when its standard input closes, which happens when the parent process ends."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def with_worker_limits(acquire_worker: Callable[..., tuple[Any, str]]) -> Callable[..., tuple[Any, str]]:
    """Limit the workers of each function that is called over HTTP; a caller waits until one is free.

    MiniStack starts another worker for every call when none is free, as Lambda does. On two cores twenty calls at once
    would be twenty cold starts of several seconds, while a running worker answers in milliseconds.
    """

    def acquire(name: str, config: dict[str, Any], code: bytes, qualifier: str = "$LATEST") -> tuple[Any, str]:
        limit = None
        if any(long in name for long in LONG_POLL_FUNCTIONS):
            limit = LONG_POLL_WORKERS
        elif config.get("Timeout", 0) <= HTTP_TIMEOUT_SECONDS:
            limit = HTTP_WORKERS
        deadline = time.monotonic() + HTTP_TIMEOUT_SECONDS
        while True:
            worker, reason = acquire_worker(name, config, code, qualifier=qualifier, max_concurrency=limit)
            if worker is not None or time.monotonic() > deadline:
                return worker, reason
            time.sleep(0.005)

    return acquire


def poll_queues_often(wake: threading.Event) -> None:
    """Deliver a message soon after it becomes visible again.

    MiniStack delivers a new message at once, but polls for messages that become visible only once a second.
    """
    while True:
        time.sleep(QUEUE_POLL_SECONDS)
        wake.set()


def main() -> None:
    """Serve until SIGTERM."""
    site.addsitedir(sys.argv.pop(1))
    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    try:
        from ministack import app  # noqa: PLC0415
        from ministack.core.concurrency import esm_wake  # noqa: PLC0415
        from ministack.services import lambda_svc  # noqa: PLC0415

        lambda_svc.acquire_worker = with_worker_limits(lambda_svc.acquire_worker)
        threading.Thread(target=poll_queues_often, args=[esm_wake], daemon=True).start()
        app.main()
    finally:
        # The state is saved. Without this the functions' workers would go on until their time limit.
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
