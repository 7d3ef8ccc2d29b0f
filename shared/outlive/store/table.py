"""The only user of DynamoDB: one move is one conditional write, or one transaction.

`CLAUSES` turns each guard of `lifecycle.py` into a clause of the write's own condition. A write that is refused raises
`Refused` with the items it met, which the caller reads instead of reading the table again.

    timeline of a run          item written             condition
    start                      CHAT, RUN, MSG, MSG      slot free, owner and sequence as read, run new
    claim 0 … claim n          RUN                      guards of the move
    record 0 … record n        MSG#…#STEP#n             slot n empty
    settle                     RUN, CHAT, MSG, seal     guards of the move; slot held; message there; log slot empty
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError
from pynamodb.attributes import Attribute
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import QueryError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex

from outlive.clock import DAY, SECOND
from outlive.errors import Item, Refused, StoreBroken, StoreBusy, StoreUnanswered
from outlive.lifecycle import (
    CLAIM,
    COUNT_RESEND,
    HEARTBEAT,
    MESSAGE_STATUS,
    RECLAIM,
    RELEASE,
    REQUEST_STOP,
    RESEND,
    START,
    STOP,
    TERMINAL,
    Facts,
    Guard,
    Move,
    Status,
)
from outlive.log import logger
from outlive.store.rows import Chat, Live, Message, Record, Row, Run, Ticket, readable, record_of, row_of
from outlive.usage import Usage

BUSY = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
    }
)
UNANSWERED = frozenset(
    {"TransactionInProgressException", "InternalServerError", "InternalFailure", "ServiceUnavailable", "RequestTimeout"}
)
HTTP_SERVER_ERROR = 500
SPARE = 7 * DAY
"""How much longer than its run's end a prompt or record is kept, which is marked when it is put: longer than any run."""
BATCHES = 5
"""How often the keys a batch left over are asked for; a page of the largest runs takes two."""
INNOCENT = frozenset({"None", "ConditionalCheckFailed"})


def as_read(attribute: Attribute[Any], value: object) -> Condition:
    """True while `attribute` still has the `value` that was read, None being no attribute at all."""
    return attribute.does_not_exist() if value is None else attribute == value


CLAUSES: dict[Guard, Callable[[Facts], Condition]] = {
    Guard.NO_STOP: lambda facts: Run.stop_requested_at.does_not_exist(),
    Guard.STOP_REQUESTED: lambda facts: Run.stop_requested_at.exists(),
    Guard.NEXT_STEP: lambda facts: Run.claimed_step == facts.step - 1,
    Guard.SAME_STEP: lambda facts: Run.claimed_step == facts.step,
    Guard.ATTEMPT_AS_READ: lambda facts: as_read(Run.attempt, facts.attempt),
    Guard.LIVE_LEASE: lambda facts: Run.lease_until > facts.now,
    Guard.NO_LIVE_LEASE: lambda facts: Run.lease_until.does_not_exist() | (Run.lease_until <= facts.now),
    Guard.MY_LEASE: lambda facts: Run.lease_id == facts.lease_id,
    Guard.LEASE_GROWS: lambda facts: Run.lease_until <= facts.lease_until,
    Guard.OWNER: lambda facts: Run.owner == facts.user,
    Guard.NO_PROGRESS: lambda facts: Run.progress_at <= facts.now - facts.window,
    Guard.NEVER_CLAIMED: lambda facts: (Run.claimed_step < 0) & (Run.created_at <= facts.now - facts.window),
    Guard.RESEND_DUE: lambda facts: Run.resend_after.does_not_exist() | (Run.resend_after <= facts.now),
    Guard.RESENT_BY_AS_READ: lambda facts: as_read(Run.resent_by, facts.resent_by),
    Guard.RESENDS_AS_READ: lambda facts: Run.resends == facts.resends,
    Guard.AS_READ: lambda facts: _stands_as(facts.as_read),
}


def _stands_as(as_read: Mapping[str, Any]) -> Condition:
    """The condition that these attributes, in DynamoDB's form (None: there is none), are what they were."""
    condition = Row.pk.exists()
    for name, value in as_read.items():
        condition &= Path(name).does_not_exist() if value is None else Path(name) == value
    return condition


def meaning(error: Exception, names: tuple[str, ...]) -> Exception:
    """What an error of the table's client means to us: `Refused`, `StoreBusy`, `StoreUnanswered` or `StoreBroken`.

    PynamoDB drops the items of a refusal; they stand in the original error it was raised from.
    """
    if isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError)):
        return StoreUnanswered(type(error).__name__)
    if not isinstance(error, ClientError):
        return StoreBroken(type(error).__name__)
    answer: dict[str, Any] = dict(getattr(error.__cause__, "response", None) or error.response)
    code = answer["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return Refused({names[0]: answer.get("Item") or None})
    if code == "TransactionCanceledException":
        reasons = answer.get("CancellationReasons") or []
        codes = {reason["Code"] for reason in reasons}
        if codes <= INNOCENT:
            refused = zip(names, reasons, strict=True)
            return Refused({name: why.get("Item") or None for name, why in refused if why["Code"] != "None"})
        others = ", ".join(sorted(codes - INNOCENT))
        return StoreBusy(others) if codes - INNOCENT <= BUSY else StoreBroken(f"TransactWriteItems: {others}")
    if code in BUSY:
        return StoreBusy(code)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in UNANSWERED or status >= HTTP_SERVER_ERROR:
        return StoreUnanswered(code)
    return StoreBroken(f"{error.operation_name}: {code}")


def condition_of(move: Move, facts: Facts) -> Condition:
    """The condition under which `move` is written: its sources and all its guards."""
    # A word for the status that can't be read is none of the sources; then it is enough that it is still there.
    damaged = "status" in facts.as_read
    condition = Row.pk.exists() if damaged else Run.status.is_in(*sorted(move.sources))
    for guard in move.guards:
        condition &= CLAUSES[guard](facts)
    return condition


def run_met(refused: Refused) -> Run | None:
    """The run that refused a write, as it stood then; None if there is none."""
    met = refused.items["run"]
    return Run.of(met) if met else None


def moved(move: str, run: Run, from_status: str) -> None:
    """Log that `move` was made, and the run since."""
    fields = {
        "run": run.id,
        "chat": run.chat_id,
        "move": move,
        "from": str(from_status),
        "to": str(run.status),
        "attempt": run.attempt,
        "step": run.claimed_step,
    }
    logger.info(move, extra=fields)


@dataclass(frozen=True, slots=True)
class Ending:
    """What settle writes, computed by `settle.py`."""

    move: Move
    facts: Facts
    settled_by: str
    error: dict[str, str] | None
    finish_reason: str
    step_count: int
    usage: Usage
    seal: Record | None
    """The record that closes the log; None where a final record already does."""
    mended: dict[str, Any] = field(default_factory=dict)
    """What is written in place of damaged attributes; None takes one away."""


class Table:
    """One table, one client. Times are milliseconds; every read is consistent unless it says otherwise."""

    def __init__(self, connection: TableConnection, retention_days: int = 0) -> None:
        self._connection = connection.connection
        self._name = connection.table_name
        self._retention = retention_days * DAY

    # --- moves ---

    def start(self, chat: Chat | None, run: Run, prompt: str, now: int, holder: str | None = None) -> None:
        """Make `run` the chat's active run: four items or none.

        `chat` is the chat as it was read; `holder` is the id of the run that its slot named then. The slot is taken
        from a run that has ended or is not stored, and from no other. Refused by `chat` (busy, foreign, or its sequence
        moved on), `holder` (it is active), `run` (it is there already), or a message.
        """
        slot = Chat(run.chat_pk, Chat.SK)
        free = Chat.active_run_id.does_not_exist()
        if holder is not None:
            free |= Chat.active_run_id == holder
        if chat is None:
            as_read = Chat.owner.does_not_exist() & free
        else:
            as_read = (Chat.owner == run.owner) & (Chat.sequence == chat.sequence) & free
        actions: list[Action] = [
            Chat.owner.set(run.owner),
            Chat.active_run_id.set(run.id),
            Chat.latest_run_id.set(run.id),
            Chat.sequence.set(run.assistant_seq),
            Chat.created_at.set(Chat.created_at | now),
            Chat.updated_at.set(now),
        ]
        said: dict[str, Any] = {"run_id": run.id, "created_at": now, "updated_at": now}
        question = Message(
            run.chat_pk, Message.sort_key(run.user_seq), id=run.user_message_id, role="user", status="completed",
            text=prompt, expires_at=self._expiry(now, spare=SPARE), **said,
        )  # fmt: skip
        answer = Message(
            run.chat_pk, Message.sort_key(run.assistant_seq), id=run.assistant_message_id, role="assistant",
            status=MESSAGE_STATUS[Status.PENDING], **said,
        )  # fmt: skip
        new = Row.pk.does_not_exist()
        written = {
            "chat": self._updating(slot, actions, as_read),
            "run": self._putting(run, new),
            "question": self._putting(question, new),
            "answer": self._putting(answer, new),
        }
        if holder is not None:
            held_by = Run(Run.key(run.workspace_id, holder), Run.SK)
            ended = Row.pk.does_not_exist() | Run.status.is_in(*sorted(TERMINAL))
            written["holder"] = self._checking(held_by, ended)
        self._transact(written)
        moved(START.name, run, "none")

    def claim(self, key: Run, step: int, lease_id: str, lease_until: int, now: int) -> Run:
        """Hold step `step` for the first time. Refused by `run`."""
        run = self._move(CLAIM, key, Facts(now, step=step, lease_id=lease_id), [
            Run.status.set(Status.RUNNING),
            Run.claimed_step.set(step),
            Run.step_count.set(step),
            Run.attempt.set(1),
            Run.resends.set(0),
            Run.resend_after.remove(),
            Run.last_error.remove(),
            Run.lease_id.set(lease_id),
            Run.lease_until.set(lease_until),
            Run.progress_at.set(now),
            Run.updated_at.set(now),
            Run.started_at.set(Run.started_at | now),
        ])  # fmt: skip
        moved(CLAIM.name, run, Status.PENDING if step == 0 else Status.RUNNING)
        return run

    def reclaim(self, run: Run, lease_id: str, lease_until: int, now: int) -> Run:
        """Hold the claimed step of `run`, as it was read, once more. Refused by `run`."""
        after = self._move(RECLAIM, run, Facts(now, step=run.claimed_step, attempt=run.attempt), [
            Run.attempt.add(1),
            Run.resend_after.remove(),
            Run.lease_id.set(lease_id),
            Run.lease_until.set(lease_until),
            Run.progress_at.set(now),
            Run.updated_at.set(now),
        ])  # fmt: skip
        moved(RECLAIM.name, after, Status.RUNNING)
        return after

    def heartbeat(self, key: Run, lease_id: str, lease_until: int, now: int) -> Run:
        """Keep holding the run. Refused by `run`: the worker was overtaken, the run has ended, or the lease reaches further."""
        return self._move(HEARTBEAT, key, Facts(now, lease_id=lease_id, lease_until=lease_until), [
            Run.lease_until.set(lease_until),
            Run.progress_at.set(now),
            Run.updated_at.set(now),
        ])  # fmt: skip

    def release(self, key: Run, lease_id: str, last_error: dict[str, str], back_at: int, now: int) -> Run:
        """Let go of the run; its message comes back at `back_at`. Refused by `run`."""
        run = self._move(RELEASE, key, Facts(now, lease_id=lease_id), [
            Run.last_error.set(last_error),
            Run.lease_id.remove(),
            Run.lease_until.remove(),
            Run.resend_after.set(back_at),
            Run.updated_at.set(now),
        ])  # fmt: skip
        moved(RELEASE.name, run, Status.RUNNING)
        return run

    def resend(self, run: Run, again_after: int, sweep_id: str, now: int) -> Run:
        """Let `sweep_id` alone send the claimed step of `run`, as it was read, until `again_after`. Refused by `run`."""
        after = self._move(RESEND, run, Facts(now, resends=run.resends, resent_by=run.resent_by), [
            Run.resend_after.set(again_after),
            Run.resent_by.set(sweep_id),
        ])  # fmt: skip
        moved(RESEND.name, after, run.status)
        return after

    def count_resend(self, run: Run, again_after: int | None, now: int) -> Run:
        """Count that the claimed step of `run`, as it was read, was sent again. Refused by `run`.

        The next message may follow after `again_after`, None being when `resend` says.
        """
        actions: list[Action] = [Run.resends.set(run.resends + 1)]
        if again_after is not None:
            actions.append(Run.resend_after.set(again_after))
        after = self._move(COUNT_RESEND, run, Facts(now, step=run.claimed_step, resends=run.resends), actions)
        moved(COUNT_RESEND.name, after, run.status)
        return after

    def request_stop(self, run: Run, user: str, stop_id: str, now: int) -> Run:
        """Have the holder of the run stop it. Refused by `run`, also if it was asked to before."""
        after = self._move(REQUEST_STOP, run, Facts(now, user=user), [
            Run.stop_requested_at.set(now),
            Run.stop_requested_by.set(stop_id),
            Run.updated_at.set(now),
        ])  # fmt: skip
        moved(REQUEST_STOP.name, after, run.status)
        return after

    def record(self, run: Run, record: Record) -> None:
        """Put a step's record. Refused by `record` if the slot is taken: what stands there counts."""
        record.expires_at = self._expiry(record.created_at, spare=SPARE)
        put = self._putting(record, Row.pk.does_not_exist())
        self._call("PutItem", put["Put"], "record")
        moved("record", run, run.status)

    def settle(self, run: Run, ending: Ending, *, chat_there: bool, message_there: bool) -> Run:
        """End the run: run, chat slot, assistant message and seal, together and once.

        Without `chat_there` the chat must not hold this run, without `message_there` there must be no message. Refused
        by `run`, `chat`, `message` or `seal`. Returns the run as written.
        """
        move, now = ending.move, ending.facts.now
        assert move.to is not None
        written: dict[str, Any] = {
            "status": move.to,
            "finish_reason": ending.finish_reason,
            "step_count": ending.step_count,
            "usage": ending.usage,
            "settled_by": ending.settled_by,
            "finished_at": now,
            "updated_at": now,
        }
        if ending.error is not None:
            written["error"] = ending.error
        expires_at = self._expiry(now)
        ended: list[Action] = [getattr(Run, name).set(value) for name, value in written.items()]
        if move is STOP:
            ended.append(Run.stop_requested_at.set(Run.stop_requested_at | now))
            ended.append(Run.stop_requested_by.set(Run.stop_requested_by | ending.settled_by))
        ended += [gone.remove() for gone in (Run.active_shard, Run.lease_id, Run.lease_until, Run.resend_after)]
        taken = {*written, "active_shard", "lease_id", "lease_until", "resend_after", "expires_at"}
        for name in ending.mended.keys() - taken:
            value = ending.mended[name]
            ended.append(getattr(Run, name).remove() if value is None else getattr(Run, name).set(value))
        chat = Chat(run.chat_pk, Chat.SK)
        header = Message(run.chat_pk, Message.sort_key(run.assistant_seq))
        kept = {"error": ending.error, "finish_reason": ending.finish_reason, "usage": asdict(ending.usage)}
        closed: list[Action] = [
            Message.status.set(MESSAGE_STATUS[move.to]),
            Message.metadata.set(kept),
            Message.updated_at.set(now),
        ]
        if expires_at is not None:
            ended.append(Run.expires_at.set(expires_at))
            closed.append(Message.expires_at.set(expires_at))
        freed: list[Action] = [Chat.active_run_id.remove(), Chat.updated_at.set(now)]
        actions = {
            "run": self._updating(run, ended, condition_of(move, ending.facts)),
            "chat": self._updating(chat, freed, Chat.active_run_id == run.id)
            if chat_there
            else self._checking(chat, Chat.active_run_id.does_not_exist() | (Chat.active_run_id != run.id)),
            "message": self._updating(header, closed, Row.pk.exists())
            if message_there
            else self._checking(header, Row.pk.does_not_exist()),
        }
        if ending.seal is not None:
            ending.seal.expires_at = self._expiry(now, spare=SPARE)
            actions["seal"] = self._putting(ending.seal, Row.pk.does_not_exist())
        self._transact(actions)
        after = Run.of(run.serialize())
        for name, value in written.items():
            setattr(after, name, value)
        if move is STOP and run.stop_requested_at is None:
            after.stop_requested_at = now
        moved(move.name, after, run.status)
        return after

    def say(self, piece: Live) -> None:
        """Put a live piece, whatever stands there: nothing is decided by it, and only its own worker writes there."""
        self._call("PutItem", piece.get_save_kwargs_from_instance())

    def admit(self, ticket: Ticket) -> None:
        """Put a ticket; its key is as good as random."""
        self._call("PutItem", ticket.get_save_kwargs_from_instance())

    # --- reads ---

    def chat(self, workspace_id: str, chat_id: str) -> Chat | None:
        """The chat, or None."""
        item = self._get(Chat.key(workspace_id, chat_id), Chat.SK)
        return Chat.of(item) if item else None

    def run(self, workspace_id: str, run_id: str) -> Run | None:
        """The run, or None."""
        return self.again(Run(Run.key(workspace_id, run_id), Run.SK))

    def again(self, key: Run) -> Run | None:
        """The run of this key as it stands now, or None."""
        item = self._get(key.pk, Run.SK)
        return Run.of(item) if item else None

    def transcript(
        self, chat_pk: str, from_seq: int = 0, to_seq: int | None = None, *, backwards: bool = False
    ) -> Iterator[Message | Record]:
        """The messages `from_seq` to `to_seq` (all later ones if None) of a chat, each followed by its records.

        `backwards`, all in the opposite order: the newest record first, and each message after its records.
        """
        first = Message.sort_key(from_seq)
        last = Message.sort_key(to_seq) if to_seq is not None else "MSG#"
        for item in self._query(chat_pk, Row.sk.between(first, last + "~"), consistent=True, backwards=backwards):
            row = row_of(item)
            if row is not None:
                yield row

    def last_record(self, run: Run) -> Record | None:
        """The newest entry of the run's log, or None. Nothing is read for a run nobody claimed."""
        if run.claimed_step < 0:
            return None
        log = Message.sort_key(run.assistant_seq) + "#STEP#"
        for item in self._query(run.chat_pk, Row.sk.startswith(log), consistent=True, backwards=True, limit=1):
            return record_of(item)
        return None

    def records(self, run: Run, from_step: int) -> list[Record]:
        """The entries of the run's log from `from_step` on."""
        first, last = (Record.sort_key(run.assistant_seq, step) for step in (from_step, 999_999))
        return [record_of(item) for item in self._query(run.chat_pk, Row.sk.between(first, last), consistent=True)]

    def live(self, key: Run, step: int, attempt: int, number: int) -> tuple[list[Live], Run | None]:
        """The live pieces from this one on, and the run as it stood no earlier than they did.

        In one query, in the order of the keys: pieces, then the run.
        """
        pieces: list[Live] = []
        for item in self._query(key.pk, Row.sk.between(Live.sort_key(step, attempt, number), Run.SK), consistent=True):
            if item["sk"]["S"] == Run.SK:
                return pieces, Run.of(item)
            piece = readable(Live, item)
            if piece is not None:
                pieces.append(piece)
        return pieces, None

    def ticket(self, workspace_id: str, run_id: str, ticket: str) -> Ticket | None:
        """The ticket, or None."""
        item = self._get(Run.key(workspace_id, run_id), Ticket.sort_key(ticket))
        return readable(Ticket, item) if item else None

    def runs_of(
        self, workspace_id: str, chat_id: str, before_seq: int | None, limit: int
    ) -> tuple[list[Run], int | None]:
        """At most `limit` runs of the chat, newest first, of those started before `before_seq` (all if None).

        Without those that are unreadable. With them the sequence to go on before, None if there are no more. Which runs there are is read from an index
        and may lag a moment; what they are is read consistently.
        """
        earlier = None if before_seq is None else Run.assistant_seq < before_seq
        chat_key = Chat.key(workspace_id, chat_id)
        found = list(self._query(chat_key, earlier, index=Row.by_chat, backwards=True, limit=limit + 1))
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in found[:limit]]
        rows = [readable(Run, item) for item in self._get_all(keys)]
        runs = sorted((run for run in rows if run is not None), key=lambda run: -run.assistant_seq)
        return runs, int(found[limit - 1]["assistant_seq"]["N"]) if len(found) > limit else None

    def active_runs(self, shard: int, created_before: int) -> Iterator[Run]:
        """The keys of a shard's active runs started before `created_before`, oldest first; may lag."""
        for item in self._query(str(shard), Run.created_at < created_before, index=Row.active):
            yield Run(item["pk"]["S"], item["sk"]["S"])

    # --- how a write is put ---

    def _expiry(self, now: int, spare: int = 0) -> int | None:
        """When a row written now may go. Run and header are marked by settle: nothing of an active run may."""
        return (now + self._retention + spare) // SECOND if self._retention else None

    def _move(self, move: Move, key: Run, facts: Facts, actions: list[Action]) -> Run:
        update = self._updating(key, actions, condition_of(move, facts))["Update"]
        answer = self._call("UpdateItem", {**update, "ReturnValues": "ALL_NEW"}, "run")
        return Run.of(answer["Attributes"])

    def _updating(self, row: Row, actions: list[Action], condition: Condition) -> dict[str, Any]:
        update = row.get_update_kwargs_from_instance(
            actions=actions, condition=condition, return_values_on_condition_failure="ALL_OLD"
        )
        return {"Update": update}

    def _putting(self, row: Row, condition: Condition) -> dict[str, Any]:
        put = row.get_save_kwargs_from_instance(condition=condition, return_values_on_condition_failure="ALL_OLD")
        return {"Put": put}

    def _checking(self, row: Row, condition: Condition) -> dict[str, Any]:
        check = row.get_delete_kwargs_from_instance(condition=condition, return_values_on_condition_failure="ALL_OLD")
        return {"ConditionCheck": check}

    def _transact(self, actions: dict[str, dict[str, Any]]) -> None:
        self._call("TransactWriteItems", {"TransactItems": list(actions.values())}, *actions)

    def _get(self, pk: str, sk: str) -> Item | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        answer = self._call("GetItem", {"TableName": self._name, "Key": key, "ConsistentRead": True})
        return answer.get("Item")

    def _get_all(self, keys: list[Item]) -> Iterator[Item]:
        asked = {self._name: {"Keys": keys, "ConsistentRead": True}} if keys else {}
        for _ in range(BATCHES):
            if not asked:
                return
            answer = self._call("BatchGetItem", {"RequestItems": asked})
            yield from answer["Responses"].get(self._name, [])
            asked = answer.get("UnprocessedKeys") or {}
        raise StoreBusy("keys were left over again and again")

    def _query(
        self,
        key: str,
        range_condition: Condition | None,
        *,
        index: GlobalSecondaryIndex[Row] | None = None,
        consistent: bool = False,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Iterator[Item]:
        start, left = None, limit
        while True:
            ask = partial(
                self._connection.query,
                self._name,
                key,
                range_key_condition=range_condition,
                consistent_read=consistent,
                exclusive_start_key=start,
                index_name=index.Meta.index_name if index is not None else None,
                limit=left,
                scan_index_forward=not backwards,
            )
            page = self._answered(ask)
            yield from page["Items"]
            start = page.get("LastEvaluatedKey")
            left = None if left is None else left - len(page["Items"])
            if not start or left == 0:
                return

    def _call(self, operation: str, request: dict[str, Any], *names: str) -> dict[str, Any]:
        return self._answered(lambda: self._connection.dispatch(operation, request), *names)

    def _answered(self, ask: Callable[[], dict[str, Any]], *names: str) -> dict[str, Any]:
        """What the table answers. Raises as `meaning` says; `names` are the request's actions, in their order."""
        try:
            return ask()
        except QueryError as error:
            raise meaning(error.cause or error, names) from error
        except (BotoCoreError, ClientError) as error:
            raise meaning(error, names) from error
