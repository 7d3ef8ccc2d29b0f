"""An AWS emulator on this machine: MiniStack, started as a child process and bound to 127.0.0.1.

It ends when the process that started it ends, and a clean stop saves its state in a folder. It never sees an AWS account
of the user: neither it nor the functions it runs get the `AWS_…` variables of the environment.
"""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
import urllib.request
from pathlib import Path
from typing import IO, Any

import boto3
from botocore.config import Config

from local.build import ROOT
from local.messages import UserError

REGION = "us-east-1"
START_SECONDS = 180
STOP_SECONDS = 20

FUNCTIONS_PYTHON = ROOT / ".envs" / "bare" / "bin" / "python"
EMULATOR = ROOT / "local" / "emulator.py"


class Aws:
    """A running MiniStack. `url` is the endpoint for AWS clients."""

    def __init__(self, port: int, state: Path, *, auth: bool) -> None:
        """Start it; `wait` returns when it answers. Raises `UserError` if the port is not free."""
        _require_free(port)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = state / "aws.log"
        self._log: IO[bytes] = self.log.open("wb")
        self._child = subprocess.Popen(
            [FUNCTIONS_PYTHON, "-P", EMULATOR, sysconfig.get_path("purelib")],
            env=_environment(port, state, auth=auth),
            cwd=state,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal goes to the parent alone, which stops this process when it is ready to.
            start_new_session=True,
        )

    def client(self, service: str) -> Any:
        """A boto3 client of this emulator. The environment's AWS settings have no effect on it."""
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION).client(
            service,
            endpoint_url=self.url,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._child.poll() is None

    @property
    def pid(self) -> int:
        """The id of the emulator's process. The functions' workers are its children."""
        return self._child.pid

    def wait(self) -> None:
        """Return when it answers. Raises `UserError` if it ends before, or after `START_SECONDS`."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive:
                raise UserError(f"the local AWS ended while it started; see {self.log}")
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise UserError(f"the local AWS did not answer within {START_SECONDS} seconds; see {self.log}")

    def stop(self) -> None:
        """Let it save its state and end. After `STOP_SECONDS` it is killed."""
        if self.alive:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._child.stdin:
            self._child.stdin.close()
        self._log.close()


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # The server sets this option too: a port counts as free while old connections on it time out.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"port {port} is not free ({error.strerror}); choose another, as in PORT={port + 1}"
            ) from error


def _new_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _environment(port: int, state: Path, *, auth: bool) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCALSTACK", "PYTHON"))}
    return env | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "AUTH": str(auth).lower(),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "aws"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "LAMBDA_EXECUTOR": "local",
        # These two servers would listen on every address of this machine, on fixed ports.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
        # The workers must not use a developer's AWS profile either.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Workers unpack their code here. The next start removes what a killed worker left behind.
        "TMPDIR": str(_new_folder(state / "tmp")),
    }
