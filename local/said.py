"""What the person at the terminal is told, besides what they asked for."""

import os
import sys
import traceback
from collections.abc import Callable


class Trouble(Exception):
    """Something only the reader can put right. The text is the whole message, one sentence without a line break."""


def note(text: str) -> None:
    """Say what takes its time, on standard error."""
    sys.stderr.write(f"outlive: {text} …\n")


def or_say(main: Callable[[], int]) -> int:
    """Run `main` and return its exit code; a `Trouble` becomes one line on standard error and exit code 1."""
    try:
        return main()
    except Trouble as trouble:
        sys.stderr.write(f"outlive: {trouble}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("TRACEBACK"):
            traceback.print_exc()
        why = (str(error).splitlines() or ["no message"])[0]
        sys.stderr.write(f"outlive: this was not foreseen ({type(error).__name__}: {why}); TRACEBACK=1 shows where\n")
        return 1
