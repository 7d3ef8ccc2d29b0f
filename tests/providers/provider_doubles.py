"""Model providers on loopback: each speaks its provider's wire format and keeps the requests."""

import binascii
import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

LONGEST_HANG = 20.0
"""No hanging reply outlives a test by more than this, in seconds."""


@dataclass(frozen=True)
class Call:
    """A tool call in a double's answer, or one in a request."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """A double's answer to one request.

    `chunks` are the body, in pieces. After them the stream ends properly, unless it `drops` (the connection breaks) or
    `hangs` (nothing more comes until the client hangs up).
    """

    chunks: Sequence[bytes]
    status: int = 200
    content_type: str = "text/event-stream"
    headers: tuple[tuple[str, str], ...] = ()
    drops: bool = False
    hangs: bool = False


@dataclass
class Double:
    """A server that answers with its replies in turn."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    asked: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                double.connections += 1

            def do_POST(self) -> None:
                double.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.requests.append(json.loads(body))
        self.asked.set()
        reply = self.replies[len(self.requests) - 1]
        if not reply.chunks and reply.hangs:
            self._hang(handler)
            return
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.content_type)
        handler.send_header("Transfer-Encoding", "chunked")
        for name, value in reply.headers:
            handler.send_header(name, value)
        handler.end_headers()
        for chunk in reply.chunks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if reply.hangs:
            self._hang(handler)
        elif reply.drops:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")

    def _hang(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        for _ in range(int(LONGEST_HANG / 0.05)):
            readable, _, _ = select.select([handler.connection], [], [], 0.05)
            if readable and not _peek(handler.connection):
                self.hung_up.set()
                return
            if self.released.is_set():
                return


def _peek(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return b""


@dataclass(frozen=True)
class Wire:
    """The wire format of one provider. `url_setting` is the variable that points its client to a double."""

    model: ClassVar[str]
    url_setting: ClassVar[str]
    url_path: ClassVar[str] = ""
    content_type: ClassVar[str] = "text/event-stream"

    def said(self, *texts: str, calls: Sequence[Call] = (), cut: bool = False) -> Reply:
        """An answer of these texts and calls; with `cut` it ends at its token limit."""
        return Reply([*self.opening(texts, calls), *self.ending(calls, cut=cut)], content_type=self.content_type)

    def broken(self, *texts: str, calls: Sequence[Call] = (), drops: bool = False, hangs: bool = False) -> Reply:
        """An answer without an end."""
        return Reply([*self.opening(texts, calls)], content_type=self.content_type, drops=drops, hangs=hangs)

    def failed(self, status: int, message: str, *headers: tuple[str, str]) -> Reply:
        body = json.dumps(self.error(message)).encode()
        return Reply([body], status, "application/json", headers)

    def error(self, message: str) -> object:
        return {"error": {"message": message}}

    def opening(self, texts: Sequence[str], calls: Sequence[Call]) -> Iterator[bytes]:
        raise NotImplementedError

    def ending(self, calls: Sequence[Call], *, cut: bool) -> Iterator[bytes]:
        raise NotImplementedError

    def turns(self, body: dict[str, Any]) -> list[tuple[str, list[str]]]:
        """What a request sent as conversation: per message its role and what it holds, `call x` and `result x` by
        id."""
        raise NotImplementedError

    def system(self, body: dict[str, Any]) -> str:
        raise NotImplementedError

    def forbids_tools(self, body: dict[str, Any]) -> bool:
        raise NotImplementedError


def sse(data: object, event: str | None = None) -> bytes:
    return (f"event: {event}\n" if event else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


class OpenAIChat(Wire):
    model = "openai-chat:gpt-4o"
    url_setting = "OPENAI_BASE_URL"
    url_path = "/v1"

    def opening(self, texts: Sequence[str], calls: Sequence[Call]) -> Iterator[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})
        for text in texts:
            yield self._chunk({"content": text})
        for index, call in enumerate(calls):
            function = {"name": call.name, "arguments": ""}
            yield self._chunk(
                {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
            )
            yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": call.arguments}}]})

    def ending(self, calls: Sequence[Call], *, cut: bool) -> Iterator[bytes]:
        yield self._chunk({}, "length" if cut else "tool_calls" if calls else "stop")
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        yield sse(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
        )
        yield b"data: [DONE]\n\n"

    @staticmethod
    def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})

    def turns(self, body: dict[str, Any]) -> list[tuple[str, list[str]]]:
        turns: list[tuple[str, list[str]]] = []
        for message in body["messages"]:
            if message["role"] == "tool":
                turns.append(("tool", [f"result {message['tool_call_id']}"]))
            elif message["role"] in ("user", "assistant"):
                held = ["text"] if message.get("content") else []
                turns.append((message["role"], held + [f"call {call['id']}" for call in message.get("tool_calls", [])]))
        return turns

    def system(self, body: dict[str, Any]) -> str:
        return str([message["content"] for message in body["messages"] if message["role"] in ("system", "developer")])

    def forbids_tools(self, body: dict[str, Any]) -> bool:
        return bool(body["tool_choice"] == "none")


class Ollama(OpenAIChat):
    model = "ollama:qwen3"
    url_setting = "OLLAMA_BASE_URL"


class OpenAIResponses(Wire):
    model = "openai:gpt-4o"
    url_setting = "OPENAI_BASE_URL"
    url_path = "/v1"

    def opening(self, texts: Sequence[str], calls: Sequence[Call]) -> Iterator[bytes]:
        yield self._event("response.created", response=self._response("in_progress"))
        if texts:
            item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
            yield self._event("response.output_item.added", output_index=0, item=item)
            part = {"type": "output_text", "text": "", "annotations": []}
            where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
            yield self._event("response.content_part.added", **where, part=part)
            for text in texts:
                yield self._event("response.output_text.delta", **where, delta=text, logprobs=[])
        for index, call in enumerate(calls, start=1):
            item = {
                "id": f"fc_{index}",
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": "",
            }
            yield self._event("response.output_item.added", output_index=index, item={**item, "status": "in_progress"})
            yield self._event(
                "response.function_call_arguments.delta",
                item_id=f"fc_{index}",
                output_index=index,
                delta=call.arguments,
            )

    def ending(self, calls: Sequence[Call], *, cut: bool) -> Iterator[bytes]:
        for index, call in enumerate(calls, start=1):
            item = {"id": f"fc_{index}", "type": "function_call", "call_id": call.id, "name": call.name}
            item |= {"arguments": call.arguments, "status": "completed"}
            yield self._event("response.output_item.done", output_index=index, item=item)
        if cut:
            response = self._response("incomplete") | {"incomplete_details": {"reason": "max_output_tokens"}}
            yield self._event("response.incomplete", response=response)
        else:
            yield self._event("response.completed", response=self._response("completed"))

    @staticmethod
    def _event(kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, "sequence_number": 0, **fields}, kind)

    @staticmethod
    def _response(status: str) -> dict[str, Any]:
        usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
        usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}  # type: ignore[dict-item]
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "gpt-4o",
            "status": status,
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": usage,
        }

    def turns(self, body: dict[str, Any]) -> list[tuple[str, list[str]]]:
        turns: list[tuple[str, list[str]]] = []
        for item in body["input"]:
            match item.get("type", "message"):
                case "function_call":
                    turns.append(("assistant", [f"call {item['call_id']}"]))
                case "function_call_output":
                    turns.append(("tool", [f"result {item['call_id']}"]))
                case _ if item["role"] in ("user", "assistant"):
                    turns.append((item["role"], ["text"]))
        return turns

    def system(self, body: dict[str, Any]) -> str:
        return str(body["instructions"])

    def forbids_tools(self, body: dict[str, Any]) -> bool:
        return bool(body["tool_choice"] == "none")


class Anthropic(Wire):
    model = "anthropic:claude-sonnet-5-5"
    url_setting = "ANTHROPIC_BASE_URL"

    def error(self, message: str) -> object:
        return {"type": "error", "error": {"type": "some_error", "message": message}}

    def thought(self, thought: str, signature: str, call: Call, *, hangs: bool = False) -> Reply:
        """An answer that thinks before its call, or `hangs` before it."""
        message_start, *call_chunks = self.opening([], [call])
        thinking = [
            message_start,
            self._event(
                "content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}
            ),
            self._event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": thought}),
            self._event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": signature}),
            self._event("content_block_stop", index=0),
        ]
        if hangs:
            return Reply([*thinking, *call_chunks], hangs=True)
        return Reply([*thinking, *call_chunks, *self.ending([call], cut=False)])

    def opening(self, texts: Sequence[str], calls: Sequence[Call]) -> Iterator[bytes]:
        usage = {"input_tokens": 11, "output_tokens": 1}
        message = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
        yield self._event("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
        if texts:
            yield self._event("content_block_start", index=0, content_block={"type": "text", "text": ""})
            for text in texts:
                yield self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
            if calls:
                yield self._event("content_block_stop", index=0)
        for index, call in enumerate(calls, start=1):
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            yield self._event("content_block_start", index=index, content_block=block)
            delta = {"type": "input_json_delta", "partial_json": call.arguments}
            yield self._event("content_block_delta", index=index, delta=delta)

    def ending(self, calls: Sequence[Call], *, cut: bool) -> Iterator[bytes]:
        yield self._event("content_block_stop", index=len(calls))
        reason = "max_tokens" if cut else "tool_use" if calls else "end_turn"
        delta = {"stop_reason": reason, "stop_sequence": None}
        yield self._event("message_delta", delta=delta, usage={"output_tokens": 7})
        yield self._event("message_stop")

    @staticmethod
    def _event(kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, **fields}, kind)

    def turns(self, body: dict[str, Any]) -> list[tuple[str, list[str]]]:
        return [(message["role"], [self._held(block) for block in message["content"]]) for message in body["messages"]]

    @staticmethod
    def _held(block: dict[str, Any]) -> str:
        match block["type"]:
            case "tool_use":
                return f"call {block['id']}"
            case "tool_result":
                return f"result {block['tool_use_id']}"
            case kind:
                return str(kind)

    def system(self, body: dict[str, Any]) -> str:
        return str(body["system"])

    def forbids_tools(self, body: dict[str, Any]) -> bool:
        return bool(body["tool_choice"]["type"] == "none")


class Bedrock(Wire):
    model = "bedrock:eu.anthropic.claude-sonnet-4-6"
    url_setting = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
    content_type = "application/vnd.amazon.eventstream"

    error_types: ClassVar[dict[int, str]] = {
        401: "UnrecognizedClientException",
        429: "ThrottlingException",
        503: "ServiceUnavailableException",
    }

    def failed(self, status: int, message: str, *headers: tuple[str, str]) -> Reply:
        body = json.dumps({"message": message}).encode()
        kind = ("x-amzn-ErrorType", self.error_types.get(status, "ValidationException"))
        return Reply([body], status, "application/json", (kind, *headers))

    def opening(self, texts: Sequence[str], calls: Sequence[Call]) -> Iterator[bytes]:
        yield self._event("messageStart", {"role": "assistant"})
        for text in texts:
            yield self._event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
        for index, call in enumerate(calls, start=1):
            start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
            yield self._event("contentBlockStart", {"contentBlockIndex": index, "start": start})
            delta = {"toolUse": {"input": call.arguments}}
            yield self._event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})

    def ending(self, calls: Sequence[Call], *, cut: bool) -> Iterator[bytes]:
        yield self._event("contentBlockStop", {"contentBlockIndex": len(calls)})
        reason = "max_tokens" if cut else "tool_use" if calls else "end_turn"
        yield self._event("messageStop", {"stopReason": reason})
        usage = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
        yield self._event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})

    @staticmethod
    def _event(kind: str, payload: dict[str, Any]) -> bytes:
        """One message of the AWS event stream encoding: lengths, headers, payload, each half with its checksum."""
        headers = b""
        for name, value in ((":message-type", "event"), (":event-type", kind), (":content-type", "application/json")):
            headers += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        body = json.dumps(payload).encode()
        prelude = struct.pack("!II", 12 + len(headers) + len(body) + 4, len(headers))
        message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
        return message + struct.pack("!I", binascii.crc32(message))

    def turns(self, body: dict[str, Any]) -> list[tuple[str, list[str]]]:
        return [
            (message["role"], [self._held(block) for block in message["content"] if "cachePoint" not in block])
            for message in body["messages"]
        ]

    @staticmethod
    def _held(block: dict[str, Any]) -> str:
        if "toolUse" in block:
            return f"call {block['toolUse']['toolUseId']}"
        if "toolResult" in block:
            return f"result {block['toolResult']['toolUseId']}"
        return next(iter(block))

    def system(self, body: dict[str, Any]) -> str:
        return str(body["system"])

    def forbids_tools(self, body: dict[str, Any]) -> bool:
        return "toolConfig" not in body or "none" in json.dumps(body.get("additionalModelRequestFields", {}))


WIRES: tuple[Callable[[], Wire], ...] = (OpenAIChat, OpenAIResponses, Ollama, Anthropic, Bedrock)
