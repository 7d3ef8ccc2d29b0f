"""What goes wrong for the person at the terminal, said in one sentence."""

import sys
from collections.abc import Callable


class Trouble(Exception):
    """Something only the reader can put right. The text is the whole message, one sentence without a line break."""


def or_say(main: Callable[[], int]) -> int:
    """Run `main` and return its exit code; a `Trouble` becomes one line on standard error and exit code 1."""
    try:
        return main()
    except Trouble as trouble:
        sys.stderr.write(f"outlive: {trouble}\n")
        return 1
    except KeyboardInterrupt:
        return 130
