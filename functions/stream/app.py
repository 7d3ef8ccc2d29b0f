"""The calls that stream, as one answer that goes on for minutes: an ASGI app behind a function URL.

The API has the same calls and answers them in windows; a client can use either without a difference.
"""

import asyncio
import os
import time
from collections.abc import Callable

from aws_lambda_powertools.event_handler import Response

from asgi import HEARTBEAT_S, MAX_STREAM_S, Pace, Receive, Request, Scope, Send, encoded, stream
from identity import Tokens
from outlive.ai_sdk.chunks import HEADERS
from outlive.ai_sdk.request import ChatAnswers, check_chat
from outlive.answer import Answers
from outlive.caller import Caller
from outlive.chat import ChatReader, Chats
from outlive.clock import Clock
from outlive.errors import Problem, RouteNotFound, RunNotFound, StoreError
from outlive.follow.sse import KIND, RETRY_MS, framed
from outlive.http import cursor_asked, cursor_from, problem_of, run_headers
from outlive.limits import Limits
from outlive.request import check_chat_id, check_run_id
from outlive.start import Start
from outlive.tail import Tail, Window
from outlive.wiring import bucket_of, jitter, new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL", "JWT_ISSUER", "JWT_AUDIENCE")
pace = Pace(
    heartbeat=float(os.environ.get("STREAM_HEARTBEAT_SECONDS") or HEARTBEAT_S),
    longest=float(os.environ.get("STREAM_SECONDS") or MAX_STREAM_S),
)
clock = Clock()
table = table_of(settings)
limits = Limits(table, clock, settings)
tail = Tail(table, clock, new_id, limits)
queue = queue_of(settings)
start = Start(table, queue, clock, new_id, settings, jitter, bucket_of(settings))
answers = Answers(table, queue, clock, settings)
chats = Chats(table, tail, clock)
tokens = Tokens(
    os.environ["JWT_ISSUER"],
    os.environ["JWT_AUDIENCE"].split(","),
    settings.workspace_claim,
    time.monotonic,
    settings.deps_claims,
    os.environ.get("REQUIRED_SCOPE", ""),
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    request = Request(scope, receive)
    try:
        await _answer(request, send)
    except Exception as error:
        await _reply(send, problem_of(error))


async def _answer(request: Request, send: Send) -> None:
    match request.method, request.path:
        case "POST", ("api", "chat"):
            await _send_message(request, send)
        case "GET", ("api", "chat", chat_id, "stream"):
            await _chat_stream(request, send, chat_id)
        case "GET", ("runs", run_id, "events"):
            caller = await asyncio.to_thread(tokens.caller, request.header("Authorization"))
            run = check_run_id(run_id)
            await _events(request, send, caller, lambda at: tail.after(caller, run, at, 0))
        case "GET", ("tickets", ticket, "events"):
            owner, _ = await asyncio.to_thread(tail.owner, ticket)
            await _events(request, send, owner, lambda at: tail.admitted(ticket, at, 0))
        case _:
            raise RouteNotFound("there is no such route")


async def _send_message(request: Request, send: Send) -> None:
    caller = await asyncio.to_thread(tokens.caller, request.header("Authorization"))
    chat_request = check_chat(await request.body(), settings.max_steps)
    replayed = False
    if isinstance(chat_request, ChatAnswers):
        reader = await asyncio.to_thread(chats.answered, answers, caller, chat_request)
    else:
        started = await asyncio.to_thread(start.run, caller, chat_request)
        reader, replayed = chats.from_the_start(caller, chat_request.chat_id, started.run.id), started.replayed
    headers = {**HEADERS, **run_headers(reader.run_id, replayed=replayed), "Content-Type": KIND}
    await stream(send, request, headers, _chunks_of(reader), "", pace)


async def _chat_stream(request: Request, send: Send, chat_id: str) -> None:
    caller = await asyncio.to_thread(tokens.caller, request.header("Authorization"))
    await asyncio.to_thread(limits.admit_held_read, caller, new_id())
    with cursor_from("after"):
        reader = await asyncio.to_thread(chats.reader, caller, check_chat_id(chat_id), request.query("after"))
    first = None if reader is None else await asyncio.to_thread(_first, reader)
    if reader is None or first is None:
        await _reply(send, Response(204, body=""))
        return
    await stream(send, request, {**HEADERS, "Content-Type": KIND}, _chunks_of(reader), first, pace)


def _first(reader: ChatReader) -> str | None:
    try:
        return chats.next_chunks(reader)
    except RunNotFound:
        return None


def _chunks_of(reader: ChatReader) -> Callable[[], tuple[str, bool]]:
    def look() -> tuple[str, bool]:
        if reader.ended:
            return "", True
        try:
            chunks = chats.next_chunks(reader)
        except StoreError:
            return "", False  # the next look may succeed
        return chunks or "", chunks is None or reader.ended

    return look


async def _events(request: Request, send: Send, caller: Caller, read: Callable[[str | None], Window | None]) -> None:
    cursor, field = cursor_asked(request.header("Last-Event-ID"), request.query("after"))
    # A stream waits for news, however often it looks: it costs its caller one token.
    await asyncio.to_thread(limits.admit_held_read, caller, new_id())
    with cursor_from(field):
        first = await asyncio.to_thread(read, cursor)
    if first is None:
        await _reply(send, Response(204, body=""))
        return
    at = first.cursor

    def look() -> tuple[str, bool]:
        nonlocal at
        try:
            window = read(at)
        except StoreError:
            return "", False
        except Problem:
            return "", True  # the ticket has expired: a client that reconnects gets 401
        if window is None:
            return "", True
        at = window.cursor
        return "".join(map(framed, window.events)), False

    chunks = "".join([f"retry: {RETRY_MS}\n\n", *map(framed, first.events)])
    await stream(send, request, {"Cache-Control": "no-store", "Content-Type": KIND}, look, chunks, pace)


async def _reply(send: Send, response: Response[str]) -> None:
    headers = {
        "Cache-Control": "no-store",
        **({"Content-Type": response.content_type} if response.content_type else {}),
        **{name: str(value) for name, value in response.headers.items()},
    }
    await send({"type": "http.response.start", "status": response.status_code, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": (response.body or "").encode()})
