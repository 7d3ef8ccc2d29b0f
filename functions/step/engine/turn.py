"""One step of a run with a Pydantic AI agent: one model request, streamed, and the tool calls it asks for.

    caller's thread                          thread of the loop
    PydanticAgent.__call__  ── starts ──▶    _Step.take: request, stream, tools
      say(piece)            ◀── mail ───       each piece as it comes
      interrupt             ── cancel ──▶      ends with what there is
      Outcome               ◀── mail ───       over

An interrupt ends the turn within about `PATIENCE` seconds whatever a tool does: one that blocks the loop or swallows
its cancellation is left behind together with the loop, and its call counts as interrupted.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any, Literal

import pydantic_ai
from pydantic_ai import Agent, CancellationToken
from pydantic_ai.messages import (
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model
from pydantic_ai.result import AgentStream
from pydantic_ai.run import AgentRun
from pydantic_ai.usage import RunUsage

from engine.broken_tools import BrokenTools
from engine.errors import ModelNotConfigured, ToolBroke, agent_error, shown
from engine.history import messages_of
from engine.loop import OwnLoop, left_behind
from engine.model import model_named, step_settings
from engine.offline import NAME as OFFLINE
from engine.offline import offline_model
from engine.parts import asked_for, both_forms, closed, written
from engine.storable import Mender
from outlive.agent import AgentError, Ask, Interrupt, Outcome
from outlive.agents import StepDeps
from outlive.follow.passages import Call, Words
from outlive.usage import Usage

PATIENCE = 2.0
"""How long an interrupted step may take to end by itself, in seconds."""

NOTHING_SAID = "The step limit was reached before there was an answer."

UNSTORABLE = (ValueError, TypeError, RecursionError)
"""What writing messages raises where a tool returned something without a JSON form."""

LOOP = OwnLoop()

# A cold start is no place for a greeting on stderr.
pydantic_ai.BANNER_ENABLED = False

FinishReason = Literal["stop", "length", "content_filter"]


class PydanticAgent:
    """Answers each step with a Pydantic AI agent and the model called `model`, unless the agent brings its own."""

    def __init__(self, agent: Agent[StepDeps, Any], model: str) -> None:
        self._agent = agent
        self._name = model
        self._model: tuple[int, Model] | None = None

    def __call__(self, ask: Ask, show: Callable[[Words | Call], None], interrupt: Interrupt) -> Outcome:
        """One step. Everything that goes wrong in it comes back in the outcome; `show` runs in the caller's thread."""
        if interrupt.reason is not None:
            return Outcome("partial", [], None)
        try:
            step = _Step(ask, self._agent, self._model_for(ask))
        except ModelNotConfigured as mistake:
            return Outcome("partial", [], None, error=agent_error(mistake))
        error = _await(step, show, interrupt)
        return step.outcome(interrupted=interrupt.reason is not None, error=error)

    def left_behind(self) -> int:
        """How many threads still run of steps that are over. To be asked between two steps."""
        return left_behind()

    def _model_for(self, ask: Ask) -> Model:
        own = self._agent.model
        if isinstance(own, Model):
            return own
        name = own or self._name
        if name == OFFLINE:
            return offline_model(ask)
        generation = LOOP.ready()
        if self._model is None or self._model[0] != generation:
            # Its connections belong to the loop they were opened in.
            self._model = (generation, model_named(name))
        return self._model[1]


def _await(step: "_Step", show: Callable[[Words | Call], None], interrupt: Interrupt) -> BaseException | None:
    """Run the step to its end and say its pieces. Returns what it raised, None also if it had to be left behind."""
    mail: SimpleQueue[Words | Call | Literal["interrupted", "over"]] = SimpleQueue()
    step.speak = mail.put
    ends: list[BaseException | None] = []

    def over(work: Future[None]) -> None:
        ends.append(step.tools.blamed(work.exception()))
        mail.put("over")

    LOOP.start(step.take, over)

    def stop() -> None:
        step.token.cancel()
        mail.put("interrupted")

    interrupt.on_set(stop)
    give_up: float | None = None
    try:
        while True:
            try:
                item = mail.get(timeout=None if give_up is None else max(0.0, give_up - time.monotonic()))
            except Empty:
                return None
            if isinstance(item, Words | Call):
                show(item)
            elif item == "over":
                return ends[0]
            else:
                give_up = time.monotonic() + PATIENCE
    finally:
        step.token.cancel()


@dataclass
class _Step:
    """What has come out of one step so far. Written in the loop's thread, read in the caller's once that is over."""

    ask: Ask
    agent: Agent[StepDeps, Any]
    model: Model
    token: CancellationToken = field(default_factory=CancellationToken)
    speak: Callable[[Words | Call], None] = lambda _: None
    kind: Literal["step", "final", "partial"] = "partial"
    run: AgentRun[StepDeps, Any] | None = None
    stream: AgentStream[StepDeps, Any] | None = None
    request: ModelRequest | None = None
    returns: dict[str, ToolReturnPart] = field(default_factory=dict)
    tools: BrokenTools = field(default_factory=BrokenTools)

    async def take(self) -> None:
        """Ask the model once and run the tools it asks for.

        Raises whatever goes wrong; the fields then say how far it got.
        """
        ask = self.ask
        deps = StepDeps(
            ask.workspace_id,
            ask.chat_id,
            ask.run_id,
            ask.step,
            ask.attempt,
            user=ask.user,
            agent=ask.agent or "",
            metadata=ask.metadata,
            claims=ask.claims,
        )
        async with self.agent.iter(
            message_history=messages_of(ask.history),
            conversation_id=ask.chat_id,
            model=self.model,
            deps=deps,
            model_settings=step_settings(self.model, ask.seconds, text_only=ask.text_only),
            cancellation_token=self.token,
            capabilities=[self.tools],
        ) as run:
            self.run = run
            node = run.next_node
            while not Agent.is_model_request_node(node):
                node = await run.next(node)  # type: ignore[arg-type]
            async with node.stream(run.ctx) as stream:
                self.stream = stream
                await self._speak(stream)
            node = await run.next(node)
            if Agent.is_call_tools_node(node):
                if ask.text_only:
                    self.kind = "final"
                    return
                deps.number_calls(
                    (call.tool_name, call.args_as_dict(), call.tool_call_id) for call in node.model_response.tool_calls
                )
                async with node.stream(run.ctx) as events:
                    async for event in events:
                        if isinstance(event, FunctionToolResultEvent) and isinstance(event.part, ToolReturnPart):
                            self.returns[event.part.tool_call_id] = event.part
                node = await run.next(node)
            if Agent.is_model_request_node(node):
                self.request = node.request
                self.kind = "step"
            else:
                self.kind = "final"

    async def _speak(self, stream: AgentStream[StepDeps, Any]) -> None:
        menders: dict[Literal["text", "reasoning"], Mender] = {"text": Mender(), "reasoning": Mender()}
        async for event in stream:
            match event:
                case PartStartEvent(part=TextPart(content=text)):
                    kind: Literal["text", "reasoning"] = "text"
                case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                    kind = "text"
                case PartStartEvent(part=ThinkingPart(content=text)):
                    kind = "reasoning"
                case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
                    kind = "reasoning"
                case PartEndEvent(part=ToolCallPart() as call) if not self.ask.text_only:
                    if (asked := asked_for(call)) is not None:
                        self.speak(asked)
                    continue
                case _:  # the end of any other part repeats all of it
                    continue
            if piece := menders[kind].feed(text):
                self.speak(Words(kind, piece))
        for kind, mender in menders.items():
            if piece := mender.rest():
                self.speak(Words(kind, piece))

    def outcome(self, *, interrupted: bool, error: BaseException | None) -> Outcome:
        """The step as it came out. An error that came with an interrupt is its echo more likely than its own."""
        failure = None if interrupted else error
        # Read once: a step that was left behind goes on changing.
        kind, response = self.kind, self._response()
        if response is None or kind == "partial" or failure is not None:
            return self._partial(response, failure)
        messages = self._messages(kind, response)
        if kind == "final" and response.finish_reason == "error":
            broken = AgentError("transient", "model_bad_answer", "The model broke its answer off with an error.")
            return self._stored("partial", messages, error=broken)
        try:
            finish_reason = _finish_reason(response) if kind == "final" else None
            return self._stored(kind, messages, finish_reason=finish_reason)
        except UNSTORABLE:
            broken_tools = self._unstorable_returns()
            if not broken_tools:
                raise
            return self._partial(response, broken_tools[0])

    def _messages(self, kind: Literal["step", "final"], response: ModelResponse) -> list[ModelMessage]:
        """The messages of a step that came to its end."""
        if kind == "final" and self.ask.text_only:
            return [_text_only(response)]
        messages: list[ModelMessage] = [response] if response.parts else []
        if kind == "step" and self.request is not None:
            return [*messages, self.request]
        return [*messages, *(one for one in self._new_messages() if isinstance(one, ModelRequest))]

    def _partial(self, response: ModelResponse | None, failure: BaseException | None) -> Outcome:
        error = None if failure is None else agent_error(failure)
        if response is None:
            return Outcome("partial", [], None, self._usage, error=error)
        failures = {failure.tool_call_id: shown(failure.error)} if isinstance(failure, ToolBroke) else {}
        try:
            return self._stored("partial", closed(response, self._returns(), failures), error=error)
        except UNSTORABLE:
            failures |= {broken.tool_call_id: shown(broken.error) for broken in self._unstorable_returns()}
            return self._stored("partial", closed(response, self._returns(), failures), error=error)

    def _stored(
        self,
        kind: Literal["step", "final", "partial"],
        messages: list[ModelMessage],
        *,
        finish_reason: FinishReason | None = None,
        error: AgentError | None = None,
    ) -> Outcome:
        parts, text = both_forms(messages, keep_reasoning=kind != "partial")
        return Outcome(kind, parts, text, self._usage, finish_reason, error)

    @property
    def _usage(self) -> Usage:
        used = RunUsage() if self.run is None else self.run.usage
        return Usage(used.input_tokens, used.output_tokens, used.requests)

    def _new_messages(self) -> list[ModelMessage]:
        return [] if self.run is None else self.run.new_messages()

    def _response(self) -> ModelResponse | None:
        for message in reversed(self._new_messages()):
            if isinstance(message, ModelResponse):
                return message
        # Left behind in mid-stream: the library had no chance to put down what had come.
        return None if self.stream is None else self.stream.response

    def _returns(self) -> dict[str, ToolReturnPart]:
        requests = [one for one in [*self._new_messages(), self.request] if isinstance(one, ModelRequest)]
        parts = [part for request in requests for part in request.parts if isinstance(part, ToolReturnPart)]
        return {part.tool_call_id: part for part in [*self.returns.values(), *parts]}

    def _unstorable_returns(self) -> list[ToolBroke]:
        broken: list[ToolBroke] = []
        for part in self._returns().values():
            try:
                written([ModelRequest(parts=[part])])
            except UNSTORABLE as error:
                broken.append(ToolBroke(part.tool_name, part.tool_call_id, error))
        return broken


def _text_only(response: ModelResponse) -> ModelResponse:
    """The text of a response that was asked for without tools: calls it makes all the same are dropped, not run.

    A response without any text gets a plain sentence. An empty answer would show as nothing in a chat, and be left out
    of what the next run is sent, as if nobody had answered.
    """
    parts = [part for part in response.parts if isinstance(part, TextPart | ThinkingPart)]
    if not any(isinstance(part, TextPart) and part.content.strip() for part in parts):
        parts = [*(part for part in parts if isinstance(part, ThinkingPart)), TextPart(NOTHING_SAID)]
    return replace(response, parts=parts)


def _finish_reason(response: ModelResponse) -> FinishReason:
    return response.finish_reason if response.finish_reason in ("length", "content_filter") else "stop"
