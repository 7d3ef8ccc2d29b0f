"""Exit codes, and the sentence for each error."""

from enum import IntEnum

from outlive_client.errors import (
    AnsweredOtherwise,
    BadAnswer,
    ChatNotFound,
    IdempotencyKeyReused,
    InvalidRequest,
    NotWaiting,
    OutliveError,
    Problem,
    PromptTooLong,
    RunAlreadyActive,
    RunNotFound,
    TicketExpired,
    Unauthorized,
    UnknownAgent,
)
from outlive_client.views import Run


class Exit(IntEnum):
    """The command's exit codes."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    ABORTED = 3
    NOT_FOUND = 4
    BUSY = 5
    UNAUTHORIZED = 6
    UNREACHABLE = 7
    REFUSED = 8
    WAITING = 9
    BROKEN = 70
    DETACHED = 130
    OUTPUT_CLOSED = 141


EXIT_CODES_HELP = """\b
Exit codes:
    0  done; a watched run succeeded
    1  the watched run failed
    2  the command or a value in it is invalid
    3  the watched run was aborted
    4  the run or chat does not exist, or has nothing to stop or to answer
    5  the chat has an active run, the key belongs to another request, or a call was answered otherwise before
    6  the API refused the token
    7  the API can't be reached
    8  the API refused the call or failed
    9  the watched run waits for answers
   70  a bug in this command
  130  Ctrl-C; a watched run goes on
  141  the reader of the output closed it
"""


def exit_of(run: Run) -> Exit:
    """The exit code for a run that has ended or waits."""
    codes = {"succeeded": Exit.DONE, "failed": Exit.FAILED, "aborted": Exit.ABORTED, "waiting": Exit.WAITING}
    return codes.get(run.status, Exit.REFUSED)


def explain(error: OutliveError) -> tuple[Exit, str]:
    """The exit code of an error, and a sentence that explains it."""
    match error:
        case RunAlreadyActive(active_run_id=run):
            return Exit.BUSY, f"the chat has an active run: outlive watch {run} shows it, outlive stop {run} ends it"
        case IdempotencyKeyReused():
            return Exit.BUSY, "this key belongs to another request; use a new key or none"
        case AnsweredOtherwise(tool_call_id=call, answered_by=user, answered_at=at):
            return Exit.BUSY, f"{user} answered call {call} otherwise at {at}; the first answer counts"
        case NotWaiting(run_status=status):
            return Exit.NOT_FOUND, f"the run takes no answer to this call: it is {status}"
        case ChatNotFound() | RunNotFound():
            return Exit.NOT_FOUND, str(error)
        case Unauthorized() | TicketExpired():
            return Exit.UNAUTHORIZED, f"the API refused the token: {error}"
        case InvalidRequest() | UnknownAgent() | PromptTooLong():
            return Exit.USAGE, str(error)
        case Problem():
            return Exit.REFUSED, f"the API refused the call or failed: {error} ({error.code})"
        case BadAnswer():
            return Exit.UNREACHABLE, f"{error}; is this the address of an Outlive API?"
    return Exit.UNREACHABLE, str(error)
