"""The moves of a run that waits for answers: into waiting, answered, and out of it."""

from collections.abc import Sequence

from pynamodb.expressions.update import Action

from outlive.asked import Asked
from outlive.guards import Facts
from outlive.lifecycle import ANSWER, ASK, RESUME, Status
from outlive.store.moves import SPARE_MS, Moves, condition_of, moved
from outlive.store.row import Row
from outlive.store.rows import Answer, Record, Run


class Waiting(Moves):
    """Each method is one transaction. Times are milliseconds."""

    def ask(self, run: Run, record: Record, asked: Asked, now: int, taken_back: str | None = None) -> None:
        """Put the record of the step that `run` holds, and have the run wait. Refused by `run` or `record`.

        `taken_back` is a message that steered the run, and no longer does.
        """
        record.expires_at = self._expiry(asked.until, spare=SPARE_MS)
        actions: list[Action] = [
            Run.status.set(Status.WAITING),
            Run.asked.set(asked),
            Run.due_shard.set(Run.shard(run.id)),
            Run.due_at.set(asked.until),
            Run.updated_at.set(now),
            *(gone.remove() for gone in (Run.active_shard, Run.lease_id, Run.lease_until, Run.resend_after)),
            *(gone.remove() for gone in (Run.last_error, Run.retries, Run.retrying_since)),
        ]
        condition = condition_of(ASK, Facts(now, lease_id=run.lease_id or "", handover_to=taken_back))
        self._transact({
            "run": self._updating(run, actions, condition),
            "record": self._putting(record, Row.pk.does_not_exist()),
        })  # fmt: skip
        after = Run.of(run.serialize())
        after.status = Status.WAITING
        moved(ASK.name, after, run.status)

    def answer(self, run: Run, answers: Sequence[Answer], resend_after: int, now: int) -> Run:
        """Put answers to calls that `run`, as it was read, waits for; with the last open one the run goes on.

        The sweep may send its next message from `resend_after` on. Refused by `run`, or by an answer that was given
        before (`answer 0`, `answer 1` …). Returns the run as written.
        """
        left = run.asked.without({answer.tool_call_id for answer in answers})
        move = ANSWER if left.open else RESUME
        after = Run.of(run.serialize())
        after.updated_at = now
        if left.open:
            after.asked = left
            actions: list[Action] = [Run.asked.set(left)]
        else:
            after.status, after.asked, after.due_shard, after.due_at = Status.RUNNING, None, None, None
            actions = [
                Run.status.set(Status.RUNNING),
                Run.active_shard.set(Run.shard(run.id)),
                Run.progress_at.set(now),
                Run.resends.set(0),
                Run.resend_after.set(resend_after),
                *(gone.remove() for gone in (Run.asked, Run.due_shard, Run.due_at)),
            ]
        condition = condition_of(move, Facts(now, asked=run.asked))
        written = {"run": self._updating(run, [*actions, Run.updated_at.set(now)], condition)}
        for number, answer in enumerate(answers):
            answer.expires_at = self._expiry(run.asked.until, spare=SPARE_MS)
            written[f"answer {number}"] = self._putting(answer, Row.pk.does_not_exist())
        self._transact(written)
        moved(move.name, after, run.status)
        return after
