"""LangGraph's development server, in memory, with one active run a thread. Started by `bench/overhead.py`."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import httpx
from langgraph_sdk import get_client

from bench.peers.measure import hand_over, measured

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


def free_port() -> int:
    """A port of the loopback address nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(port: int) -> None:
    """Wait until the server answers. Raises TimeoutError."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ok").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise TimeoutError("the server did not answer")


async def main(port: int, server: int) -> None:
    """Measure."""
    client = get_client(url=f"http://127.0.0.1:{port}")

    async def begin(chat: str, run: str, steps: int) -> tuple[str, str]:
        # A run can't be started without a thread, so making it is part of a start, as the first one of a chat is ours.
        thread = await client.threads.create()
        started = await client.runs.create(
            thread["thread_id"],
            "turn",
            input={"run": run, "steps": steps, "kept": [], "over": False},
            multitask_strategy="reject",
            config={"recursion_limit": 1000},
        )
        return thread["thread_id"], started["run_id"]

    async def finish(handle: tuple[str, str]) -> None:
        await client.runs.join(*handle)

    said = f"server {version('langgraph-api')}, langgraph {version('langgraph')}"
    hand_over(await measured("LangGraph", said, "memory of its server", begin, finish, server))


if __name__ == "__main__":
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        config = Path(folder) / "langgraph.json"
        config.write_text(
            json.dumps({"dependencies": [str(ROOT)], "graphs": {"turn": f"{ROOT}/bench/peers/graph.py:graph"}})
        )
        port = free_port()
        settings = {
            "LANGGRAPH_CLI_NO_ANALYTICS": "1",
            "LANGSMITH_TRACING": "false",
            "BG_JOB_ISOLATED_LOOPS": "false",
            "LOG_LEVEL": "ERROR",
            "N_JOBS_PER_WORKER": "16",
            "PYTHONPATH": str(ROOT),
        }
        command = [
            "dev",
            "--no-browser",
            "--no-reload",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--config",
            str(config),
        ]
        log = stack.enter_context((Path(folder) / "log").open("w"))
        server = stack.enter_context(
            subprocess.Popen(
                [Path(sys.executable).parent / "langgraph", *command, "--n-jobs-per-worker", "16"],
                env={**os.environ, **settings}, cwd=folder, stdout=log, stderr=log,
            )
        )  # fmt: skip
        stack.callback(server.kill)
        try:
            wait_until_ready(port)
            asyncio.run(main(port, server.pid))
        except Exception:
            sys.stderr.write((Path(folder) / "log").read_text()[-3000:])
            raise
