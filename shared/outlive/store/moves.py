"""The moves that write one item: a condition, an update, and a log line."""

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from outlive.clock import DAY, SECOND
from outlive.guards import Facts
from outlive.lifecycle import CLAIM, COUNT_RESEND, HEARTBEAT, RECLAIM, RELEASE, REQUEST_STOP, RESEND, Move, Status
from outlive.log import logger
from outlive.run_error import LastError
from outlive.store.calls import Calls
from outlive.store.refused import Refused
from outlive.store.row import Row
from outlive.store.rows import Record, Run
from outlive.store.short_lived import Bucket, Live, Ticket

SPARE_MS = 7 * DAY
"""How much later than its run a prompt or record expires. Its expiry is set when it is put, and no run lasts that long."""


def condition_of(move: Move, facts: Facts) -> Condition:
    """The condition under which `move` is written: its sources and all its guards."""
    # A damaged status is none of the sources. Then it is enough that the row exists.
    damaged = "status" in facts.as_read
    condition = Row.pk.exists() if damaged else Run.status.is_in(*sorted(move.sources))
    for guard in move.guards:
        condition &= guard.condition(Run, facts)
    return condition


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


class Moves(Calls):
    """Each method makes one move of the lifecycle, or writes an item that no decision uses. Times are milliseconds."""

    _retention: int

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
            Run.retries.remove(),
            Run.retrying_since.remove(),
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

    def release(self, key: Run, lease_id: str, last_error: LastError, redelivered_at: int, now: int) -> Run:
        """Let go of the run; its message is redelivered at `redelivered_at`. Refused by `run`."""
        actions: list[Action] = [
            Run.last_error.set(last_error),
            Run.lease_id.remove(),
            Run.lease_until.remove(),
            Run.resend_after.set(redelivered_at),
            Run.updated_at.set(now),
        ]
        if last_error.kind == "busy":
            actions += [Run.retries.add(1), Run.retrying_since.set(Run.retrying_since | now)]
        run = self._move(RELEASE, key, Facts(now, lease_id=lease_id), actions)
        moved(RELEASE.name, run, Status.RUNNING)
        return run

    def resend(self, run: Run, facts: Facts, again_after: int, sweep_id: str) -> Run:
        """Let `sweep_id` alone send the claimed step of `run`, as it was read, until `again_after`. Refused by `run`."""
        after = self._move(RESEND, run, facts, [
            Run.resend_after.set(again_after),
            Run.resent_by.set(sweep_id),
        ])  # fmt: skip
        moved(RESEND.name, after, run.status)
        return after

    def count_resend(self, run: Run, now: int) -> Run:
        """Count that the claimed step of `run`, as it was read, was sent again. Refused by `run`."""
        facts = Facts(now, step=run.claimed_step, resends=run.resends)
        after = self._move(COUNT_RESEND, run, facts, [Run.resends.set(run.resends + 1)])
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
        record.expires_at = self._expiry(record.created_at, spare=SPARE_MS)
        put = self._putting(record, Row.pk.does_not_exist())
        self._call("PutItem", put["Put"], "record")
        moved("record", run, run.status)

    def put_live_piece(self, piece: Live) -> None:
        """Put a live piece without a condition: no decision uses it, and only its own worker writes under its key."""
        self._call("PutItem", piece.get_save_kwargs_from_instance())

    def put_ticket(self, ticket: Ticket) -> None:
        """Put a ticket; its key is as good as random."""
        self._call("PutItem", ticket.get_save_kwargs_from_instance())

    def take_token(self, bucket: Bucket, taker: str, interval: int, capacity: int, now: int) -> int:
        """Take a token of a bucket that gets one each `interval` ms and holds `capacity`. Returns 0, or the ms until
        there is one.

        `taker` names the request: it takes one token however often it asks, unless another request took one in between.
        One conditional write if the bucket was full or is empty, two in between.
        """
        room_at, expires_at = now + (capacity - 1) * interval, (now + DAY) // SECOND
        full = Bucket.full_at.does_not_exist() | (Bucket.full_at <= now)
        found = self._change_bucket(bucket, taker, Bucket.full_at.set(now + interval), full, expires_at)
        if found is None:
            return 0
        if found.full_at is not None and found.full_at > room_at:
            return found.full_at - room_at
        more = Bucket.full_at.set(Bucket.full_at + interval)
        found = self._change_bucket(bucket, taker, more, Bucket.full_at <= room_at, expires_at)
        # Other requests took what was left.
        return 0 if found is None else interval

    def _change_bucket(
        self, bucket: Bucket, taker: str, action: Action, condition: Condition, expires_at: int
    ) -> Bucket | None:
        """None if the token is the taker's now; if it is not, the bucket as it stands."""
        condition &= Bucket.taken_by.does_not_exist() | (Bucket.taken_by != taker)
        actions = [action, Bucket.taken_by.set(taker), Bucket.expires_at.set(expires_at)]
        try:
            self._call("UpdateItem", self._updating(bucket, actions, condition)["Update"], "bucket")
        except Refused as refused:
            found = refused.bucket or bucket
            return None if found.taken_by == taker else found
        return None

    def _expiry(self, now: int, spare: int = 0) -> int | None:
        """When an item that is written now expires, in seconds. Settle sets it for run and header: those of an active
        run never expire.
        """
        return (now + self._retention + spare) // SECOND if self._retention else None

    def _move(self, move: Move, key: Run, facts: Facts, actions: list[Action]) -> Run:
        update = self._updating(key, actions, condition_of(move, facts))["Update"]
        answer = self._call("UpdateItem", {**update, "ReturnValues": "ALL_NEW"}, "run")
        return Run.of(answer["Attributes"])
