"""Hostile requests cause no server error, show no internals and no other tenant's ids, and leave nothing behind."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from outlive.cursor import cursor_at
from proof.stacks.handlers import Answer, Stack, event

INSIDE = (
    "Traceback",
    'File "',
    "outlive.",
    "botocore",
    "dynamodb",
    "ResourceNotFound",
    "Validation",
    "msgspec",
    "/work",
)

IDS = [
    " ", "a b", "a/b", "a#b", "a%23b", "a\nb", "a\x00b", "á", "\u202egnp", "{chat_id}", "a" * 129, "a" * 5000, "MSG#000000000001",
    "acme#chat-1", "../chat-1", "'; DROP TABLE outlive; --", "${jndi:ldap://127.0.0.1/a}", "<script>",
]  # fmt: skip

BODIES: dict[str, str] = {
    "nothing": "",
    "null": "null",
    "a number": "1",
    "a text": '"hello"',
    "a list": '[{"prompt": "hello"}]',
    "half an object": '{"prompt": "hello"',
    "two objects": '{"prompt": "hello"}{"prompt": "hello"}',
    "no JSON": "prompt=hello",
    "XML": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><prompt>&e;</prompt>',
    "NaN": '{"prompt": "hello", "metadata": {"a": NaN}}',
    "infinity": '{"prompt": "hello", "metadata": {"a": -Infinity}}',
    "a number beyond any float": '{"prompt": "hello", "metadata": {"a": 1e999}}',
    "a number of 5000 digits": '{"prompt": "hello", "metadata": {"a": ' + "9" * 5000 + "}}",
    "a hundred thousand brackets": "[" * 100_000,
    "a body as deep as a stack": '{"prompt": "hello", "metadata": ' + '{"a":' * 5000 + "1" + "}" * 5001,
    "metadata nested 200 deep": '{"prompt": "hello", "metadata": ' + '{"a":' * 200 + "1" + "}" * 201,
    "no prompt": "{}",
    "prompt null": '{"prompt": null}',
    "prompt a number": '{"prompt": 7}',
    "prompt an object": '{"prompt": {"$ne": ""}}',
    "prompt empty": '{"prompt": ""}',
    "prompt blank": '{"prompt": " \\t\\n\\u3000\\u2003"}',
    "metadata a list": '{"prompt": "hello", "metadata": [1]}',
    "metadata too long": json.dumps({"prompt": "hello", "metadata": {"a": "x" * 2048}}),
    "metadata too long in UTF-8 only": json.dumps({"prompt": "hello", "metadata": {"a": "я" * 1100}}),
    "budget empty": '{"prompt": "hello", "budget": {}}',
    "budget of something else": '{"prompt": "hello", "budget": {"max_steps": 1, "max_tokens": 1}}',
    **{
        f"budget {value}": f'{{"prompt": "hello", "budget": {{"max_steps": {value}}}}}'
        for value in ("0", "-1", "1.5", "true", '"3"', "null", "21", "1e3", "9" * 30, "[]")
    },
    **{
        f"forged {name}": json.dumps({"prompt": "hello", name: "x"})
        for name in (
            "id", "run_id", "chat_id", "workspace_id", "user_id", "sub", "owner", "created_by", "status", "trigger",
            "active_run_id", "assistant_message_id", "fingerprint", "Prompt", "__proto__", "constructor", "", "pk",
        )
    },
}  # fmt: skip

LIMITS = ["", "0", "-1", "101", "1.0", "1e1", "0x10", " 1", "1 ", "+1", "１", "9" * 400, "None", "1;2", "\x00"]


def plain(answer: Answer) -> str | None:
    """What is wrong with an answer to something hostile, None if nothing is."""
    shown_text = json.dumps(answer.body)
    shown = [trace for trace in INSIDE if trace in shown_text]
    if answer.status >= 500 or shown:
        return f"{answer.status} {shown} {shown_text[:200]}"
    if answer.status >= 400 and answer.headers["content-type"] != "application/problem+json":
        return f"{answer.status} as {answer.headers['content-type']}"
    return None


def refused(stack: Stack, asked: dict[Any, Callable[[], Answer]], status: int) -> dict[Any, str]:
    """Of these calls those that were not answered `status`, plainly, or changed anything."""
    before = stack.items()
    wrong = {}
    for name, ask in asked.items():
        answer = ask()
        trouble = plain(answer) or (f"answered {answer.status} {answer.body}" if answer.status != status else None)
        if trouble:
            wrong[name] = trouble
    if not wrong:
        assert stack.items() == before
    return wrong


def test_hostile_body_is_refused_and_leaves_nothing(stack: Stack) -> None:
    """[10] [50] Any invalid body is 422 and names a field; no field of it is taken that a client may not set."""
    asked = {
        name: (lambda raw=body: stack.call("POST", "/chats/chat-1/runs", raw=raw)) for name, body in BODIES.items()
    }
    assert refused(stack, asked, 422) == {}


@pytest.mark.parametrize("levels", [100, 101, 300, 500, 700, 900, 950, 1_000, 10_000])
def test_body_nested_deep_is_refused_wherever_it_is_deep(stack: Stack, levels: int) -> None:
    """[10] [50] 422 that names the field, at every depth a parser may or may not take, and for both kinds of start."""
    deep = {
        kind: before * levels + "1" + after * levels for kind, before, after in (("a", '{"a":', "}"), ("l", "[", "]"))
    }
    message = '{"id": "m", "role": "user", "parts": [{"type": "text", "text": "a"}]'
    asked: dict[Any, Callable[[], Answer]] = {}
    for kind, value in deep.items():
        starts = {
            "metadata": f'{{"prompt": "a", "metadata": {{"a": {value}}}}}', "prompt": f'{{"prompt": {value}}}',
            "budget": f'{{"prompt": "a", "budget": {value}}}', "unknown": f'{{"prompt": "a", "x": {value}}}', "body": value,
        }  # fmt: skip
        chats = {
            "metadata": f'{{"id": "c", "messages": [{message}}}], "metadata": {{"a": {value}}}}}',
            "message": f'{{"id": "c", "messages": [{message}, "metadata": {value}}}]}}',
            "part": f'{{"id": "c", "messages": [{{"id": "m", "role": "user", "parts": [{value}]}}]}}',
            "messages": f'{{"id": "c", "messages": {value}}}', "id": f'{{"id": {value}, "messages": [{message}}}]}}',
        }  # fmt: skip
        for name, raw in starts.items():
            asked["start", name, kind] = lambda raw=raw: stack.call("POST", "/chats/chat-1/runs", raw=raw)
        for name, raw in chats.items():
            asked["chat", name, kind] = lambda raw=raw: stack.call("POST", "/api/chat", raw=raw)
    assert refused(stack, asked, 422) == {}


def test_body_that_is_no_text_is_refused(stack: Stack) -> None:
    """[10] Bytes that are no UTF-8, and what is no base64 though it says so, are 422."""
    sent = {
        "UTF-16": base64.b64encode('{"prompt": "hello"}'.encode("utf-16")).decode(),
        "Latin-1": base64.b64encode('{"prompt": "é"}'.encode("latin-1")).decode(),
        "bytes": base64.b64encode(bytes(range(256))).decode(),
        "not base64": "§§§",
    }
    wrong = {}
    for name, body in sent.items():
        got = stack.start.handler(_event(stack, body, encoded=True), stack.context)
        # Any encoding of JSON is JSON; what matters is that nothing breaks.
        if got["statusCode"] != 422 and (name, got["statusCode"]) != ("UTF-16", 202):
            wrong[name] = got
    assert wrong == {}


def test_prompt_over_the_limit_is_413(stack: Stack) -> None:
    """Characters are counted, and not bytes."""
    asked = {
        character: (lambda text=character * 32_769: stack.begin("chat-1", text)) for character in ("a", "я", "😀", " a")
    }
    assert refused(stack, asked, 413) == {}
    assert stack.begin("chat-1", "😀" * 32_768).status == 202


def test_unstorable_characters_do_not_break_a_chat(stack: Stack) -> None:
    """[27] NUL and lone surrogates in prompt and metadata: the run is stored, runs and reads as any other."""
    raw = '{"prompt": "a\\u0000b\\ud800c", "metadata": {"k\\udfff": "\\u0000"}}'
    assert stack.call("POST", "/chats/chat-1/runs", raw=raw).status == 202
    stack.work()
    question, answer = stack.transcript()
    assert question["content"] == "a\ufffdb\ufffdc"
    assert answer["status"] == "completed"


@pytest.mark.parametrize("call", ["POST /chats/{}/runs", "POST /chats/{}/stop", "GET /chats/{}/run", "GET /chats/{}/messages", "GET /chats/{}/runs"])  # fmt: skip
def test_hostile_chat_id_is_422(stack: Stack, call: str) -> None:
    method, path = call.split()
    body = {"prompt": "hello"} if path.endswith("runs") and method == "POST" else None
    asked = {chat: (lambda chat=chat: _call(stack, method, path, chat, body)) for chat in IDS}
    assert refused(stack, asked, 422) == {}


@pytest.mark.parametrize(("call", "status"), [("GET /runs/{}", 404), ("POST /runs/{}/stop", 200)])
def test_hostile_run_id_is_unknown(stack: Stack, call: str, status: int) -> None:
    method, path = call.split()
    asked = {run: (lambda run=run: _call(stack, method, path, run)) for run in IDS}
    assert refused(stack, asked, status) == {}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00", "a\nb", "a\r\nX-Injected: 1", "ключ", "😀", "a\x7f"])
def test_hostile_idempotency_key_is_422(stack: Stack, key: str) -> None:
    asked = {key: lambda: stack.begin("chat-1", headers={"Idempotency-Key": key})}
    assert refused(stack, asked, 422) == {}


@pytest.mark.parametrize("name", ["messages", "runs"])
def test_hostile_limit_is_422(stack: Stack, name: str) -> None:
    asked = {limit: (lambda limit=limit: _page(stack, name, limit=limit)) for limit in LIMITS}
    assert refused(stack, asked, 422) == {}


@pytest.mark.parametrize("name", ["messages", "runs"])
def test_cursor_is_good_only_where_it_was_given(stack: Stack, name: str) -> None:
    """[48] Garbage, a cut cursor, and the cursors of another call, chat or workspace are 422."""
    for chat in ("chat-1", "chat-2"):
        stack.begin(chat)
        stack.work()
    given = _page(stack, name, limit="1").body["cursor" if name == "messages" else "runs"]
    good = given if name == "messages" else cursor_at(2, "acme", "chat-1", "runs")
    assert _page(stack, name, cursor=good).status == 200
    other = {"messages": "runs", "runs": "messages"}[name]
    cursors = [
        "", " ", "x", "====", "\x00", "я", "MQ", "0" * 20_000, good[:-1], good + "A", good[::-1], "-1." + "0" * 16,
        base64.urlsafe_b64encode(b"1.0123456789abcdef").decode(), base64.urlsafe_b64encode(b"\xff" * 20).decode(),
        base64.urlsafe_b64encode(json.dumps({"pk": "acme#chat-2"}).encode()).decode(),
        cursor_at(1, "acme", "chat-1", other), cursor_at(1, "acme", "chat-2", name), cursor_at(1, "globex", "chat-1", name),
        cursor_at(-1, "acme", "chat-1", name), cursor_at(10**13, "acme", "chat-1", name),
    ]  # fmt: skip
    asked = {cursor: (lambda cursor=cursor: _page(stack, name, cursor=cursor)) for cursor in cursors}
    assert refused(stack, asked, 422) == {}


@pytest.mark.parametrize(
    "claims",
    [
        {}, {"sub": "ada"}, {"workspace_id": "acme"}, {"sub": "", "workspace_id": "acme"}, {"sub": "ada", "workspace_id": ""},
        {"sub": "a" * 257, "workspace_id": "acme"}, {"sub": "ada", "workspace_id": "a" * 257}, {"sub": "ada", "workspace_id": "[acme globex]"},
        {"sub": ["ada"], "workspace_id": "acme"}, {"sub": "ada", "workspace_id": None}, {"sub": "ada", "workspace_id": {"a": 1}},
        {"sub": "a\x00", "workspace_id": "acme"}, {"sub": "ada", "workspace_id": "\ud800"}, {"SUB": "ada", "Workspace_id": "acme"},
    ],
)  # fmt: skip
def test_claims_that_name_no_user_are_401(stack: Stack, claims: dict[str, Any]) -> None:
    """[48] For every call, a token that does not name the caller as text is refused."""
    run_id = stack.begin("chat-1").body["run"]["id"]
    calls = [
        ("POST", "/chats/chat-1/runs", {"prompt": "hello"}), ("POST", "/chats/chat-1/stop", None), ("GET", "/chats/chat-1/run", None),
        ("GET", "/chats/chat-1/messages", None), ("GET", "/chats/chat-1/runs", None), ("GET", f"/runs/{run_id}", None),
        ("POST", f"/runs/{run_id}/stop", None),
    ]  # fmt: skip
    asked = {one[:2]: (lambda one=one: stack.call(*one, claims=claims)) for one in calls}
    assert refused(stack, asked, 401) == {}


@pytest.mark.parametrize(
    ("workspace", "user"), [("acme", "eve"), ("globex", "ada"), ("acme#chat-1", "ada"), ("ACME", "ada")]
)
def test_no_answer_to_a_stranger_holds_a_foreign_id(stack: Stack, workspace: str, user: str) -> None:
    """[48] [49] Another user who has the right ids, key and cursor gets the answers for a chat that does not exist."""
    own = stack.begin("chat-1", "sesame", headers={"Idempotency-Key": "key"}).body["run"]
    stack.work()
    busy = stack.begin("chat-1", "sesame again").body["run"]
    before = stack.items()
    secrets = ["sesame", "ada", *(value for run in (own, busy) for value in (run["id"], run["assistant_message_id"]))]
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/chats/chat-1/run", {}), ("GET", "/chats/chat-1/messages", {}), ("GET", "/chats/chat-1/runs", {}),
        ("GET", "/chats/chat-1/messages", {"query": {"cursor": cursor_at(0, "acme", "chat-1", "messages")}}),
        ("GET", f"/runs/{busy['id']}", {}), ("POST", f"/runs/{busy['id']}/stop", {}), ("POST", "/chats/chat-1/stop", {}),
        ("GET", f"/runs/{busy['assistant_message_id']}", {}),
    ]  # fmt: skip
    if workspace == "acme":
        body = {"prompt": "sesame"}
        calls += [
            ("POST", "/chats/chat-1/runs", {"body": body}),
            ("POST", "/chats/chat-1/runs", {"body": body, "headers": {"Idempotency-Key": "key"}}),
        ]
    for method, path, how in calls:
        answer = stack.call(method, path, workspace=workspace, user=user, **how)
        shown_text = json.dumps([answer.body, answer.headers])
        assert plain(answer) is None
        assert [secret for secret in secrets if f'"{secret}' in shown_text or secret in shown_text.split("/")] == [], (
            method,
            path,
        )
    assert stack.items() == before


def _call(stack: Stack, method: str, path: str, identifier: str, body: Any = None) -> Answer:
    """A call with this id, decoded as the gateway hands it on."""
    asked = {**event("read"), "body": json.dumps(body)}
    route = path.format("{chat_id}" if path.startswith("/chats") else "{run_id}")
    asked["routeKey"] = f"{method} {route}"
    asked["requestContext"]["http"] |= {"method": method}
    asked["requestContext"]["authorizer"]["jwt"]["claims"] = {"workspace_id": "acme", "sub": "ada"}
    asked["pathParameters"] = {route.split("{")[1].split("}")[0]: identifier}
    module = stack.read if method == "GET" else stack.stop if path.endswith("stop") else stack.start
    got = module.handler(asked, stack.context)
    headers = (
        {name.lower(): values[0] for name, values in got["multiValueHeaders"].items()}
        if got.get("multiValueHeaders")
        else {}
    )
    headers |= {name.lower(): value for name, value in (got.get("headers") or {}).items()}
    return Answer(got["statusCode"], json.loads(got["body"]), headers)


def _page(stack: Stack, name: str, **query: str) -> Answer:
    return stack.call("GET", f"/chats/chat-1/{name}", query=query)


def _event(stack: Stack, body: str, *, encoded: bool) -> dict[str, Any]:
    return {**event("start"), "body": body, "isBase64Encoded": encoded}
