"""What a busy chat costs, call by call, and that nobody else pays for it."""

from typing import Any

from outlive.store.row import Row
from proof.costs.units import Units, bill
from proof.dynamodb.memory_table import MemoryTable
from proof.stacks.handlers import Stack
from tests.handlers.test_busy_chat import FINAL, stop
from tests.handlers.test_steer import STEP, supersede


def test_waiting_costs_two_items_and_a_promotion_one_end_more(stack: Stack, memory: MemoryTable) -> None:
    """[63] [96] [97] Four write units to wait, six to steer; with a queue an end is tried once more and makes the start of
    the next run, and without one it is as ever.
    """
    billed: list[tuple[str, Units]] = []

    def billing(operation: str, request: dict[str, Any]) -> Any:
        answer, units = bill(memory, operation, request)
        billed.append((operation, units))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def costs() -> tuple[list[str], list[float]]:
        calls = [operation for operation, _ in billed]
        writes = [units.write for operation, units in billed if operation == "TransactWriteItems"]
        billed.clear()
        return calls, writes

    stack.answer_with(FINAL)
    stack.begin()
    Row._get_connection().connection.client._make_api_call = billing
    message = stack.take() or {}
    second = stack.begin(on_busy="enqueue").body["run"]["id"]
    assert costs() == (["GetItem", "GetItem", "TransactWriteItems"], [4])
    stack.begin(on_busy="steer")
    assert costs() == (["GetItem", "GetItem", "TransactWriteItems"], [6])
    stop(stack, f"/runs/{second}")
    assert costs() == (["GetItem", "GetItem", "TransactWriteItems"], [4])
    stack.deliver(message)
    # The steered run reads its chat and the next run first: its one try is the whole of it.
    calls, writes = costs()
    assert (calls[-3:], writes) == (["GetItem", "GetItem", "TransactWriteItems"], [20])
    stack.begin(on_busy="enqueue")
    costs()
    stack.deliver(stack.take() or {})
    calls, writes = costs()
    assert (calls[-3:], writes) == (["TransactWriteItems", "GetItem", "TransactWriteItems"], [6, 18])
    stack.deliver(stack.take() or {})
    assert costs()[1] == [8]


def test_superseding_costs_an_end_and_a_start_in_one(stack: Stack, memory: MemoryTable) -> None:
    """[63] [104] And two reads more than an end: what readers were shown, and the newest record."""
    stack.answer_with(STEP)
    active = stack.begin().body["run"]["id"]
    stack.deliver(stack.take() or {})
    stack.faults.calls.clear()
    supersede(stack, active)
    assert stack.faults.calls == ["GetItem", "GetItem", "Query", "TransactWriteItems"]
