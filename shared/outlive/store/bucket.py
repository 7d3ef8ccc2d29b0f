"""The only user of S3: one object is one file, written once and never changed.

An upload does not pass through a function: the client gets an address that is signed for one key, type, length and name,
and `If-None-Match`, so that it can store one object and overwrite none. Until a start refers to the object it carries the
tag `unused`, with which the bucket's lifecycle deletes it after a day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import quote, unquote

from botocore.exceptions import BotoCoreError, ClientError

from outlive.errors import StoreBroken, StoreBusy, StoreUnanswered
from outlive.file_ref import BEGINNING_BYTES, SHOWN_TYPES

UPLOAD_S = 900
"""How long an upload's address is good."""
DOWNLOAD_S = 300
"""How long a download's address is good."""
UNUSED = "unused=true"
PAGE = 1000
"""Objects that are listed and deleted with one call each."""
GONE = {
    "get_object": frozenset({"NoSuchKey", "404", "AccessDenied", "403", "InvalidRange", "416"}),
    "delete_object_tagging": frozenset({"NoSuchKey", "404"}),
}
"""By operation, S3's answers for an object that is not there or empty. To a role that may not list the bucket it says
`AccessDenied` for one that is not there.
"""
BUSY = frozenset({"SlowDown", "503", "Throttling", "RequestLimitExceeded"})
SERVER_ERROR = 500


class S3(Protocol):
    """The part of the client that is used here."""

    def generate_presigned_url(self, method: str, **request: Any) -> str: ...
    def get_object(self, **request: Any) -> Any: ...
    def put_object(self, **request: Any) -> Any: ...
    def delete_object_tagging(self, **request: Any) -> Any: ...
    def list_objects_v2(self, **request: Any) -> Any: ...
    def delete_objects(self, **request: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it is stored, and the first bytes of its content."""

    name: str
    media_type: str
    size: int
    beginning: bytes


class Bucket:
    """One bucket. `connect` makes its client, which is made when it is first needed: most requests need none."""

    def __init__(self, connect: Callable[[], S3], name: str) -> None:
        self._connect = connect
        self._name = name

    @cached_property
    def _s3(self) -> S3:
        return self._connect()

    def upload(self, key: str, name: str, media_type: str, size: int) -> tuple[str, dict[str, str]]:
        """The address that stores this object with one PUT, and the headers that the PUT must have."""
        headers = {"ContentType": media_type, "IfNoneMatch": "*", "Tagging": UNUSED, "Metadata": {"name": quote(name)}}
        request = {"Bucket": self._name, "Key": key, "ContentLength": size, **headers}
        url = self._s3.generate_presigned_url("put_object", Params=request, ExpiresIn=UPLOAD_S)
        sent = {
            "Content-Type": media_type,
            "If-None-Match": "*",
            "x-amz-tagging": UNUSED,
            "x-amz-meta-name": quote(name),
        }
        return url, sent

    def download(self, key: str, stored: Stored) -> str:
        """An address that gives the object out as what it is, and as a download unless a browser may show it."""
        shown = stored.media_type in SHOWN_TYPES
        disposition = f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(stored.name, safe='')}"
        request = {
            "Bucket": self._name,
            "Key": key,
            "ResponseContentType": stored.media_type if shown else "application/octet-stream",
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": "private, max-age=86400, immutable",
        }
        return self._s3.generate_presigned_url("get_object", Params=request, ExpiresIn=DOWNLOAD_S)

    def look(self, key: str) -> Stored | None:
        """The object with the first bytes of its content; None if there is none, or an empty one. Raises StoreError."""
        answer = self._called("get_object", Key=key, Range=f"bytes=0-{BEGINNING_BYTES - 1}")
        if answer is None:
            return None
        size = int(str(answer["ContentRange"]).rpartition("/")[2])
        return Stored(_name_of(answer), str(answer["ContentType"]), size, self._content(answer))

    def read(self, key: str) -> bytes | None:
        """The object's content; None if there is none. Raises StoreError."""
        answer = self._called("get_object", Key=key)
        return None if answer is None else self._content(answer)

    def use(self, key: str) -> None:
        """Keep the object for longer than a day. Raises StoreError."""
        self._called("delete_object_tagging", Key=key)

    def put(self, key: str, content: bytes, name: str, media_type: str) -> None:
        """Store the object. Raises StoreError."""
        self._called("put_object", Key=key, Body=content, ContentType=media_type, Metadata={"name": quote(name)})

    def delete_page(self, prefix: str) -> bool:
        """Delete up to a thousand of the objects whose keys begin so. True once there are none. Raises StoreError."""
        listed = self._called("list_objects_v2", Prefix=prefix, MaxKeys=PAGE) or {}
        keys = [{"Key": one["Key"]} for one in listed.get("Contents", [])]
        if not keys:
            return True
        answer = self._called("delete_objects", Delete={"Objects": keys, "Quiet": True}) or {}
        if answer.get("Errors"):
            raise StoreUnanswered(f"the bucket: {answer['Errors'][0].get('Code')}")
        return False

    def _content(self, answer: Any) -> bytes:
        try:
            content: bytes = answer["Body"].read()
        except BotoCoreError as error:
            raise StoreUnanswered(f"the bucket: {type(error).__name__}") from error
        return content

    def _called(self, operation: str, **request: Any) -> Any:
        """The answer; None for an object that is not there or empty. Raises StoreError or StoreBroken."""
        try:
            return getattr(self._s3, operation)(Bucket=self._name, **request)
        except BotoCoreError as error:
            raise StoreUnanswered(f"the bucket: {type(error).__name__}") from error
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            if code in GONE.get(operation, ()):
                return None
            if code in BUSY:
                raise StoreBusy(f"the bucket: {code}") from error
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= SERVER_ERROR:
                raise StoreUnanswered(f"the bucket: {code}") from error
            raise StoreBroken(f"{error.operation_name}: {code}") from error


def _name_of(answer: Any) -> str:
    return unquote(str(answer.get("Metadata", {}).get("name") or "file"))
