"""Outlive itself, measured like the others: the handlers over an in-process queue.

`python -m bench.ours <file for the figures> memory|dynamodb_local [steps per message]`
"""

import asyncio
import os
import sys
import time
from contextlib import ExitStack
from typing import Any

from bench.one_process import TABLE, OneProcess
from bench.peers.measure import hand_over, measured
from proof.dynamodb.memory_table import MemoryTable
from proof.engines.engines import Client, dynamodb_local_endpoint
from proof.sqs.memory_queue import MemoryQueue


async def figures(app: OneProcess, storage: str) -> dict[str, Any]:
    """What was measured."""

    async def begin(chat: str, run: str, steps: int) -> str:
        return str(app.begin(chat, run, steps)["id"])

    async def finish(run_id: str) -> None:
        # One worker, one message at a time: whoever waits first works off everything that is due.
        app.work()

    return await measured("Outlive", "", storage, begin, finish)


def main() -> None:
    """Measure on the store that the command line names."""
    store = sys.argv[2]
    queue = MemoryQueue(lambda: time.time_ns() // 1_000_000)
    with ExitStack() as stack:
        if store == "memory":
            app = OneProcess(MemoryTable(TABLE, now=time.time).call, queue, queue.call)
            storage = "a dict in this process"
        else:
            endpoint = stack.enter_context(dynamodb_local_endpoint())
            os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
            Client(endpoint).close()
            app = OneProcess(None, queue, queue.call)
            storage = "DynamoDB Local, over HTTP"
        with app.steps_per_message(int(sys.argv[3]) if len(sys.argv) > 3 else 1):
            hand_over(asyncio.run(figures(app, storage)))


if __name__ == "__main__":
    main()
