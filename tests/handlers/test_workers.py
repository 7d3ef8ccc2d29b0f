"""A worker that is exhausted: its run goes on elsewhere, and the process ends."""

import errno
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outlive.agent import AgentError, Ask, Interrupt, Outcome, Usage
from outlive.errors import StoreUnanswered
from outlive.follow.passages import Words
from outlive.worker import EXHAUSTED, FEW, Wear
from proof.stacks.handlers import Stack

FINAL = Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")
NO_THREAD = RuntimeError("can't start new thread")
NO_FILE = OSError(errno.EMFILE, "Too many open files")


class Gone(BaseException):
    """The process has ended itself."""


@pytest.fixture(autouse=True)
def _processes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with a process that is new."""

    def end(code: int) -> None:
        raise Gone(code)

    monkeypatch.setattr(stack.step.os, "_exit", end)
    stack.step.wear.cause = None
    yield
    stack.step.wear.cause = None


def another_process(stack: Stack) -> None:
    """What the platform does when one has gone."""
    stack.step.wear.cause = None
    stack.clock.forward(31)


def exhausts(stack: Stack, run_id: str) -> None:
    """The run was given back, and no process is left that would be given another."""
    assert stack.run_of(run_id)["status"] == "running"
    another_process(stack)
    stack.answer_with(FINAL)
    assert stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "succeeded"


def raises(error: BaseException) -> Callable[..., Outcome]:
    def answer(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
        raise error

    return answer


@pytest.mark.parametrize("error", [NO_THREAD, NO_FILE, MemoryError(), OSError(errno.EBADF, "Bad file descriptor")])
def test_trouble_of_the_process_gives_the_run_back_and_ends_the_process(
    stack: Stack, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """[22] [23] One line and one metric say why."""
    stack.answer_with(raises(error))
    run_id = stack.begin().body["run"]["id"]
    with pytest.raises(Gone):
        stack.deliver(stack.take() or {})
    assert json.loads(stack.item(run_id)["last_error"]["S"])["code"] == EXHAUSTED
    assert "lease_id" not in stack.item(run_id)
    assert '"WorkerRetired"' in capsys.readouterr().out
    exhausts(stack, run_id)


def test_a_step_whose_agent_reports_an_exhausted_process_is_given_back(stack: Stack) -> None:
    """[22] The step is given back, the process ends, and another process executes the step."""
    stack.answer_with(Outcome("partial", [], None, error=AgentError("transient", EXHAUSTED, "no thread")))
    run_id = stack.begin().body["run"]["id"]
    with pytest.raises(Gone):
        stack.deliver(stack.take() or {})
    exhausts(stack, run_id)


def test_a_process_that_can_start_no_thread_fails_no_run(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """[22] [23] With the agent as it is: the watch's threads come first."""
    run_id = stack.begin().body["run"]["id"]

    def fail(self: threading.Thread) -> None:
        raise NO_THREAD

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(Gone):
            stack.deliver(stack.take() or {})
    exhausts(stack, run_id)


def test_a_def_tool_whose_thread_cant_be_started_fails_no_run(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """[22] [23] The library raises that as if the tool had."""
    run_id = stack.script("chat-1", {"text": "a", "tools": [["clock", {}]]}, {"text": "b"}).body["run"]["id"]
    start = threading.Thread.start

    def fail(self: threading.Thread) -> None:
        if self.name == "AnyIO worker thread":
            raise NO_THREAD
        start(self)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(Gone):
            stack.deliver(stack.take() or {})
    assert json.loads(stack.item(run_id)["last_error"]["S"])["message"].startswith("The tool clock failed: ")
    another_process(stack)
    assert stack.deliver(stack.message(run_id, 0))
    stack.work()
    assert stack.run_of(run_id)["status"] == "succeeded"


@pytest.mark.parametrize("operation", ["UpdateItem", "Query", "PutItem"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_trouble_that_shows_in_a_call_of_the_table_fails_no_run(stack: Stack, operation: str, wrapped: bool) -> None:
    """[22] [37] Also where no call gets through any more: then the lease has to run out."""
    run_id = stack.begin().body["run"]["id"]
    message = stack.take() or {}
    client = stack.faults.client
    real, failing = client._make_api_call, [False]

    def call(name: str, request: dict[str, Any]) -> Any:
        failing[0] = failing[0] or name == operation
        if not failing[0]:
            return real(name, request)
        if wrapped:
            raise StoreUnanswered("ConnectTimeoutError") from NO_FILE
        raise NO_FILE

    client._make_api_call = call
    stack.answer_with(FINAL)
    with pytest.raises(Gone):
        stack.deliver(message)
    client._make_api_call = real
    assert stack.run_of(run_id)["status"] in ("pending", "running")
    another_process(stack)
    assert stack.deliver(stack.message(run_id, 0))
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_step_that_used_its_process_up_counts_and_its_message_is_acknowledged(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[20] The process that ends does not answer, so it takes the message off the queue itself."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    monkeypatch.setattr(stack.step.answerer, "left_behind", lambda: FEW + 1, raising=False)
    message = stack.take() or {}
    with pytest.raises(Gone):
        stack.deliver(message)
    assert stack.run_of(run_id)["status"] == "succeeded"
    counts = stack.sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_a_process_that_cant_even_take_its_message_off_the_queue_ends_all_the_same(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[18] The message comes back in vain."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    monkeypatch.setattr(stack.step.answerer, "left_behind", lambda: FEW + 1, raising=False)

    def fail(**_: Any) -> None:
        raise NO_FILE

    with monkeypatch.context() as patch:
        patch.setattr(stack.step.queue._sqs, "delete_message", fail)
        with pytest.raises(Gone):
            stack.deliver(stack.take() or {})
    assert stack.run_of(run_id)["status"] == "succeeded"


def test_a_process_that_is_well_answers(stack: Stack) -> None:
    """[17] A process that is not exhausted acknowledges its message and goes on."""
    stack.answer_with(FINAL)
    run_id = stack.begin().body["run"]["id"]
    assert stack.deliver(stack.take() or {})
    assert stack.run_of(run_id)["status"] == "succeeded"
    assert isinstance(stack.step.wear, Wear)
    assert stack.step.wear.cause is None
