"""The calls that a waiting run asked about, and the decision that answers one."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

INTERRUPTED = "Interrupted before it finished."
"""The result of a call that was interrupted."""
OPEN_STATES = frozenset({"input-available", "approval-requested"})
"""States of a call's part in the transcript while it has no result."""

CallKind = Literal["approval", "question", "external"]
"""`approval`: may the tool run? `question`: a person's answer is the call's result. `external`: the client runs the tool."""


class AskedCall(msgspec.Struct, frozen=True, array_like=True):
    """One call of the agent that needs an answer. Stored without field names: a run's row stays under 1 KB."""

    tool_call_id: str
    kind: CallKind
    tool_name: str
    input: Any = None
    """The tool's arguments. The run's row leaves them out; the step's record has them."""
    metadata: Any = None
    """What the tool added to its call, for the person who answers."""
    approval_id: str = ""
    """Names this request for an approval. A call that is asked about again gets another one."""

    @property
    def without_input(self) -> "AskedCall":
        """The call as the run's row holds it."""
        return AskedCall(self.tool_call_id, self.kind, self.tool_name)


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """The calls of `step` that a waiting run still needs answers to, and its deadline (ms)."""

    step: int
    until: int
    open: tuple[AskedCall, ...]

    def without(self, answered: set[str]) -> "Asked":
        """The same without these calls, which are answered."""
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
        """Why the fields of the decision exclude each other; None if they do not."""
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
    # In the AI SDK a closed call has no approval without a decision.
    rest = {name: value for name, value in part.items() if name != "approval"}
    return {**rest, "state": "output-error", "errorText": INTERRUPTED}
