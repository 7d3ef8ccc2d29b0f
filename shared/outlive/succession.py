"""Which run takes a chat's slot next, and how it begins."""

from outlive.chat_queue import ChatQueue
from outlive.errors import StoreUnreadable
from outlive.lifecycle import HOLDING, TERMINAL, Status
from outlive.log import cause, logger
from outlive.store.queue import Queue
from outlive.store.rows import Chat, Run
from outlive.store.slot import Succession, Successor
from outlive.store.table import Table


def is_steered(chat: Chat, run: Run) -> bool:
    """True if a message waits that steers `run`."""
    return chat.active_run_id == run.id and chat.queue is not None and bool(chat.queue.steered)


def next_of(table: Table, chat: Chat, workspace_id: str, chat_id: str, resend_after: int) -> Succession:
    """The slot goes on to the first run of the queue of `chat`, as it was read. Runs that are gone are left out."""
    queue: ChatQueue | None = chat.queue
    while queue is not None:
        run_id = queue.ids[0]
        queue, successor = queue.without(run_id), _queued(table, workspace_id, chat_id, run_id)
        if successor is not None:
            return Succession(chat, successor, queue, resend_after)
    return Succession(chat, None, None, resend_after)


def _queued(table: Table, workspace_id: str, chat_id: str, run_id: str) -> Successor | None:
    """The queued run; None if it is not stored, or not queued. A damaged one is promoted as well: then a sweep ends it."""
    try:
        run = table.run(workspace_id, run_id)
        if run is None or run.status != Status.QUEUED:
            return None
        return Successor(run, run.input or "", run.input_files or ())
    except StoreUnreadable as damage:
        status = damage.item.get("status", {})
        if status.get("S") in HOLDING | TERMINAL:
            return None
        run = Run(
            Run.key(workspace_id, run_id), Run.SK, id=run_id, workspace_id=workspace_id, chat_id=chat_id,
            status=Status.QUEUED, claimed_step=-1, attempt=0,
        )  # fmt: skip
        as_read = {} if status.get("S") == Status.QUEUED else {"status": status}
        return Successor(run, damage.item.get("input", {}).get("S") or "", as_read=as_read)


def send_first(queue: Queue, run: Run) -> None:
    """Send the run's first step. The run is stored: if this fails, a sweep sends the message."""
    try:
        queue.send(run, 0)
    except Exception as error:
        logger.error("send_failed", run=run.id, chat=run.chat_id, step=0, cause=cause(error))
