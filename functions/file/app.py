"""POST /chats/{chat_id}/files and GET /chats/{chat_id}/files/{file_id}: where a file's content goes to and comes from."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.caller import Caller
from outlive.clock import Clock
from outlive.errors import ChatNotFound, ReadFailed
from outlive.file import Files, check_upload
from outlive.http import Api, answer
from outlive.request import ChatId, FileId
from outlive.wiring import bucket_of, new_id, settings_of, table_of

settings = settings_of("FILES_BUCKET")
api = Api(settings.workspace_claim)
files = Files(table_of(settings), bucket_of(settings), Clock(), new_id, settings)


@api.post("/chats/<chat_id>/files", problems=[ChatNotFound, ReadFailed])
def upload_file(caller: Caller, chat_id: ChatId) -> Response[str]:
    """Make the address of an upload."""
    file, upload = files.upload(caller, chat_id, check_upload(api.body))
    return answer({"file": file, "upload": upload}, 201, {"Location": file.url})


@api.get("/chats/<chat_id>/files/<file_id>", problems=[ReadFailed])
def download_file(caller: Caller, chat_id: ChatId, file_id: FileId) -> Response[str]:
    """A file of the chat: redirects to its content."""
    file, download = files.download(caller, chat_id, file_id)
    if "application/json" in (api.header("Accept") or "").lower():
        return answer({"file": file, "download": download})
    return answer({"file": file, "download": download}, 302, {"Location": download.url})


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
