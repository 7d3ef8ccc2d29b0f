"""The AI SDK's two calls: a message starts a run, and its answer can be read and read on from anywhere."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from outlive.store.short_lived import Live
from proof.stacks.handlers import Answer, Stack
from tests.handlers.chunks import Client, shown

TOOL: list[list[Any]] = [["clock", {}]]
PROTOCOL = {"x-vercel-ai-ui-message-stream": "v1", "content-type": "text/event-stream"}


def message(text: str = "hello", message_id: str = "m1", **more: Any) -> dict[str, Any]:
    """A user's message, as `useChat` makes it."""
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}], **more}


def send(stack: Stack, *messages: dict[str, Any], chat: str = "chat-1", **how: Any) -> Answer:
    """What `useChat` sends."""
    query, more = how.pop("query", {"wait": "0"}), how.pop("more", {})
    body = {"id": chat, "messages": list(messages), "trigger": "submit-message", **more}
    return stack.call("POST", "/api/chat", body, query=query, **how)


def script(*entries: dict[str, Any]) -> str:
    """A prompt that has the offline model do this."""

    return f"#script {json.dumps(entries)}"


def stream(stack: Stack, after: str | None = None, chat: str = "chat-1", wait: str | None = "0", **who: str) -> Answer:
    """One window."""
    query = {name: value for name, value in (("after", after), ("wait", wait)) if value is not None}
    return stack.call("GET", f"/api/chat/{chat}/stream", query=query, **who)


def read_on(stack: Stack, client: Client, chat: str = "chat-1") -> int:
    """Let the client read until there is nothing new; returns the status of the last answer."""
    while True:
        before = client.cursor
        answer = stream(stack, client.cursor, chat)
        if answer.status != 200:
            return answer.status
        client.read(answer.body)
        if client.cursor == before or client.done:
            return 200


def say(stack: Stack, run_id: str, number: int, text: str, step: int = 0, attempt: int = 1) -> None:
    """A live piece, as a worker writes it."""
    live = Live(
        f"{stack.workspace}#{run_id}", Live.sort_key(step, attempt, number), created_at=1_780_000_000_000,
        passages=f'[{{"kind":"text","text":"{text}"}}]',
    )  # fmt: skip
    stack.dynamodb.put_item(TableName="outlive", Item=live.serialize())


def claimed(stack: Stack, attempt: int = 1, step: int = 0) -> str:
    """The one run there is, as if a worker had claimed its step; its id."""
    run_id = stack.call("GET", "/chats/chat-1/run").body["run"]["id"]
    item = stack.item(run_id)
    item |= {"status": {"S": "running"}, "claimed_step": {"N": str(step)}, "attempt": {"N": str(attempt)}}
    stack.dynamodb.put_item(TableName="outlive", Item=item)
    return str(run_id)


def stored(stack: Stack) -> dict[str, Any]:
    """The chat's last message."""
    return stack.transcript()[-1]


def check_same(client: Client, kept: dict[str, Any]) -> None:
    """What was read live is what is stored."""
    assert client.id == kept["id"]
    assert client.parts == shown(kept["parts"])
    assert client.metadata == kept["metadata"]


def test_a_message_starts_a_run_and_its_answer_streams_to_the_end(stack: Stack) -> None:
    """[69] Read window by window while the run goes on, the chunks produce the message that is stored."""
    answer = send(stack, message(script({"text": "a ", "reasoning": "hm", "tools": TOOL}, {"text": "b"})))
    assert answer.status == 200
    assert {name: answer.headers[name] for name in PROTOCOL} == PROTOCOL
    client = Client()
    assert [chunk["type"] for chunk in client.read(answer.body)] == ["start"]
    while (taken := stack.take()) is not None:
        stack.deliver(taken)
        read_on(stack, client)
    assert client.done
    assert client.ended is not None
    assert client.ended["type"] == "finish"
    assert client.ended["finishReason"] == "stop"
    check_same(client, stored(stack))
    assert stream(stack, client.cursor).status == 204
    assert stream(stack).status == 204


def test_a_client_that_reconnects_receives_the_answer_from_its_start(stack: Stack) -> None:
    """[70] After a reload in mid-run the stream begins with the stored message's id and contains what is stored so far."""
    send(stack, message(script({"text": "a ", "tools": TOOL}, {"text": "b"})))
    stack.deliver(stack.take() or {})
    first, second = Client(), Client()
    for client in (first, second):
        client.read(stream(stack).body)
        assert client.id == stored(stack)["id"]
        assert client.parts == stored(stack)["parts"]
    stack.work()
    for client in (first, second):
        read_on(stack, client)
        check_same(client, stored(stack))


def test_a_client_that_does_not_come_back_gets_as_much_as_one_answer_carries(stack: Stack) -> None:
    """Without `wait`, a run that ends in time is shown to its end in one answer."""
    stack.faults.then("TransactWriteItems", lambda: None)
    send_script = message(script({"text": "a ", "tools": TOOL}, {"text": "b"}))
    # The queue is worked on as soon as the first window of events was read.
    stack.faults.then("Query", stack.work)
    client = Client()
    client.read(send(stack, send_script, query=None).body)
    assert client.done
    check_same(client, stored(stack))


def test_live_text_goes_on_in_the_same_part(stack: Stack) -> None:
    """[70] A part that began in one window continues in the next, and ends where the record ends it."""
    send(stack, message(script({"text": "Hello", "tools": TOOL}, {"text": "b"})))
    run_id = claimed(stack)
    client = Client()
    say(stack, run_id, 0, "Hel")
    client.read(stream(stack).body)
    say(stack, run_id, 1, "lo")
    chunks = client.read(stream(stack, client.cursor).body)
    assert [chunk["type"] for chunk in chunks] == ["text-delta"]
    assert client.parts == [{"type": "step-start"}, {"type": "text", "text": "Hello", "state": "streaming"}]
    item = stack.item(run_id)
    item |= {"status": {"S": "pending"}, "claimed_step": {"N": "-1"}, "attempt": {"N": "0"}}
    stack.dynamodb.put_item(TableName="outlive", Item=item)
    stack.work()
    read_on(stack, client)
    assert client.voided == 0
    check_same(client, stored(stack))


def test_a_dead_attempts_text_is_void(stack: Stack) -> None:
    """[65] A step that begins again voids what was shown of it, and the answer ends there."""
    send(stack, message(script({"text": "alive"})))
    run_id = claimed(stack)
    client = Client()
    say(stack, run_id, 0, "dead")
    client.read(stream(stack).body)
    claimed(stack, attempt=2)
    say(stack, run_id, 0, "ali", attempt=2)
    answer = stream(stack, client.cursor)
    assert [chunk["type"] for chunk in client.read(answer.body)] == ["data-void"]
    assert client.parts == []
    client.read(stream(stack, client.cursor).body)
    assert client.parts == [{"type": "step-start"}, {"type": "text", "text": "ali", "state": "streaming"}]


def test_a_step_that_begins_again_replaces_what_was_not_sent_yet(stack: Stack) -> None:
    """A client that is given one long answer gets no void text in it."""
    send(stack, message(script({"text": "alive"})))
    run_id = claimed(stack)
    say(stack, run_id, 0, "dead")

    def die() -> None:
        claimed(stack, attempt=2)
        say(stack, run_id, 0, "ali", attempt=2)
        stack.clock.forward(30)

    stack.faults.planned += [("Query", "then", lambda: None), ("Query", "then", die)]
    client = Client()
    client.read(stream(stack, wait=None).body)
    assert client.voided == 0
    assert client.parts == [{"type": "step-start"}, {"type": "text", "text": "ali", "state": "streaming"}]


def test_a_stopped_run_ends_in_abort(stack: Stack) -> None:
    """[71] A run that was stopped before its first step has an empty, aborted message."""
    client = Client()
    client.read(send(stack, message()).body)
    stack.call("POST", "/chats/chat-1/stop")
    read_on(stack, client)
    assert client.ended == {"type": "abort"}
    check_same(client, stored(stack))


def test_a_failed_run_ends_in_error(stack: Stack) -> None:
    """[71] The stream's error is the run's error."""
    client = Client()
    client.read(send(stack, message(script({"error": "permanent"}))).body)
    stack.work()
    read_on(stack, client)
    kept = stored(stack)
    assert client.ended == {"type": "error", "errorText": kept["metadata"]["error"]["message"]}
    check_same(client, kept)


def test_a_lost_answer_costs_nothing(stack: Stack) -> None:
    """[69] The same message again finds the same run, also after it has ended; a plain start with that key finds it too."""
    first = send(stack, message())
    again = send(stack, message("older", "m0"), message())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    plain = stack.begin("chat-1", headers={"Idempotency-Key": "m1"})
    assert plain.headers["location"] == first.headers["location"]
    stack.work()
    client = Client()
    client.read(send(stack, message(), more={"messageId": "m1"}).body)
    assert client.done
    check_same(client, stored(stack))
    assert len(stack.transcript()) == 2
    other = send(stack, message("something else"))
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")
    odd = [send(stack, message(message_id="é" * 300), chat="chat-2") for _ in range(2)]
    assert odd[0].headers["location"] == odd[1].headers["location"]


def test_a_busy_chat_is_409(stack: Stack) -> None:
    """[7] The answer names the run to watch."""
    run = send(stack, message()).headers["location"].removeprefix("/runs/")
    busy = send(stack, message("another", "m2"))
    assert (busy.status, busy.body["code"], busy.body["active_run_id"]) == (409, "run_already_active", run)


def test_a_run_that_was_started_is_never_answered_as_if_it_was_not(stack: Stack) -> None:
    """If it can't be read right after, the answer is an empty stream, and the client comes back."""
    stack.faults.refuse("GetItem", times=0)
    stack.faults.then("TransactWriteItems", lambda: stack.faults.refuse("GetItem", times=20))
    answer = send(stack, message())
    stack.faults.planned.clear()
    assert answer.status == 200
    assert answer.body.startswith(":")
    client = Client()
    client.read(stream(stack).body)
    assert client.id is not None


BAD: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": "x"}, "messages"),
    ({"messages": [message(), 3]}, "messages[1]"),
    ({"id": "a#b"}, "id"),
    ({"id": None}, "id"),
    ({"trigger": "regenerate-message"}, "trigger"),
    ({"messageId": "m0"}, "messageId"),
    ({"workspace_id": "evil"}, "workspace_id"),
    ({"user_id": "evil"}, "user_id"),
    ({"status": "succeeded"}, "status"),
    ({"messages": [message(run_id="x")]}, "messages[0].run_id"),
    ({"messages": [message(), message() | {"role": "system"}]}, "messages[1].role"),
    ({"messages": [message(), message() | {"role": "assistant"}]}, "messages[1].id"),
    ({"messages": [{"id": "run-answer", "role": "assistant", "parts": "x"}]}, "messages[0].parts"),
    ({"messages": [{"id": "run-answer", "role": "assistant", "parts": []}], "trigger": "regenerate-message"}, "trigger"),
    ({"messages": [message() | {"id": ""}]}, "messages[0].id"),
    ({"messages": [message() | {"parts": "x"}]}, "messages[0].parts"),
    ({"messages": [message() | {"parts": []}]}, "messages[0].parts"),
    ({"messages": [message(" ")]}, "messages[0].parts"),
    ({"messages": [message() | {"parts": [{"type": "file", "url": "data:,", "mediaType": "a/b"}]}]}, "messages[0].parts[0].url"),
    ({"messages": [message() | {"parts": [{"type": "image", "url": "x"}]}]}, "messages[0].parts[0]"),
    ({"messages": [message() | {"parts": [{"type": "text", "text": "x", "owner": "x"}]}]}, "messages[0].parts[0].owner"),
    ({"budget": {"max_steps": 0}}, "budget.max_steps"),
    ({"metadata": {"x": "y" * 3000}}, "metadata"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field"), BAD, ids=[f"{field}-{index}" for index, (_, field) in enumerate(BAD)])
def test_what_is_not_a_users_text_is_refused(stack: Stack, wrong: dict[str, Any], field: str) -> None:
    """[50] The field is named, nothing is used and nothing is written."""
    answer = send(stack, message(), more=wrong)
    assert (answer.status, answer.body.get("field")) == (422, field), answer.body
    assert stack.items() == []


def test_what_came_before_the_last_message_is_not_looked_at(stack: Stack) -> None:
    """The client's copy of the history may be as it likes."""
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    assert send(stack, {"id": "x", "workspace_id": "evil", "parts": deep}, message()).status == 200
    assert [one["role"] for one in stack.transcript()] == ["user", "assistant"]


@pytest.mark.parametrize("wait", ["21", "-1", "x"])
def test_no_window_is_longer_than_the_gateway_waits(stack: Stack, wait: str) -> None:
    """A client that asks for more gets an error."""
    for answer in (stream(stack, wait=wait), send(stack, message(), query={"wait": wait})):
        assert (answer.status, answer.body["field"]) == (422, "wait")


def moved(cursor: str) -> list[str]:
    """Cursors that no call gave."""
    run, mark, place = cursor.rsplit(".", 2)
    return ["x", "", f"{run}.{mark}.x", f"{run}.{'0' * 16}.{place}", f"{run}x.{mark}.{place}", cursor + "x"]


def test_a_cursor_is_good_for_its_chat_alone(stack: Stack) -> None:
    """[66] Any other cursor gets 422, which names the field."""
    client = Client()
    client.read(send(stack, message()).body)
    send(stack, message(message_id="m2"), chat="chat-2")
    assert client.cursor is not None
    for wrong in moved(client.cursor):
        answer = stream(stack, wrong)
        assert (answer.status, answer.body["field"]) == (422, "after"), wrong
    answer = stream(stack, client.cursor, chat="chat-2")
    assert (answer.status, answer.body["field"]) == (422, "after")


@pytest.mark.parametrize("look", [lambda cursor: None, lambda cursor: cursor], ids=["from the start", "after"])
def test_to_any_other_user_nothing_is_active(stack: Stack, look: Callable[[str | None], str | None]) -> None:
    """[49] Another user of the workspace gets what an idle chat answers."""
    client = Client()
    client.read(send(stack, message()).body)
    assert stream(stack, look(client.cursor), user="eve").status == 204
    assert send(stack, message(), user="eve").body["code"] == "chat_not_found"
