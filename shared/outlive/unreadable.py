"""Ending a run whose row is damaged, by its key and its sound attributes.

No other move ends such a run, because its progress can't be read. The end mends the row, so that the run can be read again,
frees the chat's slot and takes the run out of the index of active runs. If the row no longer names its chat, only the run is
ended; the next start takes the slot, because its run has ended.
"""

from typing import Any

from outlive.clock import from_iso
from outlive.errors import Overtaken, StoreUnreadable
from outlive.guards import Facts
from outlive.lifecycle import ABORT_UNREADABLE, SUCCEED, TERMINAL, Status, Trigger
from outlive.log import unreadable
from outlive.run_error import RunError, RunErrorCode
from outlive.settle import End, Log, Settled, Settler
from outlive.store.rows import Chat, RecordKind, Run
from outlive.store.table import Table


def end_unreadable(damage: StoreUnreadable, settler: Settler, settled_by: str) -> Settled | None:
    """End the run that could not be read; None if it has ended. Raises as `Settler.end` does, `Overtaken` under a live
    lease.
    """
    item, table, now = damage.item, settler.table, settler.clock.now()
    damaged = set(Run.damages(item))
    sound = {name: value for name, value in item.items() if name not in damaged}
    if sound.get("status", {}).get("S") in TERMINAL:
        return None
    if "lease_until" in sound and from_iso(sound["lease_until"]["S"]) > now:
        raise Overtaken(item["pk"]["S"].rpartition("#")[2])
    run = Run.of({**_likely(item, sound, table, now).serialize(), **sound})
    unreadable(run.id, str(damage))
    last = table.last_record(run)
    if "claimed_step" in damaged and last is not None:
        run.claimed_step = last.step
    stopped = "stop_requested_at" in sound
    if (
        last is not None
        and last.kind == RecordKind.FINAL
        and not damaged & {"status", "stop_requested_at"}
        and not stopped
    ):
        move, facts, error = SUCCEED, Facts(now), None
    else:
        as_read = {name: item.get(name) for name in (*damaged, "stop_requested_at", "lease_until")}
        move, facts = ABORT_UNREADABLE, Facts(now, as_read=as_read)
        message = f"what is stored of the run is damaged: {damage.attribute}"
        error = None if stopped else RunError(RunErrorCode.UNREADABLE, message)
    mended = {name: getattr(run, name) if name in Run.NEEDED else None for name in damaged}
    end = End(move, facts, settled_by, error, mended=mended)
    return settler.end(run, end, Log.upto(last))


def _likely(item: dict[str, Any], sound: dict[str, Any], table: Table, now: int) -> Run:
    """The run with the likeliest values for its damaged attributes, from its key, its sound attributes and its chat."""
    workspace_id, _, run_id = item["pk"]["S"].rpartition("#")
    chat_id: str = sound.get("chat_id", {}).get("S") or ""
    if not chat_id:
        # The index of a chat's runs has its key as well. Without that, the run's own id stands for the chat: no chat has it.
        chat_id = sound.get("chat_key", {}).get("S", "").removeprefix(f"{workspace_id}#") or run_id
    chat = _holding(table, workspace_id, chat_id, run_id)
    seq = chat.sequence if chat is not None else 0
    if "assistant_seq" in sound:
        seq = int(sound["assistant_seq"]["N"])
    elif "user_seq" in sound:
        seq = int(sound["user_seq"]["N"]) + 1
    return Run(
        item["pk"]["S"], Run.SK, id=run_id, workspace_id=workspace_id, chat_id=chat_id,
        owner=chat.owner if chat is not None else "", trigger=Trigger.USER, status=Status.PENDING, user_seq=seq - 1,
        assistant_seq=seq, budget={"max_steps": 1}, claimed_step=0, attempt=1, resends=0, step_count=0,
        created_at=now, updated_at=now,
    )  # fmt: skip


def _holding(table: Table, workspace_id: str, chat_id: str, run_id: str) -> Chat | None:
    """The chat, if this run holds its slot and so wrote its last message."""
    try:
        chat = table.chat(workspace_id, chat_id)
    except StoreUnreadable:
        return None
    return chat if chat is not None and chat.active_run_id == run_id else None
