"""The calls that stream, as one answer that goes on for minutes: an ASGI app behind a function URL.

The same calls as the API's own, which hands out what is new in windows; clients of either need not know which it is.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable

from aws_lambda_powertools.event_handler import Response

from asgi import HEARTBEAT, LONGEST, Pace, Receive, Request, Scope, Send, encoded, stream
from identity import Tokens
from outlive.ai_sdk.chunks import HEADERS
from outlive.ai_sdk.request import check_chat
from outlive.chat import Chat, Listener
from outlive.clock import Clock
from outlive.errors import InternalError, Problem, ReadFailed, RouteNotFound, RunNotFound, StoreError
from outlive.follow.sse import KIND, RETRY, framed
from outlive.http import problem
from outlive.log import cause, logger, unexpected
from outlive.request import check_chat_id, is_run_id
from outlive.start import Start
from outlive.tail import Tail, Window
from outlive.wiring import new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL", "JWT_ISSUER", "JWT_AUDIENCE")
pace = Pace(
    heartbeat=float(os.environ.get("STREAM_HEARTBEAT_SECONDS") or HEARTBEAT),
    longest=float(os.environ.get("STREAM_SECONDS") or LONGEST),
)
clock = Clock()
table = table_of(settings)
tail = Tail(table, clock, new_id)
start = Start(table, queue_of(settings), clock, new_id, settings, lambda: random.uniform(0.5, 1.5))
chat = Chat(table, tail, clock)
tokens = Tokens(
    os.environ["JWT_ISSUER"],
    os.environ["JWT_AUDIENCE"].split(","),
    settings.workspace_claim,
    time.monotonic,
    settings.deps_claims,
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
    except Problem as error:
        await _reply(send, problem(error))
    except StoreError as error:
        logger.error("store_failed", cause=cause(error))
        await _reply(send, problem(ReadFailed("try again")))
    except Exception as error:
        unexpected("request_failed", error)
        await _reply(send, problem(InternalError("the log of this request says more")))


async def _answer(request: Request, send: Send) -> None:
    match request.method, request.path:
        case "POST", ("api", "chat"):
            await _send_message(request, send)
        case "GET", ("api", "chat", chat_id, "stream"):
            await _chat_stream(request, send, chat_id)
        case "GET", ("runs", run_id, "events"):
            caller = await asyncio.to_thread(tokens.caller, request.header("Authorization"))
            if not is_run_id(run_id):
                raise RunNotFound("no run of yours has this id")
            await _events(
                request, send, lambda at, named: tail.after(caller.workspace_id, caller.user, run_id, at, 0, named)
            )
        case "GET", ("tickets", ticket, "events"):
            await _events(request, send, lambda at, named: tail.admitted(ticket, at, 0, named))
        case _:
            raise RouteNotFound("there is no such route")


async def _send_message(request: Request, send: Send) -> None:
    caller = await asyncio.to_thread(tokens.caller, request.header("Authorization"))
    asked = check_chat(await request.body(), settings.max_steps)
    started = await asyncio.to_thread(start.run, caller.workspace_id, caller.user, asked, caller.claims)
    headers = {"Location": f"/runs/{started.run.id}"}
    if started.replayed:
        headers["Idempotency-Replayed"] = "true"
    listener = chat.from_the_start(caller.workspace_id, caller.user, asked.chat_id, started.run.id)
    await stream(send, request, {**HEADERS, **headers, "Content-Type": KIND}, _hearing(listener), "", pace)


async def _chat_stream(request: Request, send: Send, chat_id: str) -> None:
    caller = await asyncio.to_thread(tokens.caller, request.header("Authorization"))
    check_chat_id(chat_id)
    after = request.query("after")
    listener = await asyncio.to_thread(chat.listener, caller.workspace_id, caller.user, chat_id, after)
    said = None if listener is None else await asyncio.to_thread(_first, listener)
    if listener is None or said is None:
        await _reply(send, Response(204, body=""))
        return
    await stream(send, request, {**HEADERS, "Content-Type": KIND}, _hearing(listener), said, pace)


def _first(listener: Listener) -> str | None:
    try:
        return chat.more(listener)
    except RunNotFound:
        return None


def _hearing(listener: Listener) -> Callable[[], tuple[str, bool]]:
    def look() -> tuple[str, bool]:
        if listener.over:
            return "", True
        try:
            said = chat.more(listener)
        except StoreError:
            return "", False  # the next look may be luckier
        return said or "", said is None or listener.over

    return look


async def _events(request: Request, send: Send, read: Callable[[str | None, str], Window | None]) -> None:
    last = request.header("Last-Event-ID")
    first = await asyncio.to_thread(read, *((last, "Last-Event-ID") if last else (request.query("after"), "after")))
    if first is None:
        await _reply(send, Response(204, body=""))
        return
    at = first.cursor

    def look() -> tuple[str, bool]:
        nonlocal at
        try:
            window = read(at, "after")
        except StoreError:
            return "", False
        except Problem:
            return "", True  # the ticket is over: whoever comes back is told
        if window is None:
            return "", True
        at = window.cursor
        return "".join(map(framed, window.events)), False

    said = "".join([f"retry: {RETRY}\n\n", *map(framed, first.events)])
    await stream(send, request, {"Cache-Control": "no-store", "Content-Type": KIND}, look, said, pace)


async def _reply(send: Send, response: Response[str]) -> None:
    headers = {
        "Cache-Control": "no-store",
        **({"Content-Type": response.content_type} if response.content_type else {}),
    }
    await send({"type": "http.response.start", "status": response.status_code, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": (response.body or "").encode()})
