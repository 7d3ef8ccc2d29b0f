"""Prompt caching on the wire: what providers are asked to cache, and that a conversation only grows at its end."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from engine.turn import PydanticAgent
from outlive.agent import Turn
from tests.providers.provider_doubles import Anthropic, Bedrock, Call, Double, Wire
from tests.providers.test_providers import answer, answerer, ask, server, wire  # noqa: F401  # fixtures


def marks(body: Any) -> int:
    """How many places of the body are marked to be cached."""
    return sum(json.dumps(body).count(mark) for mark in ('"cache_control"', '"cachePoint"', '"prompt_cache'))


def unmarked(value: Any) -> Any:
    """The body without its cache marks."""
    if isinstance(value, dict):
        return {name: unmarked(inner) for name, inner in value.items() if name != "cache_control"}
    if isinstance(value, list):
        return [unmarked(inner) for inner in value if not (isinstance(inner, dict) and "cachePoint" in inner)]
    return value


def contents(body: dict[str, Any]) -> list[str]:
    """What stands in the messages, in order."""
    messages = unmarked(body.get("messages") or body["input"])
    found: list[str] = []
    for message in messages:
        inner = message.get("content")
        found += [json.dumps(one) for one in inner] if isinstance(inner, list) else [json.dumps(message)]
    return found


@pytest.mark.parametrize("wire", [Anthropic, Bedrock], indirect=True)
def test_a_provider_that_takes_marks_is_asked_to_cache(wire: Wire, server: Double, answerer: PydanticAgent) -> None:  # noqa: F811
    """[83] And is not with `PromptCaching` off."""
    server.replies.append(wire.said("Hi."))
    answer(answerer)
    assert marks(server.requests[-1]) >= 2
    server.replies.append(wire.said("Hi."))
    answer(answerer, replace(ask(), prompt_caching=False))
    assert marks(server.requests[-1]) == 0


def test_a_conversation_only_grows_at_its_end(wire: Wire, server: Double, answerer: PydanticAgent) -> None:  # noqa: F811
    """[83] Each request begins with the one before it, byte for byte, so what was cached is found again."""
    history = [Turn("user", "Hello")]
    bodies = []
    for step in range(3):
        server.replies.append(wire.said(f"step {step}", calls=[Call(f"call_{step}", "double", '{"number": 4}')]))
        outcome = answer(answerer, ask(*history, step=step))
        bodies.append(contents(server.requests[-1]))
        history.append(Turn("assistant", "", outcome.messages))
    assert [len(body) for body in bodies] == sorted({len(body) for body in bodies})
    for earlier, later in pairwise(bodies):
        assert later[: len(earlier)] == earlier
