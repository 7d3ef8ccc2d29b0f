"""One S3 bucket in memory, at the level of botocore's request and response dicts, for a role that may not list it."""

import io
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from proof.dynamodb.refusals import client_error

Wire = dict[str, Any]


@dataclass
class Object:
    """An object: its content, its type, and its metadata and tags."""

    content: bytes
    media_type: str
    metadata: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)


class MemoryBucket:
    """A bucket. `put` is a client's upload to an address that was made for it."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}

    def call(self, operation: str, request: Wire) -> Wire:
        """The answer S3 gives to `request`; raises botocore's ClientError as it would."""
        calls = {
            "GetObject": self._get,
            "PutObject": self._put,
            "DeleteObjectTagging": self._untag,
            "ListObjectsV2": self._list,
            "DeleteObjects": self._delete,
        }
        return calls[operation](request)

    def put(self, url: str, headers: dict[str, str], content: bytes) -> int:
        """A PUT to a signed address; returns the status."""
        parts = urlsplit(url)
        key = unquote(parts.path).lstrip("/")
        signed = dict(parse_qsl(parts.query))["X-Amz-SignedHeaders"].split(";")
        sent = {name.lower(): value for name, value in headers.items()} | {"host": "", "content-length": ""}
        if set(signed) - set(sent):
            return 403
        if sent.get("if-none-match") == "*" and key in self.objects:
            return 412
        tags = dict(parse_qsl(sent.get("x-amz-tagging", "")))
        self.objects[key] = Object(content, sent["content-type"], {"name": sent["x-amz-meta-name"]}, tags)
        return 200

    def _get(self, request: Wire) -> Wire:
        stored = self._object(request, "GetObject")
        answer: Wire = {"ContentType": stored.media_type, "Metadata": stored.metadata}
        if "Range" not in request:
            return {**answer, "Body": io.BytesIO(stored.content)}
        first, last = map(int, request["Range"].removeprefix("bytes=").split("-"))
        if first >= len(stored.content):
            raise client_error("GetObject", "InvalidRange", "The requested range is not satisfiable", 416)
        content = stored.content[first : last + 1]
        placed = f"bytes {first}-{first + len(content) - 1}/{len(stored.content)}"
        return {**answer, "ContentRange": placed, "Body": io.BytesIO(content)}

    def _put(self, request: Wire) -> Wire:
        content = bytes(request["Body"])
        self.objects[request["Key"]] = Object(content, request["ContentType"], dict(request["Metadata"]))
        return {}

    def _untag(self, request: Wire) -> Wire:
        self._object(request, "DeleteObjectTagging").tags.clear()
        return {}

    def _list(self, request: Wire) -> Wire:
        keys = sorted(key for key in self.objects if key.startswith(request["Prefix"]))
        return {"Contents": [{"Key": key} for key in keys[: request["MaxKeys"]]]} if keys else {}

    def _delete(self, request: Wire) -> Wire:
        for one in request["Delete"]["Objects"]:
            self.objects.pop(one["Key"], None)
        return {}

    def _object(self, request: Wire, operation: str) -> Object:
        try:
            return self.objects[request["Key"]]
        except KeyError:
            if operation == "GetObject":
                raise client_error(operation, "AccessDenied", "Access Denied", 403) from None
            raise client_error(operation, "NoSuchKey", "The specified key does not exist.", 404) from None
