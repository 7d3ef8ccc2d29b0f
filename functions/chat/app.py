"""POST /api/chat and GET /api/chat/{chat_id}/stream: what the AI SDK's chat clients call."""

import random
from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.ai_sdk.chunks import HEADERS
from outlive.ai_sdk.request import check_chat
from outlive.chat import Chat
from outlive.clock import Clock
from outlive.follow.sse import KIND
from outlive.http import Api, nothing
from outlive.request import MAX_WAIT, check_chat_id, check_wait
from outlive.start import Start
from outlive.tail import Tail
from outlive.wiring import new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL")
api = Api(settings.workspace_claim, settings.deps_claims)
clock = Clock()
table = table_of(settings)
start = Start(table, queue_of(settings), clock, new_id, settings, lambda: random.uniform(0.5, 1.5))
chat = Chat(table, Tail(table, clock, new_id), clock)


@api.post("/api/chat")
def send_message() -> Response[str]:
    """Start a run with a chat client's last message, and stream its answer."""
    caller, wait = api.caller, _wait()
    request = check_chat(api.body, settings.max_steps)
    started, said = chat.start(start, caller.workspace_id, caller.user, request, wait, caller.claims)
    headers = {**HEADERS, "Location": f"/runs/{started.run.id}"}
    if started.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(200, KIND, said, headers=headers)


@api.get("/api/chat/<chat_id>/stream")
def chat_stream(chat_id: str) -> Response[str]:
    """The chat's active run as a stream, from its start or after a cursor."""
    caller, asked = api.caller, check_chat_id(api.parameter("chat_id"))
    said = chat.stream(caller.workspace_id, caller.user, asked, api.query("after"), _wait())
    return nothing() if said is None else Response(200, KIND, said, headers=HEADERS)


def _wait() -> float | None:
    asked = api.query("wait")
    return None if asked is None else check_wait(asked, MAX_WAIT)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
