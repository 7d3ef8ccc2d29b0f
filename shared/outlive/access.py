"""Which rows a caller may see. To any other user than its owner, a chat or run does not exist.

The workspace is part of every key, so a row of another workspace is never read. Everything that acts for a caller reads
the caller's chat or run here; no other module compares owners, apart from the conditions of the writes.
"""

from outlive.caller import Caller
from outlive.errors import ChatNotFound, RunNotFound, StoreUnreadable
from outlive.lifecycle import Status
from outlive.store.rows import Chat, Run
from outlive.store.table import Table


def run_of(table: Table, caller: Caller, run_id: str) -> Run:
    """The caller's run. Raises RunNotFound, and StoreUnreadable if the row is the caller's and damaged."""
    try:
        run = table.run(caller.workspace_id, run_id)
    except StoreUnreadable as damaged:
        raise own_damage(damaged, caller) from None
    return own_run(run, caller)


def run_to_answer(table: Table, caller: Caller, run_id: str, *, now_only: bool = False) -> Run:
    """The caller's run; for an approver any run of the workspace, with `now_only` while it waits for answers.

    Raises RunNotFound, and StoreUnreadable if the row is the caller's and damaged.
    """
    try:
        run = table.run(caller.workspace_id, run_id)
    except StoreUnreadable as damaged:
        raise own_damage(damaged, caller) from None
    if run is not None and caller.approves and (not now_only or run.status == Status.WAITING):
        return run
    return own_run(run, caller)


def is_own(run: Run, caller: Caller) -> bool:
    """True if the run is the caller's."""
    return run.owner == caller.user


def own_run(run: Run | None, caller: Caller) -> Run:
    """The run that was read, if it is the caller's. Raises RunNotFound."""
    if run is None or not is_own(run, caller):
        raise _no_run()
    return run


def own_damage(damaged: StoreUnreadable, caller: Caller) -> StoreUnreadable | RunNotFound:
    """The error for a damaged row of a run: the damage if the row is the caller's, otherwise RunNotFound."""
    return damaged if damaged.is_of(caller.user) else _no_run()


def chat_of(table: Table, caller: Caller, chat_id: str) -> Chat | None:
    """The caller's chat; None if there is none, or if it is another user's.

    Raises StoreUnreadable if the row is the caller's and damaged.
    """
    try:
        return chat_to_start_in(table, caller, chat_id)
    except ChatNotFound:
        return None


def chat_to_start_in(table: Table, caller: Caller, chat_id: str) -> Chat | None:
    """The caller's chat, None if no user has one of this id.

    Raises ChatNotFound if it is another user's, and StoreUnreadable if the row is the caller's and damaged.
    """
    try:
        return own_chat(table.chat(caller.workspace_id, chat_id), caller)
    except StoreUnreadable as damaged:
        raise (damaged if damaged.is_of(caller.user) else _no_chat()) from None


def own_chat(chat: Chat | None, caller: Caller) -> Chat | None:
    """The chat that was read, None if there is none. Raises ChatNotFound if it is another user's."""
    if chat is not None and chat.owner != caller.user:
        raise _no_chat()
    return chat


def position_of(chat: Chat | None, run_id: str) -> int | None:
    """The place of the run in the chat's queue, from 1; None if it does not wait there."""
    return chat.queue.position(run_id) if chat is not None and chat.queue is not None else None


def _no_run() -> RunNotFound:
    return RunNotFound("no run of yours has this id")


def _no_chat() -> ChatNotFound:
    return ChatNotFound("no chat of yours has this id")
