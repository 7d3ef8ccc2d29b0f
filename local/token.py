"""`make token WORKSPACE=w USER=u`: a token for the local stack, and nothing else."""

import os
import sys

from local import identity, state
from local.said import Trouble, or_say


def main() -> int:
    """Print the token. The key is made if this is the first to need it."""
    # Every shell sets USER to the login name, which serves as well as any.
    workspace, user = os.environ.get("WORKSPACE") or "demo", os.environ.get("USER") or "demo"
    for name, value in (("WORKSPACE", workspace), ("USER", user)):
        if not 1 <= len(value) <= 256:
            raise Trouble(f"{name} must have 1 to 256 characters, as in: make token WORKSPACE=acme USER=ada")
    sys.stdout.write(identity.token(state.folder(), state.port(), workspace, user) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(or_say(main))
