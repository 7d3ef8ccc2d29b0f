"""The user who makes a request."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """The user of a workspace that makes a request, as the verified token names them, and nothing else."""

    workspace_id: str
    user: str
    claims: dict[str, str] = field(default_factory=dict, repr=False)
    """The claims that tools get, as texts. No answer shows them."""
    approves: bool = False
    """Whether this user may see and answer what any run of the workspace asks."""
