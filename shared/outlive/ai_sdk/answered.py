"""Which calls a client's copy of a message answers, and how much of the run the client has."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from outlive.ai_sdk.request import ChatAnswers
from outlive.asked import Decision, is_open
from outlive.errors import InvalidRequest
from outlive.store.rows import Record


class Place(NamedTuple):
    """The newest step of which the client has everything, and how the client answers the calls it asked about."""

    record: Record
    decisions: dict[str, Decision]


def place_of(request: ChatAnswers, records: Iterable[Record]) -> Place | None:
    """How much of the run of these records a client with this message has; None if no call of the message is the run's.

    A part that only repeats a part of the run's message is no answer. Raises InvalidRequest.
    """
    calls = {call_id: _Call() for call_id in request.parts}
    for record in records:
        for part in record.body.parts:
            if part.get("toolCallId") in calls:
                calls[part["toolCallId"]].add(record, part)
    steps: list[Record] = []
    answers: list[tuple[Record, str]] = []
    for call_id, call in calls.items():
        if call.last is None:
            continue
        asked = call.asked_by(request.parts[call_id], request.where)
        steps.append(asked or call.last)
        if asked is not None:
            answers.append((asked, call_id))
    if not steps:
        return None
    # Of the steps after this one the client may receive results a second time. It shows them in the same place.
    record = min(steps, key=lambda each: each.step)
    decided = {call_id: request.decision(call_id) for asked, call_id in answers if asked.step == record.step}
    return Place(record, decided)


class _Call:
    """A call as the run's records have it."""

    def __init__(self) -> None:
        self.last: Record | None = None
        self._part: dict[str, Any] = {}
        self._asked: list[tuple[Record, dict[str, Any]]] = []

    def add(self, record: Record, part: dict[str, Any]) -> None:
        self.last, self._part = record, part
        if is_open(part):
            self._asked.append((record, part))

    def asked_by(self, part: dict[str, Any], where: str) -> Record | None:
        """The record with the request that the client's part answers; None if it only repeats what is stored."""
        if part["state"] == "approval-responded":
            given = part.get("approval")
            wanted = given.get("id") if isinstance(given, dict) else None
            for record, asked in self._asked:
                if asked["state"] == "approval-requested" and asked["approval"]["id"] == wanted:
                    return record
            raise InvalidRequest(f"{where}.approval.id", "must be the id of a request for an approval of this call")
        if not self._asked or part["state"] == "output-denied":
            return None
        record, asked = self._asked[-1]
        if is_open(self._part):
            return record
        # The result of an approved tool comes from this service. Another result than the stored one is an earlier answer.
        result = "errorText" if part["state"] == "output-error" else "output"
        same = all(part.get(name) == self._part.get(name) for name in ("state", result))
        return None if same or asked["state"] == "approval-requested" else record
