"""The threads that run a watch beside the agent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from outlive.step import Watch


@contextmanager
def in_a_thread(watch: Watch) -> Iterator[None]:
    """`watch` ticks while the block runs.

    Its threads are joined on the way out, whatever the block does: one left behind would thaw with the next invocation
    and keep a dead run's lease alive.
    """
    over = threading.Event()
    alarm = threading.Timer(watch.seconds_left, watch.out_of_time)
    alarm.daemon = True

    def tick() -> None:
        pause = 0.0
        while not over.wait(pause):
            pause = watch.tick()

    thread = threading.Thread(target=tick, name="watch", daemon=True)
    thread.start()
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()
        over.set()
        alarm.join()
        thread.join()
