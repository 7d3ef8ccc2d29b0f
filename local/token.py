"""`make token WORKSPACE=w USER=u`: print a token for the local stack, and nothing else."""

import os
import sys

from local import identity, state
from local.messages import UserError, run_main


def main() -> int:
    """Print the token. The first token of a state folder also makes its signing key."""
    # A shell sets USER to the login name, which is a good default.
    workspace, user = os.environ.get("WORKSPACE") or "demo", os.environ.get("USER") or "demo"
    for name, value in (("WORKSPACE", workspace), ("USER", user)):
        if not 1 <= len(value) <= 256:
            raise UserError(f"{name} must have 1 to 256 characters, as in: make token WORKSPACE=acme USER=ada")
    sys.stdout.write(identity.token(state.folder(), state.port(), workspace, user) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
