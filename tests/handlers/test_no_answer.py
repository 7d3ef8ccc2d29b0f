"""What comes back over HTTP and is no answer of table or queue: unanswered, and never "no such item" or "done".

A server on 127.0.0.1 answers the real clients; nothing between them and the code is replaced.
"""

import json
import threading
from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from outlive import wiring
from outlive.errors import StoreUnanswered
from outlive.settings import Settings
from outlive.store.queue import Queue
from outlive.store.refused import Refused
from outlive.store.row import Row
from outlive.store.rows import Chat, Run
from outlive.store.short_lived import Live
from outlive.store.slot import Succession, Successor
from outlive.store.table import Table
from tests.unit.test_lifecycle import a_run

KIND = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": "1"}
TAKEN = {"TableName": "outlive", "CapacityUnits": 0.5}
CHAT = {"pk": {"S": "w#c"}, "sk": {"S": "CHAT"}, "owner": {"S": "ada"}, "sequence": {"N": "2"}}
WHOLE = json.dumps({"Item": CHAT, "ConsumedCapacity": TAKEN}).encode()

NO_ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "a page": (200, {"Content-Type": "text/html"}, b"<html><body>Welcome</body></html>"),
    "a page said to be JSON": (200, KIND, b"<html><body>Welcome</body></html>"),
    "nothing": (200, KIND, b""),
    "an empty object": (200, KIND, b"{}"),
    "another object": (200, KIND, b'{"message": "ok"}'),
    "null": (200, KIND, b"null"),
    "a list": (200, KIND, b"[]"),
    "a text": (200, KIND, b'"ok"'),
    "a number": (200, KIND, b"7"),
    "no UTF-8": (200, KIND, b"\xff\xfe{}"),
    "half a body": (200, KIND, WHOLE[: len(WHOLE) // 2]),
    "another body than its checksum": (
        200, {**KIND, "x-amz-crc32": str(crc32(WHOLE))}, json.dumps({"ConsumedCapacity": TAKEN}).encode(),
    ),
    "a checksum that is none": (200, {**KIND, "x-amz-crc32": "x"}, WHOLE),
    "a redirect": (302, {"Content-Type": "text/html", "Location": "/login"}, b"<html>log in</html>"),
    "a proxy's refusal": (403, {"Content-Type": "text/html"}, b"<html>Forbidden</html>"),
    "a proxy's refusal as JSON": (403, {"Content-Type": "application/json"}, b'{"message": "Forbidden"}'),
    "a refusal with a list": (400, KIND, b"[]"),
    "a proxy's error": (502, {"Content-Type": "text/html"}, b"<html>Bad Gateway</html>"),
    "an error with a list": (500, KIND, b"[]"),
}  # fmt: skip


@dataclass
class Server:
    """Says the same to everyone."""

    answer: tuple[int, dict[str, str], bytes] = (200, KIND, WHOLE)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, Table, Queue]]:
    """The server, and the table and queue of `wiring` in front of it."""
    service = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            service.asked.append(self.headers["X-Amz-Target"])
            status, headers, body = service.answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    patch = pytest.MonkeyPatch()
    url = f"http://127.0.0.1:{httpd.server_port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
    }  # fmt: skip
    for name, value in environment.items():
        patch.setenv(name, value)
    patch.setattr(Row.Meta, "host", url, raising=False)
    before, Row._connection = Row._connection, None
    settings = Settings(table_name="outlive", queue_url=f"{url}/1/steps", agent_model="offline")
    yield service, wiring.table_of(settings), wiring.queue_of(settings)
    Row._connection = before
    patch.undo()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def calls(table: Table, queue: Queue) -> dict[str, Any]:
    """One call of each kind."""
    run = a_run()
    piece = Live(run.pk, Live.sort_key(0, 1, 0), passages="[]", created_at=1, expires_at=2)
    return {
        "GetItem": lambda: table.chat("w", "c"),
        "Query": lambda: table.records(run, 0),
        "Query of an index": lambda: list(table.active_runs(0, 1)),
        "BatchGetItem": lambda: list(table._get_all([{"pk": {"S": "a"}, "sk": {"S": "b"}}])),
        "PutItem": lambda: table.put_live_piece(piece),
        "UpdateItem": lambda: table.heartbeat(run, "mine", 2, 1),
        "TransactWriteItems": lambda: table.start(
            Succession(Chat("w#c", Chat.SK, owner="ada"), Successor(run, "hello"), None, 0), 1
        ),
        "SendMessage": lambda: queue.send(run, 0),
    }


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_the_store_did_not_say_is_unanswered(server: tuple[Server, Table, Queue], name: str) -> None:
    """[10] Of no read it means "no such item", of no write "done": each call may be made again."""
    service, table, queue = server
    service.answer = NO_ANSWERS[name]
    taken = {}
    for call, ask in calls(table, queue).items():
        try:
            taken[call] = repr(ask())
        except StoreUnanswered:
            continue
        except Exception as error:
            taken[call] = f"{type(error).__name__}: {error}"
    assert taken == {}


def test_an_answer_of_the_store_is_read_with_a_checksum_and_without(server: tuple[Server, Table, Queue]) -> None:
    """An item, the lack of one, and a refusal with its item are distinguished as before, with a checksum and without."""
    service, table, queue = server
    for headers in (KIND, {**KIND, "x-amz-crc32": str(crc32(WHOLE))}):
        service.answer = (200, headers, WHOLE)
        found = table.chat("w", "c")
        assert isinstance(found, Chat)
        assert found.sequence == 2
    service.answer = (200, KIND, json.dumps({"ConsumedCapacity": TAKEN}).encode())
    assert table.chat("w", "c") is None
    service.answer = (200, KIND, json.dumps({"Responses": {"outlive": [CHAT]}}).encode())
    assert list(table._get_all([{"pk": CHAT["pk"], "sk": CHAT["sk"]}])) == [CHAT]
    refusal = {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "no",
        "Item": CHAT,
    }
    service.answer = (400, KIND, json.dumps(refusal).encode())
    with pytest.raises(Refused) as refused:
        table.heartbeat(Run("w#r", Run.SK), "mine", 2, 1)
    assert (refused.value.by, refused.value.has_row("run")) == ({"run"}, True)
    service.answer = (200, KIND, b'{"MessageId": "1"}')
    queue.send(a_run(), 0)
