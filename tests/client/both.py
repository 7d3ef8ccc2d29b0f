"""One way to call either client, so that every test runs with both."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx

from outlive_client import AsyncOutlive, Outlive

from .fake_api import BASE, TOKEN


class Sync:
    """The synchronous client. An instance is called with the name and arguments of a client method."""

    def __init__(self, api: Callable[[httpx.Request], httpx.Response], token: Any = TOKEN, base: str = BASE) -> None:
        self.pauses: list[float] = []
        self.client = Outlive(base, token, transport=httpx.MockTransport(api), sleep=self.pauses.append)

    def __call__(self, name: str, *args: Any, **named: Any) -> Any:
        result = getattr(self.client, name)(*args, **named)
        return list(result) if inspect.isgenerator(result) else result


class Async:
    """The asynchronous client, called the same way; each call runs in an event loop of its own."""

    def __init__(self, api: Callable[[httpx.Request], httpx.Response], token: Any = TOKEN, base: str = BASE) -> None:
        self.pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        self.client = AsyncOutlive(base, token, transport=httpx.MockTransport(api), sleep=sleep)

    def __call__(self, name: str, *args: Any, **named: Any) -> Any:
        async def call() -> Any:
            result = getattr(self.client, name)(*args, **named)
            return [item async for item in result] if inspect.isasyncgen(result) else await result

        return asyncio.run(call())
