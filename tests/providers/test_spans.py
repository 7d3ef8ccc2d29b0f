"""The agent's spans as an OTLP endpoint receives them."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic_ai import Agent, Tool

from engine import errors, spans
from engine.secret import Secret, secret_named
from engine.spans import Spans
from engine.turn import PydanticAgent
from outlive.agent import Outcome, Turn
from outlive.agents import StepDeps
from proof.costs.cold_start import ENVIRONMENT, ROOT
from tests.providers.otlp_receiver import Receiver
from tests.providers.provider_doubles import Call, Double, OpenAIChat
from tests.providers.test_providers import DOUBLE_4, PATIENCE, SECRET, answer, ask, disconnect, text

RUN = "74dff68868f0441e85329eceffcdcefc"
PROMPT, ARGUMENT, ANSWER = "a prompt of hers", "an argument of hers", "an answer of hers"
WIRE = OpenAIChat()


def double(number: int) -> int:
    return 2 * number


def look_up(topic: str) -> str:
    return f"all about {topic}"


def break_off() -> str:
    raise ValueError(f"the key {SECRET} is no good")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy, all the time that a busy machine needs, and no agent that is still instrumented after the test."""
    monkeypatch.setattr(spans, "LONGEST_S", PATIENCE)
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(errors, "_KEYS", set())
    yield
    Agent.instrument_all(False)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """For an endpoint that does not answer: a second, as in a worker."""
    monkeypatch.setattr(spans, "LONGEST_S", 1.0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    server = Double()
    monkeypatch.setenv(WIRE.url_setting, server.url + WIRE.url_path)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    yield server
    server.close()


def spans_to(url: str, headers: Secret | None = None, *, content: bool = False) -> Spans:
    return Spans(url, headers, "outlive-test", content=content)


def agent_with(sent: Spans) -> PydanticAgent:
    tools = [Tool(tool) for tool in (double, look_up, break_off)]
    return PydanticAgent(Agent(deps_type=StepDeps, instructions="Be brief.", tools=tools), WIRE.model, sent)


def asked(*history: Turn, step: int = 0) -> Any:
    return replace(ask(*(history or (Turn("user", PROMPT),)), step=step), run_id=RUN)


def two_steps(provider: Double, sent: Spans, call: Call = DOUBLE_4) -> list[Outcome]:
    """A run that calls a tool and answers."""
    provider.replies += [WIRE.said(calls=[call]), WIRE.said(ANSWER)]
    made = agent_with(sent)
    first = answer(made, asked())
    second = answer(made, asked(Turn("user", PROMPT), Turn("assistant", "", first.messages), step=1))
    disconnect(made)
    return [first, second]


def over(sent: Spans) -> None:
    """Return when the exporter has given up."""
    assert sent._sender is not None
    sent._sender.join()


def test_the_spans_of_a_run_arrive_with_its_id(provider: Double, receiver: Receiver) -> None:
    """[92] Agent, model requests and tool, in one trace, each with run, chat, step and attempt."""
    sent = spans_to(receiver.url + "/")
    assert [outcome.error for outcome in two_steps(provider, sent)] == [None, None]
    assert receiver.spans == []
    sent.send(PATIENCE)
    assert receiver.paths == ["/v1/traces"]
    names = [(span.name, span.attributes["outlive.step"]) for span in receiver.spans]
    assert sorted(names) == [
        ("chat gpt-4o", 0), ("chat gpt-4o", 1), ("execute_tool double", 0), ("invoke_agent agent", 0), ("invoke_agent agent", 1),
    ]  # fmt: skip
    said = {"outlive.run.id": RUN, "outlive.chat.id": "chat-1", "outlive.attempt": 1}
    for span in receiver.spans:
        assert said.items() <= span.attributes.items()
        assert (span.trace_id, span.service) == (RUN, "outlive-test")
        assert span.parent == (not span.name.startswith("invoke_agent"))
    requests = [span.attributes for span in receiver.spans if span.name.startswith("chat")]
    assert [each["gen_ai.usage.input_tokens"] for each in requests] == [11, 11]


def test_spans_are_sent_once(provider: Double, receiver: Receiver) -> None:
    """[92] What was sent is not kept, and without spans nothing is sent."""
    sent = spans_to(receiver.url)
    sent.send(PATIENCE)
    two_steps(provider, sent)
    sent.send(PATIENCE)
    sent.send(PATIENCE)
    assert len(receiver.bodies) == 1


def test_spans_that_there_is_no_time_for_are_sent_with_the_next_message(provider: Double, receiver: Receiver) -> None:
    """[92] At the very end of an invocation nothing is begun."""
    sent = spans_to(receiver.url)
    two_steps(provider, sent)
    sent.send(-0.5)
    assert receiver.bodies == []
    sent.send(PATIENCE)
    assert len(receiver.spans) == 5


def test_spans_hold_no_content(provider: Double, receiver: Receiver) -> None:
    """[94] Neither prompt nor instructions, answer, argument, result or error."""
    sent = spans_to(receiver.url)
    two_steps(provider, sent, Call("call_1", "look_up", f'{{"topic": "{ARGUMENT}"}}'))
    two_steps(provider, sent, Call("call_1", "break_off", "{}"))
    sent.send(PATIENCE)
    (body,) = receiver.bodies
    assert b"execute_tool look_up" in body
    assert b"ToolBroke" in body
    for content in (PROMPT, ARGUMENT, "all about", ANSWER, "Be brief", "is no good", SECRET):
        assert content.encode() not in body


def test_contents_are_sent_where_a_setting_says_so_and_a_key_never_is(provider: Double, receiver: Receiver) -> None:
    """[94] The message of an error is what the run's own error shows."""
    sent = spans_to(receiver.url, content=True)
    two_steps(provider, sent, Call("call_1", "look_up", f'{{"topic": "{ARGUMENT}"}}'))
    two_steps(provider, sent, Call("call_1", "break_off", "{}"))
    sent.send(PATIENCE)
    (body,) = receiver.bodies
    for content in (PROMPT, ARGUMENT, "all about", ANSWER, "Be brief", "[hidden] is no good"):
        assert content.encode() in body
    assert SECRET.encode() not in body
    assert b"Traceback" not in body


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("status", [401, 500, 503])
def test_an_endpoint_that_refuses_harms_no_step(provider: Double, receiver: Receiver, status: int) -> None:
    """[93] The step is as it was, the answer says why, and for a while nothing more is sent."""
    receiver.status = status
    sent = spans_to(receiver.url)
    assert [text(outcome) for outcome in two_steps(provider, sent)] == ["", ANSWER]
    assert sent.send(PATIENCE)
    over(sent)
    tries = len(receiver.bodies)
    two_steps(provider, sent)
    assert sent.send(PATIENCE) is None
    assert len(receiver.bodies) == tries


@pytest.mark.usefixtures("hurried")
def test_an_endpoint_that_hangs_is_not_waited_for(provider: Double, receiver: Receiver) -> None:
    """[93] `send` returns while the endpoint still has the request."""
    receiver.hangs = True
    sent = spans_to(receiver.url)
    two_steps(provider, sent)
    assert sent.send(PATIENCE)
    assert not receiver.released.is_set()
    two_steps(provider, sent)
    assert sent.send(PATIENCE) is None
    assert not receiver.released.is_set()


@pytest.mark.usefixtures("hurried")
def test_an_endpoint_that_is_away_harms_no_step_and_gets_later_spans(
    provider: Double, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[93] It is tried again after a pause."""
    monkeypatch.setattr(spans, "PAUSE_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    sent = spans_to(f"http://127.0.0.1:{port}")
    assert text(two_steps(provider, sent)[1]) == ANSWER
    assert sent.send(PATIENCE)
    over(sent)
    assert "refused" in sent._reasons.first
    monkeypatch.setattr(spans, "LONGEST_S", PATIENCE)
    sent._exporter._client._endpoint = f"{receiver.url}/v1/traces"
    two_steps(provider, sent)
    sent.send(PATIENCE)
    assert len(receiver.spans) == 5


def test_a_process_without_threads_sends_nothing_and_raises_nothing(
    provider: Double, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[93] The worker finds out by itself that it is exhausted."""
    sent = spans_to(receiver.url)
    two_steps(provider, sent)

    def exhausted(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", exhausted)
    sent.send(PATIENCE)
    assert receiver.bodies == []


def test_no_more_spans_are_kept_than_fit(provider: Double, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """[93] The oldest are dropped."""
    monkeypatch.setattr(spans, "MOST_SPANS", 3)
    sent = spans_to(receiver.url)
    two_steps(provider, sent)
    sent.send(PATIENCE)
    assert [span.attributes["outlive.step"] for span in receiver.spans] == [0, 1, 1]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("OTLP_HEADERS_SECRET", "the-headers")
    with mock_aws():
        yield boto3.client("secretsmanager")


def test_the_headers_come_from_a_secret(
    provider: Double, receiver: Receiver, secrets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[92] [94] A rotated one is in use without a deployment, and no span holds it."""
    monkeypatch.setattr("engine.secret.MAX_AGE_S", 0)
    secrets.create_secret(Name="the-headers", SecretString="authorization=Bearer%20abc-1,x-team=ours\n")
    sent = spans_to(receiver.url, secret_named("OTLP_HEADERS_SECRET", "the headers"), content=True)
    two_steps(provider, sent)
    sent.send(PATIENCE)
    secrets.put_secret_value(SecretId="the-headers", SecretString="authorization=Bearer abc-2")
    two_steps(provider, sent)
    sent.send(PATIENCE)
    assert [each["authorization"] for each in receiver.headers] == ["Bearer abc-1", "Bearer abc-2"]
    assert receiver.headers[0]["x-team"] == "ours"
    assert b"abc-" not in b"".join(receiver.bodies)


@pytest.mark.usefixtures("secrets")
def test_a_secret_that_is_not_there_harms_no_step(provider: Double, receiver: Receiver) -> None:
    """[93] The answer says what is missing."""
    sent = spans_to(receiver.url, secret_named("OTLP_HEADERS_SECRET", "the headers"))
    assert text(two_steps(provider, sent)[1]) == ANSWER
    assert "The secret with the headers cannot be read: ResourceNotFoundException" in (sent.send(PATIENCE) or "")
    assert receiver.bodies == []


@pytest.mark.parametrize("text_of_secret", ["super-secret-value", "authorization=Bearer super-secret\n-value"])
def test_a_secret_that_holds_no_headers_is_not_logged(
    provider: Double, receiver: Receiver, secrets: Any, caplog: pytest.LogCaptureFixture, text_of_secret: str
) -> None:
    """[94] Nor is a header that cannot be sent."""
    secrets.create_secret(Name="the-headers", SecretString=text_of_secret)
    sent = spans_to(receiver.url, secret_named("OTLP_HEADERS_SECRET", "the headers"))
    assert text(two_steps(provider, sent)[1]) == ANSWER
    assert "super-secret" not in f"{sent.send(PATIENCE)} {caplog.text}"


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_what_spans_need_is_imported_only_where_they_are_sent(endpoint: str) -> None:
    """[92] Without an endpoint a cold start is what it was."""
    code = "import sys, app; print(*[name for name in sys.modules if name.startswith('opentelemetry.')])"
    path = [str(ROOT / part) for part in ("shared", "functions/step", "")]
    environment = {
        "PATH": os.environ["PATH"],
        **ENVIRONMENT,
        "PYTHONPATH": os.pathsep.join(path),
        "OTLP_ENDPOINT": endpoint,
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ("opentelemetry.sdk" in done.stdout.split()) == bool(endpoint)
    assert ("opentelemetry.exporter" in done.stdout.split()) == bool(endpoint)
