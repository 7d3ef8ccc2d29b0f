"""What a run may cost, call by call: the cost budget of docs/guarantees.md. A change that costs more needs a decision."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from outlive.agent import Ask, Interrupt, Outcome, Usage
from outlive.asked import AskedCall
from outlive.clock import SECOND
from outlive.delivery import Delivery
from outlive.follow.passages import Words
from outlive.lifecycle import Status
from outlive.request import ID
from outlive.store.row import Row
from outlive.store.rows import Run
from outlive.watch import Watch
from proof.costs.units import Units, bill
from proof.dynamodb.memory_table import MemoryTable
from proof.dynamodb.rows import Row as Item
from proof.stacks.faults import is_piece
from proof.stacks.handlers import Stack

UUID = "0f8fad5b-d9cb-469f-a165-70867728950{}"
MEGABYTE = 1024 * 1024
STEPS = 10


class Meter:
    """Counts the calls of the table and of the queue."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stack = stack
        self.queue: Counter[str] = Counter()
        for client in (stack.start.start.queue._sqs, stack.step.step.tools.queue._sqs, stack.sweep.sweep.queue._sqs):
            monkeypatch.setattr(client, "_make_api_call", self._counting(client._make_api_call))

    def _counting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(operation: str, request: dict[str, Any]) -> Any:
            self.queue[operation] += 1
            return call(operation, request)

        return counted

    @contextmanager
    def costs(self, *, queue: dict[str, int] | None = None, pieces: int | None = None, **table: int) -> Iterator[None]:
        """What happens inside makes exactly these calls. Pieces of live text are counted apart; a slow machine makes some."""
        self.stack.faults.forget()
        self.queue.clear()
        yield
        count = sum(map(is_piece, self.stack.faults.requests))
        assert Counter(self.stack.faults.counted) == table
        assert self.queue == (queue or {})
        if pieces is not None:
            assert count == pieces


@pytest.fixture
def meter(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Meter:
    return Meter(stack, monkeypatch)


def deliver_next(stack: Stack) -> None:
    message = stack.take()
    assert message is not None
    assert stack.deliver(message)


def steps(count: int) -> list[dict[str, Any]]:
    return [*({"text": "x", "tools": [["clock", {}]]} for _ in range(count - 1)), {"text": "done"}]


def test_a_run_of_ten_steps_makes_these_calls_and_no_others(stack: Stack, meter: Meter) -> None:
    """[63] Start one read, one transaction, one send; a step two writes, one query, one look at the stop, one
    send and one visibility change; settle one transaction."""
    stack.look_once()
    with meter.costs(GetItem=1, TransactWriteItems=1, queue={"SendMessage": 1}):
        stack.script("chat-1", *steps(STEPS))
    for _ in range(STEPS - 1):
        with meter.costs(
            UpdateItem=1, Query=1, GetItem=1, PutItem=1, queue={"ChangeMessageVisibility": 1, "SendMessage": 1}
        ):
            deliver_next(stack)
    with meter.costs(
        UpdateItem=1, Query=1, GetItem=1, PutItem=1, TransactWriteItems=1, queue={"ChangeMessageVisibility": 1}
    ):
        deliver_next(stack)
    with meter.costs():
        assert stack.take() is None


def test_a_start_with_a_key_costs_no_more(stack: Stack, meter: Meter) -> None:
    """[63] Only a busy chat or a refusal makes a start with a key look for its run first."""
    with meter.costs(GetItem=1, TransactWriteItems=1, queue={"SendMessage": 1}):
        stack.begin(headers={"Idempotency-Key": "k"})


def test_a_refused_start_costs_two_reads_and_writes_nothing(stack: Stack, meter: Meter) -> None:
    """[63] [7] The chat, and the run that holds it."""
    stack.begin()
    deliver_first_claim(stack)
    with meter.costs(GetItem=2):
        assert stack.begin().status == 409


def deliver_first_claim(stack: Stack) -> None:
    run = next(item for item in stack.items() if item["sk"]["S"] == "RUN")
    key = Run(run["pk"]["S"], "RUN")
    now = stack.start.start.clock.now()
    stack.step.step.tools.table.claim(key, 0, "lease", now + 30 * SECOND, now)


@pytest.mark.parametrize("path", ["/chats/chat-1/run", "/runs/{id}"])
def test_a_reconnect_costs_at_most_three_consistent_reads(stack: Stack, meter: Meter, path: str) -> None:
    """[63] The chat where it is asked by chat, the run, and the message with its records in one query."""
    run = stack.script("chat-1", *steps(STEPS)).body["run"]
    for _ in range(5):
        deliver_next(stack)
    with meter.costs(GetItem=2 if path.startswith("/chats") else 1, Query=1):
        assert stack.call("GET", path.format(id=run["id"])).body["run"]["step_count"] == 5
    assert all(request["ConsistentRead"] for request in stack.faults.requests)


def test_a_heartbeat_is_one_write_and_one_visibility_change_and_a_look_is_one_read(stack: Stack, meter: Meter) -> None:
    """[63] What a step costs while its model takes its time."""
    stack.begin()
    message = stack.take()
    assert message is not None
    deliver_first_claim(stack)
    step = stack.step.step.tools
    run = step.table.reload(Run(next(item["pk"]["S"] for item in stack.items() if item["sk"]["S"] == "RUN"), "RUN"))
    now = step.clock.now()
    delivery = Delivery("acme", run.id, 0, message["ReceiptHandle"], now + 300 * SECOND, now)
    watch = Watch(step.table, step.queue, step.clock, step.settings, run, delivery, Interrupt())
    with meter.costs(UpdateItem=1, queue={"ChangeMessageVisibility": 1}):
        watch.heartbeat(step.clock.now())
    with meter.costs(GetItem=1):
        watch.look()
    assert watch.interrupt.reason is None


def test_live_text_costs_one_write_for_each_piece_and_nothing_else(stack: Stack, meter: Meter) -> None:
    """A piece is due after 1 KB or a second, whichever is first: linear in the text, and apart from the step's two writes."""

    def slow(ask: Ask, say: Any, interrupt: Interrupt) -> Outcome:
        for number in range(1, 4):
            # All of it at once: what is written between two of several would be a piece of its own.
            say(Words("text", "x" * 1600))
            while sum(map(is_piece, list(stack.faults.requests))) < number:
                threading.Event().wait(0.01)
        return Outcome("final", [{"type": "text", "text": "x" * 4800}], None, Usage())

    stack.answer_with(slow)
    stack.look_once()
    stack.begin()
    with meter.costs(
        UpdateItem=1,
        Query=1,
        GetItem=1,
        PutItem=1,
        TransactWriteItems=1,
        queue={"ChangeMessageVisibility": 1},
        pieces=3,
    ):
        deliver_next(stack)


def test_a_look_at_what_is_new_is_two_reads(stack: Stack, meter: Meter) -> None:
    """The pieces with the run, and the records; three without a cursor, one for a reader who has received all of an ended run."""
    run = stack.script("chat-1", *steps(2)).body["run"]
    deliver_next(stack)
    path = f"/runs/{run['id']}/events"
    with meter.costs(GetItem=1, Query=2):
        cursor = stack.call("GET", path).body["cursor"]
    with meter.costs(Query=1):  # there is no record of a step before its claim
        assert stack.call("GET", path, query={"after": cursor}).body["events"] == []
    deliver_next(stack)
    with meter.costs(Query=2):
        cursor = stack.call("GET", path, query={"after": cursor}).body["cursor"]
    assert all(request["ConsistentRead"] for request in stack.faults.requests)
    with meter.costs(GetItem=1):
        assert stack.call("GET", path, query={"after": cursor}).status == 204
    with meter.costs(GetItem=1, Query=1):
        assert stack.call("GET", path).status == 200


def test_a_ticket_is_a_read_and_a_write_and_a_read_each_time(stack: Stack, meter: Meter) -> None:
    run = stack.begin().body["run"]
    stack.work()
    with meter.costs(GetItem=1, PutItem=1):
        url = stack.call("POST", f"/runs/{run['id']}/ticket").body["url"]
    with meter.costs(GetItem=2, Query=1):
        assert stack.call("GET", url).status == 200


def test_a_step_reads_its_history_in_one_query_a_megabyte(stack: Stack, memory: MemoryTable) -> None:
    """[63] A page of the query holds up to a megabyte."""
    chance = random.Random(1)

    def long_step(ask: Ask, say: Any, interrupt: Interrupt) -> Outcome:
        text = chance.randbytes(130_000).hex()
        return Outcome("step", [{"type": "text", "text": text}], None, Usage())

    stack.answer_with(long_step)
    assert stack.begin(prompt="hello").status == 202
    for _ in range(10):
        read = sum(row.weight for row in memory.state.rows.values() if row.attributes["sk"]["S"].startswith("MSG#"))
        stack.faults.calls.clear()
        deliver_next(stack)
        # A page ends before the record that would pass a megabyte: with records of 130 KB it is seven eighths full.
        pages = 1 + int(read / (MEGABYTE * 7 / 8))
        assert stack.faults.calls.count("Query") <= pages
    assert pages == 2


def test_a_sweep_over_ten_thousand_young_runs_reads_none_of_them(stack: Stack, memory: MemoryTable) -> None:
    """[63] Eight queries of each of two indexes, and no read or write of the table itself."""
    fill(memory, stack, 10_000, seconds_ago=stack.sweep.settings.lease_seconds - 5)
    stack.faults.calls.clear()
    counts = stack.sweep_now()
    assert stack.faults.calls == ["Query"] * 16
    assert Counter(request["IndexName"] for request in stack.faults.requests[-16:]) == {"active": 8, "due": 8}
    assert counts["seen"] == 0
    assert sum(bill(memory, "Query", request)[1].read for request in stack.faults.requests[-16:]) == 8


def test_a_sweep_reads_each_older_run_once(stack: Stack, memory: MemoryTable) -> None:
    """[63] One read for each hundred active runs of a shard older than a lease; one that is held costs nothing more."""
    fill(memory, stack, 500, seconds_ago=stack.sweep.settings.lease_seconds + 5)
    stack.faults.calls.clear()
    assert stack.sweep_now()["seen"] == 500
    assert Counter(stack.faults.calls) == {"Query": 16, "BatchGetItem": 8}


def fill(memory: MemoryTable, stack: Stack, count: int, *, seconds_ago: float) -> None:
    """Put `count` runs into the table that started so long ago and are held by a worker."""
    now = stack.start.start.clock.now()
    one = Run(
        "", Run.SK, id="run", workspace_id="acme", chat_id="chat", chat_key="acme#chat", owner="ada", trigger="user",
        status=Status.RUNNING, user_seq=1, assistant_seq=2, budget={"max_steps": 20}, metadata={}, claimed_step=0,
        attempt=1, resends=0, step_count=0, created_at=now - int(seconds_ago * SECOND), updated_at=now,
        lease_id="lease", lease_until=now + 30 * SECOND, progress_at=now,
    )  # fmt: skip
    like = json.loads(json.dumps(one.serialize()))
    rows = dict(memory.state.rows)
    for number in range(count):
        run_id = f"run-{number}"
        key = Run.key("acme", run_id), Run.SK
        own = {"pk": {"S": key[0]}, "id": {"S": run_id}, "active_shard": {"S": Run.shard(run_id)}}
        rows[key] = Item.of({**like, **own})
    memory.state = memory.state._replace(rows=rows)


def test_a_run_with_ids_as_long_as_uuids_is_one_write_unit_at_every_move(stack: Stack, memory: MemoryTable) -> None:
    """[63] Its row is written at each claim and heartbeat, so a row over 1 KB would double what they cost."""
    billed: dict[str, list[Units]] = {}
    real = Row._get_connection().connection.client

    def billing(operation: str, request: dict[str, Any]) -> Any:
        answer, units = bill(memory, operation, request)
        billed.setdefault(operation, []).append(units)
        if isinstance(answer, Exception):
            raise answer
        return answer

    real._make_api_call = billing
    who = {"workspace": UUID.format("1"), "user": UUID.format("2")}
    assert ID.fullmatch(UUID.format("3"))
    run = stack.script(UUID.format("3"), *steps(3), **who).body["run"]
    heaviest = 0
    while (message := stack.take()) is not None:
        stack.deliver(message)
        heaviest = max(heaviest, memory.state.rows[f"{who['workspace']}#{run['id']}", "RUN"].weight)
    assert [units.write for units in billed["UpdateItem"]] == [1, 1, 1]
    # Each of the four items once, doubled by the transaction, and an entry in each of two indexes, doubled with it.
    # The settle writes three, and the run leaves one index.
    assert [units.write for units in billed["TransactWriteItems"]] == [12, 8]
    assert heaviest <= 1024


def test_an_approval_costs_a_question_an_answer_and_one_more_step(stack: Stack, memory: MemoryTable) -> None:
    """[72] [63] Eight write units to ask, 4 for an answer, 8 and one send to go on, and nothing while it waits."""
    billed: list[tuple[str, Units]] = []

    def billing(operation: str, request: dict[str, Any]) -> Any:
        answer, units = bill(memory, operation, request)
        billed.append((operation, units))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def writes() -> list[float]:
        found = [units.write for operation, units in billed if operation == "TransactWriteItems"]
        billed.clear()
        return found

    Row._get_connection().connection.client._make_api_call = billing
    calls = tuple(AskedCall(f"call_{number * 24}", "approval", "book_table", {"seats": 2}) for number in "12")
    open_parts = [
        {"type": "tool-book_table", "toolCallId": call.tool_call_id, "state": "approval-requested", "input": call.input}
        for call in calls
    ]
    stack.answer_with(Outcome("asked", [{"type": "step-start"}, *open_parts], "[]", Usage(), asked=calls))
    who = {"workspace": UUID.format("1"), "user": UUID.format("2")}
    run = stack.begin(UUID.format("3"), **who).body["run"]
    billed.clear()
    deliver_next(stack)
    assert writes() == [8]
    stack.clock.forward(6 * 86_400)
    assert stack.sweep_now()["seen"] == 0
    assert [units.read for operation, units in billed if operation != "Query"] == []
    billed.clear()
    answered = stack.call(
        "POST", f"/runs/{run['id']}/answers", {"answers": {calls[0].tool_call_id: {"approved": True}}}, **who
    )
    assert (answered.status, writes()) == (200, [4])
    resumed = stack.call(
        "POST", f"/runs/{run['id']}/answers", {"answers": {calls[1].tool_call_id: {"approved": True}}}, **who
    )
    assert (resumed.body["run"]["status"], writes()) == ("running", [8])
    assert stack.take() is not None
    assert stack.take() is None
