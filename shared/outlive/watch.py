"""What a worker does while its agent runs: it extends the lease, looks for a stop, watches the time, and writes live text.

`Watch.tick` does what is due and returns when it has to be called again. `in_threads` calls it in a thread; a proof calls
it step by step.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from outlive.agent import Interrupt
from outlive.clock import SECOND, Clock
from outlive.delivery import Delivery, hide_for_lease
from outlive.follow.live import LiveLog
from outlive.log import cause, logger
from outlive.settings import Settings
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.rows import Run
from outlive.store.table import Table

STOP_BEFORE_TIMEOUT_MS = 5 * SECOND
"""A step gives up this long before the platform would kill it: time for a settle and its retries."""


@dataclass(slots=True)
class Watch:
    """The watch over one step that a worker holds."""

    table: Table
    queue: Queue
    clock: Clock
    settings: Settings
    run: Run
    delivery: Delivery
    interrupt: Interrupt
    live: LiveLog | None = None
    """Ticks in a thread of its own, so that no heartbeat waits for live text."""
    heartbeat_at: int = field(init=False)
    look_at: int = field(init=False)

    def __post_init__(self) -> None:
        now = self.clock.now()
        self.heartbeat_at, self.look_at = self._next_heartbeat(now), self._next_look(now)

    def tick(self) -> float:
        """Do what is due; returns the seconds until something is due again."""
        now = self.clock.now()
        try:
            if now >= self.heartbeat_at:
                # A heartbeat returns the run, so no look is needed.
                self.heartbeat_at, self.look_at = self._next_heartbeat(now), self._next_look(now)
                self.heartbeat(now)
            elif now >= self.look_at:
                self.look_at = self._next_look(now)
                self.look()
        except Exception as error:
            # The lease has not expired yet, and the next tick is near.
            logger.warning("watch_failed", run=self.run.id, cause=cause(error))
        return max(0.0, (min(self.heartbeat_at, self.look_at) - self.clock.now()) / SECOND)

    @property
    def seconds_left(self) -> float:
        """Until the step has to end."""
        return max(0.0, (self.delivery.deadline - STOP_BEFORE_TIMEOUT_MS - self.clock.now()) / SECOND)

    def out_of_time(self) -> None:
        """Interrupt the step now. Apart from `tick`: a store that hangs must not delay this."""
        self.interrupt.set("deadline")

    def heartbeat(self, now: int) -> None:
        """Extend the lease and hide the message for as long, or learn that this worker was overtaken."""
        assert self.run.lease_id is not None
        until = self.delivery.lease_end(now, self.settings)
        try:
            run = self.table.heartbeat(self.run, self.run.lease_id, until, now)
        except Refused as refused:
            self._hear(refused.run)
            return
        self._hear(run)
        hide_for_lease(self.queue, self.delivery, now, until)

    def look(self) -> None:
        """Read whether a stop was requested."""
        self._hear(self.table.reload(self.run))

    def _hear(self, run: Run | None) -> None:
        """Interrupt the agent if `run`, as it was just read, is held by another worker, has ended, or is to be stopped."""
        if run is None or run.lease_id != self.run.lease_id:
            self.interrupt.set("overtaken")
        elif run.stop_requested_at is not None:
            self.interrupt.set("stop")

    def _next_heartbeat(self, now: int) -> int:
        return now + self.settings.lease_seconds * SECOND // 3

    def _next_look(self, now: int) -> int:
        return now + int(self.settings.stop_poll_seconds * SECOND)


Watching = Callable[[Watch], AbstractContextManager[None]]
"""Runs a watch while its block runs, and has ended it when the block ends."""


@contextmanager
def in_threads(watch: Watch) -> Iterator[None]:
    """`watch` ticks while the block runs, and its live text is written.

    All threads are joined at the end, also if the block raises: a thread left behind would go on in the next invocation and
    extend the lease of a dead run. The lease is extended until the last live text is written or given up.
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
    """`tick` is called again and again, after as many seconds as it returns, in a thread that ends with the block."""
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
