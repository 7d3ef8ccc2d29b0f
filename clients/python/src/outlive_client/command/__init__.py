"""The command `outlive`."""

import sys


def main() -> int:
    """Run the command line. Returns the exit code."""
    try:
        from outlive_client.command import outlive  # noqa: PLC0415  # click and rich come with an extra
    except ModuleNotFoundError as missing:
        if missing.name not in {"click", "rich"}:
            raise
        sys.stderr.write("outlive: the command's packages are missing; install outlive-client[command]\n")
        return 8
    except KeyboardInterrupt:
        return 130
    return outlive.main()
