"""POST /chats/{chat_id}/stop and POST /runs/{run_id}/stop: stops a run."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.clock import Clock
from outlive.http import Api, answer
from outlive.request import check_chat_id, is_run_id
from outlive.stop import Stop, Stopped
from outlive.views import view_run
from outlive.wiring import new_id, settings_of, table_of

settings = settings_of()
api = Api(settings.workspace_claim)
stop = Stop(table_of(settings), Clock(), new_id)


@api.post("/chats/<chat_id>/stop")
def stop_chat(chat_id: str) -> Response[str]:
    """Stop the chat's active run."""
    caller = api.caller
    return _answer(stop.of_chat(caller.workspace_id, caller.user, check_chat_id(api.parameter("chat_id"))))


@api.post("/runs/<run_id>/stop")
def stop_run(run_id: str) -> Response[str]:
    """Stop this run."""
    caller, asked = api.caller, api.parameter("run_id")
    return _answer(stop.of_run(caller.workspace_id, caller.user, asked) if is_run_id(asked) else Stopped(False))


def _answer(stopped: Stopped) -> Response[str]:
    run = view_run(stopped.run, stopped.last) if stopped.run is not None else None
    return answer({"stopped": stopped.stopped, "run": run})


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
