"""Every call of the API as a plan: its request, how its answer is read, and when it is retried."""

import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from outlive_client.errors import BadAnswer
from outlive_client.events import RunEvent, SettledEvent, StepEvent, Window, read_events
from outlive_client.plans import CALL_TRIES, Answer, Item, ItemPlan, Pause, Plan, Request, call
from outlive_client.views import Answered, Latest, Message, Queued, Run, Snapshot, Started, Stopped, Ticket

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)

PAGE_SIZE = 100
WINDOW_SECONDS = 20.0
"""How long the API waits for a new event; gateways allow little more."""
MAX_WATCH_FAILURES = 12
"""Consecutive failures after which watching ends with the error; with their pauses they take at least 40 seconds."""
MAX_SEEN_IDS = 10_000
"""How many of the latest event ids are remembered, to recognise repeated events."""
WAITING_SECONDS = 10.0
"""The pause between two windows while the run waits for answers, which can take days; these windows return at once."""
IDLE_SECONDS = 0.2
"""The pause after a window without new events, in case the server does not wait."""


def start(
    chat_id: str,
    prompt: str,
    *,
    agent: str | None,
    max_steps: int | None,
    metadata: Mapping[str, Any] | None,
    files: Sequence[str],
    key: str | None,
    on_busy: str | None,
    supersedes: str | None,
) -> Plan[Started]:
    """Start a run. Every try sends the same key, so a lost answer never starts a second run."""
    key = key or str(uuid.uuid4())
    body: dict[str, Any] = {"prompt": prompt}
    if agent is not None:
        body["agent"] = agent
    if max_steps is not None:
        body["budget"] = {"max_steps": max_steps}
    if metadata is not None:
        body["metadata"] = dict(metadata)
    if on_busy is not None:
        body["on_busy"] = on_busy
    if supersedes is not None:
        body["run_id"] = supersedes
    if files:
        body["files"] = list(files)

    def read(answer: Answer) -> Started:
        replayed = answer.headers.get("idempotency-replayed", "").lower() == "true"
        return Started(run=msgspec.json.decode(answer.body, type=_Accepted).run, replayed=replayed, key=key)

    headers = {"Content-Type": "application/json", "Idempotency-Key": _header(key)}
    return call(Request("POST", chat_path(chat_id, "runs"), headers=headers, body=encoded(body)), read)


def run(run_id: str, tries: int = CALL_TRIES) -> Plan[Snapshot]:
    """Read a run and its message."""
    return call(Request("GET", _run(run_id)), _reader(Snapshot), tries)


def latest(chat_id: str) -> Plan[Latest]:
    """Read the chat's latest run and its message."""
    return call(Request("GET", chat_path(chat_id, "run")), _reader(Latest))


def stop_run(run_id: str) -> Plan[Stopped]:
    """Stop this run."""
    return call(Request("POST", _run(run_id, "stop")), _reader(Stopped))


def stop_chat(chat_id: str) -> Plan[Stopped]:
    """Stop the run that is active in the chat now and those behind it, by their ids: a retried stop of the chat could stop
    a later run.
    """
    # The last one first, as the API does: none of them begins because another one was stopped.
    waiting = [queued.run.id for queued in (yield from queue(chat_id))]
    current_run = (yield from latest(chat_id)).run
    stopped = Stopped(stopped=False, run=None)
    for run_id in dict.fromkeys(reversed(waiting)):
        taken_back = yield from stop_run(run_id)
        stopped = taken_back if taken_back.stopped else stopped
    if current_run is None or current_run.ended:
        return stopped
    active = yield from stop_run(current_run.id)
    return active if active.stopped or not stopped.stopped else stopped


def queue(chat_id: str) -> Plan[list[Queued]]:
    """Read the runs that wait in the chat."""
    return call(Request("GET", chat_path(chat_id, "queue")), lambda answer: _reader(_Queue)(answer).queue)


def answer(run_id: str, answers: Mapping[str, Mapping[str, Any]], step: int | None = None) -> Plan[Answered]:
    """Answer calls of this run. A try that is repeated changes nothing."""
    body: dict[str, Any] = {"answers": {call_id: dict(decision) for call_id, decision in answers.items()}}
    body |= {} if step is None else {"step": step}
    headers = {"Content-Type": "application/json"}
    return call(Request("POST", _run(run_id, "answers"), headers=headers, body=encoded(body)), _reader(Answered))


def ticket(run_id: str) -> Plan[Ticket]:
    """Get a ticket for this run's events."""
    return call(Request("POST", _run(run_id, "ticket")), _reader(Ticket))


def messages(chat_id: str, limit: int | None) -> ItemPlan[Message]:
    """Read the chat's messages, page by page."""
    return _pages(chat_path(chat_id, "messages"), _reader(_Messages), limit)


def runs(chat_id: str, limit: int | None) -> ItemPlan[Run]:
    """Read the chat's runs, page by page."""
    return _pages(chat_path(chat_id, "runs"), _reader(_Runs), limit)


def events(run_id: str, after: str | None, wait: float) -> Plan[Window]:
    """Read one window of events."""
    return call(_window(run_id, after, wait), _read_window)


def watch(run_id: str, after: str | None, *, until_waiting: bool = False) -> ItemPlan[Any]:
    """Yield every event after the cursor `after`, once each and in order, until the run has ended.

    With `until_waiting` also until it waits for answers. Otherwise a run that waits is looked at every WAITING_SECONDS.

    A window counts only if it is complete and valid; otherwise it is requested again. The events of a window that a
    proxy repeats are ignored by their ids, and such a window never moves the cursor back.
    """
    seen_ids: dict[str, None] = {} if after is None else {after: None}
    status = ""
    while True:
        is_waiting = status == "waiting" or (until_waiting and not status)
        request = _window(run_id, after, 0 if is_waiting else WINDOW_SECONDS)
        window = yield from call(request, _read_window, MAX_WATCH_FAILURES)
        if window.over:
            return
        new_events = [event for event in window.events if event.id not in seen_ids]
        for event in new_events:
            seen_ids[event.id] = None
            yield Item(event)
            if isinstance(event, RunEvent):
                status = event.run.status
            if isinstance(event, SettledEvent) or (until_waiting and isinstance(event, StepEvent) and event.waits):
                return
        if window.cursor is not None and (new_events or window.cursor not in seen_ids):
            after = window.cursor
            seen_ids[after] = None
        while len(seen_ids) > MAX_SEEN_IDS:
            del seen_ids[next(iter(seen_ids))]
        if new_events:
            continue
        # A reader that begins behind the run's latest events has not received its status.
        status = status or (yield from run(run_id, MAX_WATCH_FAILURES)).run.status
        if until_waiting and status == "waiting":
            return
        yield Pause(WAITING_SECONDS if status == "waiting" else IDLE_SECONDS)


# ------------------------------------------------------------------ requests


def chat_path(chat_id: str, action: str) -> str:
    """The path of this action of the chat."""
    return f"/chats/{segment(chat_id, 'chat id')}/{action}"


def _run(run_id: str, action: str = "") -> str:
    return f"/runs/{segment(run_id, 'run id')}" + (f"/{action}" if action else "")


def segment(value: str, name: str) -> str:
    """`value` as exactly one segment of a path. Raises ValueError if it can't be one."""
    # Quoting leaves "." and ".." as they are, and they would lead to another call.
    if not value.strip("."):
        raise ValueError(f"{value!r} is not a {name}")
    return quote(value, safe="", errors="replace")


def _header(key: str) -> str:
    if not key.isascii() or not key.isprintable():
        raise ValueError("an idempotency key must consist of printable ASCII characters")
    return key


def encoded(body: object) -> bytes:
    """The body as JSON. Raises ValueError if it has no such form."""
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the value has no JSON form: {error}") from None


def _pages(path: str, read: "Callable[[Answer], _Page[V]]", limit: int | None) -> ItemPlan[V]:
    cursor: str | None = None
    remaining = sys.maxsize if limit is None else limit
    while remaining > 0:
        query = {"limit": str(min(remaining, PAGE_SIZE))} | ({"cursor": cursor} if cursor else {})
        page = yield from call(Request("GET", path, query=query), read)
        for item in page.items[:remaining]:
            yield Item(item)
        if page.cursor == cursor and cursor is not None:
            raise BadAnswer("the list repeats a page", 200)
        remaining -= len(page.items)
        cursor = page.cursor
        if not cursor:
            return


def _window(run_id: str, after: str | None, wait: float) -> Request:
    query = {"wait": f"{round(wait, 3):g}"} | ({"after": after} if after else {})
    return Request("GET", _run(run_id, "events"), query=query, timeout_seconds=wait + 15)


# ------------------------------------------------------------------ answers


class _Accepted(msgspec.Struct):
    run: Run


class _Page(Protocol[V_co]):
    @property
    def items(self) -> Sequence[V_co]: ...
    @property
    def cursor(self) -> str | None: ...


class _Messages(msgspec.Struct, frozen=True):
    items: list[Message] = msgspec.field(name="messages")
    cursor: str | None = None


class _Runs(msgspec.Struct, frozen=True):
    items: list[Run] = msgspec.field(name="runs")
    cursor: str | None = None


class _Queue(msgspec.Struct):
    queue: list[Queued]


class _Events(msgspec.Struct):
    events: list[msgspec.Raw]
    cursor: str | None = None


def _reader(kind: type[V]) -> Callable[[Answer], V]:
    return lambda answer: msgspec.json.decode(answer.body, type=kind)


def _read_window(answer: Answer) -> Window:
    if answer.status == 204:
        return Window(over=True)
    body = msgspec.json.decode(answer.body, type=_Events)
    return Window(events=read_events(body.events), cursor=body.cursor)
