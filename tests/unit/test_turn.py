"""A step with a Pydantic AI agent: its outcome, and how it ends when it is interrupted."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRetry, RunContext, Tool, ToolFailed
from pydantic_ai.exceptions import ModelHTTPError, ModelUnavailableError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from engine import loop, turn
from engine.outcome import NO_TEXT
from engine.turn import PydanticAgent
from outlive.agent import Ask, Interrupt, Outcome, Turn
from outlive.agents import StepDeps
from outlive.follow.passages import BEGINNING, Call, Result, Words, passages, rest_after

Items = list[Any]


@dataclass
class Scripted:
    """A model that streams `items`: pieces as FunctionModel takes them, exceptions to raise, callables to await."""

    items: Items
    seen: list[tuple[list[ModelMessage], AgentInfo]] = field(default_factory=list)

    async def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        self.seen.append((list(messages), info))
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            if callable(item):
                await item()
            else:
                yield item


def ask(*history: Turn, step: int = 0, text_only: bool = False, seconds: float = 30) -> Ask:
    return Ask("acme", "chat-1", "run-1", step, 1, history or (Turn("user", "Hello"),), text_only, seconds)


@dataclass
class Answered:
    outcome: Outcome
    all_shown: list[Words | Call]
    model: Scripted

    @property
    def pieces(self) -> list[Words]:
        return [piece for piece in self.all_shown if isinstance(piece, Words)]

    @property
    def messages(self) -> list[ModelMessage]:
        return [] if self.outcome.messages is None else ModelMessagesTypeAdapter.validate_json(self.outcome.messages)

    @property
    def shown(self) -> str:
        return "".join(piece.text for piece in self.pieces if piece.kind == "text")

    def tool_part(self, name: str) -> dict[str, Any]:
        return next(part for part in self.outcome.parts if part["type"] == f"tool-{name}")


def answer(
    items: Items,
    *tools: Callable[..., Any],
    asked: Ask | None = None,
    interrupt: Interrupt | None = None,
    on_piece: Callable[[Words], None] | None = None,
) -> Answered:
    model = Scripted(items)
    agent = Agent(
        FunctionModel(stream_function=model),
        deps_type=StepDeps,
        instructions="Be brief.",
        tools=[Tool(tool) for tool in tools],
    )
    all_shown: list[Words | Call] = []

    def show(shown: Words | Call) -> None:
        all_shown.append(shown)
        if on_piece is not None and isinstance(shown, Words):
            on_piece(shown)

    outcome = PydanticAgent(agent, "unused")(asked or ask(), show, interrupt or Interrupt())
    return Answered(outcome, all_shown, model)


def call(name: str, arguments: str = "{}", index: int = 1) -> dict[int, DeltaToolCall]:
    return {index: DeltaToolCall(name, arguments, tool_call_id=f"call-{index}")}


def double(number: int) -> int:
    return 2 * number


async def forever() -> None:
    await asyncio.Event().wait()


# What comes back


def test_an_answer_is_final_and_keeps_the_agents_own_messages() -> None:
    done = answer(["It is ", "late."])
    assert done.outcome.kind == "final"
    assert done.outcome.finish_reason == "stop"
    assert done.outcome.error is None
    assert done.outcome.parts == [{"type": "step-start"}, {"type": "text", "text": "It is late.", "state": "done"}]
    assert [message.kind for message in done.messages] == ["response"]


def test_a_step_holds_the_request_and_the_results_of_its_calls() -> None:
    done = answer(["Wait. ", call("double", '{"number": 4}')], double)
    assert done.outcome.kind == "step"
    assert done.outcome.finish_reason is None
    assert done.outcome.parts == [
        {"type": "step-start"},
        {"type": "text", "text": "Wait. ", "state": "done"},
        {
            "type": "tool-double",
            "toolCallId": "call-1",
            "state": "output-available",
            "input": {"number": 4},
            "output": 8,
        },
    ]
    assert [message.kind for message in done.messages] == ["response", "request"]


def test_messages_of_a_step_exclude_the_prompt_and_every_earlier_step() -> None:
    """What a step returns is only its own, so nothing is stored twice."""
    first = answer([call("double", '{"number": 1}')], double)
    second = answer(
        ["Two."], double, asked=ask(Turn("user", "Hello"), Turn("assistant", "", first.outcome.messages), step=1)
    )
    assert [message.kind for message in second.messages] == ["response"]
    sent = [[part.part_kind for part in message.parts] for message in second.model.seen[0][0]]
    assert sent == [["user-prompt"], ["tool-call"], ["tool-return"]]


def test_the_instructions_reach_the_model_in_each_step() -> None:
    first = answer([call("double", '{"number": 1}')], double)
    second = answer(
        ["Two."], double, asked=ask(Turn("user", "Hello"), Turn("assistant", "", first.outcome.messages), step=1)
    )
    assert [done.model.seen[0][1].instructions for done in (first, second)] == ["Be brief.", "Be brief."]


def test_a_step_asks_the_model_once() -> None:
    assert len(answer([call("double", '{"number": 1}')], double).model.seen) == 1


def test_pieces_are_shown_in_order_and_make_up_the_parts() -> None:
    done = answer([{0: DeltaThinkingPart(content="Hm")}, {0: DeltaThinkingPart(content="m.")}, "One ", "two."])
    assert done.pieces == [
        Words("reasoning", "Hm"),
        Words("reasoning", "m."),
        Words("text", "One "),
        Words("text", "two."),
    ]
    assert [part.get("text") for part in done.outcome.parts] == [None, "Hmm.", "One two."]


def test_calls_are_shown_in_order_and_as_the_parts_have_them() -> None:
    """So a reader sees a tool at work before there is a result of it."""
    shown_when_it_ran: list[int] = []

    def slow(note: str) -> str:
        shown_when_it_ran.append(len(shown))
        return note

    shown: list[Words | Call] = []
    agent = Agent(
        FunctionModel(
            stream_function=Scripted(["One ", call("slow", '{"note": "\\u0000 1"}'), call("slow", '{"note": ""}', 2)])
        ),
        deps_type=StepDeps,
        tools=[Tool(slow)],
    )
    outcome = PydanticAgent(agent, "unused")(ask(), shown.append, Interrupt())
    assert shown == [
        Words("text", "One "),
        Call("call-1", "slow", {"note": "\ufffd 1"}),
        Call("call-2", "slow", {"note": ""}),
    ]
    parts = [part for part in outcome.parts if part["type"] == "tool-slow"]
    assert [(part["toolCallId"], part["input"]) for part in parts] == [(one.id, one.input) for one in shown[1:]]


def test_a_call_with_incomplete_arguments_is_not_shown() -> None:
    """The model did not ask for it: it is not in the parts, or in them as an error."""
    done = answer([call("double", '{"number": ')], double)
    assert [one for one in done.all_shown if isinstance(one, Call)] == []


def test_no_call_is_shown_in_a_text_only_step() -> None:
    """The last step the budget allows drops them."""
    done = answer(["One.", call("double", '{"number": 1}')], double, asked=ask(text_only=True))
    assert done.all_shown == [Words("text", "One.")]


@pytest.mark.parametrize(
    "items",
    [
        ["One ", call("double", '{"number": 1}')],
        [
            {0: DeltaThinkingPart(content="Hm")},
            "One ",
            call("double", '{"number": 1}'),
            call("double", '{"number": 2}', 2),
        ],
        [call("double", '{"number": "x"}')],
        [call("unknown", '{"number": 1.0, "deep": [1, {"a": null}]}')],
        ["a\ud83d", "\ude00b\0"],
    ],
)
def test_the_record_begins_with_the_live_text(items: Items) -> None:
    """So a reader who followed it live goes on in the record and receives nothing twice."""
    done = answer(items, double)
    position = BEGINNING
    for shown in done.all_shown:
        words = Words(shown.kind, shown.text) if isinstance(shown, Words) else Call(shown.id, shown.name, shown.input)
        position = position.after(words)
    rest = rest_after(passages(done.outcome.parts), position)
    assert rest is not None
    assert not [passage for passage in rest if not isinstance(passage, Result)]


def test_pieces_are_shown_in_the_callers_thread() -> None:
    """So `show` may use what belongs to that thread, and is not called after the step has ended."""
    threads: list[threading.Thread] = []
    answer(["One."], on_piece=lambda _: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]


def test_usage_is_the_steps_own() -> None:
    first = answer([call("double", '{"number": 1}')], double)
    second = answer(
        ["Two."], double, asked=ask(Turn("user", "Hello"), Turn("assistant", "", first.outcome.messages), step=1)
    )
    assert first.outcome.usage.requests == second.outcome.usage.requests == 1
    assert first.outcome.usage.output_tokens > 0


def test_an_empty_answer_is_a_step_whose_request_asks_again() -> None:
    done = answer([{0: DeltaThinkingPart(content="Hm.")}])
    assert done.outcome.kind == "step"
    assert [part["type"] for part in done.outcome.parts] == ["step-start", "reasoning"]
    assert done.messages[-1].parts[0].part_kind == "retry-feedback"
    again = answer(["Yes."], asked=ask(Turn("user", "Hello"), Turn("assistant", "", done.outcome.messages), step=1))
    assert again.outcome.kind == "final"


def test_a_call_that_cannot_be_made_is_shown_as_failed_and_the_model_learns_of_it() -> None:
    done = answer([call("unknown"), call("double", '{"number": "x"}', 2)], double)
    assert done.outcome.kind == "step"
    assert done.tool_part("unknown")["state"] == done.tool_part("double")["state"] == "output-error"
    assert [part.part_kind for part in done.messages[1].parts] == ["tool-return", "tool-return"]


def test_a_tool_may_refuse_a_call_or_give_up_on_it() -> None:
    def refuse() -> str:
        raise ModelRetry("Not like this.")

    def give_up() -> str:
        raise ToolFailed("Never.")

    done = answer([call("refuse"), call("give_up", index=2)], refuse, give_up)
    assert done.outcome.kind == "step"
    assert done.tool_part("refuse")["errorText"] == "Not like this."
    assert done.tool_part("give_up")["errorText"] == "Never."


def test_a_tool_knows_where_it_runs_and_the_key_of_its_call() -> None:
    seen: list[Any] = []

    def where(ctx: RunContext[StepDeps]) -> None:
        deps = ctx.deps
        seen.append((deps.workspace_id, deps.chat_id, deps.run_id, deps.step, deps.attempt))
        seen.append(deps.idempotency_key(ctx.tool_call_id))

    answer([call("where")], where, asked=ask(step=3))
    assert seen[0] == ("acme", "chat-1", "run-1", 3, 1)
    assert seen[1].startswith("run-1:3:")


def test_a_tool_knows_for_whom_it_runs() -> None:
    seen: list[StepDeps] = []

    def whose(ctx: RunContext[StepDeps]) -> None:
        seen.append(ctx.deps)

    asked = replace(ask(), user="ada", agent="support", metadata={"page": 3}, claims={"plan": "gold"})
    answer([call("whose")], whose, asked=asked)
    (deps,) = seen
    assert (deps.user, deps.agent, deps.metadata, deps.claims) == ("ada", "support", {"page": 3}, {"plan": "gold"})
    assert "gold" not in repr(deps)


# The last step of the budget


def test_a_text_only_step_tells_the_model_not_to_call_tools() -> None:
    """[25] The request has `tool_choice` `none`."""
    done = answer(["Done."], double, asked=ask(text_only=True))
    assert (done.model.seen[0][1].model_settings or {}).get("tool_choice") == "none"
    assert done.outcome.kind == "final"


def test_a_text_only_step_takes_the_text_and_runs_no_tool_the_model_calls_all_the_same() -> None:
    """[25] The calls are neither shown nor stored."""
    ran: list[int] = []
    done = answer(["Done.", call("ran_it")], _recorder(ran), asked=ask(text_only=True))
    assert ran == []
    assert done.outcome.parts == [{"type": "step-start"}, {"type": "text", "text": "Done.", "state": "done"}]
    assert [[part.part_kind for part in message.parts] for message in done.messages] == [["text"]]


def test_a_text_only_step_without_any_text_says_so_in_a_sentence() -> None:
    """[25] An answer is never empty."""
    done = answer([call("ran_it")], _recorder([]), asked=ask(text_only=True))
    assert done.outcome.kind == "final"
    assert done.outcome.parts[1]["text"] == NO_TEXT


def _recorder(ran: list[int]) -> Callable[[], None]:
    def ran_it() -> None:
        ran.append(1)

    return ran_it


# Told to end


def test_an_interrupt_that_stands_already_costs_no_model_request() -> None:
    """[14] The model is not asked if the stop was seen before."""
    interrupt = Interrupt()
    interrupt.set("stop")
    done = answer(["Too late."], interrupt=interrupt)
    assert done.model.seen == []
    assert done.outcome == Outcome("partial", [], None)


@pytest.mark.parametrize("reason", ["stop", "deadline", "overtaken"])
def test_a_stop_in_mid_stream_keeps_the_streamed_text(reason: Any) -> None:
    """[31] and [24]: the operation decides what the reason means."""
    interrupt = Interrupt()
    done = answer(["One. ", forever], interrupt=interrupt, on_piece=lambda _: interrupt.set(reason))
    assert done.outcome.kind == "partial"
    assert done.outcome.error is None
    assert done.outcome.parts == [{"type": "step-start"}, {"type": "text", "text": "One. ", "state": "done"}]
    assert [[part.part_kind for part in message.parts] for message in done.messages] == [["text"]]


def test_every_piece_that_is_kept_was_shown() -> None:
    """[31]: also those that came while the step was being interrupted."""
    interrupt = Interrupt()
    done = answer(["One. ", "Two. ", "Three.", forever], interrupt=interrupt, on_piece=lambda _: interrupt.set("stop"))
    assert done.shown == done.outcome.parts[1]["text"]


def test_a_stop_before_the_first_word_leaves_nothing() -> None:
    """[31] The partial step has neither parts nor messages."""
    interrupt = Interrupt()

    async def stop_and_hang() -> None:
        interrupt.set("stop")
        await forever()

    done = answer([stop_and_hang], interrupt=interrupt)
    assert done.outcome.parts == []
    assert done.outcome.messages is None


def test_half_received_arguments_are_dropped() -> None:
    """[31]: a call with incomplete arguments is neither shown nor sent."""
    interrupt = Interrupt()

    async def stop_and_hang() -> None:
        interrupt.set("stop")
        await forever()

    items = ["One. ", call("double", '{"number": 1}'), call("double", '{"num', 2), stop_and_hang]
    done = answer(items, double, interrupt=interrupt)
    assert [part.get("toolCallId") for part in done.outcome.parts] == [None, None, "call-1"]
    assert done.tool_part("double")["state"] == "output-error"
    assert [part.part_kind for part in done.messages[0].parts] == ["text", "tool-call"]
    assert [part.part_kind for part in done.messages[1].parts] == ["tool-return"]


def test_reasoning_of_a_partial_is_shown_and_never_sent() -> None:
    """Guarantee 7: it is in the parts and not in the messages."""
    interrupt = Interrupt()

    def stop_after_text(piece: Words) -> None:
        if piece.kind == "text":
            interrupt.set("stop")

    items = [{0: DeltaThinkingPart(content="Secretly. ")}, "One.", forever]
    done = answer(items, interrupt=interrupt, on_piece=stop_after_text)
    assert [part["type"] for part in done.outcome.parts] == ["step-start", "reasoning", "text"]
    assert [part.part_kind for part in done.messages[0].parts] == ["text"]


def test_a_partial_of_reasoning_alone_keeps_no_messages() -> None:
    """Guarantee 7: there is nothing to send to the next model."""
    interrupt = Interrupt()
    items = [{0: DeltaThinkingPart(content="Secretly. ")}, forever]
    done = answer(items, interrupt=interrupt, on_piece=lambda _: interrupt.set("stop"))
    assert [part["type"] for part in done.outcome.parts] == ["step-start", "reasoning"]
    assert done.outcome.messages is None


def test_a_stop_cancels_an_async_tool_and_keeps_the_results_there_are() -> None:
    """[31] The cancelled call is closed as interrupted."""
    interrupt = Interrupt()
    cancelled: list[bool] = []

    async def hang() -> None:
        await asyncio.sleep(0)
        interrupt.set("stop")
        try:
            await forever()
        finally:
            cancelled.append(True)

    done = answer(
        ["Go. ", call("double", '{"number": 4}'), call("hang", index=2)], double_now, hang, interrupt=interrupt
    )
    assert cancelled == [True]
    assert done.outcome.kind == "partial"
    assert done.outcome.error is None
    assert done.tool_part("double")["output"] == 8
    assert done.tool_part("hang") == {
        "type": "tool-hang",
        "toolCallId": "call-2",
        "state": "output-error",
        "input": {},
        "errorText": "Interrupted before it finished.",
    }
    assert [part.part_kind for part in done.messages[1].parts] == ["tool-return", "tool-return"]


async def double_now(number: int) -> int:
    return 2 * number


double_now.__name__ = "double"


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE_S", 0.05)


def test_a_stop_leaves_a_sync_tool_behind(released: threading.Event) -> None:
    """[31] The step ends while the thread of the tool is still running."""
    interrupt = Interrupt()

    def hang() -> None:
        interrupt.set("stop")
        released.wait(600)

    done = answer(["Go. ", call("hang")], hang, interrupt=interrupt)
    assert not released.is_set()
    assert done.tool_part("hang")["errorText"] == "Interrupted before it finished."


@pytest.mark.usefixtures("impatient")
def test_tools_that_are_left_behind_are_counted_until_they_end(released: threading.Event) -> None:
    """[31] Each is a thread that the process keeps: in the library's pool, in the loop's, or the loop's own."""

    interrupt = Interrupt()

    def hang() -> None:
        interrupt.set("stop")
        released.wait(600)

    async def hang_in_threads() -> None:
        await asyncio.to_thread(hang)

    async def block() -> None:
        hang()

    agent = PydanticAgent(Agent(deps_type=StepDeps), "unused")

    def wait_for(count: int) -> None:
        until = time.monotonic() + 180
        while agent.left_behind() != count and time.monotonic() < until:
            time.sleep(0.01)
        assert agent.left_behind() == count

    wait_for(0)
    for tool in (hang, hang_in_threads, block) * 2:
        interrupt = Interrupt()
        answer([call(tool.__name__)], tool, interrupt=interrupt)
    wait_for(6)
    released.set()
    wait_for(0)


@pytest.mark.usefixtures("impatient")
def test_a_stop_leaves_a_tool_behind_that_swallows_its_cancellation(released: threading.Event) -> None:
    """[31]: and the next step runs as if nothing had been."""
    interrupt = Interrupt()

    async def stubborn() -> None:
        interrupt.set("stop")
        while not released.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    done = answer(["Go. ", call("stubborn")], stubborn, interrupt=interrupt)
    assert not released.is_set()
    assert done.outcome.error is None
    assert [part["type"] for part in done.outcome.parts] == ["step-start", "text", "tool-stubborn"]
    assert done.tool_part("stubborn")["errorText"] == "Interrupted before it finished."
    assert answer(["Next."]).outcome.kind == "final"


@pytest.mark.usefixtures("impatient")
def test_a_stop_leaves_a_tool_behind_that_blocks_the_loop(released: threading.Event) -> None:
    """[31]: and the next step runs as if nothing had been."""
    interrupt = Interrupt()

    async def block() -> None:
        interrupt.set("stop")
        released.wait(600)

    done = answer(["Go. ", call("block")], block, interrupt=interrupt)
    assert not released.is_set()
    assert [part["type"] for part in done.outcome.parts] == ["step-start", "text", "tool-block"]
    assert answer(["Next."]).outcome.kind == "final"


@pytest.mark.usefixtures("impatient")
def test_a_model_that_blocks_the_loop_in_mid_stream_loses_no_text(released: threading.Event) -> None:
    """[31] The text before the block is kept."""
    interrupt = Interrupt()

    async def block() -> None:
        interrupt.set("stop")
        released.wait(600)

    done = answer(["One. ", block], interrupt=interrupt)
    assert done.outcome.parts[1]["text"] == "One. "
    assert [[part.part_kind for part in message.parts] for message in done.messages] == [["text"]]


def test_an_error_that_comes_with_an_interrupt_is_not_reported() -> None:
    """[4]: a cancelled request may end in any error; the interrupt is the cause."""
    interrupt = Interrupt()

    async def stop_and_fail() -> None:
        interrupt.set("stop")
        try:
            await forever()
        finally:
            raise RuntimeError("connection closed")

    assert answer(["One. ", stop_and_fail], interrupt=interrupt).outcome.error is None


# Going wrong


def unavailable() -> ModelHTTPError:
    return ModelHTTPError.for_category(ModelUnavailableError, status_code=503, model_name="m", body="overloaded")


def test_a_model_error_before_the_first_word_leaves_nothing() -> None:
    """[22] The failed attempt has neither parts nor messages."""
    done = answer([unavailable()])
    assert done.outcome.kind == "partial"
    assert done.outcome.parts == []
    assert done.outcome.messages is None
    assert done.outcome.error is not None
    assert (done.outcome.error.kind, done.outcome.error.code) == ("busy", "model_unavailable")


def test_a_model_error_in_mid_stream_keeps_the_streamed_text() -> None:
    """[22] The text is kept beside the transient error."""
    done = answer(["One. ", unavailable()])
    assert done.outcome.parts[1]["text"] == "One. "
    assert done.outcome.error is not None
    assert done.outcome.error.kind == "busy"


def test_a_tool_that_raises_fails_the_run_by_name_and_keeps_the_rest() -> None:
    """[23] Text and the results of other tools stay."""

    def broken() -> None:
        raise ValueError("no such table")

    done = answer(["Go. ", call("double", '{"number": 4}'), call("broken", index=2)], double_now, broken)
    assert done.outcome.kind == "partial"
    assert done.outcome.error is not None
    assert (done.outcome.error.kind, done.outcome.error.code) == ("permanent", "tool_failed")
    assert done.outcome.error.message == "The tool broken failed: ValueError: no such table"
    assert done.outcome.parts[1]["text"] == "Go. "
    assert done.tool_part("double")["output"] == 8
    assert done.tool_part("broken")["errorText"] == "ValueError: no such table"


class Uncommon(BaseException):
    """What programs that catch `Exception` don't catch."""


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, Uncommon])
@pytest.mark.parametrize("kind", ["def", "async def", "later"])
def test_a_tool_that_raises_what_ends_programs_fails_the_run_by_name(raised: type[BaseException], kind: str) -> None:
    """[23]: and the next step runs as if nothing had been."""

    def broken() -> None:
        raise raised(3)

    async def broken_async() -> None:
        raise raised(3)

    async def broken_later() -> None:
        await asyncio.sleep(0)
        raise raised(3)

    tool = {"def": broken, "async def": broken_async, "later": broken_later}[kind]
    tool.__name__ = "broken"
    done = answer(["Go. ", call("double", '{"number": 4}'), call("broken", index=2)], double_now, tool)
    assert done.outcome.error is not None
    assert (done.outcome.error.kind, done.outcome.error.code) == ("permanent", "tool_failed")
    assert done.outcome.error.message == f"The tool broken failed: {raised.__name__}: 3"
    assert done.tool_part("broken")["errorText"] == f"{raised.__name__}: 3"
    generation = turn.LOOP.generation
    assert answer(["Next."]).outcome.kind == "final"
    assert turn.LOOP.generation == generation


class SlowCaller(threading.Thread):
    """A thread whose starter gets the processor back when it has ended."""

    def start(self) -> None:
        super().start()
        self.join()


@pytest.mark.parametrize("thread", [threading.Thread, SlowCaller])
@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_a_task_of_a_tool_that_ends_the_loop_fails_the_run_and_no_later_one(
    raised: type[BaseException], thread: type[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    """[23] However late the caller looks. What was still under way in that loop never goes on beside the next step."""
    monkeypatch.setattr(loop, "Thread", thread)
    went_on: list[bool] = []

    async def exits() -> None:
        raise raised(3)

    async def broken() -> None:
        task = asyncio.ensure_future(exits())
        await asyncio.sleep(0)  # the task ends the loop, in which this stands next
        went_on.append(True)
        await task

    done = answer(["Go. ", call("broken")], broken)
    assert done.outcome.error is not None
    assert (done.outcome.error.kind, done.outcome.error.code) == ("permanent", "tool_failed")
    assert done.outcome.error.message == f"The tool broken failed: {raised.__name__}: 3"
    assert answer(["Next."]).outcome.kind == "final"
    for one in threading.enumerate():
        if one.name == loop.LOOP_THREAD:
            one.join()
    assert went_on == []


def test_a_tool_whose_result_cant_be_stored_fails_the_run_by_name() -> None:
    """[23] The results of other tools stay."""

    def strange() -> object:
        return object()

    done = answer([call("double", '{"number": 4}'), call("strange", index=2)], double, strange)
    assert done.outcome.error is not None
    assert done.outcome.error.code == "tool_failed"
    assert "strange" in done.outcome.error.message
    assert done.tool_part("double")["output"] == 8
    assert done.tool_part("strange")["state"] == "output-error"


def test_a_result_that_cant_be_stored_costs_a_stopped_step_nothing_else() -> None:
    """[31] Everything else of the partial step is kept."""
    interrupt = Interrupt()

    async def strange() -> object:
        return object()

    async def hang() -> None:
        await asyncio.sleep(0)
        interrupt.set("stop")
        await forever()

    done = answer(["Go. ", call("strange"), call("hang", index=2)], strange, hang, interrupt=interrupt)
    assert (done.outcome.kind, done.outcome.error) == ("partial", None)
    assert [part["type"] for part in done.outcome.parts] == ["step-start", "text", "tool-strange", "tool-hang"]


def test_arguments_nested_without_end_are_refused_like_any_others() -> None:
    """[27] The call gets an error result, and the step continues."""
    done = answer([call("double", '{"number": ' + "[" * 50_000)], double)
    assert done.outcome.kind == "step"
    assert done.tool_part("double")["state"] == "output-error"


@pytest.mark.parametrize("levels", [150, 250, 500, 700, 900, 950, 1_000, 5_000])
@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
def test_arguments_nested_deep_are_refused_like_any_others(levels: int, brackets: str) -> None:
    """[27] Also where they are JSON, and whole: no depth of a model's words breaks the step."""
    before, after = brackets
    done = answer([call("double", '{"number": ' + before * levels + "1" + after * levels + "}")], double)
    assert (done.outcome.kind, done.outcome.error) == ("step", None)
    assert done.tool_part("double")["state"] == "output-error"


def test_a_model_without_its_key_fails_the_run_not_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """[23] With the code `model_not_configured`, which names the model."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    outcome = PydanticAgent(Agent(deps_type=StepDeps), "openai:gpt-5")(ask(), lambda _: None, Interrupt())
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.code) == ("permanent", "model_not_configured")
    assert "openai:gpt-5" in outcome.error.message


@pytest.mark.parametrize("name", ["nonsense", "no-such-provider:model", "", "ollama:qwen3"])
def test_a_model_name_that_means_nothing_here_is_a_permanent_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """[23] With the code `model_not_configured`."""
    monkeypatch.delenv("OLLAMA_BASE_URL", raising=False)
    outcome = PydanticAgent(Agent(deps_type=StepDeps), name)(ask(), lambda _: None, Interrupt())
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.code) == ("permanent", "model_not_configured")


def test_a_tool_that_cancels_the_run_itself_fails_it() -> None:
    """[29]: only a stop aborts a run."""

    def give_up(ctx: RunContext[StepDeps]) -> None:
        ctx.cancel()

    done = answer(["Go. ", call("give_up")], give_up)
    assert done.outcome.kind == "partial"
    assert done.outcome.error is not None
    assert (done.outcome.error.kind, done.outcome.error.code) == ("permanent", "agent_failed")


def test_what_say_raises_reaches_the_caller_and_the_next_step_runs() -> None:
    def fail(_: Words) -> None:
        raise OSError("nobody listens")

    with pytest.raises(OSError, match="nobody listens"):
        answer(["One. ", forever], on_piece=fail)
    assert answer(["Next."]).outcome.kind == "final"


# Text that breaks stores


def test_nul_and_lone_surrogates_never_leave_a_step() -> None:
    """[27] Neither in text and reasoning, nor in inputs and results of tools."""

    def odd(text: str) -> dict[str, Any]:
        return {"key\ud800": "a\0b", "list": ["\udc00"], "number": float("nan")}

    done = answer([{0: DeltaThinkingPart(content="\ud83d")}, "a\0", "b\ud800", call("odd", '{"text": "\\u0000"}')], odd)
    assert done.outcome.kind == "step"
    stored = json.dumps(done.outcome.parts, ensure_ascii=False, allow_nan=False) + str(done.outcome.messages)
    stored.encode()
    assert "\0" not in stored
    assert "\\u0000" not in stored
    assert done.outcome.parts[2]["text"] == "a\ufffdb\ufffd"
    assert done.shown == "a\ufffdb\ufffd"
    assert done.tool_part("odd")["output"]["list"] == ["\ufffd"]


def test_an_emoji_that_the_stream_cuts_in_two_is_whole_again() -> None:
    """[27] Two halves of a surrogate pair are joined, not replaced."""
    done = answer(["ok \ud83d", "\ude00!"])
    assert done.outcome.parts[1]["text"] == "ok \U0001f600!"
    assert done.shown == "ok \U0001f600!"


def test_stored_messages_of_a_step_are_read_back_as_they_were() -> None:
    done = answer(["Wait. ", call("double", '{"number": 4}')], double)
    response, request = done.messages
    assert isinstance(response, ModelResponse)
    assert isinstance(request, ModelRequest)
    assert response.parts[0] == TextPart("Wait. ")
    assert response.model_name is not None
    assert request.parts[0].part_kind == "tool-return"
