"""What the operations reach outside themselves: table and queue, clock, ids, chance and the watch, as points to wait at.

The table goes through the real PynamoDB; only botocore's client at its far end is replaced. The heartbeat and the stop poll
are the real `Watch`; the explorer decides when it looks and when it beats, in place of a timer."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from outlive.clock import Clock
from outlive.watch import Watch, Watching
from proof.explorer.calls import Request
from proof.explorer.processes import running

TABLE = "runs"
QUEUE = "https://queue.invalid/steps"


class Wire:
    """Stands where botocore's client stands, for table and queue alike."""

    _request_signer = None
    meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None))

    def _make_api_call(self, operation: str, request: dict[str, Any]) -> Any:
        request = {name: value for name, value in request.items() if name != "ReturnConsumedCapacity"}
        answer = running().ask(Request.of("table", operation, request))
        if "IndexName" in request or operation == "BatchGetItem":
            # A sweep goes through this while it does other things; no frame shows how far it is but by the key it is at.
            running().mark = repr(answer)
        return answer

    def send_message(self, **request: Any) -> Any:
        return running().ask(Request.of("queue", "SendMessage", request))

    def get_queue_attributes(self, **request: Any) -> Any:
        return running().ask(Request.of("queue", "GetQueueAttributes", request))

    def change_message_visibility(self, **request: Any) -> Any:
        return running().ask(Request.of("queue", "ChangeMessageVisibility", request))


class ProofClock(Clock):
    """The running process's clock. It moves when the explorer lets time pass, and only then.

    With `skewed` no two processes agree to the millisecond, as no two machines do; without, far fewer worlds differ.
    """

    def __init__(self, *, skewed: bool) -> None:
        self.skewed = skewed

    def now(self) -> int:
        process = running()
        return process.now + (_skew(process.name) if self.skewed else 0)

    def sleep(self, seconds: float) -> None:
        """Time passes by choice, not by waiting."""


def _skew(name: str) -> int:
    return int(name[1:]) * 7 % 97 + 50 if name[1:].isdigit() else sum(map(ord, name)) % 41


def new_id() -> str:
    """An id that is fresh and always the same: who made it, and its how many-th it is."""
    process = running()
    process.ids += 1
    return f"{process.name}.{process.ids}"


def jitter() -> float:
    """No jitter: pauses take no time here."""
    return 1.0


def watched(ticks: int, commands: tuple[str, ...] = ("look", "beat")) -> Watching:
    """The watch as a thread of the process. The explorer has it look or beat, at most so many times in a step."""
    far = 10**15

    @contextmanager
    def watching(watch: Watch) -> Iterator[None]:
        process = running()
        left = ticks

        def loop(first: Any) -> None:
            nonlocal left
            command = first
            del first
            while True:
                left -= 1
                if not left:
                    process.offers[number] = ()
                watch.look_at = 0 if command == "look" else far
                watch.heartbeat_at = 0 if command == "beat" else far
                if command == "deadline":
                    watch.out_of_time()
                else:
                    watch.tick()
                # What was due is of no more interest: processes that differ in nothing else stand alike.
                watch.look_at = watch.heartbeat_at = far
                command = None
                command = process.park()

        number = process.spawn(loop)
        process.offers[number] = commands
        try:
            yield
        finally:
            process.join(number)
            process.offers.pop(number, None)
            process.mark = None

    return watching
