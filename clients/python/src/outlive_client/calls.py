"""Every call of the API as a plan: what is asked, how its answer is read, and when it is asked again."""

import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from outlive_client.asking import Answer, Ask, Flow, Item, Pause, Plan, asked, backoff, understood
from outlive_client.errors import BadAnswer, OutliveError
from outlive_client.events import SettledEvent, Window, read_events
from outlive_client.views import Latest, Message, Run, Snapshot, Started, Stopped, Ticket

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)

PAGE = 100
WINDOW_SECONDS = 20.0
"""How long an answer waits for something new; no gateway allows much more."""
WATCH_TRIES = 12
"""Failures in a row after which watching is given up; with the pauses between them that takes 40 seconds or more."""
REMEMBERED = 10_000
"""Events told last that would be known if they came again."""
IDLE_SECONDS = 0.2
"""Between two windows without news, should a server not wait as it was asked to."""


def start(
    chat_id: str, prompt: str, *, max_steps: int | None, metadata: Mapping[str, Any] | None, key: str | None
) -> Plan[Started]:
    """Start a run, with one key over all tries, so that a lost answer costs nothing."""
    key = key or str(uuid.uuid4())
    body: dict[str, Any] = {"prompt": prompt}
    if max_steps is not None:
        body["budget"] = {"max_steps": max_steps}
    if metadata is not None:
        body["metadata"] = dict(metadata)

    def read(answer: Answer) -> Started:
        replayed = answer.headers.get("idempotency-replayed", "").lower() == "true"
        return Started(run=msgspec.json.decode(answer.body, type=_Accepted).run, replayed=replayed, key=key)

    headers = {"Content-Type": "application/json", "Idempotency-Key": _header(key)}
    return asked(Ask("POST", _chat(chat_id, "runs"), headers=headers, body=_encoded(body)), read)


def run(run_id: str) -> Plan[Snapshot]:
    """A run and its message."""
    return asked(Ask("GET", _run(run_id)), _reader(Snapshot))


def latest(chat_id: str) -> Plan[Latest]:
    """The chat's latest run and its message."""
    return asked(Ask("GET", _chat(chat_id, "run")), _reader(Latest))


def stop_run(run_id: str) -> Plan[Stopped]:
    """Stop this run."""
    return asked(Ask("POST", _run(run_id, "stop")), _reader(Stopped))


def stop_chat(chat_id: str) -> Plan[Stopped]:
    """Stop the run that is active in the chat now: by its id, for a stop of the chat, asked again, could hit a later one."""
    found = yield from latest(chat_id)
    if found.run is None or found.run.ended:
        return Stopped(stopped=False, run=None)
    return (yield from stop_run(found.run.id))


def ticket(run_id: str) -> Plan[Ticket]:
    """A ticket for this run's events."""
    return asked(Ask("POST", _run(run_id, "ticket")), _reader(Ticket))


def messages(chat_id: str, limit: int | None) -> Flow[Message]:
    """The chat's messages, page by page."""
    return _pages(_chat(chat_id, "messages"), _reader(_Messages), limit)


def runs(chat_id: str, limit: int | None) -> Flow[Run]:
    """The chat's runs, page by page."""
    return _pages(_chat(chat_id, "runs"), _reader(_Runs), limit)


def events(run_id: str, after: str | None, wait: float) -> Plan[Window]:
    """One window of events."""
    return asked(_window(run_id, after, wait), _read_window)


def watch(run_id: str, after: str | None) -> Flow[Any]:
    """Every event behind `after`, once each and in order, until the run is over.

    A window counts whole or not at all: one that broke off, or that is no window, is asked for again. One that a proxy repeats is known by
    its events and passed over, and never moves the cursor back.
    """
    told: dict[str, None] = {} if after is None else {after: None}
    failures = 0
    while True:
        reply = yield _window(run_id, after, WINDOW_SECONDS)
        try:
            window: Window | None = understood(reply, _read_window)
        except OutliveError as error:
            failures += 1
            if failures == WATCH_TRIES or not error.passing:
                raise
            window = None
        if window is None:
            yield Pause(backoff(failures, reply))
            continue
        if window.over:
            return
        fresh = [event for event in window.events if event.id not in told]
        for event in fresh:
            told[event.id] = None
            yield Item(event)
            if isinstance(event, SettledEvent):
                return
        if window.cursor is not None and (fresh or window.cursor not in told):
            after = window.cursor
            told[after] = None
        while len(told) > REMEMBERED:
            del told[next(iter(told))]
        failures = 0
        if not fresh:
            yield Pause(IDLE_SECONDS)


# ------------------------------------------------------------------ what is asked


def _chat(chat_id: str, call: str) -> str:
    return f"/chats/{_segment(chat_id, 'chat id')}/{call}"


def _run(run_id: str, call: str = "") -> str:
    return f"/runs/{_segment(run_id, 'run id')}" + (f"/{call}" if call else "")


def _segment(value: str, name: str) -> str:
    """`value` as one segment of a path, and nothing but that. Raises ValueError if it can't be one."""
    # Dots alone are not quoted, and would lead to another call.
    if not value.strip("."):
        raise ValueError(f"{value!r} is no {name}")
    return quote(value, safe="", errors="replace")


def _header(key: str) -> str:
    if not key.isascii() or not key.isprintable():
        raise ValueError("an idempotency key is made of printable ASCII characters")
    return key


def _encoded(body: object) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"this can't be said in JSON: {error}") from None


def _pages(path: str, read: "Callable[[Answer], _Page[V]]", limit: int | None) -> Flow[V]:
    cursor: str | None = None
    left = sys.maxsize if limit is None else limit
    while left > 0:
        query = {"limit": str(min(left, PAGE))} | ({"cursor": cursor} if cursor else {})
        page = yield from asked(Ask("GET", path, query=query), read)
        for item in page.items[:left]:
            yield Item(item)
        if page.cursor == cursor and cursor is not None:
            raise BadAnswer("the list leads back to where it was", 200)
        left -= len(page.items)
        cursor = page.cursor
        if not cursor:
            return


def _window(run_id: str, after: str | None, wait: float) -> Ask:
    query = {"wait": f"{round(wait, 3):g}"} | ({"after": after} if after else {})
    return Ask("GET", _run(run_id, "events"), query=query, seconds=wait + 15)


# ------------------------------------------------------------------ how an answer is read


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


class _Events(msgspec.Struct):
    events: list[msgspec.Raw]
    cursor: str | None = None


def _reader(kind: type[V]) -> Callable[[Answer], V]:
    return lambda answer: msgspec.json.decode(answer.body, type=kind)


def _read_window(answer: Answer) -> Window:
    if answer.status == 204:
        return Window(over=True)
    said = msgspec.json.decode(answer.body, type=_Events)
    return Window(events=read_events(said.events), cursor=said.cursor)
