"""The asynchronous client."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from outlive_client import calls, file_calls
from outlive_client.address import Address, AsyncToken
from outlive_client.events import Event, Window
from outlive_client.plans import Answer, Item, ItemPlan, NoAnswer, Pause, Plan, Reply, Request
from outlive_client.response_body import ResponseBody
from outlive_client.views import Answered, File, Latest, Message, Queued, Run, Snapshot, Started, Stopped, Ticket

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
        return f"AsyncOutlive({self._address.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def start(
        self,
        chat_id: str,
        prompt: str,
        *,
        agent: str | None = None,
        max_steps: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        files: Sequence[str] = (),
        key: str | None = None,
        on_busy: str | None = None,
        supersedes: str | None = None,
    ) -> Started:
        """As `Outlive.start`."""
        return await self._result_of(
            calls.start(
                chat_id,
                prompt,
                agent=agent,
                max_steps=max_steps,
                metadata=metadata,
                files=files,
                key=key,
                on_busy=on_busy,
                supersedes=supersedes,
            )
        )

    async def upload(self, chat_id: str, name: str, content: bytes, media_type: str) -> File:
        """As `Outlive.upload`."""
        return await self._result_of(file_calls.upload(chat_id, name, content, media_type))

    async def download(self, chat_id: str, file_id: str) -> bytes:
        """As `Outlive.download`."""
        return await self._result_of(file_calls.download(chat_id, file_id))

    async def run(self, run_id: str) -> Snapshot:
        """As `Outlive.run`."""
        return await self._result_of(calls.run(run_id))

    async def latest(self, chat_id: str) -> Latest:
        """As `Outlive.latest`."""
        return await self._result_of(calls.latest(chat_id))

    def messages(self, chat_id: str, *, limit: int | None = None) -> AsyncIterator[Message]:
        """As `Outlive.messages`."""
        return self._items_of(calls.messages(chat_id, limit))

    def runs(self, chat_id: str, *, limit: int | None = None) -> AsyncIterator[Run]:
        """As `Outlive.runs`."""
        return self._items_of(calls.runs(chat_id, limit))

    async def stop_run(self, run_id: str) -> Stopped:
        """As `Outlive.stop_run`."""
        return await self._result_of(calls.stop_run(run_id))

    async def stop_chat(self, chat_id: str) -> Stopped:
        """As `Outlive.stop_chat`."""
        return await self._result_of(calls.stop_chat(chat_id))

    async def queue(self, chat_id: str) -> list[Queued]:
        """As `Outlive.queue`."""
        return await self._result_of(calls.queue(chat_id))

    async def answer(
        self, run_id: str, answers: Mapping[str, Mapping[str, Any]], *, step: int | None = None
    ) -> Answered:
        """As `Outlive.answer`."""
        return await self._result_of(calls.answer(run_id, answers, step))

    async def events(self, run_id: str, after: str | None = None, *, wait: float = 0) -> Window:
        """As `Outlive.events`."""
        return await self._result_of(calls.events(run_id, after, wait))

    def watch(self, run_id: str, after: str | None = None, *, until_waiting: bool = False) -> AsyncIterator[Event]:
        """As `Outlive.watch`."""
        return self._items_of(calls.watch(run_id, after, until_waiting=until_waiting))

    async def ticket(self, run_id: str) -> Ticket:
        """As `Outlive.ticket`."""
        return await self._result_of(calls.ticket(run_id))

    async def _result_of(self, plan: Plan[T]) -> T:
        reply: Reply = None
        while True:
            try:
                action = plan.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = await self._perform(action)

    async def _items_of(self, plan: ItemPlan[T]) -> AsyncIterator[T]:
        reply: Reply = None
        while True:
            try:
                action = plan.send(reply)
            except StopIteration:
                return
            if isinstance(action, Item):
                reply = None
                yield action.value
            else:
                reply = await self._perform(action)

    async def _perform(self, action: Request | Pause) -> Reply:
        if isinstance(action, Pause):
            await self._sleep(action.seconds)
            return None
        token = await self._current_token()
        reply = await _send(self._http, self._address, action, token)
        if isinstance(reply, Answer) and reply.status == 401 and (newer := await self._current_token()) != token:
            reply = await _send(self._http, self._address, action, newer)
        return reply

    async def _current_token(self) -> str:
        token = self._token() if callable(self._token) else self._token
        return await token if inspect.isawaitable(token) else token


async def _send(http: httpx.AsyncClient, address: Address, request: Request, token: str) -> Answer | NoAnswer:
    try:
        response = await http.send(address.http_request(http, request, token), stream=True)
        body = ResponseBody(response, request.timeout_seconds)
        try:
            async for chunk in response.aiter_bytes():
                body.add(chunk)
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        return NoAnswer(address.describe_failure(error))
    return body.answer
