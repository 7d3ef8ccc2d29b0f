"""The spans of the agents, sent to an OTLP endpoint. Imported only where OTLP_ENDPOINT is set.

Pydantic AI makes the spans, by the GenAI conventions of OpenTelemetry. A run is one trace, and each of its spans has run,
chat, step and attempt. They are sent at the end of an invocation: afterwards the process is frozen.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import requests
from opentelemetry.context import Context, attach, detach, get_value, set_value
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Status
from opentelemetry.util.re import parse_env_headers
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings

from engine.errors import LONGEST_MESSAGE, full_message, hide, redacted
from engine.secret import Secret
from outlive.agent import Ask

if TYPE_CHECKING:
    from requests import PreparedRequest

LONGEST_S = 1.0
"""How long an invocation waits for the endpoint, in seconds."""
PAUSE_S = 30.0
"""For how long nothing is sent to an endpoint that failed, so that it does not cost each step its second."""
MOST_SPANS = 1000
"""How many spans are kept until they are sent; the oldest are dropped."""
LONGEST_VALUE = 100_000
"""Characters of one attribute. With contents, a request to the model has the whole chat in one."""
OF_THE_STEP = "outlive.step"
"""The key, in a context of OpenTelemetry, of the attributes of the step under way."""


class RunIds(RandomIdGenerator):
    """A run's id is the id of its trace: both are 32 hex digits."""

    def generate_trace_id(self) -> int:
        step = get_value(OF_THE_STEP)
        run_id = str(step["outlive.run.id"]) if isinstance(step, Mapping) else ""
        try:
            return int(run_id, 16) if len(run_id) == 32 else super().generate_trace_id()
        except ValueError:
            return super().generate_trace_id()


class Reasons(logging.Handler):
    """Keeps the first message of the exporter, which logs why it failed and does not return it."""

    first = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


class Spans(SpanProcessor):
    """The spans of this process that have ended and were not sent yet."""

    def __init__(self, endpoint: str, headers: Secret | None, service: str, *, content: bool) -> None:
        session = requests.Session()
        if headers is not None:
            session.auth = HeadersAuth(headers)
        # Its own limit is longer than the wait, or it would not say why it means to try again.
        self._exporter = OTLPSpanExporter(
            f"{endpoint.rstrip('/')}/v1/traces", timeout=2 * LONGEST_S, compression=Compression.Gzip, session=session
        )
        self._ended: deque[ReadableSpan] = deque(maxlen=MOST_SPANS)
        self._sender: threading.Thread | None = None
        self._rest_until = 0.0
        self._reasons = Reasons()
        exporters = logging.getLogger("opentelemetry.exporter")
        exporters.propagate = False
        exporters.handlers = [self._reasons]
        # It logs a header that it can't read, as it stands in the secret.
        logging.getLogger("opentelemetry.util.re").disabled = True
        provider = TracerProvider(
            resource=Resource.create({"service.name": service}),
            id_generator=RunIds(),
            span_limits=SpanLimits(max_attribute_length=LONGEST_VALUE),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self)
        # An agent's own `instrument` goes before this.
        Agent.instrument_all(
            InstrumentationSettings(
                tracer_provider=provider,
                include_content=content,
                include_binary_content=False,
                include_model_request_parameters=False,
            )
        )

    async def around(self, take: Callable[[], Awaitable[None]], ask: Ask) -> None:
        """Take a step, all of whose spans then say which it is."""
        attributes = {
            "outlive.run.id": ask.run_id,
            "outlive.chat.id": ask.chat_id,
            "outlive.step": ask.step,
            "outlive.attempt": ask.attempt,
        }
        token = attach(set_value(OF_THE_STEP, attributes))
        try:
            await take()
        finally:
            detach(token)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Say which step the span is of."""
        step = get_value(OF_THE_STEP, parent_context)
        if isinstance(step, Mapping):
            span.set_attributes(step)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span until it is sent."""
        self._ended.append(_without_secrets(span))

    def send(self, seconds: float) -> str | None:
        """Send what has ended, and wait for that for `LONGEST_S`, or for `seconds` if they are less. Raises nothing.

        Spans that the endpoint does not take in time are lost; then the answer says why, and for a while none are sent.
        """
        if seconds <= 0 or not self._ended:
            return None
        spans = [self._ended.popleft() for _ in range(len(self._ended))]
        if time.monotonic() < self._rest_until or (self._sender is not None and self._sender.is_alive()):
            return None
        self._reasons.first = ""
        sent: list[SpanExportResult] = []
        self._sender = threading.Thread(target=self._export, args=(spans, sent), name="spans", daemon=True)
        try:
            self._sender.start()
        except RuntimeError:  # no thread can be started: the worker finds that out by itself
            return None
        self._sender.join(min(LONGEST_S, seconds))
        if sent == [SpanExportResult.SUCCESS]:
            return None
        self._rest_until = time.monotonic() + PAUSE_S
        return _shown(self._reasons.first) or "no answer in time"

    def _export(self, spans: list[ReadableSpan], sent: list[SpanExportResult]) -> None:
        try:
            sent.append(self._exporter.export(spans))
        except Exception as error:
            # The thread would print a stack trace, which may hold what must not be in a log.
            self._reasons.first = full_message(error)


class HeadersAuth(requests.auth.AuthBase):
    """Puts the headers in a secret into each request: `name=value`, separated by commas."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        headers = parse_env_headers(self._secret.value(), liberal=True)
        for value in headers.values():
            hide(value)
        request.headers.update(headers)
        return request


def _shown(text: str) -> str:
    """The text of an error as a run would show it."""
    return redacted(text[: 4 * LONGEST_MESSAGE])[:LONGEST_MESSAGE]


def _without_secrets(span: ReadableSpan) -> ReadableSpan:
    """The span with the messages of its errors as they may be shown, and without stack traces."""
    status = span.status
    if not span.events and not status.description:
        return span
    events = [
        Event(
            event.name,
            {
                name: _shown(value) if isinstance(value, str) else value
                for name, value in (event.attributes or {}).items()
                if name != "exception.stacktrace"
            },
            event.timestamp,
        )
        for event in span.events
    ]
    return ReadableSpan(
        span.name,
        span.get_span_context(),
        span.parent,
        span.resource,
        span.attributes,
        events,
        span.links,
        span.kind,
        None,
        Status(status.status_code, _shown(status.description) if status.description else None),
        span.start_time,
        span.end_time,
        span.instrumentation_scope,
    )
