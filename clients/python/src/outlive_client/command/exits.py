"""Exit codes, and what is said when a command could not do what it should."""

from enum import IntEnum

from outlive_client.errors import (
    BadAnswer,
    ChatNotFound,
    IdempotencyKeyReused,
    InvalidRequest,
    OutliveError,
    Problem,
    PromptTooLong,
    RunAlreadyActive,
    RunNotFound,
    TicketExpired,
    Unauthorized,
)
from outlive_client.views import Run


class Exit(IntEnum):
    """What a script can tell from the exit code."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    ABORTED = 3
    NOT_FOUND = 4
    BUSY = 5
    UNAUTHORIZED = 6
    UNREACHABLE = 7
    REFUSED = 8
    BROKEN = 70
    DETACHED = 130
    CLOSED = 141


TOLD = """\b
Exit codes:
    0  done; of a run that was watched: it succeeded
    1  the run that was watched failed
    2  the command or a value in it is wrong
    3  the run that was watched was aborted
    4  there is no such run or chat, or nothing to stop
    5  the chat is busy, or the key belongs to another request
    6  the token is not taken
    7  the API is not reachable
    8  the API refused or broke
   70  a bug in this command
  130  Ctrl-C; a run that was watched goes on
  141  whoever read the output has left
"""


def exit_of(run: Run) -> Exit:
    """The exit code that tells how the run ended."""
    return {"succeeded": Exit.DONE, "failed": Exit.FAILED, "aborted": Exit.ABORTED}.get(run.status, Exit.REFUSED)


def explained(error: OutliveError) -> tuple[Exit, str]:
    """The exit code of an error, and a sentence about it."""
    match error:
        case RunAlreadyActive(active_run_id=run):
            return Exit.BUSY, f"the chat is busy: outlive watch {run} shows its run, outlive stop {run} ends it"
        case IdempotencyKeyReused():
            return Exit.BUSY, "this key belongs to another request; use a fresh one, or none"
        case ChatNotFound() | RunNotFound():
            return Exit.NOT_FOUND, str(error)
        case Unauthorized() | TicketExpired():
            return Exit.UNAUTHORIZED, f"the API does not let you in: {error}"
        case InvalidRequest() | PromptTooLong():
            return Exit.USAGE, str(error)
        case Problem():
            return Exit.REFUSED, f"the API can't do that: {error} ({error.code})"
        case BadAnswer():
            return Exit.UNREACHABLE, f"{error}; is this the address of an Outlive API?"
    return Exit.UNREACHABLE, str(error)
