"""Every GET: runs and messages, for whoever owns the chat."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.errors import RunNotFound
from outlive.http import Api, answer
from outlive.read import Read
from outlive.request import check_chat_id, check_limit, is_run_id
from outlive.wiring import settings_of, table_of

settings = settings_of()
api = Api(settings.workspace_claim)
read = Read(table_of(settings))


@api.get("/chats/<chat_id>/run")
def latest_run(chat_id: str) -> Response[str]:
    """The chat's latest run and its assistant message."""
    caller = api.caller
    run, message = read.latest(caller.workspace_id, caller.user, check_chat_id(api.parameter("chat_id")))
    return answer({"run": run, "message": message})


@api.get("/runs/<run_id>")
def one_run(run_id: str) -> Response[str]:
    """A run and its assistant message."""
    caller, asked = api.caller, api.parameter("run_id")
    if not is_run_id(asked):
        raise RunNotFound("no run of yours has this id")
    run, message = read.one(caller.workspace_id, caller.user, asked)
    return answer({"run": run, "message": message})


@api.get("/chats/<chat_id>/messages")
def list_messages(chat_id: str) -> Response[str]:
    """The chat's messages, oldest first."""
    caller = api.caller
    chat, limit = check_chat_id(api.parameter("chat_id")), check_limit(api.query("limit"))
    messages, cursor = read.messages(caller.workspace_id, caller.user, chat, limit, api.query("cursor"))
    return answer({"messages": messages, "cursor": cursor})


@api.get("/chats/<chat_id>/runs")
def list_runs(chat_id: str) -> Response[str]:
    """The chat's runs, newest first."""
    caller = api.caller
    chat, limit = check_chat_id(api.parameter("chat_id")), check_limit(api.query("limit"))
    runs, cursor = read.runs(caller.workspace_id, caller.user, chat, limit, api.query("cursor"))
    return answer({"runs": runs, "cursor": cursor})


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
