"""The client for programs that wait."""

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from outlive_client import calls
from outlive_client.address import Address, Token
from outlive_client.asking import Answer, Ask, Flow, Item, Lost, Pause, Plan, Reply
from outlive_client.events import Event, Window
from outlive_client.intake import Intake
from outlive_client.views import Latest, Message, Run, Snapshot, Started, Stopped, Ticket

T = TypeVar("T")


class Outlive:
    """The API at `base_url`. `token` is a bearer token, or a function that has one whenever it is called.

    A call is tried again where that is safe and may help; what still goes wrong is an OutliveError. Arguments that can't be sent are a
    ValueError. `transport` stands in for the network in tests, `sleep` for time.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = Address(base_url)
        self._token = token
        self._http = httpx.Client(transport=transport)
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"Outlive({self._address.shown!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def start(
        self,
        chat_id: str,
        prompt: str,
        *,
        max_steps: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Started:
        """The prompt is accepted as a run of the chat, which goes on by itself.

        `key` is the Idempotency-Key; without one it is a new one, kept over the tries of this call. Raises RunAlreadyActive with the id of
        the run that the chat is busy with.
        """
        return self._done(calls.start(chat_id, prompt, max_steps=max_steps, metadata=metadata, key=key))

    def run(self, run_id: str) -> Snapshot:
        """A run and its assistant message as they are now. Raises RunNotFound."""
        return self._done(calls.run(run_id))

    def latest(self, chat_id: str) -> Latest:
        """The chat's latest run and its assistant message."""
        return self._done(calls.latest(chat_id))

    def messages(self, chat_id: str, *, limit: int | None = None) -> Iterator[Message]:
        """The chat's messages, oldest first, all or `limit` of them, fetched as they are taken."""
        return self._items(calls.messages(chat_id, limit))

    def runs(self, chat_id: str, *, limit: int | None = None) -> Iterator[Run]:
        """The chat's runs, newest first, all or `limit` of them, fetched as they are taken."""
        return self._items(calls.runs(chat_id, limit))

    def stop_run(self, run_id: str) -> Stopped:
        """The run is asked to end. Once this has returned `stopped` it ends aborted, with what was said so far."""
        return self._done(calls.stop_run(run_id))

    def stop_chat(self, chat_id: str) -> Stopped:
        """The run that is active in the chat now is asked to end, and no later one, however often it has to be asked."""
        return self._done(calls.stop_chat(chat_id))

    def events(self, run_id: str, after: str | None = None, *, wait: float = 0) -> Window:
        """What happened in the run behind the cursor `after`, waiting up to `wait` seconds (at most 20) for something."""
        return self._done(calls.events(run_id, after, wait))

    def watch(self, run_id: str, after: str | None = None) -> Iterator[Event]:
        """Every event behind the cursor `after`, once each and in order, as it happens, until the run has ended.

        Goes on over lost connections. To go on elsewhere or later, give the `id` of the last event as `after`.
        """
        return self._items(calls.watch(run_id, after))

    def ticket(self, run_id: str) -> Ticket:
        """A short-lived ticket that reads this run's events without a token, for a browser's EventSource."""
        return self._done(calls.ticket(run_id))

    def _done(self, plan: Plan[T]) -> T:
        reply: Reply = None
        while True:
            try:
                wanted = plan.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = self._do(wanted)

    def _items(self, flow: Flow[T]) -> Iterator[T]:
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
                reply = self._do(wanted)

    def _do(self, wanted: Ask | Pause) -> Reply:
        if isinstance(wanted, Pause):
            self._sleep(wanted.seconds)
            return None
        token = self._current_token()
        reply = self._send(wanted, token)
        if isinstance(reply, Answer) and reply.status == 401 and (newer := self._current_token()) != token:
            reply = self._send(wanted, newer)
        return reply

    def _send(self, ask: Ask, token: str) -> Answer | Lost:
        request = self._address.request(self._http, ask, token)
        try:
            response = self._http.send(request, stream=True)
            intake = Intake(response, ask.seconds)
            try:
                for chunk in response.iter_bytes():
                    intake.take(chunk)
            finally:
                response.close()
        except httpx.HTTPError as error:
            return Lost(self._address.lost(error))
        return intake.answer

    def _current_token(self) -> str:
        return self._token() if callable(self._token) else self._token
