"""Reading the table. Every read is consistent unless it says otherwise."""

from collections.abc import Iterable, Iterator

from outlive.errors import Item
from outlive.store.calls import Calls
from outlive.store.glance import PROJECTION
from outlive.store.readable import readable, record_of, row_of
from outlive.store.row import Row
from outlive.store.rows import Answer, Chat, Message, Record, Run
from outlive.store.short_lived import Live, Ticket


class Reads(Calls):
    """Reads stored items as rows."""

    def chat(self, workspace_id: str, chat_id: str) -> Chat | None:
        """The chat, or None."""
        item = self._get(Chat.key(workspace_id, chat_id), Chat.SK)
        return Chat.of(item) if item else None

    def run(self, workspace_id: str, run_id: str) -> Run | None:
        """The run, or None."""
        return self.reload(Run(Run.key(workspace_id, run_id), Run.SK))

    def reload(self, key: Run) -> Run | None:
        """The run of this key as it stands now, or None."""
        item = self._get(key.pk, Run.SK)
        return Run.of(item) if item else None

    def runs(self, workspace_id: str, run_ids: Iterable[str]) -> list[Run]:
        """Those of at most 100 runs that are stored and can be read, in any order."""
        keys = [{"pk": {"S": Run.key(workspace_id, run_id)}, "sk": {"S": Run.SK}} for run_id in run_ids]
        rows = [readable(Run, item) for item in self._get_all(keys)]
        return [run for run in rows if run is not None]

    def glances(self, partitions: list[str]) -> list[Item]:
        """The attributes of `glance` of at most 100 runs, as items and in any order."""
        keys = [{"pk": {"S": pk}, "sk": {"S": Run.SK}} for pk in partitions]
        return list(self._get_all(keys, PROJECTION))

    def transcript(
        self, chat_pk: str, from_seq: int = 0, to_seq: int | None = None, *, backwards: bool = False
    ) -> Iterator[Message | Answer | Record]:
        """The messages `from_seq` to `to_seq` (all later ones if None) of a chat, each followed by its answers and records.

        `backwards`, all in the opposite order: the newest record first, and each message after its records and answers.
        """
        first = Message.sort_key(from_seq)
        last = Message.sort_key(to_seq) if to_seq is not None else "MSG#"
        for item in self._query(chat_pk, Row.sk.between(first, last + "~"), consistent=True, backwards=backwards):
            row = row_of(item)
            if row is not None:
                yield row

    def last_record(self, run: Run) -> Record | None:
        """The newest entry of the run's log, or None. A run that was never claimed has none, and nothing is read."""
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

    def answers(self, run: Run) -> list[Answer]:
        """Every answer that was given to a call of the run."""
        prefix = Message.sort_key(run.assistant_seq) + "#ANSWER#"
        rows = [readable(Answer, item) for item in self._query(run.chat_pk, Row.sk.startswith(prefix), consistent=True)]
        return [answer for answer in rows if answer is not None]

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

        Unreadable runs are left out. The second value is the sequence before which the next page continues, None if
        there are no more. The keys come from an index, which may lag a moment; the rows are read consistently.
        """
        earlier = None if before_seq is None else Run.assistant_seq < before_seq
        chat_key = Chat.key(workspace_id, chat_id)
        items = list(self._query(chat_key, earlier, index=Row.by_chat, backwards=True, limit=limit + 1))
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in items[:limit]]
        rows = [readable(Run, item) for item in self._get_all(keys)]
        runs = sorted((run for run in rows if run is not None), key=lambda run: -run.assistant_seq)
        return runs, int(items[limit - 1]["assistant_seq"]["N"]) if len(items) > limit else None

    def active_runs(self, shard: int, created_before: int) -> Iterator[str]:
        """The partitions of a shard's active runs started before `created_before`, oldest first; may lag."""
        for item in self._query(str(shard), Run.created_at < created_before, index=Row.active):
            yield item["pk"]["S"]

    def due_runs(self, shard: int, now: int) -> Iterator[str]:
        """The partitions of a shard's runs that are due, the longest overdue first; may lag."""
        for item in self._query(str(shard), Run.due_at <= now, index=Row.due):
            yield item["pk"]["S"]
