"""POST /chats/{chat_id}/runs: accepts a run."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.caller import Caller
from outlive.clock import Clock
from outlive.errors import PromptTooLong
from outlive.http import Api, answer, run_headers
from outlive.request import ChatId, check_start
from outlive.start import START_PROBLEMS, Start
from outlive.views import view_run
from outlive.wiring import bucket_of, jitter, new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL")
api = Api(settings.workspace_claim, settings.deps_claims)
start = Start(table_of(settings), queue_of(settings), Clock(), new_id, settings, jitter, bucket_of(settings))


@api.post("/chats/<chat_id>/runs", problems=[*START_PROBLEMS, PromptTooLong])
def start_run(caller: Caller, chat_id: ChatId) -> Response[str]:
    """Start a run in the chat."""
    request = check_start(chat_id, api.header("Idempotency-Key"), api.body, settings.max_steps)
    started = start.run(caller, request)
    headers = run_headers(started.run.id, replayed=started.replayed)
    return answer({"run": view_run(started.run, started.last, started.queue_position)}, 202, headers)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
