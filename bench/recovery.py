"""How long a stop takes, and how long a run stands still when its worker is killed: on the local stack, as deployed.

The stack is `make serve`, with a lease of 4 s so that a run of this takes minutes, not hours; what is measured from the
lease's end does not depend on its length.
"""

import json
import random
import tempfile
import time
import uuid
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.pages import put, say, table
from outlive.clock import from_iso
from proof.stacks.deployed import Stack, until

LEASE = 4
STOPS = 20
KILLS = 8
LOST = 4
CLAIMS = 6
OTHERS = 3
TICK = 60

SLOW = {"text": "word ", "repeat": 400, "seconds": 12}


def row(stack: Stack, run: dict[str, Any]) -> dict[str, Any]:
    """The run's row as DynamoDB has it, read without any function."""
    found: dict[str, Any] = stack.client("dynamodb").get_item(
        TableName=stack.outputs["TableName"],
        Key={"pk": {"S": f"acme#{run['id']}"}, "sk": {"S": "RUN"}},
        ConsistentRead=True,
    )["Item"]
    return found


def begin(stack: Stack, *script: dict[str, Any]) -> dict[str, Any]:
    """The run that was started with this script, in a chat of its own."""
    prompt = f"#script {json.dumps(script)}"
    answer = stack.call("POST", f"/chats/chat-{uuid.uuid4().hex}/runs", {"prompt": prompt})
    assert answer.status == 202, answer
    run: dict[str, Any] = answer.body["run"]
    return run


def streaming(stack: Stack) -> dict[str, Any]:
    """A run whose worker is in mid-stream."""
    run = begin(stack, SLOW)
    until(lambda: row(stack, run), lambda now: "lease_until" in now, seconds=60, every=0.02)
    return run


def stop_seconds(stack: Stack, chance: random.Random) -> float:
    """From the stop's answer to the settled run."""
    run = streaming(stack)
    time.sleep(chance.uniform(0.2, 1.5))
    answer = stack.call("POST", f"/runs/{run['id']}/stop")
    assert answer.body["stopped"], answer
    before = time.monotonic()
    until(lambda: row(stack, run), lambda now: "finished_at" in now, seconds=60, every=0.02)
    return time.monotonic() - before


def claim_seconds(stack: Stack, *, cold: bool) -> float:
    """From a start's answer to the claim of its first step, with or without a worker that is there already."""
    if cold:
        stack.kill_workers()
    run = begin(stack, {"text": "done"})
    row_then = until(lambda: row(stack, run), lambda now: "finished_at" in now, seconds=60, every=0.02)
    return (from_iso(row_then["started_at"]["S"]) - from_iso(row_then["created_at"]["S"])) / 1000


def recovery_seconds(stack: Stack, *, cold: bool) -> float:
    """From the end of the dead worker's lease to the next claim of its step, with or without another that is there."""
    _drained(stack)
    run = streaming(stack)
    stack.kill_workers()
    if not cold:
        # Several at once: the local AWS may hand a message to a place whose worker is dead before one whose worker lives.
        for other in [begin(stack, {"text": "done", "seconds": 0.5}) for _ in range(OTHERS)]:
            until(partial(row, stack, other), lambda now: "finished_at" in now, seconds=60, every=0.02)
    # A heartbeat may have landed until the very end.
    lease_until = from_iso(row(stack, run)["lease_until"]["S"])
    after = until(lambda: row(stack, run), lambda now: now["attempt"]["N"] != "1", seconds=90, every=0.02)
    back = from_iso(after["progress_at"]["S"])
    _end(stack, run)
    return (back - lease_until) / 1000


def _drained(stack: Stack) -> None:
    """Wait until no message of an earlier run is left that a worker would be kept busy with."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    ask = partial(stack.client("sqs").get_queue_attributes, QueueUrl=stack.outputs["QueueUrl"], AttributeNames=["All"])
    until(ask, lambda now: all(now["Attributes"][name] == "0" for name in names), seconds=90, every=0.1)


def swept_seconds(stack: Stack, count: int) -> list[float]:
    """The same where the messages are gone as well, and only the sweep can bring the runs back."""
    runs = [streaming(stack) for _ in range(count)]
    stack.kill_workers()
    stack.client("sqs").purge_queue(QueueUrl=stack.outputs["QueueUrl"])
    ends = [from_iso(row(stack, run)["lease_until"]["S"]) for run in runs]
    found = []
    for run, end in zip(runs, ends, strict=True):
        after = until(partial(row, stack, run), lambda now: now["attempt"]["N"] != "1", seconds=3 * TICK, every=0.1)
        found.append((from_iso(after["progress_at"]["S"]) - end) / 1000)
    for run in runs:
        _end(stack, run)
    return found


def _end(stack: Stack, run: dict[str, Any]) -> None:
    stack.call("POST", f"/runs/{run['id']}/stop")
    until(lambda: row(stack, run), lambda now: "finished_at" in now, seconds=60, every=0.1)


def line(what: str, found: list[float], goal: str) -> list[str]:
    """A row of the table."""
    p95 = quantiles(found, n=20, method="inclusive")[-1]
    return [what, str(len(found)), f"{min(found):.2f}", f"{median(found):.2f}", f"{p95:.2f}", f"{max(found):.2f}", goal]


def report() -> None:
    """Measure, and write the table of docs/performance.md."""
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder).resolve() / "state", LEASE_SECONDS=str(LEASE))
        stack.start()
        try:
            streaming(stack)  # every function has started once
            say("stops")
            stops = [stop_seconds(stack, chance) for _ in range(STOPS)]
            say("killed workers")
            kills = [recovery_seconds(stack, cold=False) for _ in range(KILLS)]
            lone_kills = [recovery_seconds(stack, cold=True) for _ in range(KILLS)]
            say("claims")
            warm = [claim_seconds(stack, cold=False) for _ in range(CLAIMS)]
            cold = [claim_seconds(stack, cold=True) for _ in range(CLAIMS)]
            say("lost messages")
            lost = swept_seconds(stack, LOST)
        finally:
            stack.stop()
    heads = ["seconds", "times", "least", "median", "p95", "most", "goal"]
    rows = [
        line("start to claim, a worker is there", warm, ""),
        line("start to claim, none is there: a cold start of step", cold, ""),
        line("a stop in mid-stream, answered, to settled", stops, "p95 below 2"),
        line("worker killed: end of its lease to the next claim, another worker is there", kills, "at most 2"),
        line("the same, none is there: a cold start of step", lone_kills, ""),
        line("worker killed and message lost: end of its lease to the next claim", lost, f"at most {TICK} + 2"),
    ]
    put("performance.md", "recovery", table(heads, rows))


if __name__ == "__main__":
    report()
