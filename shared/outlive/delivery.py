"""A queue message as a worker holds it: how long it stays hidden, and how it is given back."""

from dataclasses import dataclass

from outlive.clock import SECOND
from outlive.log import cause, logger
from outlive.settings import Settings
from outlive.store.queue import Queue

REDELIVERY_SLACK_S = 1.0
"""A message is redelivered this long after the lease it waits for has expired, so that it is not delivered in vain."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A queue message as it was delivered, when this invocation began, and when the platform ends it (ms)."""

    workspace_id: str
    run_id: str
    step: int
    receipt: str
    deadline: int
    began: int
    receives: int = 1
    """How often the queue has delivered it, this delivery included."""

    def half_is_left(self, now: int) -> bool:
        """True while another step has at least half of the time that the first one had."""
        return self.deadline - now >= (self.deadline - self.began) // 2

    def lease_end(self, now: int, settings: Settings) -> int:
        """When a lease taken now expires: never after its worker's invocation."""
        return min(now + settings.lease_seconds * SECOND, self.deadline)


def pause_of(delivery: Delivery, settings: Settings) -> float:
    """Seconds until a message is redelivered whose step could not begin because the store failed: backoff, up to a lease."""
    return min(float(settings.lease_seconds), REDELIVERY_SLACK_S * 2.0 ** min(delivery.receives - 1, 10))


class GivenBack(Exception):
    """The worker is not done with the message: it is redelivered in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def hide(queue: Queue, delivery: Delivery, seconds: float) -> None:
    """Have the delivered message redelivered in `seconds` unless it is acknowledged first.

    If the call fails, the message is redelivered after the queue's own visibility timeout, or a sweep sends another.
    """
    try:
        queue.hide(delivery.receipt, seconds)
    except Exception as error:
        logger.warning("hide_failed", run=delivery.run_id, step=delivery.step, cause=cause(error))


def hide_for_lease(queue: Queue, delivery: Delivery, now: int, lease_until: int) -> None:
    """Have the delivered message redelivered right after a lease that lasts from `now` until `lease_until` (ms)."""
    hide(queue, delivery, (lease_until - now) / SECOND + REDELIVERY_SLACK_S)
