"""Each provider's wire format, on loopback: the request, the outcome of an answer, and the kinds of errors."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from pydantic_ai import Agent, Tool
from pydantic_ai.messages import ModelMessagesTypeAdapter

from engine import model, turn
from engine.turn import PydanticAgent
from outlive.agent import Ask, Interrupt, Outcome, Turn
from outlive.agents import StepDeps
from outlive.asked import Decision
from outlive.follow.passages import Words
from tests.providers.provider_doubles import WIRES, Anthropic, Bedrock, Call, Double, OpenAIChat, Reply, Wire

SECRET = "sk-proj-verysecret123456"
PATIENCE = 180
DOUBLE_4 = Call("call_1", "double", '{"number": 4}')


def double(number: int) -> int:
    return 2 * number


@pytest.fixture(params=WIRES, ids=lambda wire: wire.__name__)
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param()
    return made


@pytest.fixture
def server(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    server = Double()
    monkeypatch.setenv(wire.url_setting, server.url + wire.url_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OLLAMA_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()


@pytest.fixture
def answerer(wire: Wire, server: Double) -> Iterator[PydanticAgent]:
    made = agent_for(wire)
    yield made
    disconnect(made)


def agent_for(wire: Wire, *tools: Callable[..., Any]) -> PydanticAgent:
    agent = Agent(deps_type=StepDeps, instructions="Be brief.", tools=[Tool(tool) for tool in (double, *tools)])
    return PydanticAgent(agent, wire.model)


def disconnect(made: PydanticAgent) -> None:
    """Close what the model's client has open, so that no socket stays open."""
    if made._model is None:
        return
    client = made._model[1].client  # type: ignore[attr-defined]

    async def close() -> None:
        closing = client.close()
        if closing is not None:
            await closing

    turn.LOOP.start(close).result()


def ask(*history: Turn, step: int = 0, text_only: bool = False, seconds: float = 30) -> Ask:
    return Ask("acme", "chat-1", "run-1", step, 1, history or (Turn("user", "Hello"),), text_only, seconds)


def answer(made: PydanticAgent, asked: Ask | None = None) -> Outcome:
    return made(asked or ask(), lambda _: None, Interrupt())


def text(outcome: Outcome) -> str:
    return "".join(part["text"] for part in outcome.parts if part["type"] == "text")


def test_an_answer_with_a_tool_call_takes_two_steps(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    """[17] The first step makes the call, and the second one sends its result and gets the answer."""
    server.replies = [wire.said("Let me ", "see.", calls=[DOUBLE_4]), wire.said("It is ", "8.")]
    first = answer(answerer)
    assert first.error is None
    assert (first.kind, text(first)) == ("step", "Let me see.")
    assert [part.get("output") for part in first.parts if part["type"] == "tool-double"] == [8]
    second = answer(answerer, ask(Turn("user", "Hello"), Turn("assistant", "", first.messages), step=1))
    assert second.error is None
    assert (second.kind, second.finish_reason, text(second)) == ("final", "stop", "It is 8.")
    sent = [held for _, holds in wire.turns(server.requests[1]) for held in holds]
    assert sent == ["text", "text", "call call_1", "result call_1"]


def test_the_instructions_are_sent_with_every_step(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    server.replies = [wire.said(calls=[DOUBLE_4]), wire.said("It is 8.")]
    first = answer(answerer)
    answer(answerer, ask(Turn("user", "Hello"), Turn("assistant", "", first.messages), step=1))
    assert ["Be brief." in wire.system(body) for body in server.requests] == [True, True]


def test_steps_share_their_connection(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    server.replies = [wire.said("One."), wire.said("Two.")]
    assert [text(answer(answerer)) for _ in range(2)] == ["One.", "Two."]
    assert server.connections == 1


def test_usage_is_what_the_provider_counted(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    server.replies = [wire.said("One.")]
    usage = answer(answerer).usage
    assert (usage.input_tokens, usage.output_tokens, usage.requests) == (11, 7, 1)


def test_an_answer_cut_by_its_token_limit_says_so(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    server.replies = [wire.said("One", cut=True)]
    outcome = answer(answerer)
    assert (outcome.kind, outcome.finish_reason, text(outcome)) == ("final", "length", "One")


def test_nothing_before_the_token_limit_is_a_permanent_error(
    wire: Wire, server: Double, answerer: PydanticAgent
) -> None:
    server.replies = [wire.said(cut=True)]
    error = answer(answerer).error
    assert error is not None
    assert (error.kind, error.code) == ("permanent", "model_output_limit")


def test_the_last_step_forbids_tools_without_losing_the_calls_of_the_history(
    wire: Wire, server: Double, answerer: PydanticAgent
) -> None:
    """[25] The last step forbids tool calls in the request, and drops those the model makes all the same."""
    server.replies = [wire.said(calls=[DOUBLE_4]), wire.said("It is 8.", calls=[DOUBLE_4])]
    first = answer(answerer)
    last = answer(answerer, ask(Turn("user", "Hello"), Turn("assistant", "", first.messages), step=1, text_only=True))
    assert wire.forbids_tools(server.requests[1])
    assert (last.kind, text(last)) == ("final", "It is 8.")
    assert [part["type"] for part in last.parts] == ["step-start", "text"]


# After an abort


def partial_of(made: PydanticAgent, on_piece: Callable[[Interrupt], None], interrupt: Interrupt) -> Outcome:
    def say(_: Words) -> None:
        on_piece(interrupt)

    return made(ask(), say, interrupt)


def assert_valid(wire: Wire, body: dict[str, Any]) -> None:
    """No call without its result right after it, no result without its call right before it, a prompt first."""
    turns = wire.turns(body)
    assert turns[0][0] == "user"
    assert all(holds for _, holds in turns)
    if isinstance(wire, Anthropic | Bedrock):
        assert all(one[0] != other[0] for one, other in pairwise(turns))
    open_calls: list[str] = []
    for role, holds in turns:
        results = [held.removeprefix("result ") for held in holds if held.startswith("result ")]
        assert set(results) <= set(open_calls)
        open_calls = [call for call in open_calls if call not in results]
        if role == "assistant":
            open_calls += [held.removeprefix("call ") for held in holds if held.startswith("call ")]
        elif "text" in holds:
            assert open_calls == []
    assert open_calls == []


def test_the_history_after_an_aborted_tool_call_is_valid(wire: Wire, server: Double) -> None:
    """[31] Guarantee 7: the call that a stop interrupted has its result in the next request."""
    interrupt = Interrupt()

    async def hang() -> None:
        interrupt.set("stop")
        await asyncio.Event().wait()

    made = agent_for(wire, hang)
    server.replies = [wire.said("Go. ", calls=[DOUBLE_4, Call("call_2", "hang", "{}")]), wire.said("Sure.")]
    aborted = made(ask(), lambda _: None, interrupt)
    assert aborted.kind == "partial"
    history = (Turn("user", "Hello"), Turn("assistant", "Go. ", aborted.messages), Turn("user", "Go on"))
    assert text(answer(made, ask(*history))) == "Sure."
    assert_valid(wire, server.requests[1])
    held = [held for _, holds in wire.turns(server.requests[1]) for held in holds]
    assert held == ["text", "text", "call call_1", "call call_2", "result call_1", "result call_2", "text"]
    disconnect(made)


def test_the_history_after_a_stop_in_mid_call_is_valid(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    """[31] and guarantee 7: half a call is never sent."""
    server.replies = [wire.broken("Go. ", calls=[Call("call_1", "double", '{"num')], hangs=True), wire.said("Sure.")]
    aborted = partial_of(answerer, lambda interrupt: interrupt.set("stop"), Interrupt())
    assert aborted.kind == "partial"
    history = (Turn("user", "Hello"), Turn("assistant", "Go. ", aborted.messages), Turn("user", "Go on"))
    assert text(answer(answerer, ask(*history))) == "Sure."
    assert_valid(wire, server.requests[1])
    assert [held for _, holds in wire.turns(server.requests[1]) for held in holds] == ["text", "text", "text"]


@pytest.mark.parametrize("fate", ["answered", "denied", "left", "lost", "unreadable"])
def test_the_history_after_a_question_is_valid(wire: Wire, server: Double, fate: str) -> None:
    """[31] [72] Guarantee 7: answered, or ended by a stop, a deadline or a message typed in its place: each call has one
    result, right after it, though it came in a later step or never."""

    def pay(amount: int) -> str:
        return f"Paid {amount}."

    tools = [Tool(double), Tool(pay, requires_approval=True)]
    made = PydanticAgent(Agent(deps_type=StepDeps, tools=tools), wire.model)
    server.replies = [wire.said("Go. ", calls=[DOUBLE_4, Call("call_2", "pay", '{"amount": 5}')]), wire.said("Sure.")]
    asked = answer(made)
    assert (asked.kind, [call.tool_call_id for call in asked.asked]) == ("asked", ["call_2"])
    history = [Turn("user", "Hello"), Turn("assistant", "Go. ", asked.messages)]
    if fate in ("answered", "denied"):
        decision = Decision(approved=True) if fate == "answered" else Decision(approved=False, reason="No.")
        ran = answer(made, replace(ask(*history, step=1), asked=asked.asked, decisions={"call_2": decision}))
        assert (ran.kind, len(server.requests)) == ("step", 1)
        history.append(Turn("assistant", "", ran.messages))
    elif fate != "lost":
        history.append(Turn("assistant", "", "not JSON" if fate == "unreadable" else None))
    assert text(answer(made, ask(*history, Turn("user", "Go on"), step=2))) == "Sure."
    assert_valid(wire, server.requests[1])
    held = [held for _, holds in wire.turns(server.requests[1]) for held in holds if held != "cachePoint"]
    assert held == ["text", "text", "call call_1", "call call_2", "result call_1", "result call_2", "text"]
    disconnect(made)


@pytest.mark.parametrize(
    "history",
    [
        (Turn("user", "One"), Turn("user", "Two")),
        (Turn("user", "One"), Turn("assistant", "Words | Call.", "not JSON"), Turn("user", "Two")),
        (Turn("user", "One"), Turn("assistant", "Words | Call.", "not JSON")),
        (
            Turn("user", "One"),
            Turn("assistant", "Words | Call.", "?"),
            Turn("assistant", "More.", None),
            Turn("user", "Two"),
        ),
        (Turn("assistant", "Words | Call."), Turn("user", "One")),
    ],
    ids=["two prompts", "unreadable", "unreadable last", "two answers", "answer first"],
)
def test_an_odd_history_is_valid_on_the_wire(
    wire: Wire, server: Double, answerer: PydanticAgent, history: tuple[Turn, ...]
) -> None:
    """Guarantee 7: every history that can be stored makes a request that the provider accepts."""
    server.replies = [wire.said("Sure.")]
    assert text(answer(answerer, ask(*history))) == "Sure."
    assert_valid(wire, server.requests[0])


def test_an_empty_answer_is_followed_by_a_valid_request(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    server.replies = [wire.said(), wire.said("Yes.")]
    empty = answer(answerer)
    assert (empty.kind, empty.error) == ("step", None)
    again = answer(answerer, ask(Turn("user", "Hello"), Turn("assistant", "", empty.messages), step=1))
    assert text(again) == "Yes."
    assert_valid(wire, server.requests[1])


@pytest.mark.parametrize("wire", [Anthropic()], ids=["Anthropic"])
def test_signed_reasoning_of_a_whole_step_is_sent_back_and_of_a_partial_is_not(
    wire: Anthropic, server: Double, answerer: PydanticAgent
) -> None:
    """Guarantee 7: a provider requires its reasoning while tools run, and refuses a partial one."""
    half = Call("call_2", "double", '{"num')
    server.replies = [
        wire.thought("Hm.", "sig", DOUBLE_4),
        wire.thought("Hm.", "sig", half, hangs=True),
        wire.said("8."),
    ]
    whole = answer(answerer)
    assert [part["type"] for part in whole.parts] == ["step-start", "reasoning", "tool-double"]
    history = (Turn("user", "Hello"), Turn("assistant", "", whole.messages))
    interrupt = Interrupt()
    partial = answerer(ask(*history, step=1), lambda _: interrupt.set("stop"), interrupt)
    assert [part["type"] for part in partial.parts] == ["step-start", "reasoning"]
    assert partial.messages is None
    answer(answerer, ask(*history, Turn("assistant", "", partial.messages), Turn("user", "Well?")))
    for body in server.requests[1:]:
        held = [held for _, holds in wire.turns(body) for held in holds]
        assert held[:4] == ["text", "thinking", "call call_1", "result call_1"]
        assert held.count("thinking") == 1


# Errors


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, "permanent", "model_rejected"),
        (429, "busy", "model_rate_limited"),
        (503, "busy", "model_unavailable"),
    ],
)
def test_an_error_is_classified_after_one_request(
    wire: Wire, server: Double, answerer: PydanticAgent, status: int, kind: str, code: str
) -> None:
    """[22] Each error has its kind, after one request: the client's own retries would multiply ours."""
    server.replies = [wire.failed(status, "Not now.")] * 5
    outcome = answer(answerer)
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.code) == (kind, code)
    assert "Not now." in outcome.error.message
    assert len(server.requests) == 1


def test_the_wish_of_a_rate_limit_is_passed_on(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    """[22] `Retry-After` of a rate limit is the delay before the next attempt."""
    server.replies = [wire.failed(429, "Slow down.", ("Retry-After", "7"))]
    error = answer(answerer).error
    assert error is not None
    assert error.retry_after == 7


def test_a_key_the_provider_echoes_is_not_shown(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    server.replies = [wire.failed(401, f"Incorrect API key provided: {SECRET}.")]
    error = answer(answerer).error
    assert error is not None
    assert "verysecret" not in error.message


def test_no_answer_in_time_is_transient_after_one_request(
    wire: Wire, server: Double, answerer: PydanticAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[22] A provider that does not answer in time is a transient error, and the client does not repeat the request."""
    monkeypatch.setattr(model, "SHORTEST_REQUEST", 1.0)
    server.replies = [Reply([], hangs=True)] * 5
    error = answer(answerer, ask(seconds=1)).error
    assert error is not None
    assert (error.kind, error.code) == ("transient", "model_timeout")
    assert server.asked.wait(PATIENCE)
    assert len(server.requests) == 1


def test_a_stream_that_breaks_is_transient_and_keeps_its_text(
    wire: Wire, server: Double, answerer: PydanticAgent
) -> None:
    """[22] A stream that breaks off is a transient error; its text is kept, and the client does not repeat the
    request."""
    server.replies = [wire.broken("One. ", drops=True)] * 5
    outcome = answer(answerer)
    assert outcome.error is not None
    assert outcome.error.kind == "transient"
    assert text(outcome) == "One. "
    assert len(server.requests) == 1


def test_a_refused_connection_is_a_busy_provider(wire: Wire, server: Double) -> None:
    """[84] A provider that refuses the connection is asked again later."""
    made = agent_for(wire)
    server.close()
    error = answer(made).error
    assert error is not None
    assert (error.kind, error.code) == ("busy", "model_connection")
    disconnect(made)


def test_a_stop_in_mid_stream_ends_the_step_and_hangs_up(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    """[31] A stop keeps the text that was streamed and closes the connection to the provider."""
    server.replies = [wire.broken("One. ", hangs=True)]
    outcome = partial_of(answerer, lambda interrupt: interrupt.set("stop"), Interrupt())
    assert (outcome.kind, outcome.error, text(outcome)) == ("partial", None, "One. ")
    assert server.hung_up.wait(PATIENCE)


def test_a_stop_before_the_answer_begins_ends_the_step(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    """[31] The provider has sent nothing yet, and its client may block a thread meanwhile."""
    interrupt = Interrupt()
    server.replies = [Reply([], hangs=True)]

    def stop_when_asked() -> None:
        server.asked.wait(PATIENCE)
        interrupt.set("stop")

    stopper = threading.Thread(target=stop_when_asked)
    stopper.start()
    outcome = answerer(ask(), lambda _: None, interrupt)
    stopper.join()
    assert (outcome.kind, outcome.error, outcome.parts, outcome.messages) == ("partial", None, [], None)
    assert len(server.requests) == 1


def test_a_step_after_one_that_blocked_its_loop_connects_anew(
    wire: Wire, server: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[31] The next step has a new event loop, and the old loop's connections are not used."""
    monkeypatch.setattr(turn, "PATIENCE_S", 0.05)
    released = threading.Event()
    interrupt = Interrupt()

    async def block() -> None:
        interrupt.set("stop")
        released.wait(600)

    made = agent_for(wire, block)
    # Closed by the server, so that nothing of the loop that is left behind is open when it is closed.
    closing = replace(wire.said(calls=[Call("call_1", "block", "{}")]), headers=(("Connection", "close"),))
    server.replies = [closing, wire.said("Sure.")]
    assert made(ask(), lambda _: None, interrupt).kind == "partial"
    left_behind = made._model
    assert text(answer(made)) == "Sure."
    assert made._model is not left_behind
    disconnect(made)
    released.set()


def test_what_a_step_stores_is_read_back_by_the_library(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    server.replies = [wire.said("One.", calls=[DOUBLE_4])]
    stored = answer(answerer).messages
    assert stored is not None
    response, request = ModelMessagesTypeAdapter.validate_json(stored)
    assert [part.part_kind for part in response.parts] == ["text", "tool-call"]
    assert [part.part_kind for part in request.parts] == ["tool-return"]


def test_bedrock_without_a_region_is_not_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    error = answer(agent_for(Bedrock())).error
    assert error is not None
    assert (error.kind, error.code) == ("permanent", "model_not_configured")


def test_openai_quota_is_permanent_though_it_comes_as_a_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """[22] A used-up quota is not tried again, although its status is 429."""
    server = Double()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    body = b'{"error": {"message": "No credit left.", "code": "insufficient_quota"}}'
    server.replies = [Reply([body], 429, "application/json")]
    made = agent_for(OpenAIChat())
    error = answer(made).error
    assert error is not None
    assert (error.kind, error.code) == ("permanent", "model_quota")
    disconnect(made)
    server.close()


def test_a_provider_that_falls_silent_is_given_up_long_before_the_step_is(
    wire: Wire, server: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[84] After `LONGEST_SILENCE` seconds without a byte, which counts as an attempt."""
    monkeypatch.setattr(model, "LONGEST_SILENCE", 0.3)
    server.replies = [wire.broken("One. ", hangs=True)]
    made = agent_for(wire)
    outcome = answer(made, ask(seconds=PATIENCE))
    assert outcome.error is not None
    assert outcome.error.kind == "transient"
    assert text(outcome) == "One. "
    disconnect(made)


def test_connections_to_a_provider_are_kept_alive(wire: Wire, server: Double, answerer: PydanticAgent) -> None:
    """A connection that was lost while the function was frozen must not cost a step its time."""
    server.replies = [wire.said("One.")]
    answer(answerer)
    assert answerer._model is not None
    client: Any = answerer._model[1].client  # type: ignore[attr-defined]
    if isinstance(wire, Bedrock):
        config = client.meta.config
        assert (config.tcp_keepalive, config.connect_timeout, config.read_timeout) == (True, 5, 90)
    else:
        assert set(model.KEEPALIVE) <= set(client._client._transport._pool._socket_options)
