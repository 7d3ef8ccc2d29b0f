"""`make serve`: the local stack in the foreground, until Ctrl-C."""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from local import identity, state
from local.aws import Aws
from local.build import ROOT
from local.said import Trouble, note, or_say
from local.stack import deploy, prepare

WARM_SECONDS = 90
WORKSPACE, USER = "acme", "ada"
"""Who the reader of what is printed is."""


class Stack:
    """A deployed, answering stack. `url` is the base address of its API."""

    def __init__(self, port: int, folder: Path, *, auth: bool) -> None:
        """Start and deploy. Raises `Trouble`; then nothing is left running."""
        self.port = port
        self.folder = folder
        self._claim = state.claim(folder, port)
        note(f"starting the local AWS on port {port} with the state in {folder}")
        self.aws = Aws(port, folder, auth=auth)
        try:
            state.bind(folder, port)
            # Both take seconds, and neither needs the other.
            prepared = prepare(port)
            self.aws.wait()
            self.outputs = deploy(self.aws, folder, prepared)
            self.url = f"{self.aws.url}/_aws/execute-api/outlive"
            self._warm()
        except BaseException:
            self.stop()
            raise

    def token(self, workspace: str, user: str) -> str:
        """A token of this stack's issuer."""
        return identity.token(self.folder, self.port, workspace, user)

    @property
    def console(self) -> str:
        """Address of the web console with a fresh token in it, which it takes out at once; empty if it is off."""
        off = os.environ.get("CONSOLE_ENABLED") == "false"
        return "" if off else f"{self.url}/console#token={self.token(WORKSPACE, USER)}"

    def stop(self) -> None:
        """Stop it and let it save its state, which a second Ctrl-C must not cut short."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.aws.stop()
        self._claim.close()

    def _warm(self) -> None:
        """One worker of each function a caller waits for is up, and the API has answered."""
        # A message that can't be read is logged and acknowledged, and its worker stays.
        junk = json.loads((ROOT / "events" / "step.json").read_text())
        junk["Records"][0]["body"] = "warm up"
        invoke = self.aws.client("lambda").invoke
        with ThreadPoolExecutor(3) as pool:
            step = pool.submit(invoke, FunctionName=self.outputs["StepFunction"], Payload=json.dumps(junk).encode())
            # An empty start is refused, a stop and reads of what is unknown find nothing: nothing is left behind.
            calls = [
                pool.submit(self._call, "POST", "/chats/warm-up/runs"),
                pool.submit(self._call, "POST", "/chats/warm-up/stop"),
                pool.submit(self._call, "GET", "/chats/warm-up/run"),
                pool.submit(self._call, "GET", "/runs/warm-up/events"),
                pool.submit(self._call, "GET", "/console"),
                pool.submit(self._call, "GET", "/api/chat/warm-up/stream"),
            ]
            statuses = [call.result() for call in calls]
            step.result()
        if max(statuses) >= 500:
            raise Trouble(f"the API is up but its functions fail ({max(statuses)}); see {self.aws.log}")

    def _call(self, method: str, path: str) -> int:
        request = urllib.request.Request(self.url + path, method=method, data=b"{}" if method == "POST" else None)
        request.add_header("Authorization", f"Bearer {self.token('warm-up', 'warm-up')}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=WARM_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError as error:
            raise Trouble(f"the API did not answer ({error}); see {self.aws.log}") from error


@contextmanager
def running() -> Iterator[Stack]:
    """A stack as the environment asks for (PORT, STATE, AUTH); SIGINT and SIGTERM end the block, and then it stops."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    stack = Stack(state.port(), state.folder(), auth=os.environ.get("AUTH", "false").lower() == "true")
    try:
        yield stack
    except Leave:
        pass
    finally:
        stack.stop()


class Leave(BaseException):
    """Asked to stop."""


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise Leave


def stay(stack: Stack) -> None:
    """Return never; raises `Trouble` when the local AWS is gone, `Leave` when `make` is."""
    parent = os.getppid()
    while True:
        if not stack.aws.alive:
            raise Trouble(f"the local AWS ended; its last words are in {stack.aws.log}")
        # `make` killed the hard way can't pass the signal on.
        if "MAKELEVEL" in os.environ and os.getppid() != parent:
            raise Leave
        time.sleep(0.5)


def main() -> int:
    """Serve until told to stop."""
    try:
        with running() as stack:
            sys.stdout.write(f"ready {stack.url}\n")
            if stack.console:
                sys.stdout.write(f"console {stack.console}\n")
            sys.stdout.flush()
            stay(stack)
    except Leave:
        # Told to stop while it was still starting.
        pass
    return 0


if __name__ == "__main__":
    sys.exit(or_say(main))
