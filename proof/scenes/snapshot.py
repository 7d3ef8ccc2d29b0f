"""A table of the product, sorted by what its items are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outlive.clock import from_iso
from outlive.store.rows import Chat, Record, Run
from proof.dynamodb.rows import Row
from proof.dynamodb.schema import Key

ACTIVE = frozenset({"pending", "running"})
HOLDING = ACTIVE | {"waiting"}
ENDING = HOLDING | {"queued"}
"""Whoever has one of these has to end."""
TERMINAL = frozenset({"succeeded", "failed", "aborted"})
SKEW = 200
"""Milliseconds by which no two clocks differ."""
Rows = Mapping[Key, Row]


class Item:
    """A row with its attributes as plain values."""

    __slots__ = ("_wire", "key")

    def __init__(self, key: Key, row: Row) -> None:
        self.key = key
        self._wire = row.attributes

    def text(self, name: str) -> str | None:
        """A text attribute, or None."""
        value = self._wire.get(name)
        return None if value is None else value["S"]

    def whole(self, name: str) -> int:
        """A number attribute, 0 if it is missing."""
        value = self._wire.get(name)
        return 0 if value is None else int(value["N"])

    def json(self, name: str) -> Any:
        """A JSON attribute, or None."""
        text = self.text(name)
        return None if text is None else json.loads(text)

    @property
    def asked(self) -> list[str]:
        """The calls that a record asks about, by their ids."""
        return [call.tool_call_id for call in Record.of(self._wire).body.asked]

    @property
    def open_calls(self) -> list[str]:
        """The calls that a waiting run waits for, by their ids."""
        asked = Run.of(self._wire).asked
        return [] if asked is None else [call.tool_call_id for call in asked.open]

    @property
    def queue(self) -> tuple[str, ...]:
        """The runs that wait in a chat, by their ids."""
        queue = Chat.of(self._wire).queue
        return () if queue is None else queue.ids

    @property
    def never_began(self) -> bool:
        """True for a run that is queued, or was until it ended: it has no messages."""
        return self.whole("assistant_seq") == 0

    @property
    def damaged(self) -> bool:
        """True if the product cannot read this RUN row."""
        return any(Run.damages(self._wire))


@dataclass(slots=True)
class Snapshot:
    """A table, sorted by what its items are. Messages and logs go by chat key and sequence."""

    chats: dict[str, Item] = field(default_factory=dict)
    runs: dict[str, Item] = field(default_factory=dict)
    messages: dict[tuple[str, int], Item] = field(default_factory=dict)
    logs: dict[tuple[str, int], list[Item]] = field(default_factory=dict)
    answers: dict[tuple[str, int], list[Item]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows) -> "Snapshot":
        """Sort the rows of a table. What is there for readers alone, live pieces and tickets, decides nothing."""
        snapshot = cls()
        for (pk, sk), row in sorted(rows.items()):
            item = Item((pk, sk), row)
            if sk == "CHAT":
                snapshot.chats[pk] = item
            elif sk == "RUN":
                snapshot.runs[item.text("id") or ""] = item
            elif "#STEP#" in sk:
                snapshot.logs.setdefault((pk, int(sk.split("#")[1])), []).append(item)
            elif "#ANSWER#" in sk:
                snapshot.answers.setdefault((pk, int(sk.split("#")[1])), []).append(item)
            elif sk.startswith("MSG#"):
                snapshot.messages[pk, int(sk.split("#")[1])] = item
        return snapshot

    def log(self, run: Item) -> list[Item]:
        """The step records of the run, in order."""
        return self.logs.get(place(run), [])

    def decided(self, run: Item, step: int) -> dict[str, bool]:
        """How the calls of a step that asked were decided, by their ids: true for those that were approved."""
        given = [item for item in self.answers.get(place(run), []) if int(item.key[1].split("#")[3]) == step]
        return {item.text("tool_call_id") or "": item.json("decision").get("approved") is True for item in given}


def place(run: Item) -> tuple[str, int]:
    """Where the run's assistant message stands."""
    return f"{run.text('workspace_id')}#{run.text('chat_id')}", run.whole("assistant_seq")


def is_held(run: Item, clock: int) -> bool:
    """True while a lease on the run is live by any clock."""
    until = run.text("lease_until")
    return until is not None and from_iso(until) > clock + SKEW
