"""What the local stack's commands print about themselves: progress and errors, on standard error."""

import os
import sys
import traceback
from collections.abc import Callable


class UserError(Exception):
    """An error that the user can correct. Its text is the whole message: one sentence without a line break."""


def progress(text: str) -> None:
    """Print what the command is doing now."""
    sys.stderr.write(f"outlive: {text} …\n")


def run_main(main: Callable[[], int]) -> int:
    """Run `main` and return its exit code. An error becomes one line on standard error and exit code 1."""
    try:
        return main()
    except UserError as error:
        sys.stderr.write(f"outlive: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("TRACEBACK"):
            traceback.print_exc()
        reason = (str(error).splitlines() or ["no message"])[0]
        sys.stderr.write(f"outlive: unexpected {type(error).__name__}: {reason}; set TRACEBACK=1 to see where\n")
        return 1
