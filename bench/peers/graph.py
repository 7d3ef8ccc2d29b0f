"""The graph that LangGraph's server runs: one node is one step, and a checkpoint follows each."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph

from bench.peers.fake_agent import new_agent, prompt, take_step

agent = new_agent()


class State(TypedDict):
    """What a checkpoint holds: what was asked, and what each step left."""

    run: str
    steps: int
    kept: Annotated[list[str], operator.add]
    over: bool


async def step(state: State) -> dict[str, object]:
    """One request of the model and its tools."""
    text, over = await take_step(agent, prompt(state["run"], state["steps"]), state["kept"])
    return {"kept": [text], "over": over}


def where_to(state: State) -> str:
    """On, or to the end."""
    return END if state["over"] else "step"


building = StateGraph(State)
building.add_node("step", step)
building.add_edge(START, "step")
building.add_conditional_edges("step", where_to)
graph = building.compile()
