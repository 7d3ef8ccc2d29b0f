"""POST /chats/{chat_id}/runs: accepts a run."""

import random
from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.clock import Clock
from outlive.http import Api, answer
from outlive.request import check_start
from outlive.start import Start
from outlive.views import view_run
from outlive.wiring import new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL")
api = Api(settings.workspace_claim, settings.deps_claims)
start = Start(table_of(settings), queue_of(settings), Clock(), new_id, settings, lambda: random.uniform(0.5, 1.5))


@api.post("/chats/<chat_id>/runs")
def start_run(chat_id: str) -> Response[str]:
    """Start a run in the chat."""
    caller = api.caller
    request = check_start(api.parameter("chat_id"), api.header("Idempotency-Key"), api.body, settings.max_steps)
    started = start.run(caller.workspace_id, caller.user, request, caller.claims)
    headers = {"Location": f"/runs/{started.run.id}"}
    if started.replayed:
        headers["Idempotency-Replayed"] = "true"
    return answer({"run": view_run(started.run, started.last)}, 202, headers)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
