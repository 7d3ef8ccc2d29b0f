"""The errors of AWS as botocore raises them."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from proof.dynamodb.values import Attributes


def client_error(operation: str, code: str, message: str, status: int = 400, **rest: Any) -> ClientError:
    """An error answer of the service; `rest` are the further members of its body."""
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
        "message": message,
        **rest,
    }
    return ClientError(response, operation)  # type: ignore[arg-type]


def invalid(operation: str, message: str) -> ClientError:
    """The request is malformed, or the item can't take it."""
    return client_error(operation, "ValidationException", message)


def condition_failed(operation: str, item: Attributes | None) -> ClientError:
    """A write's condition was false; `item` is what stands there, if the request wanted it back and there is one."""
    rest = {} if item is None else {"Item": item}
    return client_error(operation, "ConditionalCheckFailedException", "The conditional request failed", **rest)


def cancelled(reasons: Sequence[dict[str, Any]]) -> ClientError:
    """A transaction was cancelled; one reason for each of its actions, in their order."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return client_error(
        "TransactWriteItems",
        "TransactionCanceledException",
        message,
        Message=message,
        CancellationReasons=list(reasons),
    )


def conflict(operation: str, actions: int = 1) -> ClientError:
    """Another transaction holds the item (the first of a transaction's)."""
    message = "Transaction is ongoing for the item"
    if operation == "TransactWriteItems":
        reasons = [{"Code": "TransactionConflict", "Message": message}] + [{"Code": "None"}] * (actions - 1)
        return cancelled(reasons)
    return client_error(operation, "TransactionConflictException", message)


def throttled(operation: str) -> ClientError:
    """Too much at once, and the client library's own tries are used up."""
    if operation in ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"):
        return client_error(operation, "ThrottlingException", "Rate exceeded")
    message = "The level of configured provisioned throughput for the table was exceeded"
    return client_error(operation, "ProvisionedThroughputExceededException", message)


def timed_out() -> ReadTimeoutError:
    """No answer came; whether the call took effect is unknown."""
    return ReadTimeoutError(endpoint_url="https://aws.invalid/")
