"""The lifecycle table: every move from every status, every guard made false, in the write and in the explanation."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from outlive.agent import Usage
from outlive.asked import Asked, AskedCall, Decision
from outlive.chat_queue import ChatQueue
from outlive.guards import Facts, Guard
from outlive.lifecycle import (
    ABORT_NEVER_STARTED,
    ACTIVE,
    ANSWER,
    ASK,
    CLAIM,
    COUNT_RESEND,
    ENQUEUE,
    HEARTBEAT,
    HOLDING,
    MESSAGE_STATUS,
    MOVES,
    PROMOTE,
    QUEUED,
    RECLAIM,
    RELEASE,
    REQUEST_STOP,
    RESEND,
    RESUME,
    START,
    STEER,
    STOP,
    STOP_QUEUED,
    TERMINAL,
    MessageStatus,
    Move,
    Status,
    Trigger,
    only_stop_refuses,
    refusals,
)
from outlive.run_error import LastError
from outlive.store.body import Body, pack
from outlive.store.refused import Refused
from outlive.store.row import Row
from outlive.store.rows import Answer, Chat, Message, Record, Run
from outlive.store.slot import Succession, Successor
from outlive.store.table import Ending, Table

NOW = 1_790_000_000_000
CALLS = (AskedCall("c1", "approval", "pay"), AskedCall("c2", "question", "ask_user"))
ASKED = Asked(3, NOW + 60_000, CALLS)
FACTS = Facts(
    NOW,
    step=3,
    attempt=1,
    lease_id="mine",
    lease_until=NOW + 30_000,
    user="ada",
    window=60_000,
    resends=1,
    resent_by="earlier",
    asked=ASKED,
    sent_before=NOW,
    resend_limit=1,
    as_read={"attempt": {"N": "1"}, "finish_reason": None},
)
UPDATES = [move for move in MOVES if move not in (START, ENQUEUE)]

# For each guard: a change to the run that makes it true, and one that makes it false.
TRUE: dict[Guard, dict[str, Any]] = {
    Guard.NO_STOP: {"stop_requested_at": None},
    Guard.STOP_REQUESTED: {"stop_requested_at": NOW - 5},
    Guard.NEXT_STEP: {"claimed_step": 2},
    Guard.SAME_STEP: {"claimed_step": 3},
    Guard.ATTEMPT_AS_READ: {"attempt": 1},
    Guard.LIVE_LEASE: {"lease_until": NOW + 1},
    Guard.NO_LIVE_LEASE: {"lease_until": NOW},
    Guard.MY_LEASE: {"lease_id": "mine"},
    Guard.LEASE_GROWS: {"lease_until": NOW + 30_000},
    Guard.OWNER: {"owner": "ada"},
    Guard.NO_PROGRESS: {"progress_at": NOW - 60_000},
    Guard.NEVER_CLAIMED: {"claimed_step": -1, "created_at": NOW - 60_000},
    Guard.NOT_IN_LINE: {"resend_after": NOW, "created_at": NOW - 60_000},
    Guard.RESENT_IN_VAIN: {"resends": 1},
    Guard.RESENT_BY_AS_READ: {"resent_by": "earlier"},
    Guard.RESENDS_AS_READ: {"resends": 1},
    Guard.ASKED_AS_READ: {"asked": ASKED},
    Guard.HANDOVER_AS_READ: {"handover_to": None},
    Guard.HANDOVER_REQUESTED: {"handover_to": "next"},
    Guard.DUE: {"due_at": NOW},
    Guard.AS_READ: {"attempt": 1, "finish_reason": None},
}
FALSE: dict[Guard, list[dict[str, Any]]] = {
    Guard.NO_STOP: [{"stop_requested_at": NOW - 5}],
    Guard.STOP_REQUESTED: [{"stop_requested_at": None}],
    Guard.NEXT_STEP: [{"claimed_step": 3}, {"claimed_step": 4}, {"claimed_step": 1}],
    Guard.SAME_STEP: [{"claimed_step": 2}, {"claimed_step": 4}],
    Guard.ATTEMPT_AS_READ: [{"attempt": 2}, {"attempt": 0}],
    Guard.LIVE_LEASE: [{"lease_until": NOW}, {"lease_until": None}],
    Guard.NO_LIVE_LEASE: [{"lease_until": NOW + 1}],
    Guard.MY_LEASE: [{"lease_id": "another"}, {"lease_id": None}],
    Guard.LEASE_GROWS: [{"lease_until": NOW + 30_001}, {"lease_until": None}],
    Guard.OWNER: [{"owner": "bob"}],
    Guard.NO_PROGRESS: [{"progress_at": NOW - 59_999}, {"progress_at": None}],
    Guard.NEVER_CLAIMED: [{"claimed_step": 0}, {"created_at": NOW - 59_999}, {"progress_at": NOW - 59_999}],
    Guard.NOT_IN_LINE: [{"resend_after": NOW + 1}, {"lease_until": NOW + 1}, {"created_at": NOW + 1}],
    Guard.RESENT_IN_VAIN: [{"resends": 0}],
    Guard.RESENT_BY_AS_READ: [{"resent_by": "another"}, {"resent_by": None}],
    Guard.RESENDS_AS_READ: [{"resends": 2}],
    Guard.ASKED_AS_READ: [{"asked": ASKED.without({"c1"})}, {"asked": None}],
    Guard.HANDOVER_AS_READ: [{"handover_to": "next"}],
    Guard.HANDOVER_REQUESTED: [{"handover_to": None}],
    Guard.DUE: [{"due_at": NOW + 1}, {"due_at": None}],
    Guard.AS_READ: [{"attempt": 2}, {"finish_reason": "stop"}],
}


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """A table of moto's, for single conditional writes one after the other."""
    patch = pytest.MonkeyPatch()
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        patch.setenv(name, value)
    with mock_aws():
        boto3.client("dynamodb", "us-east-1").create_table(
            TableName="moves",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        patch.setattr(Row.Meta, "table_name", "moves")
        Row._connection = None
        yield Table(Row._get_connection())
        Row._connection = None
    patch.undo()


def a_run(status: Status = Status.RUNNING, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "id": "r", "workspace_id": "w", "chat_id": "c", "owner": "ada", "created_by": "ada", "trigger": Trigger.USER,
        "status": status, "user_seq": 1, "assistant_seq": 2, "budget": {"max_steps": 20}, "metadata": {},
        "claimed_step": 3, "attempt": 1, "resends": 1, "step_count": 0, "active_shard": "0", "chat_key": "w#c",
        "created_at": NOW - 100_000, "updated_at": NOW - 100, "usage": None,
        **changes,
    }  # fmt: skip
    return Run(Run.key("w", "r"), Run.SK, **fields)


def willing(move: Move) -> dict[str, Any]:
    """What a run must be like for `move` to be made."""
    changes: dict[str, Any] = {"status": sorted(move.sources)[-1]}
    if move.sources == QUEUED:
        changes["active_shard"] = None
    for guard in move.guards:
        changes |= TRUE[guard]
    return changes


def lay(table: Table, run: Run) -> dict[str, Any]:
    """Put the run, its chat and its message, and nothing else."""
    for row in (
        run,
        Chat("w#c", Chat.SK, owner="ada", sequence=2, active_run_id="r", latest_run_id="r"),
        Message("w#c", Message.sort_key(2), id="m", run_id="r", role="assistant", status="streaming"),
    ):
        table._call("PutItem", row.get_save_kwargs_from_instance())
    table._call("DeleteItem", {"TableName": "moves", "Key": {"pk": {"S": "w#new"}, "sk": {"S": Run.SK}}})
    for key in (
        Record.sort_key(2, 4),
        Message.sort_key(3),
        Message.sort_key(4),
        *(Answer.sort_key(2, 3, call.tool_call_id) for call in CALLS),
    ):
        table._call("DeleteItem", {"TableName": "moves", "Key": {"pk": {"S": "w#c"}, "sk": {"S": key}}})
    return {"run": run.serialize()}


def make(table: Table, move: Move, run: Run) -> None:
    """Make `move` as the operations do."""
    if move is CLAIM:
        table.claim(run, FACTS.step, "fresh", NOW + 30_000, NOW)
    elif move is RECLAIM:
        read = a_run(claimed_step=FACTS.step, attempt=FACTS.attempt)
        table.reclaim(read, "fresh", NOW + 30_000, NOW)
    elif move is HEARTBEAT:
        table.heartbeat(run, "mine", NOW + 30_000, NOW)
    elif move is RELEASE:
        table.release(run, "mine", LastError("x", "y"), NOW + 1000, NOW)
    elif move is ASK:
        asked = Record(
            "w#c", Record.sort_key(2, 4), run_id="r", step=4, kind="asked", packed=b"", size=0, created_at=NOW
        )
        read = a_run(lease_id="mine")
        table.ask(read, asked, ASKED, NOW)
    elif move in (ANSWER, RESUME):
        answers = [
            Answer(
                "w#c", Answer.sort_key(2, 3, call.tool_call_id), tool_call_id=call.tool_call_id,
                decision=Decision(approved=True), answered_by="ada", created_at=NOW,
            )
            for call in (CALLS if move is RESUME else CALLS[:1])
        ]  # fmt: skip
        table.answer(a_run(Status.WAITING, asked=ASKED), answers, NOW + 30_000, NOW)
    elif move is RESEND:
        table.resend(a_run(resends=FACTS.resends, resent_by=FACTS.resent_by), FACTS, NOW + 60_000, "sweep")
    elif move is COUNT_RESEND:
        table.count_resend(a_run(claimed_step=FACTS.step, resends=FACTS.resends), NOW)
    elif move is REQUEST_STOP:
        table.request_stop(run, "ada", "stop", NOW)
    elif move is STEER:
        chat = table.chat("w", "c")
        assert chat is not None
        new = a_run(Status.QUEUED, id="new", active_shard=None)
        new.pk = Run.key("w", "new")
        try:
            table.enqueue(chat, Successor(new, "hello"), ChatQueue(steered=("new",)), run)
        except Refused as refused:
            # The steered run is the chat's holder.
            raise Refused({"run": refused._items["holder"]}) from None
    elif move in (PROMOTE, STOP_QUEUED):
        chat = table.chat("w", "c")
        assert chat is not None
        queued = a_run(Status.QUEUED, active_shard=None)
        if move is STOP_QUEUED:
            table.stop_queued(queued, chat, "stop", FACTS)
        else:
            chat.active_run_id = None
            table._call("PutItem", chat.get_save_kwargs_from_instance())
            table.start(Succession(chat, Successor(queued, "hello"), None, NOW + 30_000), NOW)
    else:
        seal = Record(
            "w#c", Record.sort_key(2, 4), run_id="r", step=4, kind="end", packed=pack(Body([])), size=0,
            usage=Usage(), created_at=NOW,
        )  # fmt: skip
        ending = Ending(move, FACTS, "settler", None, "aborted", 4, Usage(), None, seal)
        table.settle(run, ending, chat_there=True, message_there=True)


@pytest.mark.parametrize("move", UPDATES, ids=lambda move: move.name)
def test_a_move_is_made_when_all_its_guards_hold(table: Table, move: Move) -> None:
    run = a_run(**willing(move))
    lay(table, run)
    assert refusals(move, run, FACTS) == frozenset()
    make(table, move, run)
    after = table.reload(run)
    assert after is not None
    assert after.status == (run.status if move.to is None else move.to)
    assert (after.status in TERMINAL) == (after.finished_at is not None)
    if move is not ANSWER:  # it leaves the indexes as they are
        assert (after.status in ACTIVE) == (after.active_shard is not None)
        assert (after.status == Status.WAITING) == (after.due_shard is not None) == (after.asked is not None)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("move", UPDATES, ids=lambda move: move.name)
def test_a_move_is_made_from_its_sources_and_no_other_status(table: Table, move: Move, status: Status) -> None:
    run = a_run(**{**willing(move), "status": status})
    before = lay(table, run)
    if status in move.sources:
        make(table, move, run)
        return
    assert refusals(move, run, FACTS) is None
    with pytest.raises(Refused) as refused:
        make(table, move, run)
    current = refused.value.run
    assert current is not None
    assert current.serialize() == before["run"]


@pytest.mark.parametrize(
    ("move", "guard", "change"),
    [(move, guard, change) for move in UPDATES for guard in move.guards for change in FALSE[guard]],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_false_guard_refuses_the_write_and_brings_the_run_back(
    table: Table, move: Move, guard: Guard, change: dict[str, Any]
) -> None:
    run = a_run(**{**willing(move), **change})
    before = lay(table, run)
    assert guard in (refusals(move, run, FACTS) or ())
    with pytest.raises(Refused) as refused:
        make(table, move, run)
    current = refused.value.run
    assert current is not None
    assert current.serialize() == before["run"]
    chat = table.chat("w", "c")
    assert chat is not None
    assert chat.active_run_id == "r", "a refused settle must not free the slot"


def test_every_guard_has_a_reason_and_is_used() -> None:
    assert all(len(guard.reason) > 20 for guard in Guard)
    assert {guard for move in MOVES for guard in move.guards} == set(Guard), "a guard nobody uses"


def test_every_way_to_end_frees_nothing_once_a_stop_was_requested_unless_it_ends_aborted() -> None:
    """Any end but `aborted` is refused once a stop was requested (docs/lifecycle.md)."""
    for move in MOVES:
        if move.to in TERMINAL and move.to is not Status.ABORTED:
            assert Guard.NO_STOP in move.guards


def test_only_the_stop_refuses_a_claim_that_could_be_made_but_for_it() -> None:
    """[14] Every other guard of the claim is true."""
    run = a_run(claimed_step=2, stop_requested_at=NOW)
    assert only_stop_refuses(CLAIM, run, FACTS)
    assert not only_stop_refuses(CLAIM, a_run(claimed_step=2), FACTS)
    assert not only_stop_refuses(CLAIM, a_run(claimed_step=3, stop_requested_at=NOW), FACTS)
    assert not only_stop_refuses(CLAIM, a_run(Status.ABORTED, claimed_step=2, stop_requested_at=NOW), FACTS)


def test_statuses_hold_the_slot_or_are_terminal_and_nothing_leaves_a_terminal_one() -> None:
    """Guarantee 2: a terminal status is final."""
    assert set(Status) == QUEUED | HOLDING | TERMINAL
    assert not HOLDING & TERMINAL
    assert not QUEUED & (HOLDING | TERMINAL)
    assert {Status.WAITING} == HOLDING - ACTIVE
    assert all(not move.sources & TERMINAL for move in MOVES)


def test_a_message_and_its_run_say_the_same_and_nothing_defaults() -> None:
    """[5] A turn's outcome is the message's status and the run's, one for one; any other value raises."""
    assert {status: MESSAGE_STATUS[status].value for status in Status} == {
        Status.QUEUED: "streaming", Status.PENDING: "streaming", Status.RUNNING: "streaming", Status.WAITING: "streaming", Status.SUCCEEDED: "completed",
        Status.FAILED: "error", Status.ABORTED: "aborted",
    }  # fmt: skip
    for kind in (Status, MessageStatus, Trigger):
        for word in ("", "cancelled", "COMPLETED"):
            with pytest.raises(ValueError, match="not a valid"):
                kind(word)


def test_there_are_five_triggers() -> None:
    """[2] `user`, `schedule`, `api`, `event` and `continue`."""
    assert {trigger.value for trigger in Trigger} == {"user", "schedule", "api", "event", "continue"}


def test_never_started_is_for_runs_that_were_never_claimed() -> None:
    """[40] The move does not start from the status of a claimed run."""
    assert refusals(ABORT_NEVER_STARTED, a_run(), replace(FACTS, window=0)) is None
    assert refusals(STOP, a_run(lease_until=NOW + 1), FACTS) == {Guard.NO_LIVE_LEASE}
