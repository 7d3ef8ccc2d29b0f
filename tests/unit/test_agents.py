"""Several agents in one deployment: how they are listed, and which one answers."""

import json

import pytest

import agents
from engine.agents import Agents
from local import build
from local.messages import UserError
from outlive.agent import Ask, Interrupt, Turn
from outlive.agent_names import agent_names, default_agent, names_in

AGENT = """
from pydantic_ai import Agent

agent = Agent(instructions="Be brief.")
"""


def ask(agent: str | None) -> Ask:
    return Ask("acme", "chat-1", "run-1", 0, 1, (Turn("user", "Hello"),), text_only=False, seconds=30, agent=agent)


def test_an_agent_is_a_module_that_assigns_the_name(tmp_path) -> None:
    files = {
        "assistant.py": AGENT,
        "typed.py": "agent: object = build()\n",
        "declared.py": "agent: object\n",
        "tools.py": "def agent_of(): agent = 1\n",
        "_draft.py": AGENT,
        "notes.md": "agent = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert names_in(tmp_path) == ("assistant", "typed")


def test_the_source_tree_has_the_names_that_the_build_writes(tmp_path) -> None:
    build.layer(tmp_path, "here")
    assert tuple(json.loads((tmp_path / "python" / "outlive" / "agents.json").read_text())) == agent_names()


@pytest.mark.parametrize(("text", "problem"), [("tools = []\n", "no module"), ("agent = (\n", r"agents/a\.py is no")])
def test_a_folder_without_a_readable_agent_is_no_build(tmp_path, monkeypatch, text, problem) -> None:
    (tmp_path / "a.py").write_text(text)
    monkeypatch.setattr(build, "AGENTS", tmp_path)
    with pytest.raises(UserError, match=problem):
        build.layer(tmp_path / "layer", "here")


@pytest.mark.parametrize(
    ("names", "default"),
    [(("support",), "support"), (("assistant", "support"), "assistant"), (("billing", "support"), None)],
)
def test_the_default_is_the_only_agent_or_the_assistant(names, default) -> None:
    assert default_agent(names) == default


def test_each_run_is_answered_by_the_agent_it_names(tmp_path, monkeypatch) -> None:
    """Each with its own model; a run from before agents had names by the default agent."""
    own = "from pydantic_ai.models.test import TestModel\nfrom pydantic_ai import Agent\n\n"
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text(f"{own}agent = Agent(TestModel(custom_output_text='I am {name}.'))\n")
    monkeypatch.setattr(agents, "__path__", [str(tmp_path)])
    answer = Agents(("first", "second"), "second", "offline")
    for asked, answered in (("first", "first"), ("second", "second"), (None, "second")):
        outcome = answer(ask(asked), lambda _: None, Interrupt())
        assert outcome.parts[-1]["text"] == f"I am {answered}."


def test_a_run_whose_agent_is_gone_fails_without_asking_a_model() -> None:
    outcome = Agents(agent_names(), "assistant", "offline")(ask("retired"), lambda _: None, Interrupt())
    assert outcome.error is not None
    assert (outcome.kind, outcome.error.kind, outcome.error.code) == ("partial", "permanent", "agent_unknown")
    assert outcome.usage.requests == 0


def test_a_module_whose_agent_is_something_else_is_named(tmp_path, monkeypatch) -> None:
    (tmp_path / "odd.py").write_text("agent = 'me'\n")
    monkeypatch.setattr(agents, "__path__", [str(tmp_path)])
    with pytest.raises(TypeError, match=r"agents/odd\.py"):
        Agents(("odd",), None, "offline")
