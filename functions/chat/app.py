"""POST /api/chat and GET /api/chat/{chat_id}/stream: what the AI SDK's chat clients call."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.ai_sdk.chunks import HEADERS
from outlive.ai_sdk.request import ChatAnswers, check_chat
from outlive.answer import ANSWER_PROBLEMS, Answers
from outlive.caller import Caller
from outlive.chat import Chats
from outlive.clock import Clock
from outlive.errors import PromptTooLong, ReadFailed, TooManyRequests
from outlive.follow.sse import KIND
from outlive.http import Api, cursor_from, nothing, run_headers
from outlive.limits import Limits
from outlive.request import MAX_WAIT_S, ChatId, check_wait
from outlive.start import START_PROBLEMS, Start
from outlive.tail import Tail
from outlive.wiring import bucket_of, jitter, new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL")
api = Api(settings.workspace_claim, settings.deps_claims)
clock = Clock()
table = table_of(settings)
queue = queue_of(settings)
start = Start(table, queue, clock, new_id, settings, jitter, bucket_of(settings))
answers = Answers(table, queue, clock, settings)
chats = Chats(table, Tail(table, clock, new_id, Limits(table, clock, settings)), clock)


@api.post("/api/chat", problems=[*START_PROBLEMS, *ANSWER_PROBLEMS, PromptTooLong])
def send_message(caller: Caller) -> Response[str]:
    """Start a run with a chat client's last message, or answer the calls it waits for, and stream what follows."""
    wait = _wait()
    request = check_chat(api.body, settings.max_steps)
    if isinstance(request, ChatAnswers):
        stream = chats.answer(answers, caller, request, wait)
        return Response(200, KIND, stream, headers={**HEADERS, **run_headers(request.run_id, replayed=False)})
    started, stream = chats.start(start, caller, request, wait)
    headers = {**HEADERS, **run_headers(started.run.id, replayed=started.replayed)}
    return Response(200, KIND, stream, headers=headers)


@api.get("/api/chat/<chat_id>/stream", problems=[TooManyRequests, ReadFailed])
def chat_stream(caller: Caller, chat_id: ChatId) -> Response[str]:
    """The chat's active run as a stream, from its start or after a cursor."""
    with cursor_from("after"):
        stream = chats.stream(caller, chat_id, api.query("after"), _wait())
    return nothing() if stream is None else Response(200, KIND, stream, headers=HEADERS)


def _wait() -> float | None:
    wait = api.query("wait")
    return None if wait is None else check_wait(wait, MAX_WAIT_S)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
