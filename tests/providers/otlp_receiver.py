"""An OTLP endpoint on loopback: it decodes what arrives as the protocol has it."""

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

LONGEST_HANG = 60.0
"""No request that hangs outlives a test by more than this, in seconds."""


@dataclass(frozen=True)
class Arrived:
    """One span."""

    name: str
    trace_id: str
    parent: bool
    attributes: dict[str, Any]
    service: str


@dataclass
class Receiver:
    """Answers each request with `status`; one that `hangs` is not answered until `released`."""

    status: int = 200
    hangs: bool = False
    spans: list[Arrived] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                if receiver.hangs:
                    receiver.released.wait(LONGEST_HANG)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(receiver.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that does not wait for the answer."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def of(self, trace_id: str) -> list[Arrived]:
        """The spans of this trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.paths.append(path)
        self.headers.append(headers)
        self.bodies.append(plain)
        for of_resource in ExportTraceServiceRequest.FromString(plain).resource_spans:
            resource = {each.key: _value(each.value) for each in of_resource.resource.attributes}
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    attributes = {each.key: _value(each.value) for each in span.attributes}
                    arrived = Arrived(
                        span.name, span.trace_id.hex(), bool(span.parent_span_id), attributes, resource["service.name"]
                    )
                    self.spans.append(arrived)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
