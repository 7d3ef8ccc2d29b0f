"""The items of the table: each owns its keys and its form.

    | pk                   | sk                   | item    |
    |----------------------|----------------------|---------|
    | workspace # chat id  | CHAT                 | Chat    |
    | workspace # chat id  | MSG#<seq>            | Message |
    | workspace # chat id  | MSG#<seq>#ANSWER#<n>#<hash> | Answer |
    | workspace # chat id  | MSG#<seq>#STEP#<n>   | Record  |
    | workspace # run id   | RUN                  | Run     |
    | same                 | LIVE#<n>#<a>#<k>     | Live    |
    | same                 | TICKET#<hash>        | Ticket  |
    | workspace # user hash | BUCKET#<what>       | Bucket  |

A workspace may hold any character, a chat or run id never holds `#`: the last `#` of a pk is always ours, so no two
pairs share one. Numbers in a sort key have a fixed width, so that text order is number order.
"""

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Self, TypedDict

from pynamodb.attributes import BinaryAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from outlive.asked import Asked, Decision
from outlive.errors import StoreUnreadable
from outlive.lifecycle import FinishReason, MessageStatus, Status, Trigger
from outlive.log import damaged
from outlive.run_error import LastError, RunError
from outlive.store.attributes import Encoded, Json, OptionalText, OptionalTime, OptionalWhole, Text, Time, Whole, Word
from outlive.store.body import Body, unpack
from outlive.usage import Usage

SHARDS = 8
"""How many keys the index of active runs is spread over: one key takes 1,000 writes a second, so 8,000 starts."""


class Budget(TypedDict):
    """How much a run may use up."""

    max_steps: int


class Closing(TypedDict, total=False):
    """How a message's run ended."""

    error: dict[str, str] | None
    finish_reason: str | None
    usage: dict[str, int | float | None] | None


class Role(StrEnum):
    """Who wrote a message."""

    USER = "user"
    ASSISTANT = "assistant"


class RecordKind(StrEnum):
    """What a record is."""

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


class ActiveIndex(GlobalSecondaryIndex["Row"]):
    """Every run that is not terminal, by age. For the sweep alone, and never a gate: it may lag."""

    class Meta:
        """As in the template."""

        index_name = "active"
        projection = KeysOnlyProjection()

    active_shard = UnicodeAttribute(hash_key=True)
    created_at = Time(range_key=True)


class DueIndex(GlobalSecondaryIndex["Row"]):
    """Every row that something has to happen to at a time. For the sweep alone, and never a gate: it may lag."""

    class Meta:
        """As in the template."""

        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = Time(range_key=True)


class ChatIndex(GlobalSecondaryIndex["Row"]):
    """The runs of a chat, in the order they were started. For lists alone: it may lag."""

    class Meta:
        """As in the template."""

        index_name = "by_chat"
        projection = KeysOnlyProjection()

    chat_key = UnicodeAttribute(hash_key=True)
    assistant_seq = Whole(range_key=True)


class Row(Model):
    """Any item. It declares the keys and indexes, so that all kinds share one connection and one client."""

    class Meta:
        """Bound to the table at cold start."""

        table_name = "unbound"
        region = "us-east-1"
        # A call and its one retry end within 10 seconds, three tries of ours under a hanging store within a function's 29.
        connect_timeout_seconds = 2
        read_timeout_seconds = 3
        max_retry_attempts = 1

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    created_at = Time(null=True)
    updated_at = Time(null=True)
    expires_at = OptionalWhole()
    """When DynamoDB may delete the item: seconds since the epoch, as its TTL wants them. Not there: it is kept."""
    active_shard = OptionalText()
    due_shard = OptionalText()
    due_at = OptionalTime()
    chat_key = OptionalText()
    assistant_seq = Whole(null=True)

    active = ActiveIndex()
    due = DueIndex()
    by_chat = ChatIndex()

    NEEDED: ClassVar[tuple[str, ...]] = ()
    """The attributes without which a row of this kind can't be read."""

    @staticmethod
    def path(name: str) -> Path:
        """The attribute in a condition on its stored form."""
        return Path(name)

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """The row an item of DynamoDB stands for. Raises StoreUnreadable if any of its attributes is damaged."""
        try:
            row = cls.from_raw_data(item)
        except Exception:
            raise StoreUnreadable(item, next(cls.damages(item), "?")) from None
        if any(getattr(row, name) is None for name in cls.NEEDED) or any("NULL" in value for value in item.values()):
            raise StoreUnreadable(item, next(cls.damages(item), "?"))
        return row

    @classmethod
    def damages(cls, item: dict[str, Any]) -> Iterator[str]:
        """The attributes of an item that are missing or hold what is no value of theirs."""
        for name, attribute in cls.get_attributes().items():
            value = item.get(name)
            if value is None:
                if name in cls.NEEDED:
                    yield name
                continue
            try:
                attribute.deserialize(attribute.get_value(value))
            except Exception:
                yield name


class Chat(Row):
    """A conversation: its owner, its sequence, and the slot that at most one active run holds.

    It is the one item that retention never deletes: without it, the next owner of the id would inherit old messages.
    """

    owner = Text()
    sequence = Whole()
    active_run_id = OptionalText()
    latest_run_id = OptionalText()

    SK = "CHAT"
    NEEDED = ("owner", "sequence")

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """As for every row, but what nothing is decided by may be damaged."""
        used = {name: item[name] for name in ("pk", "sk", *cls.NEEDED, "active_run_id") if name in item}
        if "S" in item.get("latest_run_id", {}):
            used["latest_run_id"] = item["latest_run_id"]
        try:
            return super().of(used)
        except StoreUnreadable as found:
            raise StoreUnreadable(item, found.attribute) from None

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
    """The request that stored the run: how it knows its own write again."""
    trigger = Word(Trigger)
    status = Word(Status)
    user_seq = Whole()
    agent = OptionalText()
    """The agent that answers; runs from before agents had names have none, and the default agent answers."""
    budget = Json(Budget)
    metadata = Json(dict[str, Any])
    claims = Json(dict[str, str])
    """Of the token that started the run: what tools get of it. No answer shows it."""
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
    """Why the last attempt broke off; apart from `error`, which only settle writes."""
    retries = OptionalWhole()
    """How many attempts of the claimed step the provider did not take: they do not count as attempts."""
    retrying_since = OptionalTime()
    """When the provider first did not take the claimed step's request."""

    asked = Encoded(Asked)
    """What a waiting run waits for; not there for any other."""
    step_count = Whole()
    usage = Encoded(Usage)
    error = Encoded(RunError)
    finish_reason = Word(FinishReason, null=True)
    output = Encoded(Any)
    """The structured output of the answer, as the last part of its message has it."""
    started_at = OptionalTime()
    stop_requested_at = OptionalTime()
    stop_requested_by = OptionalText()
    """The stop that set it: how that knows its own write again."""
    finished_at = OptionalTime()
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
        strange = [name for name, value in ids.items() if item.get(name) != value]
        yield from strange
        yield from (name for name in super().damages(item) if name not in strange)

    @staticmethod
    def key(workspace_id: str, run_id: str) -> str:
        """The partition of the run."""
        return f"{workspace_id}#{run_id}"

    @staticmethod
    def shard(run_id: str) -> str:
        """The key of the active index this run stands under."""
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
        """Whether the run waits for a provider that took no request when it was asked last."""
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
    metadata = Json(Closing)

    NEEDED = ("id", "run_id", "role", "status", "created_at", "updated_at")

    @staticmethod
    def sort_key(seq: int) -> str:
        """Where message `seq` stands in its chat."""
        return f"MSG#{seq:012d}"

    @property
    def seq(self) -> int:
        """Where the message stands in its chat."""
        return int(self.sk.split("#")[1])


class Record(Row):
    """Entry `step` of a run's log: what a step left, or the mark that nothing follows.

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
        """Where record `step` of message `seq` stands."""
        return f"{Message.sort_key(seq)}#STEP#{step:06d}"

    @cached_property
    def body(self) -> Body:
        """What the step left; nothing, with one warning, if it can't be read."""
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
    """How a call of an asked step was answered, and by whom. Never changed: of two answers the first counts."""

    tool_call_id = Text()
    decision = Encoded(Decision)
    answered_by = Text()

    NEEDED = ("tool_call_id", "decision", "answered_by", "created_at")

    @staticmethod
    def sort_key(seq: int, step: int, tool_call_id: str) -> str:
        """Where the answer to a call of step `step` of message `seq` stands: before the message's records."""
        return f"{Message.sort_key(seq)}#ANSWER#{step:06d}#{hashlib.sha256(tool_call_id.encode()).hexdigest()[:32]}"

    @property
    def step(self) -> int:
        """The step whose call it answers."""
        return int(self.sk.split("#")[3])


class Live(Row):
    """Piece `k` of what attempt `a` of step `n` has said so far. For readers alone: no decision and no model sees it.

    Never changed once it is written, and expired a day later: the record has it all.
    """

    said = Text()
    """JSON: a list of passages, as `outlive.follow.passages` writes them."""

    NEEDED = ("said", "created_at")

    @staticmethod
    def sort_key(step: int, attempt: int, number: int) -> str:
        """Where the piece stands in its run's partition: before the run itself."""
        return f"LIVE#{step:06d}#{attempt:06d}#{number:06d}"

    @property
    def place(self) -> tuple[int, int, int]:
        """Step, attempt and number of the piece."""
        _, step, attempt, number = self.sk.split("#")
        return int(step), int(attempt), int(number)


class Ticket(Row):
    """Leave to read one run's events for a while, for whoever holds the secret that the key is a hash of."""

    owner = Text()

    NEEDED = ("owner", "expires_at")

    @staticmethod
    def sort_key(ticket: str) -> str:
        """Where the ticket stands in its run's partition; the ticket itself is stored nowhere."""
        return f"TICKET#{hashlib.sha256(ticket.encode()).hexdigest()}"


class Bucket(Row):
    """A user's tokens for one kind of request. Only the moment when it is full again is stored; unused ones expire."""

    full_at = OptionalWhole()
    """Milliseconds since the epoch."""
    taken_by = OptionalText()
    """The request that took the last token: how it knows its own write again."""

    @staticmethod
    def key(workspace_id: str, user: str) -> str:
        """The partition of the user's buckets. A user's name may hold any character, its hash none of ours."""
        return f"{workspace_id}#{hashlib.sha256(user.encode()).hexdigest()}"

    @staticmethod
    def sort_key(what: str) -> str:
        """Where the bucket for this kind of request stands."""
        return f"BUCKET#{what}"
