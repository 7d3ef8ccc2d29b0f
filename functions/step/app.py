"""SQS: executes the step that a message names."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from engine.agents import Agents
from outlive.clock import Clock
from outlive.delivery import Delivery
from outlive.log import cause, logger, retired
from outlive.request import ID
from outlive.step import Answer, Step
from outlive.watch import in_threads
from outlive.wiring import between, bucket_of, new_id, queue_of, settings_of, table_of
from outlive.workbench import Workbench
from outlive.worker import Wear, gone_within

if TYPE_CHECKING:
    from engine.spans import Spans


def sent_spans() -> "Spans | None":
    """The agents' spans and where they go; None without an endpoint. What they need is imported only then."""
    endpoint = os.environ.get("OTLP_ENDPOINT", "").strip()
    if not endpoint:
        return None
    from engine.secret import secret_named
    from engine.spans import Spans

    headers = secret_named("OTLP_HEADERS_SECRET", "the headers for the OTLP endpoint")
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "outlive")
    return Spans(endpoint, headers, service, content=os.environ.get("OTLP_CONTENT") == "true")


settings = settings_of("QUEUE_URL")
clock = Clock()
queue = queue_of(settings)
spans = sent_spans()
answerer = Agents(settings.agents, settings.default_agent, settings.agent_model, spans)
wear = Wear()
tools = Workbench(
    table_of(settings), queue, answerer, clock, settings, in_threads, between, bucket_of(settings), wear.saw
)
step = Step(tools, new_id)
LAST_SECOND = 1.0
"""How long before its time is up, in seconds, a process ends that does not answer."""
# A batch is one message; to give it back is no error of the function.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


class Context(Protocol):
    """The part of the platform's context that is used here."""

    def get_remaining_time_in_millis(self) -> int: ...


class Due(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a message."""

    workspace_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    run_id: Annotated[str, msgspec.Meta(pattern=f"^{ID.pattern}$")]
    step: Annotated[int, msgspec.Meta(ge=0)]


class NotDone(Exception):
    """The message was given back: the batch names it, and the queue keeps it."""


def do(record: SQSRecord, lambda_context: Context) -> None:
    """Execute the step that one message names. Raises NotDone unless the message is to be acknowledged."""
    try:
        due = msgspec.json.decode(record.body, type=Due)
    except (msgspec.DecodeError, UnicodeError):
        logger.warning("message_unreadable", message_id=record.message_id)
        return
    now = clock.now()
    deadline = now + lambda_context.get_remaining_time_in_millis()
    receives = int(record.attributes.get("ApproximateReceiveCount") or 1)
    delivery = Delivery(due.workspace_id, due.run_id, due.step, record.receipt_handle, deadline, now, receives)
    if step.run(delivery) is Answer.GIVE_BACK:
        raise NotDone


def handler(event: dict[str, Any], context: Context) -> Any:
    """What the platform calls. The answer names the message if it is given back.

    An exhausted process gives no answer: it ends, after its message was given back or acknowledged.
    """
    with gone_within(context.get_remaining_time_in_millis() / 1000 - LAST_SECOND):
        answer = process_partial_response(event=event, record_handler=do, processor=processor, context=context)  # type: ignore[arg-type]
        if spans is not None:
            # Before the answer, which freezes the process, and after all that the run needs.
            lost = spans.send(context.get_remaining_time_in_millis() / 1000 - 2 * LAST_SECOND)
            if lost is not None:
                logger.warning("spans_not_sent", cause=lost)
        why = wear.look(answerer.left_behind())
        if why is not None:
            retire(why, [] if answer["batchItemFailures"] else event["Records"])
    return answer


def retire(why: str, done_with: list[dict[str, Any]]) -> None:
    """End this process now. It can't end after its answer, because the sandbox is then frozen until the next message.

    The platform takes that for a failed call, which leaves the message on the queue. A message that was given back is
    hidden for its pause already. A message that is done is acknowledged here, so that it is not redelivered in vain.
    """
    try:
        for record in done_with:
            queue.acknowledge(record["receiptHandle"])
    except Exception as error:
        logger.warning("acknowledge_failed", cause=cause(error))
    try:
        retired(why)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(1)
