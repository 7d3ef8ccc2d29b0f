"""The files of one chat. Keys are hashes, so no id of a tenant leads to one, and a chat's files share one prefix."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from outlive.clock import Clock
from outlive.errors import InvalidRequest, StoreBroken
from outlive.file_ref import MAX_FILES_BYTES, FileRef, address_of, begins_as, id_in
from outlive.settings import Settings
from outlive.store.bucket import Bucket, Stored
from outlive.store.retry import persistently


@dataclass(frozen=True, slots=True)
class ChatFiles:
    """The files of a user's chat. A user who does not own the chat has other keys in it: nothing of the owner's."""

    bucket: Bucket | None
    clock: Clock
    workspace_id: str
    chat_id: str
    user: str

    def key(self, file_id: str) -> str:
        """The key of the file's object."""
        return f"{prefix_of(self.workspace_id, self.chat_id)}{_hashed(self.user)}/{file_id}"

    def upload(self, file_id: str, name: str, media_type: str, size: int) -> tuple[str, dict[str, str]]:
        """See `Bucket.upload`."""
        return self._bucket.upload(self.key(file_id), name, media_type, size)

    def download(self, file_id: str, stored: Stored) -> str:
        """See `Bucket.download`."""
        return self._bucket.download(self.key(file_id), stored)

    def look(self, file_id: str) -> Stored | None:
        """The file as it is stored; None if there is none. Raises StoreError."""
        return self._bucket.look(self.key(file_id))

    def attach(self, asked: Mapping[str, str], settings: Settings) -> tuple[FileRef, ...]:
        """References to these files, each checked as it is stored and kept from now on.

        `asked` has their ids by the fields of the request they came in. Raises InvalidRequest, which names the field, and
        StoreError.
        """
        files: list[FileRef] = []
        for field, file_id in asked.items():
            stored = self.look(file_id)
            if stored is None:
                raise InvalidRequest(field, "no file of yours in this chat has this id, or its upload is missing")
            check_type(field, stored.media_type, settings)
            check_size(field, stored.size, settings)
            if not begins_as(stored.media_type, stored.beginning):
                raise InvalidRequest(field, f"its content is not {stored.media_type}")
            files.append(FileRef(file_id, stored.name, stored.media_type, stored.size))
        total = sum(file.size for file in files)
        if total > MAX_FILES_BYTES:
            raise InvalidRequest("files", f"at most {MAX_FILES_BYTES:,} bytes together, these have {total:,}")
        for file in files:
            self._bucket.use(self.key(file.id))
        return tuple(files)

    def read(self, address: str) -> bytes | None:
        """The content of this chat's file at that address; None if there is none any more. Raises StoreError."""
        file_id = id_in(address, self.chat_id)
        if file_id is None:
            return None
        return persistently(partial(self._bucket.read, self.key(file_id)), self.clock)

    def store(self, content: bytes, name: str, media_type: str) -> str:
        """Store a file that an agent made, and return its address. Raises StoreError.

        Its id is made of its content: a step that is executed again stores the same object, and no write changes what
        a record refers to.
        """
        file_id = hashlib.sha256(media_type.encode() + b"\0" + content).hexdigest()[:32]
        persistently(partial(self._bucket.put, self.key(file_id), content, name, media_type), self.clock)
        return address_of(self.chat_id, file_id)

    @property
    def _bucket(self) -> Bucket:
        if self.bucket is None:
            raise StoreBroken("FILES_BUCKET is not set")
        return self.bucket


def check_type(field: str, media_type: str, settings: Settings) -> None:
    """Raise InvalidRequest if no file of this type may be attached."""
    types = settings.file_types.split(",")
    if media_type not in types:
        raise InvalidRequest(field, f"the media type must be one of {', '.join(types)}")


def check_size(field: str, size: int, settings: Settings) -> None:
    """Raise InvalidRequest if no file of this size may be attached."""
    if not 1 <= size <= settings.max_file_bytes:
        raise InvalidRequest(field, f"must be 1 to {settings.max_file_bytes:,} bytes, not {size:,}")


def delete_files(bucket: Bucket, workspace_id: str, chat_id: str, most_pages: int = 10) -> bool:
    """Delete the chat's files, up to a thousand a page; True once there are none.

    It remembers nothing: after a failure, or if it was not done, call it again. Raises StoreError.
    """
    return any(bucket.delete_page(prefix_of(workspace_id, chat_id)) for _ in range(most_pages))


def prefix_of(workspace_id: str, chat_id: str) -> str:
    """What the keys of the chat's files begin with."""
    return f"{_hashed(json.dumps([workspace_id, chat_id]))}/"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
