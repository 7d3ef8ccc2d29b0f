"""The queue in memory keeps SQS's promises, and repeats or loses messages on demand."""

import pytest
from botocore.exceptions import ClientError

from proof.sqs.memory_queue import MemoryQueue


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> MemoryQueue:
    return MemoryQueue(clock, visibility=30)


def receive(queue: MemoryQueue) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = queue.call("ReceiveMessage", {"MaxNumberOfMessages": 10}).get("Messages", [])
    return messages


def test_a_received_message_is_hidden_and_comes_back(queue: MemoryQueue, clock: Clock) -> None:
    queue.call("SendMessage", {"MessageBody": "x", "MessageGroupId": "g"})
    (first,) = receive(queue)
    assert first["Body"] == "x"
    assert first["Attributes"] == {"ApproximateReceiveCount": "1", "MessageGroupId": "g"}
    assert receive(queue) == []
    clock.now = 30_000
    (second,) = receive(queue)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]


def test_a_deleted_message_never_comes_back(queue: MemoryQueue, clock: Clock) -> None:
    queue.call("SendMessage", {"MessageBody": "x"})
    (message,) = receive(queue)
    queue.call("DeleteMessage", {"ReceiptHandle": message["ReceiptHandle"]})
    clock.now = 10**9
    assert receive(queue) == []


def test_an_old_receipt_deletes_nothing_and_hides_nothing(queue: MemoryQueue, clock: Clock) -> None:
    queue.call("SendMessage", {"MessageBody": "x"})
    (old,) = receive(queue)
    clock.now = 30_000
    (new,) = receive(queue)
    queue.call("DeleteMessage", {"ReceiptHandle": old["ReceiptHandle"]})
    with pytest.raises(ClientError, match="MessageNotInflight"):
        queue.call("ChangeMessageVisibility", {"ReceiptHandle": old["ReceiptHandle"], "VisibilityTimeout": 0})
    queue.call("ChangeMessageVisibility", {"ReceiptHandle": new["ReceiptHandle"], "VisibilityTimeout": 0})
    assert len(receive(queue)) == 1


def test_a_changed_visibility_counts_from_now_on_both_ways(queue: MemoryQueue, clock: Clock) -> None:
    queue.call("SendMessage", {"MessageBody": "x"})
    (message,) = receive(queue)
    clock.now = 29_000
    queue.call("ChangeMessageVisibility", {"ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 10})
    clock.now = 38_999
    assert receive(queue) == []
    clock.now = 39_000
    assert len(receive(queue)) == 1


def test_a_delayed_message_comes_after_its_delay(queue: MemoryQueue, clock: Clock) -> None:
    queue.call("SendMessage", {"MessageBody": "x", "DelaySeconds": 5})
    assert receive(queue) == []
    clock.now = 5000
    assert len(receive(queue)) == 1


def test_a_message_comes_once_more_or_never_on_demand(queue: MemoryQueue) -> None:
    for body in "xy":
        queue.call("SendMessage", {"MessageBody": body})
    _, second = receive(queue)
    queue.again(1)
    assert [each["Body"] for each in receive(queue)] == ["x"]
    queue.call("DeleteMessage", {"ReceiptHandle": second["ReceiptHandle"]})
    queue.again(2)
    assert [each["Body"] for each in receive(queue)] == ["y"]
    queue.lose(1)
    assert [letter.body for letter in queue.state.letters] == ["y"]


def test_a_snapshot_stays_as_it_was(queue: MemoryQueue) -> None:
    queue.call("SendMessage", {"MessageBody": "x"})
    before = queue.state
    receive(queue)
    assert queue.state != before
    queue.state = before
    assert len(receive(queue)) == 1


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("SendMessage", {"MessageBody": ""}),
        ("SendMessage", {"MessageBody": "x", "MessageGroupId": "ä"}),
        ("SendMessage", {"MessageBody": "x", "DelaySeconds": 901}),
        ("ChangeMessageVisibility", {"ReceiptHandle": "1-0", "VisibilityTimeout": 43_201}),
    ],
)
def test_what_sqs_refuses_is_refused(queue: MemoryQueue, operation: str, request_: dict[str, object]) -> None:
    with pytest.raises(ClientError):
        queue.call(operation, request_)
