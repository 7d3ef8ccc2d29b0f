"""Two agents in one deployment: a second module in `agents/`, and nothing else changed."""

import shutil

import pytest

from proof.stacks.deployed import ROOT, Stack, until

SUPPORT = '''
"""An agent with a model and a tool of its own."""

from agents.tools import clock
from outlive.agents import StepDeps
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

agent = Agent(TestModel(call_tools=[], custom_output_text="I am support."), deps_type=StepDeps, tools=[clock])
'''


@pytest.fixture
def tree(tmp_path):
    """The project with a second agent. The folders that find their files by their own place are copies."""
    folder = tmp_path / "my project"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name in {"agents", "local"}:
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name not in {".git", ".state"}:
            (folder / path.name).symlink_to(path)
    (folder / "agents" / "support.py").write_text(SUPPORT)
    return folder


@pytest.fixture
def own(tmp_path, tree):
    """A stack of that project."""
    stack = Stack(tmp_path / "state", tree)
    stack.start()
    yield stack
    stack.stop()


def test_each_run_is_answered_by_the_agent_it_names(own):
    runs = {
        agent: own.call("POST", f"/chats/of-{agent}/runs", {"prompt": "hello", "agent": agent}).body["run"]
        for agent in ("support", "assistant", None)
    }
    assert [run["agent"] for run in runs.values()] == ["support", "assistant", "assistant"]
    ended = {
        agent: until(
            lambda run=run: own.call("GET", f"/runs/{run['id']}").body, lambda body: body["run"]["finished_at"]
        )
        for agent, run in runs.items()
    }
    assert {body["run"]["status"] for body in ended.values()} == {"succeeded"}
    assert ended["support"]["message"]["content"] == "I am support."
    assert "offline stand-in" in ended["assistant"]["message"]["content"]
    refused = own.call("POST", "/chats/other/runs", {"prompt": "hello", "agent": "sales"})
    assert (refused.status, refused.body["code"]) == (422, "unknown_agent")
    assert "assistant, support" in refused.body["detail"]
    page = own.call("GET", "/console", token=None).body
    assert '<meta name="agents" content="assistant support">' in str(page)
