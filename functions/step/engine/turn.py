"""One step of a run with a Pydantic AI agent, which can be interrupted at any time.

    caller's thread                          thread of the loop
    PydanticAgent.__call__  ── starts ──▶    ModelStep.take: request, stream, tools
      show(passage)         ◀── mail ───       each passage as it comes
      interrupt             ── cancel ──▶      ends with what it has so far
      Outcome               ◀── mail ───       over

An interrupt ends the step within about `PATIENCE_S` seconds, even if a tool blocks the loop or swallows its
cancellation: the tool is left behind together with the loop, and its call counts as interrupted.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

import pydantic_ai
from pydantic_ai import Agent
from pydantic_ai.models import Model

from engine.agent_step import AgentStep
from engine.answered_step import AnsweredStep
from engine.errors import KeyUnavailable, UnusableModel, agent_error
from engine.key import renew
from engine.loop import OwnLoop, left_behind
from engine.model import model_named
from engine.model_step import ModelStep
from engine.offline import NAME as OFFLINE
from engine.offline import offline_model
from engine.outcome import outcome_of
from outlive.agent import Ask, Interrupt, Outcome
from outlive.agents import StepDeps
from outlive.follow.passages import Call, Words

if TYPE_CHECKING:
    from engine.spans import Spans

PATIENCE_S = 2.0
"""How long an interrupted step may take to end by itself."""

LOOP = OwnLoop()

# Pydantic AI would print a banner to stderr on a cold start.
pydantic_ai.BANNER_ENABLED = False


class PydanticAgent:
    """Answers each step with a Pydantic AI agent and the model called `model`, unless the agent has its own model."""

    def __init__(self, agent: Agent[StepDeps, Any], model: str, spans: "Spans | None" = None) -> None:
        self._agent = agent
        self._name = model
        self._spans = spans
        self._model: tuple[int, Model] | None = None

    def __call__(self, ask: Ask, show: Callable[[Words | Call], None], interrupt: Interrupt) -> Outcome:
        """Take one step. Every error in it is part of the outcome; `show` runs in the caller's thread."""
        if interrupt.reason is not None:
            return Outcome("partial", [], None)
        try:
            kind = AnsweredStep if ask.asked else ModelStep
            step = kind(ask, self._agent, self._model_for(ask))
        except (UnusableModel, KeyUnavailable) as error:
            return Outcome("partial", [], None, error=agent_error(error))
        error_of_step = _run(step, show, interrupt, self._spans)
        interrupted = interrupt.reason is not None
        if isinstance(step, AnsweredStep):
            return step.outcome(interrupted=interrupted, error=error_of_step)
        return outcome_of(step.result, interrupted=interrupted, error=error_of_step)

    def left_behind(self) -> int:
        """How many threads of finished steps still run. Call it between two steps."""
        return left_behind()

    def _model_for(self, ask: Ask) -> Model:
        own = self._agent.model
        if isinstance(own, Model):
            return own
        name = own or self._name
        if name == OFFLINE:
            return offline_model(ask)
        renew()
        generation = LOOP.ready()
        if self._model is None or self._model[0] != generation:
            # A model's connections belong to the loop in which they were opened.
            self._model = (generation, model_named(name))
        return self._model[1]


def _run(
    step: AgentStep, show: Callable[[Words | Call], None], interrupt: Interrupt, spans: "Spans | None"
) -> BaseException | None:
    """Run the step to its end and show its passages. Returns the error it raised, or None, also if it was left behind."""
    mail: SimpleQueue[Words | Call | Literal["interrupted", "over"]] = SimpleQueue()
    step.show = mail.put
    errors: list[BaseException | None] = []

    def over(work: Future[None]) -> None:
        errors.append(step.tools.blamed(work.exception()))
        mail.put("over")

    LOOP.start(step.take if spans is None else partial(spans.around, step.take, step.ask), over)

    def cancel() -> None:
        step.token.cancel()
        mail.put("interrupted")

    interrupt.on_set(cancel)
    give_up_at: float | None = None
    try:
        while True:
            try:
                item = mail.get(timeout=None if give_up_at is None else max(0.0, give_up_at - time.monotonic()))
            except Empty:
                return None
            if isinstance(item, Words | Call):
                show(item)
            elif item == "over":
                return errors[0]
            else:
                give_up_at = time.monotonic() + PATIENCE_S
    finally:
        step.token.cancel()
