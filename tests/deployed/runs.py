"""Starting runs over HTTP and watching them, as a client does."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from proof.stacks.deployed import Answer, Stack, until
from tests.handlers.event_reader import EventReader

LOOK_EVERY = 0.3
"""Seconds between two looks: many tests wait at once."""


def new_chat() -> str:
    """The id of a new chat."""
    return f"chat-{uuid.uuid4().hex}"


def script(*entries: dict[str, Any]) -> str:
    """The prompt that has the offline model do this."""
    return f"#script {json.dumps(entries)}"


def held(text: str, until: str, **more: Any) -> dict[str, Any]:
    """An entry whose text streams until `stack.release(until)`, and then comes to its end at once."""
    return {"text": text, "seconds": 300, "until": until, **more}


def ask(stack: Stack, chat: str, *entries: dict[str, Any], **how: Any) -> Answer:
    """The answer to a start with this script."""
    return stack.call("POST", f"/chats/{chat}/runs", {"prompt": script(*entries)}, **how)


def begin(stack: Stack, *entries: dict[str, Any], chat: str | None = None, **how: Any) -> dict[str, Any]:
    """The run that was started with this script, in a chat of its own unless one is given."""
    how["headers"] = {"Idempotency-Key": uuid.uuid4().hex} | (how.get("headers") or {})
    answer = ask(stack, chat or new_chat(), *entries, **how)
    assert answer.status == 202, answer
    run: dict[str, Any] = answer.body["run"]
    return run


def seen(stack: Stack, run: dict[str, Any], **how: Any) -> dict[str, Any]:
    """The run and its message as they are now."""
    answer = stack.call("GET", f"/runs/{run['id']}", **how)
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def once(stack: Stack, run: dict[str, Any], is_it: Callable[[dict[str, Any]], bool], **how: Any) -> dict[str, Any]:
    """The run and its message as soon as `is_it` is true of the run."""
    return until(lambda: seen(stack, run, **how), lambda body: bool(is_it(body["run"])), every=2 * LOOK_EVERY)


def ended(stack: Stack, run: dict[str, Any], workspace: str = "acme", **how: Any) -> dict[str, Any]:
    """The run and its message, read right after the run has ended."""
    until(lambda: stack.row(run, "finished_at", workspace=workspace)["finished_at"], every=LOOK_EVERY)
    body = seen(stack, run, **how)
    assert body["run"]["finished_at"] is not None
    return body


def running(stack: Stack, run: dict[str, Any], step: int = 0) -> dict[str, Any]:
    """The run and its message as soon as a worker has claimed this step."""
    until(
        lambda: stack.row(run, "claimed_step", "lease_until"),
        lambda row: row["claimed_step"] == str(step) and row["lease_until"] is not None,
        every=LOOK_EVERY,
    )
    return seen(stack, run)


def showing(
    stack: Stack,
    run: dict[str, Any],
    is_it: Callable[[EventReader], Any],
    reader: EventReader | None = None,
    cursor: str = "",
) -> tuple[EventReader, str]:
    """A reader of an active run as soon as `is_it` is true of it, and the query that continues from there."""
    reader = reader or EventReader()
    while not is_it(reader):
        answer = stack.call("GET", f"/runs/{run['id']}/events?wait=10{cursor}")
        assert answer.status == 200, f"the run ended first: {reader.run}"
        reader.take(answer.body["events"])
        cursor = f"&after={answer.body['cursor']}"
    return reader, cursor


def stop(stack: Stack, run: dict[str, Any], **how: Any) -> dict[str, Any]:
    """The answer to a stop of this run."""
    answer = stack.call("POST", f"/runs/{run['id']}/stop", **how)
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def transcript(stack: Stack, chat: str, query: str = "", **how: Any) -> list[dict[str, Any]]:
    """The chat's messages, page by page."""
    messages: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = stack.call("GET", f"/chats/{chat}/messages?{query}{cursor}", **how)
        assert answer.status == 200, answer
        messages += answer.body["messages"]
        if answer.body["cursor"] is None:
            return messages
        cursor = f"&cursor={answer.body['cursor']}"


def shape(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Role and status of each message."""
    return [(message["role"], message["status"]) for message in messages]


def outcome(run: dict[str, Any]) -> tuple[Any, Any, Any]:
    """How the run ended: status, finish reason, code of the error."""
    return run["status"], run["finish_reason"], run["error"] and run["error"]["code"]


def complaints(stack: Stack) -> list[str]:
    """The log lines that no behaviour of clients or death of workers explains: errors, stack traces, tokens."""
    lines = [line for line in (*stack.log.splitlines(), *stack.logged()) if line not in stack.expected_complaints]
    return [line for line in lines if any(mark in line for mark in WORRYING) and not any(late in line for late in LATE)]


LATE = tuple(f'"cause":"StoreUnanswered: {late}"' for late in ("ReadTimeoutError", "ConnectTimeoutError"))
"""One of our own lines whose whole cause is that the local AWS did not answer in the seconds that the store is given. Only a
clock makes such a line: the machine was too busy, as the emulator shares it with all workers and with the tests."""

WORRYING = (
    *("Traceback (most recent call last)", "exception_name", "stack_trace", "Exception:", "Error:", "AccessDenied"),
    *('"level":"ERROR"', '"level":"CRITICAL"', "Bearer ", "eyJ", "PRIVATE KEY"),
)
