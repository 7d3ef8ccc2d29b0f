"""Every GET of runs and messages, for the owner of the chat."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.caller import Caller
from outlive.errors import ReadFailed
from outlive.http import Api, answer, cursor_from
from outlive.read import Read
from outlive.request import ChatId, RunId, check_limit
from outlive.wiring import settings_of, table_of

settings = settings_of()
api = Api(settings.workspace_claim, approver_claim=settings.approver_claim)
read = Read(table_of(settings))


@api.get("/chats/<chat_id>/run", problems=[ReadFailed])
def latest_run(caller: Caller, chat_id: ChatId) -> Response[str]:
    """The chat's latest run and its assistant message."""
    run, message = read.latest(caller, chat_id)
    return answer({"run": run, "message": message})


@api.get("/runs/<run_id>", problems=[ReadFailed])
def one_run(caller: Caller, run_id: RunId) -> Response[str]:
    """A run and its assistant message."""
    run, message = read.one(caller, run_id)
    return answer({"run": run, "message": message})


@api.get("/chats/<chat_id>/messages", problems=[ReadFailed])
def list_messages(caller: Caller, chat_id: ChatId) -> Response[str]:
    """The chat's messages, oldest first."""
    with cursor_from("cursor"):
        messages, cursor = read.messages(caller, chat_id, check_limit(api.query("limit")), api.query("cursor"))
    return answer({"messages": messages, "cursor": cursor})


@api.get("/chats/<chat_id>/queue", problems=[ReadFailed])
def chat_queue(caller: Caller, chat_id: ChatId) -> Response[str]:
    """The runs that wait for the chat's slot, the next one first."""
    return answer({"queue": read.queue(caller, chat_id)})


@api.get("/chats/<chat_id>/runs", problems=[ReadFailed])
def list_runs(caller: Caller, chat_id: ChatId) -> Response[str]:
    """The chat's runs, newest first."""
    with cursor_from("cursor"):
        runs, cursor = read.runs(caller, chat_id, check_limit(api.query("limit")), api.query("cursor"))
    return answer({"runs": runs, "cursor": cursor})


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
