"""The state folder, which stays when `make serve` ends: the tables, the queue and the key that signs tokens.

A folder belongs to one port, because stored addresses contain the port (the queue's, the issuer's), and to one running
stack at a time.
"""

import fcntl
import os
from pathlib import Path
from typing import IO

from local.build import ROOT
from local.messages import UserError

DEFAULT_PORT = 4566


def port() -> int:
    """The port of the environment variable `PORT`. Raises `UserError` if the value is not a port number."""
    value = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise UserError(f"PORT must be a number from 1 to 65535, not {value!r}")
    return int(value)


def folder() -> Path:
    """The folder of the environment variable `STATE`, or this port's folder in the project."""
    value = os.environ.get("STATE")
    return Path(value).expanduser().resolve() if value else ROOT / ".state" / str(port())


def claim(state: Path, for_port: int) -> IO[str]:
    """Lock `state` for this process until the returned file is closed.

    Raises `UserError` if another stack uses the folder, or if the folder belongs to another port.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("w")
    except OSError as error:
        raise UserError(
            f"the state folder {state} can't be used ({error.strerror}); choose another, as in STATE=/tmp/outlive"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _require_port(state, for_port)
    except OSError as error:
        lock.close()
        raise UserError(
            f"another local stack already runs on {state}; choose another folder, as in STATE=/tmp/outlive"
        ) from error
    except UserError:
        lock.close()
        raise
    return lock


def bind(state: Path, port: int) -> None:
    """Record that `state` belongs to this port. Call it once the emulator has the port: an occupied port must not be
    recorded.
    """
    (state / "port").write_text(str(port))


def _require_port(state: Path, port: int) -> None:
    file = state / "port"
    bound = file.read_text() if file.exists() else str(port)
    if bound != str(port):
        raise UserError(
            f"the state in {state} was made on port {bound} and only works there; "
            f"use PORT={bound}, or another folder, as in STATE=/tmp/outlive"
        )
