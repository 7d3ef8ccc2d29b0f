"""The streaming function beside the local stack. On AWS it needs a layer that only AWS has; here its app runs as it is."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from local import identity
from local.aws import FUNCTIONS_PYTHON, REGION, Aws
from local.build import ROOT, packages
from local.messages import UserError

APP = Path(__file__).with_name("streaming_app.py")
START_SECONDS = 60


class StreamingDoor:
    """Its server, on a port beside the stack's. `url` is its address, the output `StreamUrl` of a deployment."""

    def __init__(self, aws: Aws, state: Path, settings: Mapping[str, str]) -> None:
        """Start it with the settings of the deployed functions; `wait` returns when it answers."""
        self.port = _free_port(aws.port + 1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = state / "streaming.log"
        paths = [packages("stream", "here"), ROOT / "shared", ROOT / "functions" / "stream"]
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        with self.log.open("wb") as out:
            self._child = subprocess.Popen(
                [FUNCTIONS_PYTHON, "-P", APP],
                env=env | dict(settings) | {
                    "PYTHONPATH": os.pathsep.join(map(str, paths)),
                    "STREAM_PORT": str(self.port),
                    "JWT_ISSUER": identity.issuer(aws.port),
                    "JWT_AUDIENCE": identity.AUDIENCE,
                    "AWS_ENDPOINT_URL": aws.url,
                    "AWS_REGION": REGION,
                    "AWS_DEFAULT_REGION": REGION,
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_CONFIG_FILE": os.devnull,
                    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                },
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Return when it answers. Raises `UserError` if it ends before."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._child.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise UserError(f"the streaming function did not start; see {self.log}")

    def stop(self) -> None:
        """End it. Open streams have two seconds."""
        if self._child.stdin:
            self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _free_port(wanted: int) -> int:
    """`wanted`, so that the address stays the same from start to start, or any other if it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port if port < 65536 else 0))
            except OSError:
                continue
            bound: int = probe.getsockname()[1]
            return bound
    raise UserError("no port is free for the streaming function")
