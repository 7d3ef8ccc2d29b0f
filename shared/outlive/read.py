"""Reading: what is stored, read consistently, for its owner. Reading changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from outlive.access import chat_of, is_own, position_of, run_to_answer
from outlive.caller import Caller
from outlive.cursor import cursor_at, read_cursor
from outlive.errors import StoreUnreadable
from outlive.lifecycle import Status
from outlive.log import damaged
from outlive.page import PAGE_BYTES
from outlive.store.rows import Chat, Message, Record, Run
from outlive.store.table import Table
from outlive.views import MessageView, QueuedView, RunView, sized, view_asking_run, view_message, view_queued, view_run


@dataclass(frozen=True, slots=True)
class Read:
    """Answers every GET. To any other user than its owner, a chat or run does not exist."""

    table: Table

    def latest(self, caller: Caller, chat_id: str) -> tuple[RunView | None, MessageView | None]:
        """The chat's latest run and its assistant message, in flight or finished."""
        chat = chat_of(self.table, caller, chat_id)
        if chat is None or chat.latest_run_id is None:
            return None, None
        run = self.table.run(caller.workspace_id, chat.latest_run_id)
        return (None, None) if run is None else self._with_message(run)

    def one(self, caller: Caller, run_id: str) -> tuple[RunView, MessageView | None]:
        """The run and its assistant message; of another's run that waits, an approver gets what it asks. Raises RunNotFound."""
        run = run_to_answer(self.table, caller, run_id, now_only=True)
        if is_own(run, caller):
            if run.status == Status.QUEUED:
                return view_run(run, None, position_of(chat_of(self.table, caller, run.chat_id), run.id)), None
            return self._with_message(run)
        return view_asking_run(run, self.table.last_record(run)), None

    def queue(self, caller: Caller, chat_id: str) -> list[QueuedView]:
        """The runs that wait for the chat's slot, the next one first."""
        chat = chat_of(self.table, caller, chat_id)
        if chat is None or chat.queue is None:
            return []
        runs = {run.id: run for run in self.table.runs(caller.workspace_id, chat.queue.ids)}
        return [
            view_queued(runs[run_id], position)
            for position, run_id in enumerate(chat.queue.ids, start=1)
            if run_id in runs and runs[run_id].status == Status.QUEUED
        ]

    def messages(
        self, caller: Caller, chat_id: str, limit: int, cursor: str | None
    ) -> tuple[list[MessageView], str | None]:
        """Up to `limit` messages, oldest first, and where to go on; fewer where more would be too many bytes.

        Raises CursorRefused for a foreign cursor.
        """
        scope = (caller.workspace_id, chat_id, "messages")
        after = read_cursor(cursor, *scope)
        chat = chat_of(self.table, caller, chat_id)
        if chat is None:
            return [], None
        # Read before the messages: see `view_message`. Every earlier run ended before this one could start.
        latest = self._latest(caller, chat)
        page: list[MessageView] = []
        size, last = 0, 0
        for message, records in self._messages(chat.pk, 0 if after is None else after + 1):
            run = latest if latest is not None and message.run_id == latest.id else None
            seen, more = sized(view_message(message, records, chat_id, run))
            size += more + 1
            if len(page) == limit or (page and size > PAGE_BYTES):
                return page, cursor_at(last, *scope)
            page.append(seen)
            last = message.seq
        return page, None

    def runs(self, caller: Caller, chat_id: str, limit: int, cursor: str | None) -> tuple[list[RunView], str | None]:
        """Up to `limit` runs, newest first, and where to go on; fewer where more would be too many bytes.

        Raises CursorRefused for a foreign cursor.
        """
        scope = (caller.workspace_id, chat_id, "runs")
        before = read_cursor(cursor, *scope)
        if chat_of(self.table, caller, chat_id) is None:
            return [], None
        rows, more_before = self.table.runs_of(caller.workspace_id, chat_id, before, limit)
        page: list[RunView] = []
        size, last = 0, 0
        for row in rows:
            seen = view_run(row)
            size += len(msgspec.json.encode(seen)) + 1
            if page and size > PAGE_BYTES:
                return page, cursor_at(last, *scope)
            page.append(seen)
            last = row.assistant_seq
        return page, None if more_before is None else cursor_at(more_before, *scope)

    def _latest(self, caller: Caller, chat: Chat) -> Run | None:
        try:
            return self.table.run(caller.workspace_id, chat.latest_run_id) if chat.latest_run_id else None
        except StoreUnreadable as error:
            # Its messages can be read all the same.
            damaged("row_unreadable", row=Run.SK, cause=error.attribute)
            return None

    def _with_message(self, run: Run) -> tuple[RunView, MessageView | None]:
        message, records = None, list[Record]()
        for row in self.table.transcript(run.chat_pk, run.assistant_seq, run.assistant_seq):
            if isinstance(row, Message):
                message = row
            elif isinstance(row, Record):
                records.append(row)
        seen = sized(view_message(message, records, run.chat_id, run))[0] if message is not None else None
        return view_run(run, records[-1] if records else None), seen

    def _messages(self, chat_pk: str, from_seq: int) -> Iterator[tuple[Message, list[Record]]]:
        """Each message from `from_seq` on with its records; a record without its header is not shown."""
        message: Message | None = None
        records: list[Record] = []
        for row in self.table.transcript(chat_pk, from_seq):
            if isinstance(row, Message):
                if message is not None:
                    yield message, records
                message, records = row, []
            elif isinstance(row, Record) and message is not None and row.sk.startswith(message.sk):
                records.append(row)
        if message is not None:
            yield message, records
