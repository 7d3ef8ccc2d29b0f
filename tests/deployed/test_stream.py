"""The streaming function's app, as it is, under its own server, beside the deployed template."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local import identity
from proof.stacks.deployed import PATIENCE, ROOT, Stack, until
from proof.stacks.ports import reserve
from tests.handlers.chunks import Client, shown
from tests.handlers.event_reader import EventReader, content_parts, events_of_stream

from .runs import begin, ended, held, new_chat, script, seen, stop, transcript
from .test_ai_sdk import MAJORS, Results, missing, play_all

TOOL: list[list[Any]] = [["clock", {}]]
STREAMS = ("start", "reload", "stop", "error", "broken connections")
APP = ROOT / "functions" / "stream"


@contextmanager
def serving(stack: Stack, **settings: str) -> Iterator[str]:
    """Its address, while it serves."""
    port, held = reserve()
    said = {
        "TABLE_NAME": stack.outputs["TableName"],
        "QUEUE_URL": stack.outputs["QueueUrl"],
        "AGENT_MODEL": "offline",
        "JWT_ISSUER": identity.issuer(stack.port),
        "JWT_AUDIENCE": f"other,{identity.AUDIENCE}",
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LWA_PORT": str(port),
        "LAMBDA_TASK_ROOT": str(APP),
        "PYTHONPATH": str(ROOT / "shared"),
        # The function's own start script finds this Python, and what it needs in it.
        "PATH": f"{ROOT / '.envs' / 'dev' / 'bin'}:{os.environ['PATH']}",
    }
    log = stack.state.parent / f"stream-{port}.log"
    with held, log.open("w") as out:
        process = subprocess.Popen([APP / "run.sh"], cwd=APP, env={**said, **settings}, stdout=out, stderr=out)
        try:
            until(lambda: listens(port) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    assert '"level":"ERROR"' not in log.read_text(), log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def streams(stack: Stack) -> Iterator[str]:
    """One server for the tests here."""
    with serving(stack) as url:
        yield url


@contextmanager
def asked(
    url: str, method: str, path: str, token: str | None, body: Any = None, **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """An HTTP answer whose body is read as it arrives."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(
            method, path, None if body is None else json.dumps(body), given | {"Accept": "text/event-stream"} | headers
        )
        yield connection.getresponse()
    finally:
        connection.close()


def frames(answer: http.client.HTTPResponse) -> Iterator[str]:
    """Each server-sent event as soon as it is whole."""
    block = ""
    for line in answer:
        block += line.decode()
        if block.endswith("\n\n"):
            yield block
            block = ""


def sent(chat: str, *entries: dict[str, Any]) -> dict[str, Any]:
    message = {"id": f"m-{chat}", "role": "user", "parts": [{"type": "text", "text": script(*entries)}]}
    return {"id": chat, "messages": [message]}


def test_a_run_is_one_stream_from_its_start_to_its_end(stack: Stack, streams: str) -> None:
    """The first text arrives before the last one exists, and the whole makes the stored message."""
    chat = new_chat()
    client = Client()
    body = sent(chat, held("Said first. ", chat, tools=TOOL), {"text": "Said last."})
    with asked(streams, "POST", "/api/chat", stack.token(), body) as answer:
        assert answer.status == 200
        assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
        pending = ""
        for frame in frames(answer):
            pending += frame
            if "id: " in frame:
                client.read(pending)
                pending = ""
            if any(part["type"] == "text" for part in client.parts):
                stack.release(chat)
        client.read(pending)
    assert client.done
    kept = transcript(stack, chat)[-1]
    assert client.parts == shown(kept["parts"])
    with asked(streams, "GET", f"/api/chat/{chat}/stream", stack.token()) as answer:
        assert answer.status == 204
    with asked(streams, "GET", f"/api/chat/{chat}/stream?after={client.cursor}", stack.token()) as answer:
        assert answer.status == 204


def test_events_are_one_stream_too(stack: Stack, streams: str) -> None:
    """With a token, and with a ticket in its place."""
    run = begin(stack, {"text": "one ", "tools": TOOL}, {"text": "two"})
    ticket = stack.call("POST", f"/runs/{run['id']}/ticket").body["ticket"]
    paths = {f"/runs/{run['id']}/events": stack.token(), f"/tickets/{ticket}/events": None}
    for path, token in paths.items():
        with asked(streams, "GET", path, token) as answer:
            assert answer.status == 200
            events, retry = events_of_stream(answer.read().decode())
        reader = EventReader()
        reader.take(events)
        assert retry == 1000
        assert reader.settled
        assert reader.parts == content_parts(seen(stack, run)["message"]["parts"])
        with asked(streams, "GET", path, token, **{"Last-Event-ID": events[-1]["id"]}) as answer:
            assert answer.status == 204
        with asked(streams, "GET", path, token, **{"Last-Event-ID": events[2]["id"]}) as answer:
            again = EventReader()
            again.take([*events[:3], *events_of_stream(answer.read().decode())[0]])
            assert (again.parts, again.run) == (reader.parts, reader.run)


WRONG: dict[str, dict[str, Any]] = {
    "expired": {"exp": 1},
    "for somebody else": {"aud": "another"},
    "from somebody else": {"iss": "https://login.example.com"},
    "without an end": {"exp": None},
    "not valid yet": {"nbf": 4_000_000_000},
    "without a workspace": {"workspace_id": None},
    "without a user": {"sub": ""},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_is_checked_here_too(stack: Stack, streams: str, wrong: str) -> None:
    """A function URL has no gateway before it."""
    for method, path in (("GET", "/api/chat/x/stream"), ("GET", "/runs/x/events"), ("POST", "/api/chat")):
        with asked(streams, method, path, stack.token(**WRONG[wrong]), {} if method == "POST" else None) as answer:
            assert (answer.status, json.load(answer)["code"]) == (401, "unauthorized")


def test_a_token_that_was_tampered_with_is_refused(stack: Stack, streams: str) -> None:
    """Another algorithm, none, and changed claims under a valid signature get 401."""
    head, claims, signature = stack.token().split(".")
    other = stack.token(user="eve").split(".")[1]
    none = "eyJhbGciOiJub25lIiwia2lkIjoibG9jYWwifQ"
    hs256 = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImxvY2FsIn0"
    tokens = [f"{head}.{other}.{signature}", f"{none}.{claims}.", f"{hs256}.{claims}.{signature}", "x", "", "a.b.c"]
    for token in tokens:
        with asked(streams, "GET", "/api/chat/x/stream", token or None) as answer:
            assert answer.status == 401, token


def test_what_is_not_there_or_not_yours_is_refused_as_by_the_api(stack: Stack, streams: str) -> None:
    """The same statuses and codes."""
    run = begin(stack, {"text": "secret"})
    ended(stack, run)
    eve = stack.token(user="eve")
    expected = {
        ("GET", f"/runs/{run['id']}/events"): (404, "run_not_found"),
        ("GET", "/runs/a%23b/events"): (404, "run_not_found"),
        ("GET", "/tickets/none/events"): (401, "ticket_expired"),
        ("GET", "/api/chat/a%23b/stream"): (422, "invalid_request"),
        ("GET", f"/api/chat/{run['chat_id']}/stream?after=x"): (422, "invalid_request"),
        ("POST", "/api/chat"): (422, "invalid_request"),
        ("GET", "/"): (404, "not_found"),
        ("DELETE", "/api/chat"): (404, "not_found"),
    }
    for (method, path), (status, code) in expected.items():
        with asked(streams, method, path, eve, {} if method == "POST" else None) as answer:
            assert (answer.status, json.load(answer)["code"]) == (status, code), path
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_stream_ends_before_its_function_would_be_ended_and_can_be_gone_on_with(stack: Stack) -> None:
    """Comments keep a quiet stream open, the end of the window does not end the message, and a disconnect changes
    nothing."""
    with serving(stack, STREAM_SECONDS="2", STREAM_HEARTBEAT_SECONDS="0.5") as url:
        chat = new_chat()
        run = begin(stack, held("Before. ", chat, tools=TOOL), {"text": "After."}, chat=chat)
        client, windows, comments = Client(), 0, 0
        query = ""
        while not client.done:
            with asked(url, "GET", f"/api/chat/{run['chat_id']}/stream{query}", stack.token()) as answer:
                if answer.status == 204:
                    break
                text = answer.read().decode()
            comments += text.count(": still here\n\n")
            client.read(text.replace(": still here\n\n", ""))
            if windows > 1 and comments:
                stack.release(chat)
            windows, query = windows + 1, f"?after={client.cursor}" if client.cursor else ""
        assert windows > 2
        assert comments > 0
        assert client.parts == shown(ended(stack, run)["message"]["parts"])
        left = begin(stack, {"text": "x" * 2000, "seconds": 600})
        with asked(url, "GET", f"/runs/{left['id']}/events", stack.token()) as answer:
            next(frames(answer))
        assert stop(stack, left)["stopped"]
        assert ended(stack, left)["run"]["error"] is None


def test_a_stream_takes_a_token_from_its_users_bucket_as_a_read_that_waits_does(stack: Stack) -> None:
    """[95] [87] One when it opens, through each door, and none while it goes on; then 429 with `Retry-After`."""
    ada = stack.token(user=f"ada-{new_chat()}")
    with serving(stack, HELD_READS_PER_MINUTE="3", STARTS_PER_MINUTE="1", STREAM_SECONDS="2") as url:
        chat = new_chat()
        with asked(url, "POST", "/api/chat", ada, sent(chat, {"text": "x" * 2000, "seconds": 600})) as answer:
            assert answer.status == 200
            run = answer.headers["location"]
        ticket = stack.call("POST", f"{run}/ticket", token=ada).body["ticket"]
        doors = {f"{run}/events": ada, f"/api/chat/{chat}/stream": ada, f"/tickets/{ticket}/events": None}
        for path, token in doors.items():
            with asked(url, "GET", path, token) as answer:
                assert answer.status == 200, path
                # It looks again and again meanwhile.
                assert answer.read()
        refused = [("GET", path, token, None) for path, token in doors.items()]
        for method, path, token, body in [*refused, ("POST", "/api/chat", ada, sent(new_chat(), {"text": "x"}))]:
            with asked(url, method, path, token, body) as answer:
                assert (answer.status, json.load(answer)["code"]) == (429, "too_many_requests"), path
                assert 1 <= int(answer.headers["retry-after"]) <= 60
        with asked(url, "GET", f"/api/chat/{chat}/stream", stack.token(user="another")) as answer:
            assert answer.status == 204
    assert stack.call("POST", f"{run}/stop", token=ada).body["stopped"]


@pytest.fixture(scope="module")
def streamed(stack: Stack, streams: str, request: pytest.FixtureRequest) -> Results:
    """Of every case that is played over streams."""
    return play_all(stack, request, streams)


@pytest.mark.parametrize("case", STREAMS)
@pytest.mark.parametrize("major", MAJORS)
def test_use_chat_over_a_stream(streamed: Results, major: str, case: str) -> None:
    """The same cases of the AI SDK, over streams."""
    if reason := missing(major):
        pytest.skip(reason)
    assert streamed[major, case] == ""


def test_the_local_stack_streams_too_for_pages_of_any_origin(tmp_path: Path) -> None:
    """[71] With STREAMING_FUNCTION=true: a message of a chat page is answered as it is written, and the server ends with the stack."""
    own = Stack(tmp_path / "state", STREAMING_FUNCTION="true", REQUIRED_SCOPE="outlive/chat")
    try:
        own.start()
        assert own._process is not None
        assert own._process.stdout is not None
        lines = iter(own._process.stdout.readline, "")
        url = next(line for line in lines if line.startswith("stream ")).removeprefix("stream ").strip()
        with asked(url, "OPTIONS", "/api/chat", None, Origin="http://localhost:3000") as answer:
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "*")
        chat = new_chat()
        # A scope that is required is required at both doors: an ID token of the same audience has none.
        assert own.call("GET", f"/chats/{chat}/run").status == 403
        with asked(url, "GET", f"/api/chat/{chat}/stream", own.token()) as answer:
            assert answer.status == 401
        token = own.token(scope="openid outlive/chat")
        assert own.call("GET", f"/chats/{chat}/run", token=token).status == 200
        with asked(url, "POST", "/api/chat", token, sent(chat, held("A long text.", "read"))) as answer:
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
            for frame in frames(answer):
                if "text-delta" in frame:
                    own.release("read")  # only once some of it was read does the rest come
                if "DONE" in frame:
                    break
            else:
                raise AssertionError("the stream ended before the run")
    finally:
        own.stop()
    until(lambda: not listens(urlsplit(url).port or 0))
