"""Restate, with its own Pydantic AI integration: its server beside this process. Started by `bench/overhead.py`.

The server is the binary that npm carries; RESTATE_SERVER names it. Service and client live in this process.
"""

import asyncio
import logging
import os
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2 as httpx
import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config
from restate.ext.pydantic import RestateAgent

from bench.peers.fake_agent import new_agent, prompt
from bench.peers.measure import hand_over, measured

START_SECONDS = 60

agent = RestateAgent(new_agent(), auto_wrap_tools=True)
chats = restate.VirtualObject("chats")


@chats.handler()
async def turn(ctx: restate.ObjectContext, asked: dict[str, Any]) -> str:
    """One run; the object's key is the chat, so that a chat has one at a time."""
    return str((await agent.run(prompt(asked["run"], asked["steps"]))).output)


def free_port() -> int:
    """A port of the loopback address nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ready(client: httpx.AsyncClient, url: str) -> None:
    """Wait until `url` answers. Raises TimeoutError."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            if (await client.get(url)).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise TimeoutError(url)


async def main(ingress: int, admin: int, own: int, server: int) -> None:
    """Serve, register, measure."""
    config = Config()
    config.bind = [f"127.0.0.1:{own}"]
    config.errorlog = None
    over = asyncio.Event()
    serving = asyncio.create_task(serve(restate.app([chats]), config, shutdown_trigger=over.wait))  # type: ignore[arg-type]
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=50)) as client:
        await ready(client, f"http://127.0.0.1:{admin}/health")
        await ready(client, f"http://127.0.0.1:{ingress}/restate/health")
        registered = await client.post(f"http://127.0.0.1:{admin}/deployments", json={"uri": f"http://127.0.0.1:{own}"})
        registered.raise_for_status()

        async def begin(chat: str, run: str, steps: int) -> str:
            sent = await client.post(
                f"http://127.0.0.1:{ingress}/chats/{chat}/turn/send", json={"run": run, "steps": steps}
            )
            sent.raise_for_status()
            return str(sent.json()["invocationId"])

        async def finish(invocation: str) -> None:
            got = await client.get(f"http://127.0.0.1:{ingress}/restate/invocation/{invocation}/attach")
            got.raise_for_status()

        hand_over(await measured("Restate", VERSION, "its own log and RocksDB, on disk", begin, finish, server))
    over.set()
    await serving


SERVER = os.environ["RESTATE_SERVER"]
VERSION = f"server {subprocess.run([SERVER, '--version'], capture_output=True, text=True, check=True).stdout.split()[-1]}, Python {version('restate-sdk')}"

if __name__ == "__main__":
    logging.disable(logging.WARNING)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ports = [free_port() for _ in range(4)]
        settings = {
            "RESTATE_BASE_DIR": folder,
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ports[0]}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{ports[1]}",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{ports[2]}",
            "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{ports[2]}",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_LOG_FILTER": "error",
            "DO_NOT_TRACK": "1",
            "RESTATE_DISABLE_TELEMETRY": "true",
        }
        log = stack.enter_context((Path(folder) / "log").open("w"))
        server = stack.enter_context(
            subprocess.Popen([SERVER], env={**os.environ, **settings}, cwd=folder, stdout=log, stderr=log)
        )
        stack.callback(server.kill)
        asyncio.run(main(*ports[:2], ports[3], server.pid))
