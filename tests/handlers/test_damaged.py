"""Damaged rows: each kind of row, each of its attributes, missing or of a wrong type or garbage, under every call.

No call answers 500, the sweep gets through, and after one sweep the chat can be used again, where anything is left to tell
whose it is and how far it is.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from outlive.store.rows import Run
from outlive.store.short_lived import Live
from proof.dynamodb.memory_table import MemoryTable
from proof.stacks.handlers import Answer, Stack

Wire = dict[str, Any]

KINDS = {"running": ("RUN", "CHAT", "MSGuser", "MSGassistant", "LIVE", "TICKET"), "ended": ("RUN", "STEP")}
"""By the state of the run: the rows that are damaged then, one at a time."""
KEYS = {"active_shard", "created_at", "chat_key", "assistant_seq"}
LOST = {("CHAT", "owner"), ("CHAT", "sequence"), ("CHAT", "active_run_id"), ("RUN", "owner")}
"""Attributes that no other attribute repeats: if one is damaged, chat or run have no owner, or stay until stale or mended."""


def damages(value: Wire) -> Iterator[tuple[str, Wire | None]]:
    """What may have become of an attribute."""
    ((kind, held),) = value.items()
    yield "missing", None
    yield "of a wrong type", {"BOOL": True}
    yield "garbage", {"S": {"S": '{"%'}, "N": {"N": "1.5"}, "B": {"B": b"\x00garbage"}}[kind]
    if kind == "S" and held[:1] == "{":
        yield "other JSON", {"S": "[7]"}


def lay(stack: Stack, chat: str, state: str) -> tuple[str, str]:
    """A chat with a run in this state, a live piece and a ticket: the run's id and the ticket."""
    run_id = stack.begin(chat).body["run"]["id"]
    piece = Live(Run.key("acme", run_id), Live.sort_key(0, 1, 0), passages='[{"kind":"text","text":"a"}]', created_at=1)
    stack.step.step.tools.table.put_live_piece(piece)
    if state != "pending":
        message = stack.message(run_id, 0)
        if state == "running":
            stack.answer_with(SystemExit())
            with pytest.raises(SystemExit):
                stack.deliver(message)
        else:
            stack.deliver(message)
    return run_id, stack.call("POST", f"/runs/{run_id}/ticket").body["ticket"]


def rows(table: MemoryTable, chat: str, run_id: str) -> Iterator[tuple[str, Wire]]:
    """The rows of a chat and its run, by their kind."""
    for item in table.items():
        if item["pk"]["S"] in (f"acme#{chat}", f"acme#{run_id}"):
            sk = item["sk"]["S"]
            kind = "STEP" if "#STEP#" in sk else sk.split("#")[0]
            yield (kind + item["role"]["S"] if kind == "MSG" else kind), item


def asked(stack: Stack, chat: str, run_id: str, ticket: str) -> Iterator[tuple[str, Answer]]:
    """Every call but a start."""
    after = {"after": stack.call("GET", f"/runs/{run_id}/events", user="ada").body.get("cursor") or ""}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/chats/{chat}/run", {}), ("GET", f"/runs/{run_id}", {}), ("GET", f"/chats/{chat}/messages", {}),
        ("GET", f"/chats/{chat}/runs", {}), ("GET", f"/runs/{run_id}/events", {}),
        ("GET", f"/runs/{run_id}/events", {"query": after} if after["after"] else {}),
        ("GET", f"/tickets/{ticket}/events", {}), ("POST", f"/runs/{run_id}/ticket", {}),
        ("GET", f"/api/chat/{chat}/stream", {"query": {"wait": "0"}}),
    ]  # fmt: skip
    for method, path, how in calls:
        yield f"{method} {path}", stack.call(method, path, **how)
    stack.deliver(stack.message(run_id, 0))
    for path in (f"/runs/{run_id}/stop", f"/chats/{chat}/stop"):
        yield f"POST {path}", stack.call("POST", path)


def cases(stack: Stack, table: MemoryTable, state: str, wanted: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Chats with one damage each, a kind of damage for each attribute in turn: what, how, the chat, its run, a ticket."""
    agent = stack.step.step
    run_id, _ = lay(stack, "model", state)
    (model,) = (item for kind, item in rows(table, "model", run_id) if kind == wanted)
    stack.call("POST", "/chats/model/stop")
    for number, name in enumerate(sorted(model.keys() - {"pk", "sk"})):
        every = list(damages(model[name]))
        how, value = every[number % len(every)]
        if name in KEYS and how == "of a wrong type":
            how, value = "missing", None  # an index's key: DynamoDB takes no other type
        stack.step.step = agent
        chat = f"chat-{number}"
        run_id, ticket = lay(stack, chat, state)
        stack.step.step = agent
        (own,) = (item for kind, item in rows(table, chat, run_id) if kind == wanted)
        kept = {key: held for key, held in {**own, name: value}.items() if held is not None}
        table.call("PutItem", {"TableName": "outlive", "Item": kept})
        yield name, how, chat, run_id, ticket


@pytest.mark.parametrize(("state", "kind"), [(state, kind) for state, kinds in KINDS.items() for kind in kinds])
def test_a_damaged_row_breaks_no_call_and_its_chat_can_be_used_again(
    stack: Stack, memory: MemoryTable, state: str, kind: str
) -> None:
    """[11] [43] [51] For every damage of every attribute."""
    wrong: dict[str, Any] = {}
    for what, how, chat, run_id, ticket in cases(stack, memory, state, kind):
        try:
            broken = {call: got.body for call, got in asked(stack, chat, run_id, ticket) if got.status == 500}
        except Exception as error:
            broken = {"raised": f"{type(error).__name__}: {error}"}
        stack.clock.forward(31)
        counts = stack.sweep_now()
        if counts["failed"]:
            broken["sweep"] = counts
        again = stack.begin(chat)
        if again.status != 202 and not ((kind, what) in LOST and again.status in (404, 409, 503)):
            broken["start"] = again.body
        lists = [stack.call("GET", f"/chats/{chat}/{page}") for page in ("messages", "runs", "run")]
        if again.status == 202 and [got.status for got in lists] != [200, 200, 200]:
            broken["lists"] = [got.body for got in lists]
        stack.call("POST", f"/chats/{chat}/stop")
        if broken:
            wrong[f"{what} {how}"] = json.dumps(broken)[:300]
    assert wrong == {}
