"""What a client may send, checked field by field before anything is read or written."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, NewType, TypeVar

import msgspec

from outlive.asked import Decision
from outlive.errors import FileNotFound, InvalidRequest, PromptTooLong, RunNotFound
from outlive.file_ref import FILE_ID, MAX_FILES
from outlive.text import clean, is_deeper

MAX_PROMPT = 32_768
MAX_METADATA_BYTES = 2048
MAX_DEPTH = 100
"""Levels of nesting in a body: no code that handles it later runs out of stack."""
MAX_ANSWERS = 50
"""Calls answered in one request: with the run they are one transaction, which takes 100 writes."""
MAX_ANSWERS_BYTES = 1_000_000
MAX_ANSWER_BYTES = 262_144
MAX_CALL_ID = 512
MAX_LIMIT = 100
MAX_WAIT_S = 20
"""Seconds a request may wait for something new: with a slow store the answer still comes within the gateway's 30."""
DEFAULT_LIMIT = 50
ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")

Form = TypeVar("Form", bound=msgspec.Struct)

ChatId = NewType("ChatId", str)
"""A chat's id that `check_chat_id` let through."""
RunId = NewType("RunId", str)
"""A run's id that `check_run_id` let through: it can't forge a key."""
FileId = NewType("FileId", str)
"""A file's id that `check_file_id` let through."""


class OnBusy(StrEnum):
    """What becomes of a start in a chat with an active run."""

    REJECT = "reject"
    """It is refused with 409."""

    ENQUEUE = "enqueue"
    """It waits for the runs before it."""

    STEER = "steer"
    """It waits for the step under way, and then takes the place of the active run."""

    SUPERSEDE = "supersede"
    """It ends the active run, which `run_id` names, and takes its place at once."""


class Budget(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How much a run may use up."""

    max_steps: Annotated[int, msgspec.Meta(ge=1, description="Steps at most, up to the server's MAX_STEPS.")]


Decisions = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CALL_ID)], Decision],
    msgspec.Meta(min_length=1, max_length=MAX_ANSWERS, description="Decisions by the ids of their calls."),
]


class AnswersBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The answers to calls that a run waits for."""

    answers: Decisions
    step: (
        Annotated[
            int,
            msgspec.Meta(
                ge=0,
                description="The `step` of the run's `asked` that is answered. With it, a request that comes late never answers "
                "what a later step asks about the same call.",
            ),
        ]
        | None
    ) = None


NO_FILES: Mapping[str, str] = {}


class StartBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a start."""

    prompt: Annotated[
        str, msgspec.Meta(min_length=1, description="The user's message to the agent: 1 to 32,768 characters.")
    ]
    budget: Budget | None = None
    agent: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                max_length=128,
                description="The agent that answers. Default: the only one, or `assistant`.",
            ),
        ]
        | None
    ) = None
    metadata: Annotated[dict[str, Any], msgspec.Meta(description="Yours: at most 2 KB as JSON.")] | None = None
    on_busy: Annotated[OnBusy, msgspec.Meta(description="What becomes of it if the chat has an active run.")] = (
        OnBusy.REJECT
    )
    run_id: (
        Annotated[str, msgspec.Meta(description="With `on_busy: supersede`, and only then: the run that it ends.")]
        | None
    ) = None
    files: (
        Annotated[
            list[Annotated[str, msgspec.Meta(pattern=f"^{FILE_ID.pattern}$")]],
            msgspec.Meta(
                max_length=MAX_FILES, description="The ids of uploaded files of this chat, which go with the prompt."
            ),
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A start whose fields were checked."""

    chat_id: str
    prompt: str
    max_steps: int
    metadata: dict[str, Any]
    idempotency_key: str | None
    agent: str | None
    """The agent that the request names."""
    on_busy: OnBusy
    supersedes: str | None
    """The run in whose place this one may come."""
    validated: dict[str, Any]
    """The validated body. Two requests with the same validated body are the same request."""
    replaces_answers: bool = False
    """True if this start ends a run of the chat that waits for answers."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The ids of the prompt's files, by the fields of the request they came in."""

    @property
    def fingerprint(self) -> str:
        """A hash that is the same for the same request, and for no other."""
        canonical = json.dumps(self.validated, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def check_start(chat_id: str, key: str | None, body: bytes, max_steps: int) -> StartRequest:
    """The start that the request contains. Raises InvalidRequest or PromptTooLong."""
    check_chat_id(chat_id)
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
    return parse_start(chat_id, key, sanitized(json_object(body)), max_steps)


def parse_start(
    chat_id: str, key: str | None, fields: dict[str, Any], max_steps: int, files: Mapping[str, str] = NO_FILES
) -> StartRequest:
    """The start with these fields. Raises InvalidRequest or PromptTooLong.

    `files` are the ids of its files by the names of their fields, where these are not those of `StartBody`.
    """
    fields = {**fields, "files": list(files.values())} if files else fields
    body = structured(fields, StartBody)
    prompt = body.prompt
    if len(prompt) > MAX_PROMPT:
        raise PromptTooLong(f"prompt: at most {MAX_PROMPT:,} characters, this has {len(prompt):,}")
    if not prompt.strip():
        raise InvalidRequest("prompt", "must not be blank")
    steps = body.budget.max_steps if body.budget else max_steps
    if steps > max_steps:
        raise InvalidRequest("budget.max_steps", f"must be 1 to {max_steps}")
    metadata = body.metadata or {}
    if len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_METADATA_BYTES:
        raise InvalidRequest("metadata", f"must be at most {MAX_METADATA_BYTES} bytes as JSON")
    validated = msgspec.to_builtins(body)
    if body.agent is None:
        # As before agents had names: a start that is repeated across that upgrade is still the same request.
        del validated["agent"]
    # It says when the run begins and not what it is: a client may ask again, otherwise, for a run that it was refused.
    del validated["on_busy"], validated["run_id"]
    if (body.on_busy == OnBusy.SUPERSEDE) != (body.run_id is not None):
        raise InvalidRequest("run_id", "goes with on_busy supersede, which has to name the run that it ends")
    if body.run_id is not None and not is_run_id(body.run_id):
        raise InvalidRequest("run_id", "must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    if not body.files:
        del validated["files"]
    files = files or {f"files[{number}]": file_id for number, file_id in enumerate(body.files or [])}
    if len(set(files.values())) < len(files):
        raise InvalidRequest("files", "must not name a file twice")
    return StartRequest(
        chat_id, prompt, steps, metadata, key, body.agent, body.on_busy, body.run_id, validated, files=files
    )


def check_answers(body: bytes) -> tuple[dict[str, Decision], int | None]:
    """The decisions in the body, by call, and its `step` if it has one. Raises InvalidRequest."""
    fields = sanitized(json_object(body))
    return parse_answers(fields), structured(fields, AnswersBody).step


def parse_answers(fields: dict[str, Any]) -> dict[str, Decision]:
    """The decisions in these fields, each complete in itself. Raises InvalidRequest."""
    answers = structured(fields, AnswersBody).answers
    total = 0
    for call_id, decision in answers.items():
        where = f"answers.{call_id}"
        size = len(msgspec.json.encode(decision))
        total += size
        if size > MAX_ANSWER_BYTES:
            raise InvalidRequest(where, f"must be at most {MAX_ANSWER_BYTES:,} bytes as JSON")
        wrong = decision.contradiction
        if wrong is not None:
            raise InvalidRequest(where, wrong)
    if total > MAX_ANSWERS_BYTES:
        raise InvalidRequest("answers", f"must be at most {MAX_ANSWERS_BYTES:,} bytes as JSON")
    return answers


def portions(decisions: Mapping[str, Decision]) -> Iterator[dict[str, Decision]]:
    """The decisions in parts, each small enough for one transaction."""
    portion: dict[str, Decision] = {}
    room = MAX_ANSWERS_BYTES
    for call_id, decision in decisions.items():
        size = len(msgspec.json.encode(decision))
        if len(portion) == MAX_ANSWERS or size > room:
            yield portion
            portion, room = {}, MAX_ANSWERS_BYTES
        portion[call_id] = decision
        room -= size
    yield portion


def check_chat_id(chat_id: str) -> ChatId:
    """`chat_id` itself, if it is one. Raises InvalidRequest."""
    if not ID.fullmatch(chat_id):
        raise InvalidRequest("chat_id", "must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    return ChatId(chat_id)


def check_run_id(run_id: str) -> RunId:
    """`run_id` itself, if a run could have it. Raises RunNotFound."""
    if not is_run_id(run_id):
        raise RunNotFound("no run of yours has this id")
    return RunId(run_id)


def check_file_id(file_id: str) -> FileId:
    """`file_id` itself, if a file could have it. Raises FileNotFound."""
    if not FILE_ID.fullmatch(file_id):
        raise FileNotFound("no file of yours in this chat has this id")
    return FileId(file_id)


def is_run_id(run_id: str) -> bool:
    """True if a run could have this id."""
    return ID.fullmatch(run_id) is not None


def check_limit(text: str | None) -> int:
    """How many entries a page may hold. Raises InvalidRequest."""
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidRequest("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def check_wait(text: str | None, default: float) -> float:
    """How many seconds to wait for something new. Raises InvalidRequest."""
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text) or float(text) > MAX_WAIT_S:
        raise InvalidRequest("wait", f"must be a number of seconds from 0 to {MAX_WAIT_S}")
    return float(text)


def json_object(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises InvalidRequest."""
    try:
        value = json.loads(body, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidRequest("body", "must be JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequest("body", "must be a JSON object")
    return value


def sanitized(value: dict[str, Any]) -> dict[str, Any]:
    """`value` without characters that the table or a model refuses. Raises InvalidRequest if it is nested too deep."""
    if is_deeper(value, MAX_DEPTH):
        raise InvalidRequest("body", f"must not be nested deeper than {MAX_DEPTH} levels")
    cleaned: dict[str, Any] = clean(value)
    return cleaned


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not JSON")
    return value


def structured(value: Any, form: type[Form]) -> Form:
    """The value in this form. Raises InvalidRequest, which names the field."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        # msgspec ends its sentence with ` - at `$.budget.max_steps``, or names the field in backticks.
        text, _, path = str(error).rpartition(" - at ") if " - at " in str(error) else (str(error), "", "")
        names = [path.strip("`").removeprefix("$").removeprefix("."), *re.findall(r"field `([^`]*)`", text)]
        raise InvalidRequest(".".join(filter(None, names)) or "body", text[:1].lower() + text[1:]) from None
