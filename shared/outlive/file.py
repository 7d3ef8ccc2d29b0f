"""Uploads and downloads of a chat's files. The content passes between client and bucket, never through a function."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from outlive.access import chat_to_start_in
from outlive.caller import Caller
from outlive.chat_files import ChatFiles, check_size, check_type
from outlive.clock import SECOND, Clock, iso
from outlive.errors import FileNotFound, InvalidRequest
from outlive.file_ref import MAX_NAME, MAX_NAME_BYTES, address_of
from outlive.request import json_object, sanitized, structured
from outlive.settings import Settings
from outlive.store.bucket import DOWNLOAD_S, UPLOAD_S, Bucket
from outlive.store.table import Table
from outlive.views import Moment

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class UploadBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The file that is to be uploaded."""

    name: Annotated[
        str, msgspec.Meta(min_length=1, max_length=MAX_NAME, description="Its name, as a reader of the chat sees it.")
    ]
    media_type: Annotated[str, msgspec.Meta(description="Its type, one of the deployment's `FileTypes`.")]
    size: Annotated[int, msgspec.Meta(description="Its size in bytes, up to the deployment's `MaxFileMb`.")]


class FileView(msgspec.Struct, frozen=True):
    """A file of a chat. `url` is its path in this API, and does not change."""

    id: str
    name: str
    media_type: str
    size: int
    url: str


class UploadView(msgspec.Struct, frozen=True):
    """The one request that stores the file: a PUT of its content to `url`, with exactly these headers.

    A 412 says that an earlier PUT has stored it.
    """

    url: str
    headers: dict[str, str]
    expires_at: Moment


class DownloadView(msgspec.Struct, frozen=True):
    """Where the content is, without a token, until then."""

    url: str
    expires_at: Moment


def check_upload(body: bytes) -> UploadBody:
    """The upload that the body asks for. Raises InvalidRequest."""
    upload = structured(sanitized(json_object(body)), UploadBody)
    if not upload.name.strip() or CONTROL.search(upload.name):
        raise InvalidRequest("name", "must not be blank or contain control characters")
    if len(upload.name.encode()) > MAX_NAME_BYTES:
        raise InvalidRequest("name", f"must be at most {MAX_NAME_BYTES} bytes in UTF-8")
    return upload


@dataclass(frozen=True, slots=True)
class Files:
    """Makes the addresses of uploads and downloads. To any other user than its owner, a chat's files do not exist."""

    table: Table
    bucket: Bucket | None
    clock: Clock
    new_id: Callable[[], str]
    settings: Settings

    def upload(self, caller: Caller, chat_id: str, request: UploadBody) -> tuple[FileView, UploadView]:
        """A new file's id and address, and the request that stores it. Nothing is stored yet.

        Raises ChatNotFound or InvalidRequest.
        """
        check_type("media_type", request.media_type, self.settings)
        check_size("size", request.size, self.settings)
        chat_to_start_in(self.table, caller, chat_id)
        file_id, until = self.new_id(), self.clock.now() + UPLOAD_S * SECOND
        files = self._files(caller, chat_id)
        url, headers = files.upload(file_id, request.name, request.media_type, request.size)
        view = FileView(file_id, request.name, request.media_type, request.size, address_of(chat_id, file_id))
        return view, UploadView(url, headers, iso(until))

    def download(self, caller: Caller, chat_id: str, file_id: str) -> tuple[FileView, DownloadView]:
        """The file and where its content is. Raises FileNotFound."""
        files = self._files(caller, chat_id)
        stored = files.look(file_id)
        if stored is None:
            raise FileNotFound("no file of yours in this chat has this id")
        until = self.clock.now() + DOWNLOAD_S * SECOND
        view = FileView(file_id, stored.name, stored.media_type, stored.size, address_of(chat_id, file_id))
        return view, DownloadView(files.download(file_id, stored), iso(until))

    def _files(self, caller: Caller, chat_id: str) -> ChatFiles:
        return ChatFiles(self.bucket, self.clock, caller.workspace_id, chat_id, caller.user)
