"""The agents of this deployment by their names: each run names the one that answers its steps."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from pydantic_ai import Agent

from engine.loop import left_behind
from engine.turn import PydanticAgent
from outlive.agent import AgentError, Ask, Interrupt, Outcome
from outlive.follow.passages import Call, Words

if TYPE_CHECKING:
    from engine.spans import Spans


class Agents:
    """Answers each step with the agent that its run names; a run without a name has the default agent.

    Imports `agents/<name>.py` for each name. `spans` gets their spans, if anything does. Raises
    TypeError if its `agent` is no Pydantic AI agent.
    """

    def __init__(self, names: tuple[str, ...], default: str | None, model: str, spans: "Spans | None" = None) -> None:
        self._agents = {name: PydanticAgent(_imported(name), model, spans) for name in names}
        self._default = default

    def __call__(self, ask: Ask, show: Callable[[Words | Call], None], interrupt: Interrupt) -> Outcome:
        """Take one step. A run whose agent is no longer deployed fails before any model is asked."""
        name = ask.agent or self._default
        agent = None if name is None else self._agents.get(name)
        if agent is None:
            unknown = AgentError("permanent", "agent_unknown", f"There is no agent {name} in this deployment any more.")
            return Outcome("partial", [], None, error=unknown)
        return agent(replace(ask, agent=name), show, interrupt)

    def left_behind(self) -> int:
        """How many threads of finished steps still run. Call it between two steps."""
        return left_behind()


def _imported(name: str) -> Agent[object, object]:
    agent = import_module(f"agents.{name}").agent
    if not isinstance(agent, Agent):
        raise TypeError(f"agents/{name}.py: `agent` must be a Pydantic AI Agent")
    # Its spans name it.
    agent.name = agent.name or name
    return agent
