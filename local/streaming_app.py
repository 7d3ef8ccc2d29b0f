"""The streaming function's app, served on this machine: what the Lambda Web Adapter and the function's address do on AWS.

`streaming.py` starts it with the function's packages and its environment. It ends when its standard input closes.
"""

import importlib
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# functions/stream/app.py: `streaming.py` puts its folder on the path.
app = importlib.import_module("app").app
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, last-event-id"),
    (b"access-control-expose-headers", b"location, idempotency-replayed"),
]
"""As in the template, which has the function's address answer for the pages of other origins."""


async def with_cors(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The app, for pages of any origin."""

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *CORS]}
        await send(message)

    if scope["type"] == "http" and scope["method"] == "OPTIONS":
        await sending({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    else:
        await app(scope, receive, sending)


def stop_with_the_parent() -> None:
    """Send this process SIGTERM when its standard input closes, which happens when the parent process ends."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    port = int(os.environ["STREAM_PORT"])
    uvicorn.run(
        with_cors, host="127.0.0.1", port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=2
    )
