"""Ports for servers that a test starts."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"


def reserve() -> tuple[int, socket.socket]:
    """A port that is free, and what keeps it free for our own server until it is closed.

    A socket that is bound and does not listen lets a server bind the same port on Linux, as long as both set
    SO_REUSEADDR, and the system gives it to no other process meanwhile. Other systems refuse the server: there the port is
    free now, and not reserved.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((LOOPBACK, 0))
    port: int = held.getsockname()[1]
    if sys.platform != "linux":
        held.close()
    return port, held


@contextmanager
def reserved() -> Iterator[int]:
    """A port that is kept free for our own server until the block ends."""
    port, held = reserve()
    with held:
        yield port
