"""Recognises answers of table and queue: a proxy's page, an empty body or half a body is no answer.

Botocore reads a body that is no JSON as an empty answer, and an empty answer to a read means "no such item". So the body is
looked at before botocore parses it.
"""

from binascii import crc32
from typing import Any, Protocol

import msgspec
from botocore.exceptions import HTTPClientError

REDIRECT, SERVER_ERROR = 300, 500
CHECKSUM = "x-amz-crc32"


class NoAnswer(HTTPClientError):  # type: ignore[misc]  # botocore has no types
    """Something came back over HTTP that the service did not send, or not all that it sent."""

    fmt = "no answer of the service: {reason}"


class _Table(msgspec.Struct):
    """A success of DynamoDB: PynamoDB asks for the consumed capacity with every call, so every answer states it."""

    proof: msgspec.Raw = msgspec.field(name="ConsumedCapacity")


class _Batch(msgspec.Struct):
    """A success of BatchGetItem: it holds the items by table. MiniStack leaves out the capacity here."""

    proof: msgspec.Raw = msgspec.field(name="Responses")


class _Sent(msgspec.Struct):
    """A success of SQS's SendMessage: the message is in the queue under this id."""

    proof: str = msgspec.field(name="MessageId")


class _Error(msgspec.Struct):
    """A refusal of either service: it names its kind."""

    proof: str = msgspec.field(name="__type")


SUCCESSES: dict[str, type[msgspec.Struct]] = {
    "GetItem": _Table,
    "BatchGetItem": _Batch,
    "Query": _Table,
    "PutItem": _Table,
    "UpdateItem": _Table,
    "TransactWriteItems": _Table,
    "SendMessage": _Sent,
}
"""By operation what a success must hold. Other operations answer nothing that a caller looks at."""


class _Events(Protocol):
    def register(self, event_name: str, handler: Any) -> None: ...


def only_answers(events: _Events) -> None:
    """Have a client (by its `meta.events`) raise NoAnswer for a response that is no answer."""
    events.register("before-parse", _check)


def _check(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    status, body, headers = response_dict["status_code"], response_dict["body"], response_dict["headers"]
    wanted = SUCCESSES.get(operation_model.name)
    if wanted is None:
        return
    if status >= REDIRECT:
        wanted = _Error
    checksum = headers.get(CHECKSUM)
    if status < SERVER_ERROR and checksum is not None and checksum != str(crc32(body)):
        raise NoAnswer(reason=f"{status} with a body that does not match its checksum")
    try:
        msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if status < SERVER_ERROR:
            raise NoAnswer(reason=f"{status} with a body that is not the service's") from None
        # A server error is unanswered anyway; botocore itself tries it again, if it can read it.
        response_dict["body"] = b""
