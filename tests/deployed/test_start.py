"""Starting runs, over HTTP."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from proof.stacks.deployed import PATIENCE, Stack, until

from .runs import LOOK_EVERY, ask, begin, ended, held, new_chat, once, outcome, script, seen, shape, stop, transcript

LONG = {"text": "and so on ", "repeat": 100, "seconds": 600}
RACERS = 20


def connect(stack: Stack) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.port), timeout=PATIENCE)


def request(stack: Stack, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as it goes over the wire."""
    head = {"Host": "localhost", "Authorization": f"Bearer {stack.token()}", "Content-Length": str(len(body))} | headers
    lines = [
        f"{method} {urlsplit(stack.url).path}{path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in head.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.together
def test_a_run_is_pending_then_running_then_done_and_every_step_shows(stack):
    """[1] [3] [17] [45] [46] A claim makes the run `running`, each stored step shows in the next read, and the end is
    current at once."""
    chat = new_chat()
    one, two = ([["calculate", {"expression": word}]] for word in ("1", "2"))
    answer = ask(stack, chat, {"text": "1 ", "tools": one}, held("2 ", chat, tools=two), {"text": "3"})
    started = answer.body["run"]
    assert (answer.status, answer.headers["location"]) == (202, f"/runs/{started['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert (started["status"], started["started_at"], started["step_count"]) == ("pending", None, 0)
    assert (started["trigger"], started["created_by"], started["chat_id"]) == ("user", "ada", chat)

    latest = stack.call("GET", f"/chats/{chat}/run").body
    assert latest["run"]["id"] == started["id"]
    assert (latest["message"]["status"], latest["message"]["id"]) == ("streaming", started["assistant_message_id"])

    mid = once(stack, started, lambda run: run["step_count"] == 1)
    assert (mid["run"]["status"], mid["message"]["status"], mid["message"]["content"]) == ("running", "streaming", "1 ")
    assert [part["type"] for part in mid["message"]["parts"]] == ["step-start", "text", "tool-calculate"]
    assert mid["run"]["usage"]["requests"] == 1
    stack.release(chat)

    done = ended(stack, started)
    run, message = done["run"], done["message"]
    assert outcome(run) == ("succeeded", "stop", None)
    assert (run["step_count"], run["usage"]["requests"], run["stop_requested_at"]) == (3, 3, None)
    assert started["created_at"] == run["created_at"] <= run["started_at"] < run["finished_at"] == run["updated_at"]
    assert (message["status"], message["content"]) == ("completed", "1 2 3")
    assert message["metadata"] == {"error": None, "finish_reason": "stop", "usage": run["usage"]}
    tools = [part for part in message["parts"] if part["type"] == "tool-calculate"]
    assert [(part["state"], part["input"], part["output"]) for part in tools] == [
        ("output-available", {"expression": "1"}, 1),
        ("output-available", {"expression": "2"}, 2),
    ]
    assert shape(transcript(stack, chat)) == [("user", "completed"), ("assistant", "completed")]
    assert transcript(stack, chat)[1] == message
    assert stack.call("GET", f"/chats/{chat}/run").body == done


def test_of_twenty_simultaneous_starts_one_is_accepted_and_the_others_name_it(stack):
    """[7] One start gets 202; the nineteen others get 409 with the winner's run id."""
    chat = new_chat()
    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(lambda _: ask(stack, chat, LONG), range(RACERS)))
    (won,) = [answer.body["run"]["id"] for answer in answers if answer.status == 202]
    lost = [answer for answer in answers if answer.status != 202]
    assert {(answer.status, answer.body["code"], answer.body["active_run_id"]) for answer in lost} == {
        (409, "run_already_active", won)
    }
    assert {answer.headers["content-type"] for answer in lost} == {"application/problem+json"}
    assert shape(transcript(stack, chat)) == [("user", "completed"), ("assistant", "streaming")]
    assert stop(stack, {"id": won})["stopped"]


def test_twenty_simultaneous_starts_with_one_key_are_one_run(stack):
    """[51] Twenty starts with one key get the same run, and none gets 409 because of its own run."""
    chat, key = new_chat(), {"Idempotency-Key": "the same"}
    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(lambda _: ask(stack, chat, LONG, headers=key), range(RACERS)))
    assert {answer.status for answer in answers} == {202}
    (run,) = {answer.body["run"]["id"] for answer in answers}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(transcript(stack, chat)) == 2
    assert stop(stack, {"id": run})["stopped"]


@pytest.mark.together
def test_a_start_whose_answer_was_lost_is_found_again_by_its_key(stack):
    """[29] A client that hung up before the answer gets its run by its key, while the run is active and after it has
    ended."""
    chat, headers = new_chat(), {"Idempotency-Key": "mine alone"}
    entry = held("said once", chat)
    with connect(stack) as line:
        line.sendall(
            request(stack, "POST", f"/chats/{chat}/runs", json.dumps({"prompt": script(entry)}).encode(), **headers)
        )
    active = until(lambda: stack.call("GET", f"/chats/{chat}/run").body["run"], every=LOOK_EVERY)

    again = ask(stack, chat, entry, headers=headers)
    assert (again.status, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.headers["location"] == f"/runs/{active['id']}"
    assert (again.body["run"]["id"], again.body["run"]["finished_at"]) == (active["id"], None)
    other = ask(stack, chat, {"text": "something else"}, headers=headers)
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")
    assert ask(stack, chat, entry, headers={"Idempotency-Key": "another"}).body["active_run_id"] == active["id"]
    stack.release(chat)

    done = ended(stack, active)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    late = ask(stack, chat, entry, headers=headers)
    assert (late.status, late.headers["idempotency-replayed"], late.body["run"]) == (202, "true", done["run"])
    assert [message["content"] for message in transcript(stack, chat)] == [script(entry), "said once"]

    elsewhere = ask(stack, new_chat(), entry, headers=headers)
    assert (elsewhere.status, elsewhere.body["run"]["id"] != active["id"]) == (202, True)
    somebody = ask(stack, new_chat(), entry, headers=headers, token=stack.token(user="bob"))
    assert (somebody.status, somebody.body["run"]["id"] != active["id"]) == (202, True)


@pytest.mark.together
def test_a_client_that_hangs_up_or_hardly_reads_changes_nothing(stack):
    """[29] The run ends as usual if its client leaves at once, never reads, or reads a byte at a time."""
    run = begin(stack, {"text": "all of it ", "repeat": 20_000, "seconds": 3}, {"text": "never reached"})
    ask_for_it = request(stack, "GET", f"/runs/{run['id']}")
    with connect(stack) as silent, connect(stack) as slow:
        silent.sendall(ask_for_it)
        slow.sendall(ask_for_it)
        for _ in range(20):
            with connect(stack) as gone:
                gone.sendall(ask_for_it)
        assert slow.recv(1)
        done = ended(stack, run)
        assert slow.recv(1)
        after = request(stack, "GET", f"/chats/{run['chat_id']}/messages")
        silent.sendall(after)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert done["run"]["stop_requested_at"] is None
    assert done["message"]["content"] == "all of it " * 20_000


BODIES: list[tuple[bytes, str]] = [
    (b"", "body"),
    (b"{", "body"),
    (b"null", "body"),
    (b"[]", "body"),
    (b'"hello"', "body"),
    (b"\xff\xfe", "body"),
    (b'{"prompt": "a"} trailing', "body"),
    (b'{"prompt": NaN}', "body"),
    (b"[" * 100_000, "body"),
    (b'{"metadata": {"deep": ' + b"[" * 900 + b"]" * 900 + b'}, "prompt": "a"}', "body"),
    (b"{}", "prompt"),
    (b'{"prompt": null}', "prompt"),
    (b'{"prompt": 5}', "prompt"),
    (b'{"prompt": ["a"]}', "prompt"),
    (b'{"prompt": ""}', "prompt"),
    (b'{"prompt": " \\n\\t\\u2003 "}', "prompt"),
    (b'{"prompt": "a", "budget": 3}', "budget"),
    (b'{"prompt": "a", "budget": {"max_steps": 0}}', "budget.max_steps"),
    (b'{"prompt": "a", "budget": {"max_steps": 21}}', "budget.max_steps"),
    (b'{"prompt": "a", "budget": {"max_steps": 1.5}}', "budget.max_steps"),
    (b'{"prompt": "a", "budget": {"max_steps": "3"}}', "budget.max_steps"),
    (b'{"prompt": "a", "budget": {"max_steps": true}}', "budget.max_steps"),
    (b'{"prompt": "a", "budget": {"max_steps": 3, "tokens": 5}}', "budget.tokens"),
    (b'{"prompt": "a", "metadata": []}', "metadata"),
    (b'{"prompt": "a", "metadata": {"n": "' + b"x" * 2041 + b'"}}', "metadata"),
    *(
        (json.dumps({"prompt": "a", name: value}).encode(), name)
        for name, value in {
            "workspace_id": "other", "user_id": "eve", "status": "succeeded", "trigger": "schedule", "id": "mine",
            "run_id": "mine", "created_by": "eve", "created_at": "2020-01-01T00:00:00.000Z", "chat_id": "c", "": 1,
        }.items()
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), BODIES, ids=[body[:60].decode("latin-1") for body, _ in BODIES])
def test_what_is_wrong_with_a_body_is_422_and_named(stack, chat, body, field):
    """[10] [50] The answer names the field, and nothing is stored."""
    answer = stack.call("POST", f"/chats/{chat}/runs", raw=body)
    assert (answer.status, answer.body["code"]) == (422, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.body) == {"type", "title", "status", "detail", "code", "field"}
    assert answer.body["field"] == (field or "body")
    assert stack.items(f"acme#{chat}") == []


@pytest.mark.parametrize(
    "chat_id", ["x" * 129, "a#b", "a b", "a%b", "a%2fb", "\U0001f600", "a\0b", "a\n", "a~b", "a?b"], ids=ascii
)
def test_a_chat_id_is_one_everywhere_or_422(stack, chat_id):
    """[53] Every call answers 422 to an invalid chat id."""
    path = f"/chats/{quote(chat_id, safe='')}"
    for method, call in (("POST", "runs"), ("POST", "stop"), ("GET", "run"), ("GET", "messages"), ("GET", "runs")):
        answer = stack.call(method, f"{path}/{call}", {"prompt": "hello"} if method == "POST" else None)
        assert (answer.status, answer.body.get("code"), answer.body.get("field")) == (422, "invalid_request", "chat_id")


def test_an_encoded_slash_in_an_id_reaches_nothing(stack):
    """A gateway that decodes a path before it matches it sees another route, and answers in its own form."""
    run = begin(stack, LONG)
    for path in (
        f"/chats/{run['chat_id']}%2Fx/runs",
        f"/chats/x%2F..%2F{run['chat_id']}/stop",
        f"/runs/..%2F{run['id']}/stop",
    ):
        assert stack.call("POST", path, {"prompt": "hello"}).status in {200, 404, 422}
    assert seen(stack, run)["run"]["stop_requested_at"] is None
    assert len(transcript(stack, run["chat_id"])) == 2
    assert stop(stack, run)["stopped"]


@pytest.mark.parametrize("chat_id", ["x" * 128, ".", "..", ":", "-", "a:b", "CHAT", "MSG"])
def test_every_chat_id_within_the_rules_works(stack, workspace, chat_id):
    """[53] An id that means something in a path or as a key of the table is a chat id like any other."""
    token = stack.token(workspace)
    answer = stack.call("POST", f"/chats/{quote(chat_id, safe='')}/runs", {"prompt": script(LONG)}, token=token)
    assert (answer.status, answer.body["run"]["chat_id"]) == (202, chat_id)
    assert stack.call("POST", f"/chats/{quote(chat_id, safe='')}/stop", token=token).body["stopped"]


@pytest.mark.parametrize("key", ["", "x" * 256, "schl\xfcssel", "a\tb"], ids=ascii)
def test_a_key_that_is_none_is_422(stack, chat, key):
    """[53] An idempotency key that is empty, too long or not printable ASCII gets 422, and nothing is stored."""
    answer = stack.call("POST", f"/chats/{chat}/runs", {"prompt": "hello"}, headers={"Idempotency-Key": key})
    assert (answer.status, answer.body["field"]) == (422, "Idempotency-Key")
    assert stack.items(f"acme#{chat}") == []


def test_a_prompt_may_have_32768_characters_and_no_more(stack, chat):
    """[53] The limit counts characters, not bytes."""
    over = stack.call("POST", f"/chats/{chat}/runs", {"prompt": "\U0001f600" * 32_769})
    assert (over.status, over.body["code"]) == (413, "prompt_too_long")
    assert stack.items(f"acme#{chat}") == []
    most = stack.call("POST", f"/chats/{chat}/runs", {"prompt": "\U0001f600" * 32_768})
    assert most.status == 202
    assert transcript(stack, chat)[0]["content"] == "\U0001f600" * 32_768
    stop(stack, most.body["run"])


@pytest.mark.together
def test_nul_and_half_characters_in_a_prompt_break_nothing(stack):
    """[27] The chat stays readable, and this run and the next one succeed."""
    chat = new_chat()
    for prompt in (rb'{"prompt": "a\u0000b \ud83d c \udc00 \ud83d\ude00"}', b'{"prompt": "and now?"}'):
        answer = stack.call("POST", f"/chats/{chat}/runs", raw=prompt)
        assert answer.status == 202
        done = ended(stack, answer.body["run"])
        assert outcome(done["run"]) == ("succeeded", "stop", None)
    said = transcript(stack, chat)
    assert len(said) == 4
    assert (said[0]["content"][0], said[0]["content"][-1]) == ("a", "\U0001f600")
    assert "\0" not in json.dumps(said, ensure_ascii=False)
    json.dumps(said, ensure_ascii=False).encode()


def test_metadata_and_budget_are_kept(stack, chat):
    """[53] Budget and metadata are stored and returned as given."""
    said: dict[str, Any] = {"prompt": "hello", "budget": {"max_steps": 2}, "metadata": {"ключ": [1, None, {"a": 1.5}]}}
    run = stack.call("POST", f"/chats/{chat}/runs", said).body["run"]
    assert (run["budget"], run["metadata"]) == (said["budget"], said["metadata"])
    assert {name: seen(stack, run)["run"][name] for name in ("budget", "metadata")} == {
        "budget": said["budget"], "metadata": said["metadata"],
    }  # fmt: skip
    stop(stack, run)


def test_an_unknown_route_and_a_wrong_method_are_404(stack):
    for method, path in (
        ("GET", "/nowhere"),
        ("DELETE", "/runs/x"),
        ("GET", "/chats/x"),
        ("POST", "/chats/x/messages"),
    ):
        assert stack.call(method, path).status == 404
