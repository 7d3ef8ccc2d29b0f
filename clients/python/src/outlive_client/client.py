"""The synchronous client."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from outlive_client import calls, file_calls
from outlive_client.address import Address, Token
from outlive_client.events import Event, Window
from outlive_client.plans import Answer, Item, ItemPlan, NoAnswer, Pause, Plan, Reply, Request
from outlive_client.response_body import ResponseBody
from outlive_client.views import Answered, File, Latest, Message, Queued, Run, Snapshot, Started, Stopped, Ticket

T = TypeVar("T")


class Outlive:
    """The API at `base_url`. `token` is a bearer token or a function that returns one; the function is called for every
    request.

    A call is retried where that is safe and may help; after that it raises an OutliveError. An argument that can't be
    sent raises ValueError. Tests replace the network with `transport` and time with `sleep`.
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
        return f"Outlive({self._address.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def start(
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
        """Start a run of the chat with this prompt. The run needs no connection from then on.

        `files` are ids of files that were uploaded to the chat. `agent` names the agent that answers; by default it is the API's default agent. Raises UnknownAgent if there is none.

        `key` is the Idempotency-Key; by default this call makes a new one and sends it with each retry. Raises
        RunAlreadyActive with the id of the run that is active in the chat, unless `on_busy` says what else to do:
        `enqueue` waits for the runs before it, `steer` for the step under way, and `supersede` ends the run that
        `supersedes` names. Raises QueueFull if too many runs wait.
        """
        return self._result_of(
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

    def upload(self, chat_id: str, name: str, content: bytes, media_type: str) -> File:
        """Store a file of the chat, for a start that names its id in `files`. Raises InvalidRequest or ChatNotFound."""
        return self._result_of(file_calls.upload(chat_id, name, content, media_type))

    def download(self, chat_id: str, file_id: str) -> bytes:
        """The content of a file of the chat. Raises FileNotFound."""
        return self._result_of(file_calls.download(chat_id, file_id))

    def run(self, run_id: str) -> Snapshot:
        """The run and its assistant message as they are now. Raises RunNotFound."""
        return self._result_of(calls.run(run_id))

    def latest(self, chat_id: str) -> Latest:
        """The chat's latest run and its assistant message."""
        return self._result_of(calls.latest(chat_id))

    def messages(self, chat_id: str, *, limit: int | None = None) -> Iterator[Message]:
        """The chat's messages, oldest first, all or `limit` of them. Iterating fetches the pages."""
        return self._items_of(calls.messages(chat_id, limit))

    def runs(self, chat_id: str, *, limit: int | None = None) -> Iterator[Run]:
        """The chat's runs, newest first, all or `limit` of them. Iterating fetches the pages."""
        return self._items_of(calls.runs(chat_id, limit))

    def stop_run(self, run_id: str) -> Stopped:
        """Request a stop of the run. If the result is `stopped`, the run ends aborted and its message keeps the text so far."""
        return self._result_of(calls.stop_run(run_id))

    def stop_chat(self, chat_id: str) -> Stopped:
        """Request a stop of the run that is active in the chat now and of those that wait behind it. A retry never stops a
        later run.
        """
        return self._result_of(calls.stop_chat(chat_id))

    def queue(self, chat_id: str) -> list[Queued]:
        """The runs that wait for the chat's active run, the next one first. `stop_run` takes one back."""
        return self._result_of(calls.queue(chat_id))

    def answer(self, run_id: str, answers: Mapping[str, Mapping[str, Any]], *, step: int | None = None) -> Answered:
        """Answer calls that the run waits for: all of `answers`, or none. With the last open call the run goes on.

        By call id: `{"approved": True}`, also with the `input` to run the tool with, or `{"approved": False}`, also
        with a `reason`, for an approval; `{"output": …}` or `{"error_text": …}` for a question or a tool of the client.
        The same answers again change nothing. With `step`, that of the run's `asked`, they never answer what a later
        step asks about the same call. Raises AnsweredOtherwise, NotWaiting, RunNotFound or InvalidRequest.
        """
        return self._result_of(calls.answer(run_id, answers, step))

    def events(self, run_id: str, after: str | None = None, *, wait: float = 0) -> Window:
        """The run's events after the cursor `after`. If there are none, the API waits up to `wait` seconds (at most 20)
        for one.
        """
        return self._result_of(calls.events(run_id, after, wait))

    def watch(self, run_id: str, after: str | None = None, *, until_waiting: bool = False) -> Iterator[Event]:
        """Every event after the cursor `after`, once each and in order, as it happens, until the run has ended.

        With `until_waiting` also until the run waits for answers. Otherwise an answer is noticed within ten seconds.

        A lost connection does not end it. To resume elsewhere or later, pass the `id` of the last event as `after`.
        """
        return self._items_of(calls.watch(run_id, after, until_waiting=until_waiting))

    def ticket(self, run_id: str) -> Ticket:
        """A short-lived ticket for reading this run's events without a token, for a browser's EventSource."""
        return self._result_of(calls.ticket(run_id))

    def _result_of(self, plan: Plan[T]) -> T:
        reply: Reply = None
        while True:
            try:
                action = plan.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = self._perform(action)

    def _items_of(self, plan: ItemPlan[T]) -> Iterator[T]:
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
                reply = self._perform(action)

    def _perform(self, action: Request | Pause) -> Reply:
        if isinstance(action, Pause):
            self._sleep(action.seconds)
            return None
        token = self._current_token()
        reply = _send(self._http, self._address, action, token)
        if isinstance(reply, Answer) and reply.status == 401 and (newer := self._current_token()) != token:
            reply = _send(self._http, self._address, action, newer)
        return reply

    def _current_token(self) -> str:
        return self._token() if callable(self._token) else self._token


def _send(http: httpx.Client, address: Address, request: Request, token: str) -> Answer | NoAnswer:
    try:
        response = http.send(address.http_request(http, request, token), stream=True)
        body = ResponseBody(response, request.timeout_seconds)
        try:
            for chunk in response.iter_bytes():
                body.add(chunk)
        finally:
            response.close()
    except httpx.HTTPError as error:
        return NoAnswer(address.describe_failure(error))
    return body.answer
