"""Who makes a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The user of a workspace that makes a request, as the verified token names them, and nothing else."""

    workspace_id: str
    user: str
