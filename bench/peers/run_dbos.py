"""DBOS, with Pydantic AI's own integration, on SQLite. Started in its own environment by `bench/overhead.py`."""

import asyncio
import sys
import tempfile
from importlib.metadata import version
from typing import Any

from dbos import DBOS, DBOSConfig
from pydantic_ai.durable_exec.dbos import DBOSDurability

from bench.peers.fake_agent import new_agent, prompt
from bench.peers.measure import hand_over, measured

agent = new_agent([DBOSDurability()])


@DBOS.workflow()
async def turn(run: str, steps: int) -> str:
    """One run."""
    return (await agent.run(prompt(run, steps))).output


async def begin(chat: str, run: str, steps: int) -> Any:
    """Accepted once the workflow's row is there."""
    return await DBOS.start_workflow_async(turn, run, steps)


async def finish(handle: Any) -> None:
    """Wait for its result."""
    # The default looks once a second, which would be all that is measured.
    await handle.get_result(polling_interval_sec=0.002)


async def main() -> None:
    """Measure."""
    hand_over(await measured("DBOS", version("dbos"), "SQLite file", begin, finish))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": f"sqlite:///{folder}/dbos.sqlite",
            "log_level": "ERROR",
            "run_admin_server": False,
            "enable_otlp": False,
        }
        DBOS(config=config)
        DBOS.launch()
        asyncio.run(main())
        DBOS.destroy()
    sys.exit(0)
