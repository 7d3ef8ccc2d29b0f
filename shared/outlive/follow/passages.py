"""A step as a sequence of passages, in one order for all readers, whether they come from live pieces or from the record.

First come text and tool calls in the model's order, then the results of all calls, then a structured output. A position
says how many of them a reader has received and contains a checksum of them. So a reader who followed the live pieces
continues in the record if the record begins with the same passages, and starts the step again if it does not.
"""

import zlib
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Literal, NamedTuple

import msgspec

OUTPUT_PART = "data-output"
"""The type of the part with a run's structured output: the last part of its answer."""
LONGEST = 32_768
"""Characters of text in one event. Only a tool's output can make an event larger than a page."""


RESULTS = "results"


class Words(NamedTuple):
    """Text of one kind. Consecutive words of one kind are one part of the message."""

    kind: Literal["text", "reasoning"]
    text: str


class Call(NamedTuple):
    """A tool call of the model."""

    id: str
    name: str
    input: Any
    by_provider: bool = False


class Result(NamedTuple):
    """The result of a call. `fields` contains `output` or `error_text`, and `input` if the call ran with other arguments."""

    id: str
    name: str
    state: str
    fields: dict[str, Any]


class Approval(NamedTuple):
    """The call waits for an approval. `fields` contains `approval_id`, and `input` if its arguments have changed."""

    id: str
    name: str
    fields: dict[str, Any]


class Other(NamedTuple):
    """A part of another kind."""

    part: dict[str, Any]


Passage = Words | Call | Result | Approval | Other


def passages(parts: Iterable[dict[str, Any]]) -> Iterator[Passage]:
    """The UI message parts of a step as passages.

    Parts without a `step-start` at their beginning are of a step that ran calls of an earlier one: the calls are not
    repeated.
    """
    results: list[Result | Approval] = []
    output: list[Other] = []
    parts = list(parts)
    calls_are_new = not parts or parts[0].get("type") == "step-start"
    for part in parts:
        kind = str(part.get("type"))
        if kind in ("text", "reasoning"):
            if part.get("text"):
                yield Words(kind, part["text"])  # type: ignore[arg-type]  # it is one of the two
        elif "toolCallId" in part and (kind.startswith("tool-") or kind == "dynamic-tool"):
            name = str(part.get("toolName") or kind.removeprefix("tool-"))
            if calls_are_new:
                yield Call(part["toolCallId"], name, part.get("input"), bool(part.get("providerExecuted")))
            state = str(part.get("state", ""))
            fields = {} if calls_are_new else _changed_input(part, state)
            if state == "approval-requested":
                results.append(Approval(part["toolCallId"], name, {"approval_id": part["approval"]["id"], **fields}))
            elif state.startswith("output-") or not calls_are_new:
                fields |= {"output": part["output"]} if "output" in part else {}
                fields |= {"error_text": str(part["errorText"])} if "errorText" in part else {}
                results.append(Result(part["toolCallId"], name, state, fields))
        elif kind == OUTPUT_PART:
            output.append(Other(part))
        elif kind != "step-start":
            yield Other(part)
    yield from results
    yield from output


def _changed_input(part: dict[str, Any], state: str) -> dict[str, Any]:
    """The input of a call of an earlier step, if it may have changed: a person can approve other arguments."""
    approved = part.get("approval", {}).get("approved") is True
    return {"input": part.get("input")} if approved or not state.startswith("output-") else {}


class Position(msgspec.Struct, frozen=True):
    """How much of a step a reader has received: `length` counts characters, and each call, result and other part as one."""

    length: int = 0
    crc: int = 0
    adler: int = 1
    last: str = ""
    """The kind of the words at the end; `results` if there are only results of calls of an earlier step; else empty."""

    def after(self, passage: Passage) -> "Position":
        """The position after `passage`, which begins at this position."""
        last = ""
        if isinstance(passage, Words):
            # No stored text contains a NUL, so it can separate passages of different kinds.
            head = b"" if passage.kind == self.last else b"\0" + passage.kind[:1].encode()
            data, last = head + passage.text.encode(), passage.kind
        else:
            if isinstance(passage, Result | Approval) and (self.length == 0 or self.last == RESULTS):
                last = RESULTS
            data = b"\0" + msgspec.json.encode((type(passage).__name__, *passage), order="sorted")
        return Position(self.length + weight(passage), zlib.crc32(data, self.crc), zlib.adler32(data, self.adler), last)


BEGINNING = Position()


def position_after(step: Iterable[Passage]) -> Position:
    """The position after all of the passages."""
    return reduce(Position.after, step, BEGINNING)


def weight(passage: Passage) -> int:
    """How much `passage` adds to a position's length."""
    return len(passage.text) if isinstance(passage, Words) else 1


def split(step: Iterable[Passage], length: int) -> tuple[Position, list[Passage]]:
    """The position after the first `length` of the passages (after all of them if they are shorter), and the rest."""
    position = BEGINNING
    rest: list[Passage] = []
    for passage in step:
        left = length - position.length
        if rest or left <= 0:
            rest.append(passage)
        elif weight(passage) <= left:
            position = position.after(passage)
        else:
            assert isinstance(passage, Words)
            position = position.after(Words(passage.kind, passage.text[:left]))
            rest.append(Words(passage.kind, passage.text[left:]))
    return position, rest


def rest_after(step: Iterable[Passage], received: Position) -> list[Passage] | None:
    """The passages after `received`; None if the step does not begin with what the reader has received."""
    position, rest = split(step, received.length)
    return rest if position == received else None


def in_bits(step: Iterable[Passage]) -> Iterator[Passage]:
    """The passages, with long texts cut into several."""
    for passage in step:
        if isinstance(passage, Words) and len(passage.text) > LONGEST:
            for at in range(0, len(passage.text), LONGEST):
                yield Words(passage.kind, passage.text[at : at + LONGEST])
        else:
            yield passage


def written_passages(streamed: Iterable[Words | Call]) -> str:
    """The passages as JSON text, the form in which a live piece stores them."""
    written: list[dict[str, Any]] = []
    for passage in streamed:
        match passage:
            case Words(kind, text):
                written.append({"kind": kind, "text": text})
            case Call(call_id, name, given):
                written.append({"kind": "tool-call", "id": call_id, "name": name, "input": given})
    return msgspec.json.encode(written).decode()


def read_passages(text: str) -> list[Passage]:
    """The passages in the text of a live piece. Raises DecodeError, KeyError or TypeError for any other text."""
    read: list[Passage] = []
    for each in msgspec.json.decode(text):
        if each["kind"] == "tool-call":
            read.append(Call(str(each["id"]), str(each["name"]), each["input"]))
        else:
            read.append(Words(each["kind"], str(each["text"])))
    return read
