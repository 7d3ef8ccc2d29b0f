"""Packs the result of a step as a record: whole and within the store's limits, or not at all."""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from outlive.agent import Outcome
from outlive.follow.passages import OUTPUT_PART, Words
from outlive.lifecycle import FinishReason
from outlive.log import logger
from outlive.run_error import RunErrorCode
from outlive.settle import Partial
from outlive.store.body import Body, pack
from outlive.store.rows import Record, RecordKind, Run
from outlive.text import clean, is_deeper
from outlive.usage import Usage

MAX_PACKED_BYTES = 390_000
"""The limit of a record's packed body: an item holds 400 KB, and its other attributes take well under 10 KB."""
MAX_PARTS_BYTES = 4_000_000
"""The limit of the parts of one message as JSON: a function answers with at most 6 MB."""
MAX_MESSAGES_CHARACTERS = 2 * MAX_PARTS_BYTES
MAX_ASKED_BYTES = 350_000
"""The limit of the names of the calls that a run waits for: its row holds them, and an item holds 400 KB."""
MAX_OUTPUT_BYTES = 100_000
"""The limit of a structured output as JSON: the run's row holds it, and each answer has it beside its message."""
MAX_DEPTH = 200
"""The limit of levels of nesting: some JSON parsers of readers take no more than a few hundred."""


class TooLarge(Exception):
    """A step that can't be stored whole; `code` says whether the step or its run is too large."""

    def __init__(self, code: RunErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def packed(outcome: Outcome, bytes_before: int) -> tuple[bytes, int]:
    """The outcome's packed body, and the bytes that its parts take as JSON.

    `bytes_before` are those of the run's earlier records. Raises TooLarge; nothing is cut.
    """
    outcome_parts = outcome.parts
    if outcome.output is not None:
        outcome_parts = [*outcome_parts, {"type": OUTPUT_PART, "data": outcome.output}]
    if is_deeper(outcome_parts, MAX_DEPTH):
        message = f"the step's parts are nested deeper than {MAX_DEPTH} levels"
        raise TooLarge(RunErrorCode.STEP_TOO_LARGE, message)
    parts = clean(outcome_parts)
    size = len(msgspec.json.encode(parts))
    if bytes_before + size > MAX_PARTS_BYTES:
        raise TooLarge(RunErrorCode.RUN_TOO_LARGE, f"the answer would pass {MAX_PARTS_BYTES:,} bytes")
    if len(outcome.messages or "") > MAX_MESSAGES_CHARACTERS:
        message = f"the step's messages would pass {MAX_MESSAGES_CHARACTERS:,} characters"
        raise TooLarge(RunErrorCode.STEP_TOO_LARGE, message)
    asked = len(msgspec.json.encode([call.without_input for call in outcome.asked]))
    if asked > MAX_ASKED_BYTES:
        message = f"the calls that wait for answers take {asked:,} bytes, a run holds {MAX_ASKED_BYTES:,}"
        raise TooLarge(RunErrorCode.STEP_TOO_LARGE, message)
    contents = Body(parts, outcome.messages, outcome.asked)
    output_size = len(msgspec.json.encode(contents.output))
    if output_size > MAX_OUTPUT_BYTES:
        message = f"the output takes {output_size:,} bytes as JSON, stored are {MAX_OUTPUT_BYTES:,}"
        raise TooLarge(RunErrorCode.STEP_TOO_LARGE, message)
    body = pack(contents)
    if len(body) > MAX_PACKED_BYTES:
        message = f"the step takes {len(body):,} bytes, stored are {MAX_PACKED_BYTES:,}"
        raise TooLarge(RunErrorCode.STEP_TOO_LARGE, message)
    return body, size


def record_of(run: Run, outcome: Outcome, bytes_before: int, usage_before: Usage, now: int, *, is_last: bool) -> Record:
    """The record of the run's claimed step. Raises TooLarge.

    `bytes_before` and `usage_before` are those of the run's earlier records; `is_last` says that the budget ends here.
    """
    body, size = packed(outcome, bytes_before)
    kind, finish_reason = RecordKind.FINAL if is_last else RecordKind(outcome.kind), None
    if kind is RecordKind.FINAL:
        finish_reason = FinishReason.MAX_STEPS if is_last else outcome.finish_reason or FinishReason.STOP
    return Record(
        run.chat_pk,
        Record.sort_key(run.assistant_seq, run.claimed_step),
        run_id=run.id,
        step=run.claimed_step,
        kind=kind,
        packed=body,
        size=size,
        usage=usage_before + outcome.usage,
        finish_reason=finish_reason,
        recorded_by=run.lease_id,
        created_at=now,
    )


def partial_of(run: Run, outcome: Outcome, bytes_before: int) -> Partial | None:
    """The partial record of a step that broke off; None if it is empty or can't be stored whole."""
    if not any(part["type"] != "step-start" for part in outcome.parts):
        return None
    try:
        body, size = packed(outcome, bytes_before)
    except TooLarge as error:
        logger.warning("partial_too_large", run=run.id, step=run.claimed_step, cause=str(error))
        return None
    return Partial(run.claimed_step, body, size, outcome.usage)


def streamed_outcome(streamed: Sequence[Words]) -> Outcome:
    """The text that an agent streamed before it raised, as an outcome."""
    parts: list[dict[str, str]] = [{"type": "step-start"}]
    for kind, words in groupby(streamed, key=lambda each: each.kind):
        parts.append({"type": kind, "text": "".join(each.text for each in words)})
    return Outcome("partial", parts, None)
