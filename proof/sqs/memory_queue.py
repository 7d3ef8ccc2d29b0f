"""One SQS standard queue in memory, at the level of botocore's request and response dicts.

Its state is one immutable value: a snapshot is a reference, restoring one is an assignment. Time comes from the clock that
is handed in, in milliseconds. What AWS leaves open is decided by the caller: which visible message is received next,
which one is delivered twice (`again`), which one is lost (`lose`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from proof.dynamodb.refusals import client_error

Wire: TypeAlias = dict[str, Any]

SECOND = 1000
LONGEST_SECONDS = 43_200
LONGEST_DELAY = 900
MOST_BYTES = 1024 * 1024
GROUP_LENGTH = 128


class Letter(NamedTuple):
    """A message. It can be received from `visible_at` on; its receipt handle is good for its last receive only."""

    number: int
    body: str
    group: str | None
    visible_at: int
    receives: int = 0

    @property
    def receipt(self) -> str:
        """The handle of the last receive."""
        return f"{self.number}-{self.receives}"


class State(NamedTuple):
    """All a queue holds: the messages in it, and those deleted or lost that could still come once more."""

    letters: tuple[Letter, ...] = ()
    gone: tuple[Letter, ...] = ()
    sent: int = 0


class MemoryQueue:
    """A queue. `visibility` is its own timeout in seconds, for receives that name none."""

    def __init__(self, now: Callable[[], int], visibility: int = 30) -> None:
        self.now = now
        self.visibility = visibility
        self.state = State()

    def call(self, operation: str, request: Wire) -> Wire:
        """The answer SQS gives to `request`; raises botocore's ClientError as it would."""
        calls = {
            "SendMessage": self.send_message,
            "ReceiveMessage": self.receive_message,
            "DeleteMessage": self.delete_message,
            "ChangeMessageVisibility": self.change_message_visibility,
            "GetQueueAttributes": self.get_queue_attributes,
        }
        if operation not in calls:
            raise NotImplementedError(f"the queue in memory does not know {operation}")
        return calls[operation](**request)

    def visible(self) -> list[Letter]:
        """The messages that can be received now."""
        now = self.now()
        return [letter for letter in self.state.letters if letter.visible_at <= now]

    def deliver(self, number: int, seconds: float | None = None) -> Letter:
        """Receive message `number`, hiding it for `seconds`."""
        (letter,) = (each for each in self.visible() if each.number == number)
        hidden = self.visibility if seconds is None else seconds
        received = letter._replace(visible_at=self.now() + int(hidden * SECOND), receives=letter.receives + 1)
        self._change(received)
        return received

    def again(self, number: int) -> None:
        """Make message `number` come once more, wherever it is: hidden, deleted or lost."""
        for letter in self.state.letters:
            if letter.number == number:
                self._change(letter._replace(visible_at=self.now()))
                return
        (letter,) = (each for each in self.state.gone if each.number == number)
        gone = tuple(each for each in self.state.gone if each.number != number)
        letters = tuple(sorted((*self.state.letters, letter._replace(visible_at=self.now()))))
        self.state = self.state._replace(letters=letters, gone=gone)

    def lose(self, number: int) -> None:
        """Message `number` is never delivered, unless `again` brings it back."""
        (letter,) = (each for each in self.state.letters if each.number == number)
        self._remove(letter)

    # -- what the client offers; the names are botocore's --

    def send_message(self, **request: Any) -> Wire:
        """SendMessage."""
        body, group = request["MessageBody"], request.get("MessageGroupId")
        delay = request.get("DelaySeconds", 0)
        if not body or len(body.encode()) > MOST_BYTES:
            raise client_error("SendMessage", "InvalidParameterValue", "the body is empty or too long")
        if group is not None and not (group.isascii() and 0 < len(group) <= GROUP_LENGTH):
            raise client_error("SendMessage", "InvalidParameterValue", "MessageGroupId is not legal")
        if not 0 <= delay <= LONGEST_DELAY:
            raise client_error("SendMessage", "InvalidParameterValue", "DelaySeconds must be 0 to 900")
        number = self.state.sent + 1
        letter = Letter(number, body, group, self.now() + delay * SECOND)
        self.state = self.state._replace(letters=(*self.state.letters, letter), sent=number)
        return {"MessageId": str(number)}

    def receive_message(self, **request: Any) -> Wire:
        """ReceiveMessage; oldest first, which SQS does not promise."""
        messages = []
        for letter in self.visible()[: request.get("MaxNumberOfMessages", 1)]:
            received = self.deliver(letter.number, request.get("VisibilityTimeout"))
            attributes = {"ApproximateReceiveCount": str(received.receives)}
            if received.group is not None:
                attributes["MessageGroupId"] = received.group
            messages.append(
                {
                    "MessageId": str(received.number),
                    "ReceiptHandle": received.receipt,
                    "Body": received.body,
                    "Attributes": attributes,
                }
            )
        return {"Messages": messages} if messages else {}

    def delete_message(self, **request: Any) -> Wire:
        """DeleteMessage; an old receipt handle is answered with success and deletes nothing."""
        letter = self._held(request["ReceiptHandle"])
        if letter is not None:
            self._remove(letter)
        return {}

    def change_message_visibility(self, **request: Any) -> Wire:
        """ChangeMessageVisibility, for a message in flight."""
        seconds = request["VisibilityTimeout"]
        if not 0 <= seconds <= LONGEST_SECONDS:
            raise client_error("ChangeMessageVisibility", "InvalidParameterValue", "VisibilityTimeout is out of range")
        letter = self._held(request["ReceiptHandle"])
        if letter is None or letter.visible_at <= self.now():
            raise client_error("ChangeMessageVisibility", "MessageNotInflight", "the message is not in flight")
        self._change(letter._replace(visible_at=self.now() + seconds * SECOND))
        return {}

    def get_queue_attributes(self, **_: Any) -> Wire:
        """GetQueueAttributes: how many wait, and how many are in flight."""
        waiting = len(self.visible())
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(waiting),
                "ApproximateNumberOfMessagesNotVisible": str(len(self.state.letters) - waiting),
            }
        }

    def _held(self, receipt: str) -> Letter | None:
        return next((letter for letter in self.state.letters if letter.receipt == receipt), None)

    def _change(self, changed: Letter) -> None:
        letters = tuple(changed if each.number == changed.number else each for each in self.state.letters)
        self.state = self.state._replace(letters=letters)

    def _remove(self, letter: Letter) -> None:
        letters = tuple(each for each in self.state.letters if each.number != letter.number)
        self.state = self.state._replace(letters=letters, gone=(*self.state.gone, letter))
