"""One way to call either client, so that every promise is held against both."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx

from outlive_client import AsyncOutlive, Outlive

from .fake_api import BASE, TOKEN


class Sync:
    """The client that waits."""

    def __init__(self, api: Callable[[httpx.Request], httpx.Response], token: Any = TOKEN, base: str = BASE) -> None:
        self.pauses: list[float] = []
        self.client = Outlive(base, token, transport=httpx.MockTransport(api), sleep=self.pauses.append)

    def __call__(self, name: str, *args: Any, **named: Any) -> Any:
        got = getattr(self.client, name)(*args, **named)
        return list(got) if inspect.isgenerator(got) else got


class Async:
    """The client that is awaited, each call in a loop of its own."""

    def __init__(self, api: Callable[[httpx.Request], httpx.Response], token: Any = TOKEN, base: str = BASE) -> None:
        self.pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        self.client = AsyncOutlive(base, token, transport=httpx.MockTransport(api), sleep=sleep)

    def __call__(self, name: str, *args: Any, **named: Any) -> Any:
        async def called() -> Any:
            got = getattr(self.client, name)(*args, **named)
            return [item async for item in got] if inspect.isasyncgen(got) else await got

        return asyncio.run(called())
