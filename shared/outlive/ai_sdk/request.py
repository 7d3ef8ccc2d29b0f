"""What an AI SDK chat client may ask: only its last message counts, the rest of the chat is what the store holds."""

import hashlib
from typing import Any, NoReturn

from outlive.errors import InvalidRequest
from outlive.request import ID, IDEMPOTENCY_KEY, StartRequest, json_object, parse_start, sanitized

BODY = {"id", "messages", "trigger", "messageId", "budget", "agent", "metadata"}
"""`useChat` sends the first four by itself, and what the application adds."""
MESSAGE = {"id", "role", "parts", "metadata"}
PART = {"type", "text", "state", "providerMetadata"}


def check_chat(body: bytes, max_steps: int) -> StartRequest:
    """The start that a client's last message asks for; the message's id makes sending it again safe.

    Raises InvalidRequest or PromptTooLong.
    """
    sent = json_object(body)
    messages = sent.get("messages")
    if not isinstance(messages, list) or not messages:
        _wrong("messages", "must be a list that ends with the user's message")
    # The messages before the last one are the client's copy of what is stored: they are not read.
    asked = sanitized({**sent, "messages": messages[-1:]})
    where = f"messages[{len(messages) - 1}]"
    chat_id, message = asked.get("id"), asked["messages"][0]
    _only(asked, BODY, "")
    if not isinstance(chat_id, str) or not ID.fullmatch(chat_id):
        _wrong("id", "must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    if asked.get("trigger", "submit-message") != "submit-message":
        _wrong("trigger", "must be submit-message: a run's answer stays as it was given")
    if not isinstance(message, dict):
        _wrong(where, "must be a message")
    _only(message, MESSAGE, f"{where}.")
    if message.get("role") != "user":
        _wrong(f"{where}.role", "must be user: the last message is the one to answer")
    if not isinstance(message.get("id"), str) or not message["id"]:
        _wrong(f"{where}.id", "must be a string that is not empty")
    if asked.get("messageId") not in (None, message["id"]):
        _wrong("messageId", "must be the last message's id: earlier messages cannot be changed")
    prompt = "\n".join(_texts(message.get("parts"), f"{where}.parts"))
    added = ("budget", "agent", "metadata")
    start = {"prompt": prompt, **{name: asked[name] for name in added if asked.get(name) is not None}}
    if not prompt.strip():
        _wrong(f"{where}.parts", "must hold text that is not blank")
    return parse_start(chat_id, _key(message["id"]), start, max_steps)


def _texts(parts: Any, where: str) -> list[str]:
    if not isinstance(parts, list):
        _wrong(where, "must be a list of text parts")
    texts = []
    for index, part in enumerate(parts):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            _wrong(f"{where}[{index}]", "must be a text part: nothing else can be asked yet")
        _only(part, PART, f"{where}[{index}].")
        texts.append(part["text"])
    return texts


def _key(message_id: str) -> str:
    """The idempotency key: the id itself, if it is one."""
    if IDEMPOTENCY_KEY.fullmatch(message_id):
        return message_id
    return f"sha256:{hashlib.sha256(message_id.encode()).hexdigest()}"


def _only(found: dict[str, Any], known: set[str], where: str) -> None:
    for name in found.keys() - known:
        _wrong(f"{where}{name}", "is not known here")


def _wrong(field: str, detail: str) -> NoReturn:
    raise InvalidRequest(field, detail)
