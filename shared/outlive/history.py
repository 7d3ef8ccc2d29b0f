"""The history of a chat before a step: the turns that the agent receives, and the run's own records."""

from dataclasses import dataclass

from outlive.agent import Turn
from outlive.log import logger
from outlive.store.rows import Answer, Message, Record, RecordKind, Run
from outlive.store.table import Table

HISTORY_BYTES = 32_000_000
"""Bytes of text and messages of the chat that a step hands its agent: more than a model reads, and as objects of the
agent's library still a fraction of the function's memory."""


@dataclass(frozen=True, slots=True)
class History:
    """The chat's turns, oldest first, and the records of this run, whose turns are the last ones."""

    turns: tuple[Turn, ...]
    records: tuple[Record, ...]
    has_prompt: bool
    """False if the run's own prompt was deleted."""
    answers: tuple[Answer, ...] = ()
    """The answers to calls of this run."""

    @property
    def model_steps(self) -> int:
        """How many of the run's steps asked a model: a step that runs answered calls asks none."""
        return len(self.records) - sum(record.kind == RecordKind.ASKED for record in self.records[:-1])

    @property
    def was_asked(self) -> bool:
        """True if the newest step asked about calls: the next one runs them."""
        return bool(self.records) and self.records[-1].kind == RecordKind.ASKED

    def is_at_last_step(self, max_steps: int) -> bool:
        """True if the next step is the last one that may ask a model, of `max_steps` in all."""
        return not self.was_asked and self.model_steps >= max_steps - 1

    def followed_by(self, record: Record) -> "History":
        """The history with the run's next record, which it may contain already."""
        if len(self.records) != record.step:
            return self
        turn = Turn("assistant", record.body.text, record.body.messages)
        return History((*self.turns, turn), (*self.records, record), self.has_prompt, self.answers)


def read_history(table: Table, run: Run) -> History:
    """The history of `run`'s chat.

    It is read backwards. Of the runs before this one the newest are in it, each whole, as many as fit into
    `HISTORY_BYTES` together with this run, which is always in it. Retention deletes rows in no order, so records count
    only together with their header, and from the first one on.
    """
    turns: list[Turn] = []  # newest first, like everything that is collected here
    turns_of_run: list[Turn] = []
    records_of_message: list[Record] = []
    own_records: list[Record] | None = None
    answers: list[Answer] = []
    has_prompt, run_id, size = False, "", 0
    for row in table.transcript(run.chat_pk, backwards=True):
        if isinstance(row, Record):
            records_of_message.append(row)
            continue
        if isinstance(row, Answer):
            if row.sk.startswith(Message.sort_key(run.assistant_seq)):
                answers.append(row)
            continue
        records, records_of_message = _without_gaps(row, records_of_message), []
        if own_records is None:
            own_records = records if row.sk == Message.sort_key(run.assistant_seq) else []
        if row.run_id != run_id:
            turns += turns_of_run
            turns_of_run, run_id = [], row.run_id
        more = [
            Turn("assistant", record.body.text, record.body.messages) for record in reversed(records) if record.counts
        ]
        if row.role == "user":
            more.append(Turn("user", row.text or "", files=row.files or ()))
            has_prompt = has_prompt or run_id == run.id
        turns_of_run += more
        size += sum(turn.size for turn in more)
        if size > HISTORY_BYTES and run_id != run.id:
            logger.info("history_bounded", run=run.id, step=run.claimed_step, turns=len(turns))
            turns_of_run = []
            break
    return History(tuple(reversed(turns + turns_of_run)), tuple(own_records or ()), has_prompt, tuple(answers))


def _without_gaps(header: Message, newest_first: list[Record]) -> list[Record]:
    """The records of this header, from the first one on as long as none is missing."""
    records = [record for record in reversed(newest_first) if record.sk.startswith(header.sk)]
    return [record for step, record in enumerate(records) if record.step == step]
