"""What a waiting run asked for, and how one of its calls is answered."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

INTERRUPTED = "Interrupted before it finished."
"""What stands in place of the result of a call that has none."""
OPEN_STATES = frozenset({"input-available", "approval-requested"})
"""States of a call's part in the transcript while it has no result."""

CallKind = Literal["approval", "question", "external"]
"""`approval`: may the tool run? `question`: a person's answer is the call's result. `external`: the client runs the tool."""


class AskedCall(msgspec.Struct, frozen=True, array_like=True):
    """One call of the agent's that somebody has to answer. Stored without names: a run's row stays under 1 KB."""

    tool_call_id: str
    kind: CallKind
    tool_name: str
    input: Any = None
    """The tool's arguments. The run's row leaves them out; the step's record has them."""
    metadata: Any = None
    """What the tool said about its call."""
    approval_id: str = ""
    """Names this request for an approval. A call that is asked about again gets another one."""

    @property
    def without_input(self) -> "AskedCall":
        """The call as the run's row holds it."""
        return AskedCall(self.tool_call_id, self.kind, self.tool_name)


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What a waiting run waits for: the calls of `step` that are still open, and its deadline (ms)."""

    step: int
    until: int
    open: tuple[AskedCall, ...]

    def without(self, answered: set[str]) -> "Asked":
        """What is left once these calls are answered."""
        return Asked(self.step, self.until, tuple(call for call in self.open if call.tool_call_id not in answered))


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one call is answered: `approved` for an approval; `output` or `error_text` for a question or a client's tool."""

    approved: bool | UnsetType = UNSET
    input: (
        Annotated[
            dict[str, Any], msgspec.Meta(description="With `approved: true`: the arguments to run the tool with.")
        ]
        | UnsetType
    ) = UNSET
    reason: Annotated[str, msgspec.Meta(description="With `approved: false`: why. The agent reads it.")] | UnsetType = (
        UNSET
    )
    output: Annotated[
        Any, msgspec.Meta(description="The call's result: the person's answer, or what the tool gave.")
    ] = UNSET
    error_text: Annotated[str, msgspec.Meta(description="Why there is no result. The agent reads it.")] | UnsetType = (
        UNSET
    )

    @property
    def contradiction(self) -> str | None:
        """What is wrong with the decision by itself; None if nothing is."""
        given = sum(value is not UNSET for value in (self.approved, self.output, self.error_text))
        if given != 1:
            return "must have exactly one of approved, output and error_text"
        if self.input is not UNSET and self.approved is not True:
            return "input goes with approved: true only"
        if self.reason is not UNSET and self.approved is not False:
            return "reason goes with approved: false only"
        return None

    def fits(self, kind: CallKind) -> bool:
        """True if a call of this kind can be answered so."""
        return (self.approved is not UNSET) == (kind == "approval")


def is_open(part: dict[str, Any]) -> bool:
    """True if the part of the transcript is a call that waits for its result."""
    return "toolCallId" in part and part.get("state") in OPEN_STATES


def closed(part: dict[str, Any]) -> dict[str, Any]:
    """The part, a call without a result being closed as interrupted."""
    if not is_open(part):
        return part
    # The AI SDK knows no approval without a decision in a call that is closed.
    kept = {name: value for name, value in part.items() if name != "approval"}
    return {**kept, "state": "output-error", "errorText": INTERRUPTED}
