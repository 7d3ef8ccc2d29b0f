"""The only user of SQS: sends a run's next step, always after the write that made it due."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from outlive.errors import StoreUnanswered
from outlive.store.rows import Run


class Sqs(Protocol):
    """The part of the client that is used here."""

    def send_message(self, **request: Any) -> Any: ...
    def change_message_visibility(self, **request: Any) -> Any: ...
    def delete_message(self, **request: Any) -> Any: ...
    def get_queue_attributes(self, **request: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages the queue holds."""

    waiting: int
    """Messages that can be received now."""
    in_flight: int
    """Messages that were received and not acknowledged: workers hold them, or they are hidden for a pause."""


class Queue:
    """One queue. A message says which step of which run is due, and nothing else."""

    def __init__(self, sqs: Sqs, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, run: Run, step: int) -> None:
        """Have step `step` of `run` delivered, at least once. Raises StoreUnanswered if that is not certain."""
        try:
            self._sqs.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps({"workspace_id": run.workspace_id, "run_id": run.id, "step": step}),
                MessageGroupId=hashlib.sha256(run.workspace_id.encode()).hexdigest(),
            )
        except (BotoCoreError, ClientError) as error:
            raise StoreUnanswered(f"the queue: {type(error).__name__}") from error

    def depth(self) -> Depth:
        """How many messages there are now. Raises StoreUnanswered."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        try:
            answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        except (BotoCoreError, ClientError) as error:
            raise StoreUnanswered(f"the queue: {type(error).__name__}") from error
        waiting, in_flight = (int(answer["Attributes"][name]) for name in names)
        return Depth(waiting, in_flight)

    def acknowledge(self, receipt: str) -> None:
        """Delete a delivered message, so that it is not delivered again."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)

    def hide(self, receipt: str, seconds: float) -> None:
        """Hide a delivered message: it is redelivered in `seconds` and not before, unless it is acknowledged first."""
        self._sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=max(0, min(43200, math.ceil(seconds)))
        )
