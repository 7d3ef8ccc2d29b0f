"""Files as plans: what is uploaded to a chat, and what is downloaded from one.

The API gives out an address of the bucket for each; the content goes there, without the token.
"""

import msgspec

from outlive_client.calls import chat_path, encoded, segment
from outlive_client.errors import BadAnswer, Unreachable
from outlive_client.plans import CALL_TRIES, Answer, Pause, Plan, Request, backoff_seconds, call
from outlive_client.views import File

TRANSFER_SECONDS = 600.0
"""How long a file may be under way."""
STORED_BEFORE = 412
"""The bucket's answer to a second upload to the same address."""


def upload(chat_id: str, name: str, content: bytes, media_type: str) -> Plan[File]:
    """Store a file of the chat. Nothing refers to it until a start names it."""
    body = encoded({"name": name, "media_type": media_type, "size": len(content)})
    headers = {"Content-Type": "application/json"}
    made = yield from call(Request("POST", chat_path(chat_id, "files"), headers=headers, body=body), _made)
    offer = made.upload
    put = Request(
        "PUT", offer.url, headers=offer.headers, body=content, timeout_seconds=TRANSFER_SECONDS, is_whole=True
    )
    yield from _transfer(put, {STORED_BEFORE})
    return made.file


def download(chat_id: str, file_id: str) -> Plan[bytes]:
    """The content of a file of the chat."""
    path = f"{chat_path(chat_id, 'files')}/{segment(file_id, 'file id')}"
    found = yield from call(Request("GET", path), _found)
    get = Request("GET", found.download.url, timeout_seconds=TRANSFER_SECONDS, is_whole=True)
    return (yield from _transfer(get, set())).body


def _transfer(request: Request, done: set[int]) -> Plan[Answer]:
    """Send the request to the bucket until it is answered. Raises BadAnswer or Unreachable."""
    for attempt in range(1, CALL_TRIES + 1):
        reply = yield request
        if isinstance(reply, Answer) and (200 <= reply.status < 300 or reply.status in done):
            return reply
        if isinstance(reply, Answer) and reply.status < 500 and reply.status != 429:
            raise BadAnswer(f"the bucket refused the file with HTTP {reply.status}", reply.status)
        if attempt < CALL_TRIES:
            yield Pause(backoff_seconds(attempt, reply))
    raise Unreachable("the bucket did not answer")


class _Address(msgspec.Struct):
    url: str
    headers: dict[str, str] = {}


class _Made(msgspec.Struct):
    file: File
    upload: _Address


class _Found(msgspec.Struct):
    file: File
    download: _Address


def _made(answer: Answer) -> _Made:
    return msgspec.json.decode(answer.body, type=_Made)


def _found(answer: Answer) -> _Found:
    return msgspec.json.decode(answer.body, type=_Found)
