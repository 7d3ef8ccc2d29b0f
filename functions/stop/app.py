"""POST /chats/{chat_id}/stop and POST /runs/{run_id}/stop: stops a run."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.caller import Caller
from outlive.clock import Clock
from outlive.errors import StopFailed
from outlive.http import Api, answer
from outlive.request import ChatId, is_run_id
from outlive.stop import Stop, Stopped
from outlive.views import view_run
from outlive.wiring import new_id, queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL")
api = Api(settings.workspace_claim)
stop = Stop(table_of(settings), queue_of(settings), Clock(), new_id, settings)


@api.post("/chats/<chat_id>/stop", problems=[StopFailed])
def stop_chat(caller: Caller, chat_id: ChatId) -> Response[str]:
    """Stop the chat's active run."""
    return _answer(stop.of_chat(caller, chat_id))


@api.post("/runs/<run_id>/stop", problems=[StopFailed])
def stop_run(caller: Caller, run_id: str) -> Response[str]:
    """Stop this run."""
    # An id that no run can have is answered like one that no run of the caller has.
    return _answer(stop.of_run(caller, run_id) if is_run_id(run_id) else Stopped(False))


def _answer(stopped: Stopped) -> Response[str]:
    run = view_run(stopped.run, stopped.last) if stopped.run is not None else None
    return answer({"stopped": stopped.stopped, "run": run})


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
