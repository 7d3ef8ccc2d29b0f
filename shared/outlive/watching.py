"""The threads that run a watch beside the agent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from outlive.step import Watch


@contextmanager
def in_a_thread(watch: Watch) -> Iterator[None]:
    """`watch` ticks while the block runs, and what the agent says is written down for its readers.

    Its threads are joined on the way out, whatever the block does: one left behind would thaw with the next invocation
    and keep a dead run's lease alive. The lease is kept until the last word is written, or given up.
    """
    alarm = threading.Timer(watch.seconds_left, watch.out_of_time)
    alarm.daemon = True
    with _ticking(watch.tick, "watch"):
        alarm.start()
        try:
            if watch.live is None:
                yield
            else:
                with _ticking(watch.live.tick, "live"):
                    yield
        finally:
            alarm.cancel()
            alarm.join()


@contextmanager
def _ticking(tick: Callable[[], float], name: str) -> Iterator[None]:
    """`tick` is called again and again, after as many seconds as it says, in a thread that ends with the block."""
    over = threading.Event()

    def loop() -> None:
        pause = 0.0
        while not over.wait(pause):
            pause = tick()

    thread = threading.Thread(target=loop, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
