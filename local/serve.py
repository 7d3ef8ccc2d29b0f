"""`make serve`: run the local stack in the foreground until Ctrl-C."""

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
from local.messages import UserError, progress, run_main
from local.stack import deploy, prepare
from local.streaming import StreamingDoor

WARM_UP_SECONDS = 90
WORKSPACE, USER = "acme", "ada"
"""The workspace and user of every token that is printed."""
PARENT = os.getppid()
"""The process that started this one. Read once, at the start: it may be gone before the stack is up."""


class Stack:
    """A deployed stack that answers. `url` is its API, `stream_url` its streaming function (with STREAMING_FUNCTION=true)."""

    def __init__(self, port: int, folder: Path, *, auth: bool) -> None:
        """Start the emulator and deploy the template. After a `UserError` nothing is left running."""
        self.port = port
        self.folder = folder
        self._lock = state.claim(folder, port)
        progress(f"starting the local AWS on port {port} with the state in {folder}")
        self.aws = Aws(port, folder, auth=auth)
        self._streaming: StreamingDoor | None = None
        try:
            state.bind(folder, port)
            # The emulator starts while the template is prepared: each takes seconds.
            prepared = prepare(port)
            self.aws.wait()
            self.outputs = deploy(self.aws, folder, prepared)
            self.url = f"{self.aws.url}/_aws/execute-api/outlive"
            if prepared.values["StreamingFunction"] == "true":
                self._streaming = self._start_streaming(prepared.values["RequiredScope"])
            self._warm_up()
        except BaseException:
            self.stop()
            raise

    @property
    def stream_url(self) -> str:
        """The address of the streaming function; empty if it is not there."""
        return self._streaming.url if self._streaming else ""

    def _start_streaming(self, required_scope: str) -> StreamingDoor:
        # It has the settings of the function for chat clients, whose calls it answers.
        function = self.aws.client("lambda").get_function_configuration(FunctionName=self.outputs["ChatFunction"])
        settings: dict[str, str] = function["Environment"]["Variables"]
        del settings["PYTHONPATH"]
        door = StreamingDoor(self.aws, self.folder, settings | {"REQUIRED_SCOPE": required_scope})
        door.wait()
        return door

    def token(self, workspace: str, user: str) -> str:
        """A token for this user of this workspace, from this stack's issuer."""
        return identity.token(self.folder, self.port, workspace, user)

    @property
    def console(self) -> str:
        """The web console's address with a new token, which the page removes from the address; empty if the console is off."""
        off = os.environ.get("CONSOLE_ENABLED") == "false"
        return "" if off else f"{self.url}/console#token={self.token(WORKSPACE, USER)}"

    def stop(self) -> None:
        """Save the state and stop. A second Ctrl-C does not interrupt this."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._streaming:
            self._streaming.stop()
        self.aws.stop()
        self._lock.close()

    def _warm_up(self) -> None:
        """Start one worker of each function that clients wait for. Raises `UserError` if a function fails."""
        # The step function logs and acknowledges a message it can't parse, and its worker stays.
        event = json.loads((ROOT / "events" / "step.json").read_text())
        event["Records"][0]["body"] = "warm up"
        invoke = self.aws.client("lambda").invoke
        with ThreadPoolExecutor(3) as pool:
            step = pool.submit(invoke, FunctionName=self.outputs["StepFunction"], Payload=json.dumps(event).encode())
            # These calls store nothing: the start is invalid and the other calls name a chat and a run that do not exist.
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
            raise UserError(f"the API is up but its functions fail ({max(statuses)}); see {self.aws.log}")

    def _call(self, method: str, path: str) -> int:
        request = urllib.request.Request(self.url + path, method=method, data=b"{}" if method == "POST" else None)
        request.add_header("Authorization", f"Bearer {self.token('warm-up', 'warm-up')}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=WARM_UP_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError as error:
            raise UserError(f"the API did not answer ({error}); see {self.aws.log}") from error


@contextmanager
def running() -> Iterator[Stack]:
    """A running stack with the settings of the environment (PORT, STATE, AUTH). SIGINT and SIGTERM end the block and
    stop it.
    """
    signal.signal(signal.SIGINT, _request_stop)
    signal.signal(signal.SIGTERM, _request_stop)
    stack = Stack(state.port(), state.folder(), auth=os.environ.get("AUTH", "false").lower() == "true")
    try:
        yield stack
    except StopRequested:
        pass
    finally:
        stack.stop()


class StopRequested(BaseException):
    """SIGINT or SIGTERM arrived."""


def _request_stop(_signal: int, _frame: FrameType | None) -> None:
    raise StopRequested


def wait_for_the_end(stack: Stack) -> None:
    """Wait until the stack should stop: raises `UserError` if the emulator ended, `StopRequested` if `make` ended."""
    while True:
        if not stack.aws.alive:
            raise UserError(f"the local AWS ended; see {stack.aws.log}")
        # A `make` that is killed can't pass the signal on.
        if "MAKELEVEL" in os.environ and os.getppid() != PARENT:
            raise StopRequested
        time.sleep(0.5)


def main() -> int:
    """Serve until Ctrl-C."""
    try:
        with running() as stack:
            sys.stdout.write(f"ready {stack.url}\n")
            if stack.console:
                sys.stdout.write(f"console {stack.console}\n")
            if stack.stream_url:
                sys.stdout.write(f"stream {stack.stream_url}\n")
            sys.stdout.flush()
            wait_for_the_end(stack)
    except StopRequested:
        # Ctrl-C while the stack was starting.
        pass
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
