"""The items of the table, each with its keys and attributes; `short_lived` has the last three.

    | pk                   | sk                   | item    |
    |----------------------|----------------------|---------|
    | workspace # chat id  | CHAT                 | Chat    |
    | workspace # chat id  | MSG#<seq>            | Message |
    | workspace # chat id  | MSG#<seq>#ANSWER#<n>#<hash> | Answer |
    | workspace # chat id  | MSG#<seq>#STEP#<n>   | Record  |
    | workspace # run id   | RUN                  | Run     |
    | same                 | LIVE#<n>#<a>#<k>     | Live    |
    | same                 | TICKET#<hash>        | Ticket  |
    | workspace # user hash | BUCKET#<kind>       | Bucket  |

A workspace may hold any character, a chat or run id never holds `#`: the last `#` of a pk always separates the two, so no two
pairs share one. Numbers in a sort key have a fixed width, so that text order is number order.
"""

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from pynamodb.attributes import BinaryAttribute

from outlive.asked import Asked, Decision
from outlive.chat_queue import ChatQueue
from outlive.errors import StoreUnreadable
from outlive.file_ref import FileRef
from outlive.lifecycle import FinishReason, MessageStatus, Status, Trigger
from outlive.log import damaged
from outlive.run_error import Closing, LastError, RunError
from outlive.store.attributes import Encoded, Json, OptionalText, OptionalTime, OptionalWhole, Text, Whole, Word
from outlive.store.body import Body, unpack
from outlive.store.row import Row
from outlive.usage import Budget, Usage

SHARDS = 8
"""How many keys the index of active runs is spread over: one key takes 1,000 writes a second, so 8,000 starts."""


class Role(StrEnum):
    """Who wrote a message."""

    USER = "user"
    ASSISTANT = "assistant"


class RecordKind(StrEnum):
    """The kind of a record."""

    STEP = "step"
    """Tools ran; another step follows."""

    ASKED = "asked"
    """Calls of the step wait for answers; a step that runs them follows."""

    FINAL = "final"
    """The answer."""

    PARTIAL = "partial"
    """What was streamed when the run was ended. Seals the log."""

    END = "end"
    """Nothing was streamed when the run was ended. Seals the log."""


class Chat(Row):
    """A conversation: its owner, its sequence, the slot that at most one active run holds, and the queue behind it.

    It is the one item that retention never deletes: without it, the next owner of the id would inherit old messages.
    """

    owner = Text()
    sequence = Whole()
    active_run_id = OptionalText()
    latest_run_id = OptionalText()
    queue = Encoded(ChatQueue)

    SK = "CHAT"
    NEEDED = ("owner", "sequence")

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """As for every row, but attributes that no decision uses may be damaged."""
        used = {name: item[name] for name in ("pk", "sk", *cls.NEEDED, "active_run_id", "queue") if name in item}
        if "S" in item.get("latest_run_id", {}):
            used["latest_run_id"] = item["latest_run_id"]
        try:
            return super().of(used)
        except StoreUnreadable as damage:
            raise StoreUnreadable(item, damage.attribute) from None

    @staticmethod
    def key(workspace_id: str, chat_id: str) -> str:
        """The partition of the chat and its messages."""
        return f"{workspace_id}#{chat_id}"


class Run(Row):
    """One agent turn. docs/api.md explains its public fields; the rest serves the moves."""

    id = Text()
    workspace_id = Text()
    chat_id = Text()
    owner = Text()
    created_by = OptionalText()
    started_by = OptionalText()
    """The request that stored the run, and recognises its own write by it."""
    trigger = Word(Trigger)
    status = Word(Status)
    user_seq = Whole()
    """The number of the prompt's message; 0 while the run is queued, and for ever if it ends so. So is `assistant_seq`."""
    input = OptionalText()  # the prompt of a queued run: afterwards its message has it, and `input_files`
    input_files = Encoded(tuple[FileRef, ...])
    agent = OptionalText()
    """The agent that answers; runs from before agents had names have none, and the default agent answers."""
    budget = Json(Budget)
    metadata = Json(dict[str, Any])
    claims = Json(dict[str, str])
    """The claims of the caller's token that tools get. No answer shows them."""
    fingerprint = OptionalText()

    claimed_step = Whole()
    """The step that was claimed last, -1 before the first claim."""
    attempt = Whole()
    lease_id = OptionalText()
    lease_until = OptionalTime()
    progress_at = OptionalTime()
    resends = Whole()
    resend_after = OptionalTime()
    resent_by = OptionalText()
    last_error = Encoded(LastError)
    """Why the last attempt broke off. It is not `error`, which only settle writes."""
    retries = OptionalWhole()
    """How many requests of the claimed step the provider did not take. They do not count as attempts."""
    retrying_since = OptionalTime()
    """When the provider first did not take the claimed step's request."""

    asked = Encoded(Asked)
    """The calls that a waiting run asked about; no other run has it."""
    handover_to = OptionalText()
    """The message that steered the run last; the chat's queue says whether one still does."""
    step_count = Whole()
    usage = Encoded(Usage)
    error = Encoded(RunError)
    finish_reason = Word(FinishReason, null=True)
    output = Encoded(Any)
    """The structured output of the answer, as the last part of its message has it."""
    started_at = OptionalTime()
    stop_requested_at = OptionalTime()
    stop_requested_by = OptionalText()
    """The stop request that set it, and recognises its own write by it."""
    finished_at = OptionalTime()
    next_run_id = OptionalText()
    settled_by = OptionalText()

    SK = "RUN"
    NEEDED = (
        "id", "workspace_id", "chat_id", "owner", "trigger", "status", "user_seq", "assistant_seq", "budget",
        "claimed_step", "attempt", "resends", "step_count", "created_at", "updated_at",
    )  # fmt: skip

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """As for every row; its ids must be those of its key."""
        run = super().of(item)
        if run.pk != cls.key(run.workspace_id, run.id):
            raise StoreUnreadable(item, next(cls.damages(item), "id"))
        return run

    @classmethod
    def damages(cls, item: dict[str, Any]) -> Iterator[str]:
        """As for every row; ids that are not those of the key are damaged."""
        workspace_id, _, run_id = item["pk"]["S"].rpartition("#")
        ids = {"workspace_id": {"S": workspace_id}, "id": {"S": run_id}}
        wrong = [name for name, value in ids.items() if item.get(name) != value]
        yield from wrong
        yield from (name for name in super().damages(item) if name not in wrong)

    @staticmethod
    def key(workspace_id: str, run_id: str) -> str:
        """The partition of the run."""
        return f"{workspace_id}#{run_id}"

    @staticmethod
    def shard(run_id: str) -> str:
        """The run's key in the index of active runs, and in that of due ones."""
        return str(int(hashlib.sha256(run_id.encode()).hexdigest(), 16) % SHARDS)

    @property
    def chat_pk(self) -> str:
        """The partition of the run's chat."""
        return Chat.key(self.workspace_id, self.chat_id)

    @property
    def attempts_used(self) -> int:
        """How many attempts of the claimed step count, the one under way included."""
        return self.attempt - (self.retries or 0)

    @property
    def is_retrying(self) -> bool:
        """True if the run waits because the provider did not take its last request."""
        busy = self.last_error is not None and self.last_error.kind == "busy"
        return busy and self.status == Status.RUNNING and self.retrying_since is not None

    @property
    def max_steps(self) -> int:
        """How many steps the run may take."""
        return int(self.budget["max_steps"])

    @property
    def user_message_id(self) -> str:
        """The id of the prompt's message."""
        return f"{self.id}-prompt"

    @property
    def assistant_message_id(self) -> str:
        """The id of the answer's message."""
        return f"{self.id}-answer"


class Message(Row):
    """The header of a message. A user's message holds its text, an assistant's message has the run's step records."""

    id = Text()
    run_id = Text()
    role = Word(Role)
    status = Word(MessageStatus)
    text = OptionalText()
    files = Encoded(tuple[FileRef, ...])
    """The files of a user's message. Their content is in the bucket."""
    metadata = Json(Closing)

    NEEDED = ("id", "run_id", "role", "status", "created_at", "updated_at")

    @staticmethod
    def sort_key(seq: int) -> str:
        """The sort key of message `seq`."""
        return f"MSG#{seq:012d}"

    @property
    def seq(self) -> int:
        """The number of the message in its chat."""
        return int(self.sk.split("#")[1])


class Record(Row):
    """Entry `step` of a run's log: what the step produced, or the mark that no entry follows.

    A record of kind `partial` or `end` seals the log, and so does a settled run's final record.
    """

    run_id = Text()
    step = Whole()
    kind = Word(RecordKind)
    packed = BinaryAttribute(legacy_encoding=False)
    size = Whole()
    """How many bytes the parts take as JSON."""
    usage = Encoded(Usage)
    """The run's total with this record."""
    finish_reason = OptionalText()
    recorded_by = OptionalText()

    NEEDED = ("step", "kind", "packed", "size", "created_at")

    @staticmethod
    def sort_key(seq: int, step: int) -> str:
        """The sort key of record `step` of message `seq`."""
        return f"{Message.sort_key(seq)}#STEP#{step:06d}"

    @cached_property
    def body(self) -> Body:
        """What the step produced; empty, with one warning, if it can't be read."""
        try:
            return unpack(self.packed)
        except Exception as error:
            damaged("record_unreadable", run=self.run_id, step=self.step, cause=type(error).__name__)
            return Body([], None)

    @property
    def counts(self) -> bool:
        """True for a step, whole or partial; False for the end mark."""
        return self.kind != RecordKind.END


class Answer(Row):
    """The answer to one call of an asked step, and who gave it. It never changes: of two answers the first counts."""

    tool_call_id = Text()
    decision = Encoded(Decision)
    answered_by = Text()

    NEEDED = ("tool_call_id", "decision", "answered_by", "created_at")

    @staticmethod
    def sort_key(seq: int, step: int, tool_call_id: str) -> str:
        """The sort key of the answer to a call of step `step` of message `seq`. It sorts before the message's records."""
        return f"{Message.sort_key(seq)}#ANSWER#{step:06d}#{hashlib.sha256(tool_call_id.encode()).hexdigest()[:32]}"

    @property
    def step(self) -> int:
        """The step whose call it answers."""
        return int(self.sk.split("#")[3])
