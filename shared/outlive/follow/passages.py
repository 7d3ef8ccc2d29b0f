"""A step in the one order that readers get it in, whether it comes from live pieces or from the record.

First what the model said and asked for, in its order, then the results of all calls. A position says how much of that a
reader has and holds a checksum of it, so that a reader who followed the live pieces can go on in the record if it begins
with the very same, and is told to begin anew if it does not.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

LONGEST = 32_768
"""Characters of text in one event: no event is much larger than a page can carry, unless a tool's output is."""


class Words(NamedTuple):
    """Text of one kind; with the words of the same kind before and after it, one part."""

    kind: Literal["text", "reasoning"]
    text: str


class Call(NamedTuple):
    """A tool the model asked for."""

    id: str
    name: str
    input: Any
    by_provider: bool = False


class Result(NamedTuple):
    """How a call came out: `said` holds `output`, or `error_text`."""

    id: str
    name: str
    state: str
    said: dict[str, Any]


class Other(NamedTuple):
    """A part of another kind."""

    part: dict[str, Any]


Passage = Words | Call | Result | Other


def passages(parts: Iterable[dict[str, Any]]) -> Iterator[Passage]:
    """The UI message parts of a step as passages."""
    results: list[Result] = []
    for part in parts:
        kind = str(part.get("type"))
        if kind in ("text", "reasoning"):
            if part.get("text"):
                yield Words(kind, part["text"])  # type: ignore[arg-type]  # it is one of the two
        elif "toolCallId" in part and (kind.startswith("tool-") or kind == "dynamic-tool"):
            name = str(part.get("toolName") or kind.removeprefix("tool-"))
            yield Call(part["toolCallId"], name, part.get("input"), bool(part.get("providerExecuted")))
            state = str(part.get("state", ""))
            if state.startswith("output-"):
                said = {"output": part["output"]} if "output" in part else {}
                said |= {"error_text": str(part["errorText"])} if "errorText" in part else {}
                results.append(Result(part["toolCallId"], name, state, said))
        elif kind != "step-start":
            yield Other(part)
    yield from results


class Position(msgspec.Struct, frozen=True):
    """How much of a step was told: `length` counts characters, and each call, result and other part as one."""

    length: int = 0
    crc: int = 0
    adler: int = 1
    last: str = ""
    """The kind of words it ends in, empty if it ends otherwise."""

    def after(self, passage: Passage) -> "Position":
        """The position behind `passage`, which stands right here."""
        last = ""
        if isinstance(passage, Words):
            # No stored text holds a NUL, so it tells where another kind of passage begins.
            head = b"" if passage.kind == self.last else b"\0" + passage.kind[:1].encode()
            data, last = head + passage.text.encode(), passage.kind
        else:
            data = b"\0" + msgspec.json.encode((type(passage).__name__, *passage), order="sorted")
        return Position(self.length + weight(passage), zlib.crc32(data, self.crc), zlib.adler32(data, self.adler), last)


BEGINNING = Position()


def weight(passage: Passage) -> int:
    """How much of a position's length `passage` makes up."""
    return len(passage.text) if isinstance(passage, Words) else 1


def split(found: Iterable[Passage], length: int) -> tuple[Position, list[Passage]]:
    """The position behind the first `length` of `found` (or of all there is), and what follows."""
    position = BEGINNING
    rest: list[Passage] = []
    for passage in found:
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


def rest_after(found: Iterable[Passage], told: Position) -> list[Passage] | None:
    """What follows `told` in `found`; None if `found` does not begin with what was told."""
    position, rest = split(found, told.length)
    return rest if position == told else None


def in_bits(found: Iterable[Passage]) -> Iterator[Passage]:
    """`found` with long text cut into several."""
    for passage in found:
        if isinstance(passage, Words) and len(passage.text) > LONGEST:
            for at in range(0, len(passage.text), LONGEST):
                yield Words(passage.kind, passage.text[at : at + LONGEST])
        else:
            yield passage


def written_passages(said: Iterable[Words | Call]) -> str:
    """What was said, as a live piece holds it."""
    told: list[dict[str, Any]] = []
    for passage in said:
        match passage:
            case Words(kind, text):
                told.append({"kind": kind, "text": text})
            case Call(call_id, name, given):
                told.append({"kind": "tool-call", "id": call_id, "name": name, "input": given})
    return msgspec.json.encode(told).decode()


def read_passages(text: str) -> list[Passage]:
    """What `written_passages` made `text` of. Raises DecodeError, KeyError or TypeError for anything else."""
    found: list[Passage] = []
    for one in msgspec.json.decode(text):
        if one["kind"] == "tool-call":
            found.append(Call(str(one["id"]), str(one["name"]), one["input"]))
        else:
            found.append(Words(one["kind"], str(one["text"])))
    return found
