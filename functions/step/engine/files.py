"""Files in an agent's messages. Stored messages refer to a file by its address, and a model receives its content.

A reference is a `BinaryContent` without data, identified by the file's address.
"""

import mimetypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import (
    BinaryContent,
    FilePart,
    ModelMessage,
    ModelResponse,
    ToolReturnPart,
    UserPromptPart,
)

from outlive.agent import Files
from outlive.file_ref import ADDRESS, MAX_FILES_BYTES, FileRef, address_of

TEXT = "text/plain"
GONE = "(This file is not stored any more.)"
LEFT_OUT = "(This file is left out, because the newer files take all the room there is.)"
KEPT_INSIDE = 2
"""Levels of lists and objects in a tool's result in which files are looked for, below the result itself."""

Change = Callable[[BinaryContent], Any]


def prompt_with(text: str, files: Sequence[FileRef], chat_id: str) -> str | list[Any]:
    """The content of a prompt: its text, then each file's name and a reference to it."""
    if not files:
        return text
    content: list[Any] = [text]
    for file in files:
        address = address_of(chat_id, file.id)
        content += [f"File {file.name}:", BinaryContent(b"", media_type=file.media_type, identifier=address)]
    return content


def is_reference(content: BinaryContent) -> bool:
    """True if the content is that of the file it is identified by."""
    return not content.data and ADDRESS.fullmatch(content.identifier) is not None


def with_references(messages: Sequence[ModelMessage], files: Files | None) -> list[ModelMessage]:
    """The messages with a reference in place of each file, which is then stored. Raises StoreError."""
    if files is None:
        return list(messages)

    def stored(content: BinaryContent) -> BinaryContent:
        if is_reference(content):
            return content
        name = f"file{mimetypes.guess_extension(content.media_type) or ''}"
        return _file(b"", content, files.store(content.data, name, content.media_type))

    return [_changed(message, stored) for message in messages]


def with_contents(messages: Sequence[ModelMessage], files: Files | None) -> list[ModelMessage]:
    """The messages as a model receives them: each reference filled, the newest files first, while there is room.

    Raises StoreError.
    """
    contents: dict[str, bytes | str] = {}
    room = MAX_FILES_BYTES
    for file in _references(messages):
        address = file.identifier
        if address in contents:
            continue
        content = files.read(address) if files is not None and room > 0 else None
        if content is None:
            contents[address] = GONE if room > 0 else LEFT_OUT
            continue
        room -= len(content)
        contents[address] = LEFT_OUT if room < 0 else content

    def filled(file: BinaryContent) -> BinaryContent | str:
        content = contents.get(file.identifier, file.data)
        if isinstance(content, str):
            return content
        if file.media_type == TEXT:
            return content.decode(errors="replace")
        return _file(content, file)

    return [_changed(message, filled) for message in messages] if contents else list(messages)


def _file(data: bytes, like: BinaryContent, identifier: str | None = None) -> BinaryContent:
    """The same file with other data."""
    changed = BinaryContent(
        data,
        media_type=like.media_type,
        identifier=identifier or like.identifier,
        vendor_metadata=like.vendor_metadata,
    )
    return BinaryContent.narrow_type(changed)


def _references(messages: Sequence[ModelMessage]) -> Iterator[BinaryContent]:
    """Every reference in the messages, the newest first."""
    found: list[BinaryContent] = []

    def seen(content: BinaryContent) -> BinaryContent:
        if is_reference(content):
            found.append(content)
        return content

    for message in messages:
        _changed(message, seen)
    return reversed(found)


def _changed(message: ModelMessage, change: Change) -> ModelMessage:
    """The message with each file in it changed."""
    if isinstance(message, ModelResponse):
        if not any(isinstance(part, FilePart) for part in message.parts):
            return message
        parts: list[Any] = [_changed_answer(part, change) for part in message.parts]
        return replace(message, parts=[part for part in parts if part is not None])
    requests: list[Any] = []
    for part in message.parts:
        if isinstance(part, ToolReturnPart):
            content = _changed_value(part.content, change, KEPT_INSIDE)
            requests.append(part if content is part.content else replace(part, content=content))
        elif isinstance(part, UserPromptPart) and not isinstance(part.content, str):
            prompt = [change(each) if isinstance(each, BinaryContent) else each for each in part.content]
            requests.append(replace(part, content=prompt))
        else:
            requests.append(part)
    return replace(message, parts=requests)


def _changed_answer(part: Any, change: Change) -> Any:
    """The part of an answer; None for a file that is gone."""
    if not isinstance(part, FilePart):
        return part
    content = change(part.content)
    return replace(part, content=content) if isinstance(content, BinaryContent) else None


def _changed_value(value: Any, change: Change, depth: int) -> Any:
    if isinstance(value, BinaryContent):
        return change(value)
    if depth and isinstance(value, list | tuple):
        return _same_or([_changed_value(each, change, depth - 1) for each in value], value)
    if depth and isinstance(value, dict):
        return _same_or({name: _changed_value(each, change, depth - 1) for name, each in value.items()}, value)
    return value


def _same_or(changed: Any, value: Any) -> Any:
    """`value` itself if nothing in it has changed: a tuple stays a tuple."""
    pairs = (
        zip(changed.values(), value.values(), strict=True)
        if isinstance(value, dict)
        else zip(changed, value, strict=True)
    )
    return value if all(new is old for new, old in pairs) else changed


def shown(value: Any) -> Any:
    """A tool's result as a reader gets it: each reference in it as a UI part with the file's address."""
    match value:
        case {"kind": "binary", "data": "", "identifier": str(address), "media_type": media_type} if ADDRESS.fullmatch(
            address
        ):
            return {"type": "file", "mediaType": media_type, "url": address}
        case dict():
            return {name: shown(each) for name, each in value.items()}
        case list():
            return [shown(each) for each in value]
    return value


def about_files(messages: Sequence[ModelMessage]) -> str:
    """A sentence about the files of the last prompt, as they came: each after its name."""
    prompts = [part for message in messages for part in message.parts if isinstance(part, UserPromptPart)]
    content = prompts[-1].content if prompts else ""
    items = [] if isinstance(content, str) else list(content)[1:]
    listed = [
        f"{name.removeprefix('File ').removesuffix(':')} ({_size(file)})"
        for name, file in zip(items[::2], items[1::2], strict=True)
        if isinstance(name, str)
    ]
    return f" You attached {', '.join(listed)}." if listed else ""


def _size(file: object) -> str:
    if isinstance(file, BinaryContent):
        return f"{file.media_type}, {len(file.data):,} bytes"
    return f"{len(str(file)):,} characters"
