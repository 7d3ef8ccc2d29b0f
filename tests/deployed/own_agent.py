"""Puts another agent in the place of the stack's own, as an owner who edits `agents/assistant.py` does."""

import tempfile
import textwrap
from pathlib import Path

from local.build import own_code
from local.zips import zipped
from proof.stacks.deployed import Stack, until

IMPORTS = """
from pydantic_ai import Agent, Tool

from outlive.agents import StepDeps
"""


def with_tools(stack: Stack, source: str, *names: str, timeout: int) -> None:
    """Deploy an agent with the tools `names` that `source` defines; each call may take `timeout` seconds."""
    tools = ", ".join(f"Tool({name}, timeout={timeout})" for name in names)
    with_agent(stack, f"{textwrap.dedent(source)}\n\nagent = Agent(deps_type=StepDeps, tools=[{tools}])\n")


def with_agent(stack: Stack, source: str) -> None:
    """Deploy the agent that `source` assigns to `agent`."""
    client, function = stack.client("lambda"), stack.outputs["StepFunction"]
    with tempfile.TemporaryDirectory() as folder:
        own_code("step", Path(folder), platform="here")
        (Path(folder) / "agents" / "assistant.py").write_text(f"{IMPORTS}\n{textwrap.dedent(source)}")
        for compiled in Path(folder).rglob("assistant.*.pyc"):
            compiled.unlink()  # it would go before the text
        body, _ = zipped(Path(folder))
    client.update_function_code(FunctionName=function, ZipFile=body)
    state = lambda: client.get_function_configuration(FunctionName=function)["LastUpdateStatus"]  # noqa: E731
    until(state, lambda now: now == "Successful")
