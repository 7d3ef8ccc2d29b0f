"""What agents and their tools import: the step they run in, and the idempotency key of each call.

This module is the one public door between the folder `agents/` and the rest: its names and fields stay as they are.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StepDeps:
    """The `deps` of every tool: `ctx.deps` of a `RunContext[StepDeps]`. `step` counts from 0, `attempt` from 1.

    `user` is the run's owner and `agent` the name of the agent. `metadata` is the object that the start carried. `claims`
    are those of the caller's token that the template parameter `DepsClaims` names, as texts, as they were at the start.
    """

    workspace_id: str
    chat_id: str
    run_id: str
    step: int
    attempt: int
    user: str = ""
    agent: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict, repr=False)
    _keys: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def idempotency_key(self, tool_call_id: str | None) -> str:
        """The key of the call with this id (`ctx.tool_call_id`): pass it on to the service that the tool calls.

        A step is executed again when its worker died, and the model then usually asks for the same calls, under other
        ids: the key is the same for the same call of the same step. Raises LookupError for an id the model didn't use.
        """
        if tool_call_id is None or tool_call_id not in self._keys:
            raise LookupError(f"no call {tool_call_id!r} in this step")
        return self._keys[tool_call_id]

    def number_calls(self, calls: Iterable[tuple[str, dict[str, Any], str]]) -> None:
        """Give each call its key. `calls` is every call of this step in the model's order: tool, arguments, id."""
        seen: Counter[str] = Counter()
        for tool, arguments, call_id in calls:
            digest = hashlib.sha256(f"{tool}\n{_canonical(arguments)}".encode()).hexdigest()[:32]
            self._keys[call_id] = f"{self.run_id}:{self.step}:{digest}:{seen[digest]}"
            seen[digest] += 1


def _canonical(arguments: dict[str, Any]) -> str:
    """The arguments as one ASCII text, independent of the order and spacing that the model chose."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"))
