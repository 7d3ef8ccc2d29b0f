"""Finds out which tool raised an exception."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition

from engine.errors import ToolBroke
from outlive.agents import StepDeps


class BrokenTools(AbstractCapability[StepDeps]):
    """Turns the exception of a tool into a `ToolBroke`: the library passes it on without the tool's name.

    This includes `SystemExit` and `KeyboardInterrupt`, which would end the event loop.
    """

    def __init__(self) -> None:
        self.running: dict[str, str] = {}
        """The names of the running tools by the ids of their calls."""

    async def on_tool_execute_error(
        self,
        ctx: RunContext[StepDeps],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        error: Exception,
    ) -> NoReturn:
        raise ToolBroke(call.tool_name, call.tool_call_id, error) from error

    async def wrap_tool_execute(
        self,
        ctx: RunContext[StepDeps],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: Callable[[dict[str, Any]], Awaitable[Any]],
    ) -> Any:
        task = _current_task()
        self.running[call.tool_call_id] = call.tool_name
        try:
            return await handler(args)
        except Exception:
            raise
        except BaseException as error:
            # The loop also cancels and closes a task by an exception; the tool did not raise that one.
            if task is None or task.cancelling() or task is not _current_task():
                raise
            raise ToolBroke(call.tool_name, call.tool_call_id, error) from error
        finally:
            if task is _current_task():
                del self.running[call.tool_call_id]

    def blamed(self, error: BaseException | None) -> BaseException | None:
        """`error`; as the failure of the only running tool if it ended the loop, because a task of that tool raised it.

        Call it before the loop is closed, which ends the tools.
        """
        if not isinstance(error, SystemExit | KeyboardInterrupt) or len(self.running) != 1:
            return error
        ((tool_call_id, tool_name),) = self.running.items()
        return ToolBroke(tool_name, tool_call_id, error)


def _current_task() -> "asyncio.Task[Any] | None":
    """The running task of this thread; None outside of a loop, where a coroutine may still be closed."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
