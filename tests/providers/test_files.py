"""Files on the wire of each provider: a prompt's and a tool's, in the form that the provider takes."""

import base64
import json
from dataclasses import replace

from pydantic_ai.messages import BinaryContent

from outlive.agent import Turn
from outlive.file_ref import FileRef, address_of
from tests.providers.provider_doubles import Call, Double, Wire
from tests.providers.test_providers import agent_for, answer, ask, disconnect, server, text, wire

__all__ = ["server", "wire"]

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.7\n%%EOF\n"
IDS = {"a" * 32: PNG, "b" * 32: PDF, "c" * 32: "größer".encode()}


class Kept:
    """Files of a chat in memory."""

    def __init__(self) -> None:
        self.contents = {address_of("chat-1", file_id): content for file_id, content in IDS.items()}

    def read(self, address: str) -> bytes | None:
        return self.contents.get(address)

    def store(self, content: bytes, name: str, media_type: str) -> str:
        address = address_of("chat-1", "d" * 32)
        self.contents[address] = content
        return address


def sent(body: object) -> str:
    return json.dumps(body, ensure_ascii=False)


def test_a_prompts_files_are_in_the_request(wire: Wire, server: Double) -> None:
    """[126] Image and PDF as the provider's own content, text as text, each after its name."""
    made = agent_for(wire)
    files = (
        FileRef("a" * 32, "map.png", "image/png", len(PNG)),
        FileRef("b" * 32, "report.pdf", "application/pdf", len(PDF)),
        FileRef("c" * 32, "notes.txt", "text/plain", 8),
    )
    server.replies = [wire.said("A map.")]
    outcome = answer(made, with_files(ask(Turn("user", "What is this?", files=files))))
    disconnect(made)
    assert outcome.error is None
    assert text(outcome) == "A map."
    body = sent(server.requests[0])
    for name, content in (("map.png", PNG), ("report.pdf", PDF)):
        assert f"File {name}:" in body
        assert base64.b64encode(content).decode() in body
    assert "größer" in body


def test_a_tools_image_is_in_the_next_request(wire: Wire, server: Double) -> None:
    """[130] The record has a reference, and the request the content again."""

    def draw() -> BinaryContent:
        return BinaryContent(PNG, media_type="image/png")

    made, files = agent_for(wire, draw), Kept()
    server.replies = [wire.said(calls=[Call("call_1", "draw", "{}")]), wire.said("Drawn.")]
    first = answer(made, with_files(ask(), files))
    assert first.error is None
    (part,) = [part for part in first.parts if part["type"] == "tool-draw"]
    assert part["output"] == {"type": "file", "mediaType": "image/png", "url": address_of("chat-1", "d" * 32)}
    image = base64.b64encode(PNG).decode()
    assert image not in (first.messages or "")
    history = (Turn("user", "Hello"), Turn("assistant", "", first.messages))
    second = answer(made, with_files(ask(*history, step=1), files))
    disconnect(made)
    assert (second.error, text(second)) == (None, "Drawn.")
    assert image in sent(server.requests[1])


def with_files(asked, files=None):
    return replace(asked, files=files or Kept())
