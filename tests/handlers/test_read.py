"""Reading: consistent, complete, and for the owner alone."""

from typing import Any

import pytest

from outlive.agent import Outcome, Usage
from outlive.store.row import Row
from outlive.store.rows import Chat, Message, Run
from proof.stacks.handlers import Stack

TOOL: list[list[Any]] = [["clock", {}]]


def pages(stack: Stack, path: str, name: str, limit: int) -> list[list[Any]]:
    found, cursor = [], None
    while True:
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        answer = stack.call("GET", path, query=query)
        assert answer.status == 200
        found.append(answer.body[name])
        cursor = answer.body["cursor"]
        if cursor is None:
            return found


def test_a_chat_that_never_had_a_run_reads_as_nothing(stack: Stack) -> None:
    """[57] Run and message are null, with 200."""
    assert stack.call("GET", "/chats/none/run").body == {"run": None, "message": None}
    assert stack.call("GET", "/chats/none/messages").body == {"messages": [], "cursor": None}
    assert stack.call("GET", "/chats/none/runs").body == {"runs": [], "cursor": None}
    unknown = stack.call("GET", "/runs/none")
    assert (unknown.status, unknown.body["code"]) == (404, "run_not_found")


def test_the_latest_run_is_there_right_after_its_start_and_right_after_its_end(stack: Stack) -> None:
    """[45] A read after a 202, or after the end, is current."""
    run = stack.begin().body["run"]
    assert stack.call("GET", "/chats/chat-1/run").body["run"] == run
    stack.work()
    seen = stack.call("GET", "/chats/chat-1/run").body
    assert (seen["run"]["status"], seen["message"]["status"]) == ("succeeded", "completed")
    assert seen == stack.call("GET", f"/runs/{run['id']}").body


def test_a_reconnect_costs_three_reads(stack: Stack) -> None:
    """[63] Chat, run, message with its records; all consistent."""
    stack.begin()
    stack.work()
    stack.faults.calls.clear()
    stack.faults.requests.clear()
    stack.call("GET", "/chats/chat-1/run")
    assert stack.faults.calls == ["GetItem", "GetItem", "Query"]
    assert all(request["ConsistentRead"] is True for request in stack.faults.requests)


def test_mid_run_every_recorded_step_shows(stack: Stack) -> None:
    """[45] A reader of an active run sees each step as soon as it is stored."""
    stack.script("chat-1", {"text": "a ", "tools": TOOL}, {"text": "b ", "tools": TOOL}, {"text": "c"})
    shown = []
    for _ in range(3):
        stack.deliver(stack.take() or {})
        seen = stack.call("GET", "/chats/chat-1/run").body
        shown.append((seen["message"]["content"], seen["message"]["status"], seen["run"]["step_count"]))
        assert seen["run"]["usage"]["requests"] == seen["run"]["step_count"]
    assert shown == [("a ", "streaming", 1), ("a b ", "streaming", 2), ("a b c", "completed", 3)]
    assert [part["type"] for part in seen["message"]["parts"]] == [
        "step-start", "text", "tool-clock", "step-start", "text", "tool-clock", "step-start", "text",
    ]  # fmt: skip
    assert seen["message"]["metadata"] == {"error": None, "finish_reason": "stop", "usage": seen["run"]["usage"]}


def test_no_reader_sees_a_streaming_message_under_a_settled_run(stack: Stack) -> None:
    """[58] The message's status is that of the run as read before it."""
    stack.begin()
    stack.faults.then("GetItem", stack.work)
    seen = stack.call("GET", "/chats/chat-1/run").body
    assert (seen["run"]["status"], seen["message"]["status"]) == ("succeeded", "completed")
    run_id = stack.begin().body["run"]["id"]
    stack.faults.then("GetItem", stack.work)
    seen = stack.call("GET", f"/runs/{run_id}").body
    assert (seen["run"]["status"], seen["message"]["status"]) == ("pending", "streaming")


def test_a_message_that_is_gone_reads_as_null(stack: Stack) -> None:
    """[46] The run is still returned, with 200."""
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    stack.dynamodb.delete_item(TableName="outlive", Key={"pk": {"S": "acme#chat-1"}, "sk": {"S": "MSG#000000000002"}})
    answer = stack.call("GET", f"/runs/{run_id}")
    assert (answer.status, answer.body["message"]) == (200, None)
    assert [message["role"] for message in stack.transcript()] == ["user"]


def test_content_is_the_text_of_all_parts_in_order(stack: Stack) -> None:
    """[46] Reasoning is shown as a part and is not content."""
    parts = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    stack.answer_with(Outcome("step", parts, "[]"), Outcome("final", [{"type": "text", "text": "c"}], "[]", Usage()))
    stack.begin()
    stack.work()
    message = stack.transcript()[1]
    assert message["content"] == "abc"
    assert message["parts"] == [*parts, {"type": "text", "text": "c"}]


def test_two_readers_see_the_same_and_change_nothing(stack: Stack) -> None:
    """[47] [29] Reads write nothing to the table."""
    run_id = stack.script("chat-1", {"text": "a ", "tools": TOOL}, {"text": "b"}).body["run"]["id"]
    stack.deliver(stack.take() or {})
    before = stack.items()
    paths = ("/chats/chat-1/run", f"/runs/{run_id}", "/chats/chat-1/messages", "/chats/chat-1/runs")
    for path in paths:
        assert stack.call("GET", path).body == stack.call("GET", path).body
    assert stack.items() == before
    stack.work()
    assert stack.run_of(run_id)["stop_requested_at"] is None


def test_500_messages_page_without_a_gap(stack: Stack) -> None:
    """[55] In order, each once, with any page size."""
    table, chat = stack.read.read.table, Chat.key("acme", "chat-1")
    rows: list[Row] = [Chat(chat, Chat.SK, owner="ada", sequence=500, latest_run_id="run-249")]
    for number in range(250):
        run_id, seq = f"run-{number}", 2 * number + 1
        shared: dict[str, Any] = {"run_id": run_id, "created_at": number, "updated_at": number}
        rows += [
            Run(
                Run.key("acme", run_id), Run.SK, id=run_id, workspace_id="acme", chat_id="chat-1", owner="ada",
                trigger="user", status="aborted", user_seq=seq, assistant_seq=seq + 1, chat_key=chat, claimed_step=-1,
                budget={"max_steps": 1}, attempt=0, resends=0, step_count=0, created_at=number, updated_at=number,
            ),
            Message(chat, Message.sort_key(seq), id=f"{run_id}-p", role="user", status="completed", text=f"prompt {number}", **shared),
            Message(chat, Message.sort_key(seq + 1), id=f"{run_id}-a", role="assistant", status="aborted", **shared),
        ]  # fmt: skip
    for row in rows:
        table._call("PutItem", row.get_save_kwargs_from_instance())
    found = pages(stack, "/chats/chat-1/messages", "messages", 100)
    assert [len(page) for page in found] == [100] * 5
    messages = [message for page in found for message in page]
    assert [message["content"] for message in messages[::2]] == [f"prompt {number}" for number in range(250)]
    assert len({message["id"] for message in messages}) == 500
    assert [message for page in pages(stack, "/chats/chat-1/messages", "messages", 61) for message in page] == messages
    runs = [run for page in pages(stack, "/chats/chat-1/runs", "runs", 33) for run in page]
    assert [run["id"] for run in runs] == [message["run_id"] for message in messages[::2]][::-1]


def test_a_page_that_ends_with_the_last_message_has_no_cursor(stack: Stack) -> None:
    stack.begin()
    stack.work()
    for path, name, limit in (("/chats/chat-1/messages", "messages", 2), ("/chats/chat-1/runs", "runs", 1)):
        assert [len(page) for page in pages(stack, path, name, limit)] == [limit]


def test_a_page_ends_before_5_mb_and_says_where_to_go_on(stack: Stack) -> None:
    """[55] The cursor of a short page leads to the rest."""
    stack.answer_with(Outcome("final", [{"type": "text", "text": "x" * 800_000}], "[]"))
    for _ in range(5):
        stack.begin()
        stack.work()
    found = pages(stack, "/chats/chat-1/messages", "messages", 100)
    assert len(found) > 1
    assert sum(len(page) for page in found) == 10


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "", "1e1", " 1", "٣"])
def test_a_limit_out_of_range_is_422(stack: Stack, limit: str) -> None:
    for path in ("/chats/chat-1/messages", "/chats/chat-1/runs"):
        answer = stack.call("GET", path, query={"limit": limit})
        assert (answer.status, answer.body["field"]) == (422, "limit")


def test_a_cursor_is_good_only_for_its_workspace_chat_and_call(stack: Stack) -> None:
    """[56] Any other cursor gets 422, which names the field."""
    for workspace in ("acme", "other"):
        for chat in ("chat-1", "chat-2"):
            for _ in range(2):
                stack.begin(chat, workspace=workspace)
                stack.call("POST", f"/chats/{chat}/stop", workspace=workspace)
    cursor = stack.call("GET", "/chats/chat-1/messages", query={"limit": "1"}).body["cursor"]
    asked = {"cursor": cursor}
    assert stack.call("GET", "/chats/chat-1/messages", query=asked).status == 200
    for answer in (
        stack.call("GET", "/chats/chat-2/messages", query=asked),
        stack.call("GET", "/chats/chat-1/runs", query=asked),
        stack.call("GET", "/chats/chat-1/messages", query=asked, workspace="other"),
        *(
            stack.call("GET", "/chats/chat-1/messages", query={"cursor": bad})
            for bad in ("", "x", cursor[:-2], cursor + "A", "ä", "=" * 5, cursor.lower())
        ),
    ):
        assert (answer.status, answer.body["field"]) == (422, "cursor")


def test_lists_show_a_run_as_it_is_now(stack: Stack) -> None:
    stack.begin()
    stack.work()
    stack.begin()
    runs = stack.call("GET", "/chats/chat-1/runs").body["runs"]
    assert [run["status"] for run in runs] == ["pending", "succeeded"]
    assert runs[1]["usage"]["requests"] == 2


def test_a_read_the_store_does_not_answer_is_503(stack: Stack) -> None:
    stack.begin()
    for operation in ("GetItem", "Query"):
        stack.faults.refuse(operation)
        answer = stack.call("GET", "/chats/chat-1/run")
        assert (answer.status, answer.body["code"]) == (503, "read_failed")


def test_a_full_page_of_runs_is_read_whole(stack: Stack) -> None:
    """[55] Limit 100, of more than a hundred."""
    chat = Chat.key("acme", "chat-1")
    first = stack.begin().body["run"]["id"]
    stack.call("POST", "/chats/chat-1/stop")
    item = stack.item(first)
    for number in range(2, 104):
        copied = {
            **item,
            "pk": {"S": f"acme#run-{number}"},
            "id": {"S": f"run-{number}"},
            "assistant_seq": {"N": str(2 * number)},
        }
        stack.dynamodb.put_item(TableName="outlive", Item=copied)
    found = pages(stack, "/chats/chat-1/runs", "runs", 100)
    assert [len(page) for page in found] == [100, 3]
    gone = {"pk": {"S": "acme#run-50"}, "sk": {"S": "RUN"}}
    stack.dynamodb.delete_item(TableName="outlive", Key=gone)
    assert sum(len(page) for page in pages(stack, "/chats/chat-1/runs", "runs", 10)) == 102
    assert chat


def test_records_without_their_header_are_shown_nowhere(stack: Stack) -> None:
    """[46] Least of all in another message."""
    for _ in range(2):
        stack.begin(prompt='#script [{"text": "answer"}]')
        stack.work()
    for seq in (3, 4):
        stack.dynamodb.delete_item(
            TableName="outlive", Key={"pk": {"S": "acme#chat-1"}, "sk": {"S": f"MSG#{seq:012d}"}}
        )
    assert [message["content"] for message in stack.transcript()][1:] == ["answer"]


def test_an_unreadable_record_reads_as_empty(stack: Stack) -> None:
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    stack.dynamodb.update_item(
        TableName="outlive", Key={"pk": {"S": "acme#chat-1"}, "sk": {"S": "MSG#000000000002#STEP#000000"}},
        UpdateExpression="SET packed = :x", ExpressionAttributeValues={":x": {"B": b"junk"}},
    )  # fmt: skip
    for path in (f"/runs/{run_id}", "/chats/chat-1/run", "/chats/chat-1/messages"):
        assert stack.call("GET", path).status == 200


@pytest.mark.parametrize("accept", ["gzip", "br, gzip", "identity", None])
def test_a_large_answer_is_compressed_where_that_is_taken_or_needed(stack: Stack, accept: str | None) -> None:
    """A function answers with at most 6 MB, and its body travels as a JSON string."""
    stack.answer_with(Outcome("final", [{"type": "text", "text": '"' * 50_000}], "[]"))
    run_id = stack.begin().body["run"]["id"]
    stack.work()
    headers = {"Accept-Encoding": accept} if accept else {"accept-encoding": ""}
    answer = stack.call("GET", f"/runs/{run_id}", headers=headers)
    assert (answer.headers.get("content-encoding") == "gzip") == ("gzip" in (accept or ""))
    assert answer.body["message"]["content"] == '"' * 50_000
