"""The folder that outlives `make serve`: the tables, the queue, the key that signs tokens.

One folder belongs to one port, because addresses with the port in them are part of what is stored (the queue's, the
issuer's), and to one running stack at a time.
"""

import fcntl
import os
from pathlib import Path
from typing import IO

from local.build import ROOT
from local.said import Trouble

DEFAULT_PORT = 4566


def port() -> int:
    """`PORT` of the environment. Raises `Trouble` if that is no port."""
    said = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not said.isascii() or not said.isdigit() or not 1 <= int(said) <= 65535:
        raise Trouble(f"PORT must be a number from 1 to 65535, not {said!r}")
    return int(said)


def folder() -> Path:
    """`STATE` of the environment, or a folder of this port's own in the project."""
    said = os.environ.get("STATE")
    return Path(said).expanduser().resolve() if said else ROOT / ".state" / str(port())


def claim(state: Path, for_port: int) -> IO[str]:
    """Make `state` ours until the returned file is closed.

    Raises `Trouble` if another stack runs on it, or if it was made for another port.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("w")
    except OSError as error:
        raise Trouble(
            f"the state folder {state} can't be used ({error.strerror}); choose another, as in STATE=/tmp/outlive"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _require_port(state, for_port)
    except OSError as error:
        lock.close()
        raise Trouble(
            f"another local stack already runs on {state}; choose another folder, as in STATE=/tmp/outlive"
        ) from error
    except Trouble:
        lock.close()
        raise
    return lock


def bind(state: Path, port: int) -> None:
    """From now on `state` is of this port. Not before something runs there: a taken port must not stick to it."""
    (state / "port").write_text(str(port))


def _require_port(state: Path, port: int) -> None:
    file = state / "port"
    bound = file.read_text() if file.exists() else str(port)
    if bound != str(port):
        raise Trouble(
            f"the state in {state} was made on port {bound} and only works there; "
            f"use PORT={bound}, or another folder, as in STATE=/tmp/outlive"
        )
