"""The client for programs that await."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from outlive_client import calls
from outlive_client.address import Address, AsyncToken
from outlive_client.asking import Answer, Ask, Flow, Item, Lost, Pause, Plan, Reply
from outlive_client.events import Event, Window
from outlive_client.intake import Intake
from outlive_client.views import Latest, Message, Run, Snapshot, Started, Stopped, Ticket

T = TypeVar("T")


class AsyncOutlive:
    """`Outlive` for asyncio: the same calls, arguments, results and errors. `token` may be an async function."""

    def __init__(
        self,
        base_url: str,
        token: AsyncToken,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._address = Address(base_url)
        self._token = token
        self._http = httpx.AsyncClient(transport=transport)
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"AsyncOutlive({self._address.shown!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def start(
        self,
        chat_id: str,
        prompt: str,
        *,
        max_steps: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Started:
        """As `Outlive.start`."""
        return await self._done(calls.start(chat_id, prompt, max_steps=max_steps, metadata=metadata, key=key))

    async def run(self, run_id: str) -> Snapshot:
        """As `Outlive.run`."""
        return await self._done(calls.run(run_id))

    async def latest(self, chat_id: str) -> Latest:
        """As `Outlive.latest`."""
        return await self._done(calls.latest(chat_id))

    def messages(self, chat_id: str, *, limit: int | None = None) -> AsyncIterator[Message]:
        """As `Outlive.messages`."""
        return self._items(calls.messages(chat_id, limit))

    def runs(self, chat_id: str, *, limit: int | None = None) -> AsyncIterator[Run]:
        """As `Outlive.runs`."""
        return self._items(calls.runs(chat_id, limit))

    async def stop_run(self, run_id: str) -> Stopped:
        """As `Outlive.stop_run`."""
        return await self._done(calls.stop_run(run_id))

    async def stop_chat(self, chat_id: str) -> Stopped:
        """As `Outlive.stop_chat`."""
        return await self._done(calls.stop_chat(chat_id))

    async def events(self, run_id: str, after: str | None = None, *, wait: float = 0) -> Window:
        """As `Outlive.events`."""
        return await self._done(calls.events(run_id, after, wait))

    def watch(self, run_id: str, after: str | None = None) -> AsyncIterator[Event]:
        """As `Outlive.watch`."""
        return self._items(calls.watch(run_id, after))

    async def ticket(self, run_id: str) -> Ticket:
        """As `Outlive.ticket`."""
        return await self._done(calls.ticket(run_id))

    async def _done(self, plan: Plan[T]) -> T:
        reply: Reply = None
        while True:
            try:
                wanted = plan.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = await self._do(wanted)

    async def _items(self, flow: Flow[T]) -> AsyncIterator[T]:
        reply: Reply = None
        while True:
            try:
                wanted = flow.send(reply)
            except StopIteration:
                return
            if isinstance(wanted, Item):
                reply = None
                yield wanted.value
            else:
                reply = await self._do(wanted)

    async def _do(self, wanted: Ask | Pause) -> Reply:
        if isinstance(wanted, Pause):
            await self._sleep(wanted.seconds)
            return None
        token = await self._current_token()
        reply = await self._send(wanted, token)
        if isinstance(reply, Answer) and reply.status == 401 and (newer := await self._current_token()) != token:
            reply = await self._send(wanted, newer)
        return reply

    async def _send(self, ask: Ask, token: str) -> Answer | Lost:
        request = self._address.request(self._http, ask, token)
        try:
            response = await self._http.send(request, stream=True)
            intake = Intake(response, ask.seconds)
            try:
                async for chunk in response.aiter_bytes():
                    intake.take(chunk)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            return Lost(self._address.lost(error))
        return intake.answer

    async def _current_token(self) -> str:
        token = self._token() if callable(self._token) else self._token
        return await token if inspect.isawaitable(token) else token
