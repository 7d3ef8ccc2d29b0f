"""Answered calls of tools that the agent no longer has, because another deployment came in between."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai import RunContext, ToolDefinition, ToolFailed
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.toolsets import AbstractToolset, ExternalToolset, ToolsetTool, WrapperToolset

from outlive.agents import StepDeps


@dataclass
class GoneTools(AbstractCapability[StepDeps]):
    """Fails calls of these tools if the agent no longer has them: the model reads that, and the other calls run.

    The library would take it for a mistake of the model's, which fails the run if the agent allows none.
    """

    names: frozenset[str]

    def get_wrapper_toolset(self, toolset: AbstractToolset[StepDeps]) -> AbstractToolset[StepDeps]:
        """The agent's tools, and something in place of those that are gone."""
        return _WithGone(toolset, self.names)


@dataclass
class _WithGone(WrapperToolset[StepDeps]):
    names: Collection[str]

    async def get_tools(self, ctx: RunContext[StepDeps]) -> dict[str, ToolsetTool[StepDeps]]:
        tools = await super().get_tools(ctx)
        # One that has become the client's can't be run here either.
        gone = [name for name in self.names if name not in tools or tools[name].tool_def.kind == "external"]
        in_place = await ExternalToolset[StepDeps]([ToolDefinition(name=name) for name in gone]).get_tools(ctx)
        return tools | {
            name: replace(tool, toolset=self, tool_def=ToolDefinition(name=name)) for name, tool in in_place.items()
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[StepDeps], tool: ToolsetTool[StepDeps]
    ) -> Any:
        if tool.toolset is self:
            raise ToolFailed(f"The tool {name} no longer exists. It was not run.")
        return await super().call_tool(name, tool_args, ctx, tool)
