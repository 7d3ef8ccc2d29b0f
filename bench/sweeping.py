"""One sweep over many active runs, on DynamoDB Local: its calls, and what a run takes of the processor."""

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from outlive.clock import MINUTE, SECOND, Clock
from outlive.log import logger
from outlive.settings import Settings
from outlive.store.queue import Depth
from outlive.store.row import Row
from outlive.store.rows import Chat, Run
from outlive.sweep import Counts, Sweep
from outlive.wiring import new_id, table_of
from proof.engines.engines import TABLE, Client, dynamodb_local_endpoint

ROWS_A_WRITE = 25


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep took."""

    runs: int
    calls: int
    seconds: float
    processor_seconds_a_run: float


class LongLine:
    """A queue in which everybody waits."""

    def depth(self) -> Depth:
        """Many wait, and workers hold some."""
        return Depth(waiting=100_000, in_flight=50)


def side_by_side(sweep: Callable[[int], Counts], shards: range) -> list[Counts]:
    """As the function does it."""
    with ThreadPoolExecutor(len(shards)) as pool:
        return list(pool.map(sweep, shards))


def swept(runs: int) -> Swept:
    """Sweep so many runs that wait for their next step."""
    with dynamodb_local_endpoint() as endpoint:
        os.environ |= {
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        Row._connection = None  # noqa: SLF001
        engine = Client(endpoint)
        now = Clock().now()
        items = [{"PutRequest": {"Item": _waiting(number, now).serialize()}} for number in range(runs)]
        for start in range(0, runs, ROWS_A_WRITE):
            engine.client.batch_write_item(RequestItems={TABLE: items[start : start + ROWS_A_WRITE]})
        settings = Settings(table_name=TABLE)
        table = table_of(settings)
        client: Any = Row._get_connection().connection.client  # noqa: SLF001
        real, calls = client._make_api_call, Counter[str]()  # noqa: SLF001

        def counted(operation: str, request: dict[str, Any]) -> Any:
            calls[operation] += 1
            return real(operation, request)

        client._make_api_call = counted  # noqa: SLF001
        logger.setLevel("CRITICAL")
        sweep = Sweep(table, LongLine(), Clock(), new_id, settings, side_by_side)  # type: ignore[arg-type]
        began, used = time.monotonic(), time.process_time()
        counts = sweep.run(now + 10 * MINUTE)
        seconds, processor = time.monotonic() - began, time.process_time() - used
        assert (counts.seen, counts.failed, counts.resent) == (runs, 0, 0), counts
        Row._connection = None  # noqa: SLF001
        return Swept(runs, calls.total(), seconds, processor / runs)


def _waiting(number: int, now: int) -> Run:
    """A run that has done a step and waits for its next one."""
    run_id = f"0f8fad5b-d9cb-469f-a165-{number:012d}"
    return Run(
        Run.key("0f8fad5b-d9cb-469f-a165-708677289500", run_id), Run.SK, id=run_id,
        workspace_id="0f8fad5b-d9cb-469f-a165-708677289500", chat_id=run_id, owner="0f8fad5b-d9cb-469f-a165-708677289501",
        chat_key=Chat.key("0f8fad5b-d9cb-469f-a165-708677289500", run_id), trigger="user", status="running", user_seq=1,
        assistant_seq=2, budget={"max_steps": 20}, metadata={}, claimed_step=3, attempt=1, resends=0, step_count=3,
        active_shard=Run.shard(run_id), created_at=now - 40 * MINUTE, updated_at=now - 20 * MINUTE,
        progress_at=now - 20 * MINUTE, lease_id="0f8fad5b-d9cb-469f-a165-708677289502",
        lease_until=now - 20 * MINUTE + 30 * SECOND,
    )  # fmt: skip


if __name__ == "__main__":
    found = swept(5000)
    print(found)
