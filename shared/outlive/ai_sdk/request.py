"""What an AI SDK chat client may send: only its last message counts, the rest of the chat is read from the table.

A user's message starts a run. An assistant's message is the client's copy of a run that waits, with answers in its parts.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from outlive.asked import Decision
from outlive.errors import InvalidRequest
from outlive.file_ref import id_in
from outlive.request import (
    ID,
    IDEMPOTENCY_KEY,
    OnBusy,
    StartRequest,
    is_run_id,
    json_object,
    parse_answers,
    parse_start,
    sanitized,
)

BODY = {"id", "messages", "trigger", "messageId", "budget", "agent", "metadata", "on_busy", "run_id"}
"""`useChat` sends the first four by itself, and what the application adds."""
MESSAGE = {"id", "role", "parts", "metadata"}
CLOSED_STATES = {"approval-responded", "output-available", "output-error", "output-denied"}
"""States of a call to which a client has an answer or a result."""
PART = {"type", "text", "state", "providerMetadata"}
FILE_PART = {"type", "url", "mediaType", "filename", "providerMetadata", "providerReference"}


@dataclass(frozen=True, slots=True)
class ChatAnswers:
    """Answers to calls of a run, as the parts of its message in which they stand."""

    chat_id: str
    run_id: str
    parts: dict[str, dict[str, Any]]
    """The calls of the message's last step that have an answer or a result, by id. Some have one of this service's."""
    where: str
    """The name of the message's parts in errors."""

    def decision(self, call_id: str) -> Decision:
        """How the client answers this call. Raises InvalidRequest."""
        part = self.parts[call_id]
        answer: dict[str, Any]
        match part["state"]:
            case "approval-responded":
                answer = _approval(part.get("approval"), f"{self.where}.approval")
            case "output-error":
                if not isinstance(part.get("errorText"), str):
                    _wrong(f"{self.where}.errorText", "must be a string")
                answer = {"error_text": part["errorText"]}
            case _:
                answer = {"output": part.get("output")}
        return parse_answers(sanitized({"answers": {call_id: answer}}))[call_id]


def check_chat(body: bytes, max_steps: int) -> StartRequest | ChatAnswers:
    """The request in a client's last message: a start, with the message's id as its idempotency key, or answers.

    Raises InvalidRequest or PromptTooLong.
    """
    sent = json_object(body)
    messages = sent.get("messages")
    if not isinstance(messages, list) or not messages:
        _wrong("messages", "must be a list that ends with the user's message")
    if isinstance(messages[-1], dict) and messages[-1].get("role") == "assistant":
        return _answers(sent, messages)
    # The messages before the last one are the client's copy of what is stored: they are not read.
    fields = sanitized({**sent, "messages": messages[-1:]})
    where = f"messages[{len(messages) - 1}]"
    chat_id, message = fields.get("id"), fields["messages"][0]
    _only(fields, BODY, "")
    if not isinstance(chat_id, str) or not ID.fullmatch(chat_id):
        _wrong("id", "must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    if fields.get("trigger", "submit-message") != "submit-message":
        _wrong("trigger", "must be submit-message: a run's answer stays as it was given")
    if not isinstance(message, dict):
        _wrong(where, "must be a message")
    _only(message, MESSAGE, f"{where}.")
    if message.get("role") != "user":
        _wrong(f"{where}.role", "must be user, or assistant with answers to calls of a run that waits")
    if not isinstance(message.get("id"), str) or not message["id"]:
        _wrong(f"{where}.id", "must be a string that is not empty")
    if fields.get("messageId") not in (None, message["id"]):
        _wrong("messageId", "must be the last message's id: earlier messages cannot be changed")
    texts, files = _contents(message.get("parts"), f"{where}.parts", chat_id)
    prompt = "\n".join(texts)
    added = ("budget", "agent", "metadata", "on_busy", "run_id")
    start = {"prompt": prompt, **{name: fields[name] for name in added if fields.get(name) is not None}}
    if not prompt.strip():
        _wrong(f"{where}.parts", "must hold text that is not blank")
    request = parse_start(chat_id, _key(message["id"]), start, max_steps, files)
    # A new message stands in for the decisions that the run waits for, unless it says otherwise.
    return replace(request, replaces_answers=request.on_busy == OnBusy.REJECT)


def _answers(sent: dict[str, Any], messages: list[Any]) -> ChatAnswers:
    where, message, chat_id = f"messages[{len(messages) - 1}]", messages[-1], sent.get("id")
    if not isinstance(chat_id, str) or not ID.fullmatch(chat_id):
        _wrong("id", "must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    if sent.get("trigger", "submit-message") != "submit-message":
        _wrong("trigger", "must be submit-message: a run's answer stays as it was given")
    message_id, parts = message.get("id"), message.get("parts")
    run_id = message_id.removesuffix("-answer") if isinstance(message_id, str) else ""
    if message_id != f"{run_id}-answer" or not is_run_id(run_id):
        _wrong(f"{where}.id", "must be the id of an answer of this service")
    if not isinstance(parts, list):
        _wrong(f"{where}.parts", "must be a list of parts")
    calls: dict[str, dict[str, Any]] = {}
    for part in parts:
        if not isinstance(part, dict):
            _wrong(f"{where}.parts", "must be a list of parts")
        if part.get("type") == "step-start":
            calls = {}
        elif isinstance(part.get("toolCallId"), str) and part.get("state") in CLOSED_STATES:
            calls[part["toolCallId"]] = part
    return ChatAnswers(chat_id, run_id, calls, f"{where}.parts")


def _approval(approval: Any, where: str) -> dict[str, Any]:
    if not isinstance(approval, dict) or not isinstance(approval.get("approved"), bool):
        _wrong(f"{where}.approved", "must be true or false")
    reason = approval.get("reason")
    if approval["approved"] or not isinstance(reason, str):
        return {"approved": approval["approved"]}
    return {"approved": False, "reason": reason}


def _contents(parts: Any, where: str, chat_id: str) -> tuple[list[str], dict[str, str]]:
    """The texts of a user's message, and the ids of its files by their fields."""
    if not isinstance(parts, list):
        _wrong(where, "must be a list of text and file parts")
    texts: list[str] = []
    files: dict[str, str] = {}
    for index, part in enumerate(parts):
        match part:
            case {"type": "text", "text": str(text)}:
                _only(part, PART, f"{where}[{index}].")
                texts.append(text)
            case {"type": "file", "url": str(url)}:
                _only(part, FILE_PART, f"{where}[{index}].")
                # Only the address counts: name, type and size are those of the file as it is stored.
                file_id = id_in(url, chat_id)
                if file_id is None:
                    _wrong(f"{where}[{index}].url", "must be the address of a file that was uploaded to this chat")
                files[f"{where}[{index}].url"] = file_id
            case _:
                _wrong(f"{where}[{index}]", "must be a text part or a file part")
    return texts, files


def _key(message_id: str) -> str:
    """The idempotency key: the id itself, if it is one."""
    if IDEMPOTENCY_KEY.fullmatch(message_id):
        return message_id
    return f"sha256:{hashlib.sha256(message_id.encode()).hexdigest()}"


def _only(fields: dict[str, Any], allowed: set[str], where: str) -> None:
    for name in fields.keys() - allowed:
        _wrong(f"{where}{name}", "is not known here")


def _wrong(field: str, detail: str) -> NoReturn:
    raise InvalidRequest(field, detail)
