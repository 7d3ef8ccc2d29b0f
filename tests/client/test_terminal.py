"""The installed command: in its own process, with and without a terminal, over a real connection."""

import codecs
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from .fake_api import TOKEN, FakeApi, numbered, run_body
from .test_answers import WaitingApi
from .test_watch import STORY

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / ".envs" / "cli" / "bin" / "outlive"
PATIENCE = 180
"""Seconds after which a wait fails the test."""
CONTROL_C = b"\x03"

LONG = numbered(
    {"type": "run", "run": run_body()},
    {"type": "step", "step": 0, "state": "started", "attempt": 1},
    {"type": "text", "step": 0, "text": "So far \x1b[31mso\x07 good."},
)


class Served:
    """A FakeApi behind a socket.

    `requests` lists the requests and grows before each answer; a test waits for a request on `arrived`. While `go` is clear
    no answer is sent.
    """

    def __init__(self, api):
        self.api = api
        self.requests = []
        self.arrived = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                request = httpx.Request(
                    self.command, f"http://api.test{self.path}", headers=dict(self.headers), content=body
                )
                served.requests.append(f"{self.command} {request.url.path}")
                served.arrived.release()
                served.go.wait(PATIENCE)
                response = served.api(request)
                self.send_response(response.status_code)
                for name, value in response.headers.items():
                    if name.lower() not in {"content-length", "transfer-encoding"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                self.wfile.write(response.content)

            do_GET = do_POST = answer  # noqa: N815  # the server's names

            def log_message(self, *arguments):
                pass

            def handle(self):
                with contextlib.suppress(ConnectionError):
                    super().handle()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.go.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def environment(self, **more):
        inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
        port = self.server.server_address[1]
        return {
            **inherited,
            "OUTLIVE_URL": f"http://127.0.0.1:{port}/base",
            "OUTLIVE_TOKEN": TOKEN,
            "NO_PROXY": "*",
            **more,
        }

    def run(self, *arguments, **more):
        return subprocess.run(
            [COMMAND, *arguments], env=self.environment(**more), capture_output=True, check=False, timeout=PATIENCE
        )

    def open(self, *arguments, **more):
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Terminal:
    """The command on a terminal of 100 columns."""

    def __init__(self, served, *arguments, **more):
        self.fd, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            env=served.environment(TERM="xterm-256color", COLUMNS="100", LINES="40", **more),
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # Ctrl-C reaches the command only
        )  # fmt: skip
        os.close(terminal)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.output = ""
        self.code = None

    def until(self, text):
        """Read until the command has printed this."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            assert self._read(), f"ended before it printed {text!r}: {self.output}"

    def type(self, keys):
        os.write(self.fd, keys)

    def end(self):
        """Read until it ends. Returns all of its output."""
        while self._read():
            pass
        os.close(self.fd)
        self.code = self.process.wait(PATIENCE)
        return self.output

    def _read(self):
        assert select.select([self.fd], [], [], PATIENCE)[0], self.output
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the command has closed the terminal
            return False
        self.output += self.decoder.decode(data)
        return bool(data)


@pytest.fixture
def story():
    with Served(FakeApi(STORY)) as served:
        yield served


@pytest.fixture
def endless():
    """A run that does not end: there are no events after the first three."""
    with Served(FakeApi(LONG)) as served:
        yield served


def test_a_terminal_gets_the_commands_colours_and_no_control_sequence_of_the_run(endless):
    """The model's escape sequences are escaped; the only sequences are the command's own colours."""
    terminal = Terminal(endless, "watch", "r1")
    terminal.until("good.")
    terminal.type(CONTROL_C)
    output = terminal.end()
    assert r"So far \u001b[31mso\u0007 good." in output
    assert set(re.findall(r"\x1b.[^m]*.", output)) <= {"\x1b[2m", "\x1b[0m"}
    assert "\x07" not in output
    assert (terminal.code, endless.requests[0]) == (130, "GET /base/runs/r1/events")


def test_control_c_detaches_and_the_run_is_not_stopped(endless):
    """It says how to watch again and how to stop, and requests only events from the API."""
    terminal = Terminal(endless, "start", "c1", "Hi")
    terminal.until("good.")
    terminal.type(CONTROL_C)
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m|\^C", "", terminal.end()).splitlines()]
    assert lines[-4:] == [
        "detached: run r1 goes on",
        "  watch it again:   outlive watch r1",
        f"  watch the rest:   outlive watch r1 --after {LONG[-1]['id']}",
        "  stop the run:     outlive stop r1",
    ]
    assert terminal.code == 130
    assert set(endless.requests) == {"POST /base/chats/c1/runs", "GET /base/runs/r1/events"}


def test_no_color_removes_the_colours(story):
    coloured, plain = Terminal(story, "watch", "r1"), Terminal(story, "watch", "r1", NO_COLOR="1")
    assert "\x1b[36m→ clock {}" in coloured.end()
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", plain.end()) is None
    assert (coloured.code, plain.code) == (0, 0)


def test_without_a_terminal_there_is_no_colour(story):
    done = story.run("watch", "r1")
    assert (done.returncode, b"\x1b" in done.stdout + done.stderr) == (0, False)


def test_text_is_shown_as_it_arrives(endless):
    """A piece of text is printed before the next one exists."""
    process = endless.open("watch", "r1", "--json")
    events = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [event["type"] for event in events] == ["run", "step", "text"]
    endless.api.events = [*LONG, {"type": "settled", "id": "end", "run": run_body(status="failed")}]
    rest, _ = process.communicate(timeout=PATIENCE)
    assert json.loads(rest)["type"] == "settled"
    assert process.returncode == 1


def test_control_c_names_the_cursor_of_the_last_printed_event(story):
    """A reader who resumes from that cursor misses no event and sees none twice."""
    many = [{"type": "text", "step": 0, "text": f"{number} "} for number in range(400)]
    story.api.events = numbered({"type": "run", "run": run_body()}, *many)
    story.api.window_size = 50
    for lines in (1, 30, 170):
        process = story.open("watch", "r1", "--json")
        printed = [json.loads(process.stdout.readline()) for _ in range(lines)]
        process.send_signal(signal.SIGINT)
        printed += [json.loads(line) for line in process.stdout]
        err = process.stderr.read()
        assert process.wait(PATIENCE) == 130
        assert f"--after {printed[-1]['id']}\n" in err
        process.stdout.close()
        process.stderr.close()


def test_a_termination_signal_while_an_answer_is_slow_ends_at_once(story):
    """SIGINT also ends a command that waits for an answer; a start then names the key that shows the run."""
    story.go.clear()
    for arguments, word in ((("ls", "c1"), "interrupted"), (("start", "c1", "Hi", "--key", "k7"), "--key k7")):
        process = story.open(*arguments)
        assert story.arrived.acquire(timeout=PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (130, "")
        assert word in err


def test_a_closed_output_ends_the_command_silently(story):
    """As in `outlive watch … | head -1`."""
    many = [{"type": "text", "step": 0, "text": "x" * 1000} for _ in range(500)]
    story.api.events = numbered(
        {"type": "run", "run": run_body()}, *many, {"type": "settled", "run": run_body(status="aborted")}
    )
    for form in ([], ["--json"]):
        process = story.open("watch", "r1", *form)
        process.stdout.read(10)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(PATIENCE) == 141
        assert "Traceback" not in err
        assert "Exception" not in err


def test_output_survives_a_locale_without_unicode(story):
    """Text loses characters, JSON does not."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert story.run("watch", "r1", **plain).returncode == 0
    story.api.events = numbered({"type": "settled", "run": run_body(status="succeeded", metadata={"x": "\u00e4"})})
    done = story.run("watch", "r1", "--json", **plain)
    assert json.loads(done.stdout)["run"]["metadata"] == {"x": "\u00e4"}


def test_a_prompt_is_read_from_a_pipe(story):
    done = subprocess.run(
        [COMMAND, "start", "c1", "-", "--detach"],
        env=story.environment(),
        input=b"Hi\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"r1\n")
    assert json.loads(story.api.requests[0].content) == {"prompt": "Hi"}


def test_an_unreachable_api_is_exit_code_7_and_one_sentence(story):
    done = story.run("show", "r1", OUTLIVE_URL="http://127.0.0.1:9/")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"outlive: nothing answers at http://127.0.0.1:9\n")


# ------------------------------------------------------------------ answering


@pytest.fixture
def waiting():
    with Served(WaitingApi()) as served:
        yield served


def test_a_person_answers_one_call_after_the_other(waiting):
    """Each answer is sent at once; with the last one the run goes on."""
    terminal = Terminal(waiting, "answer", "r1")
    terminal.until('"amount": 5')
    terminal.until("(s)kip: ")
    assert "Answer" not in terminal.output
    terminal.type(b"maybe\n")
    terminal.until("not one of")
    terminal.type(b"n\n")
    terminal.until("no reason): ")
    terminal.type(b"Too much.\n")
    terminal.until("leave it open): ")
    assert waiting.api.given == {"t1": {"approved": False, "reason": "Too much."}}
    terminal.type(b"the blue one\n")
    assert "run r1 goes on: outlive watch r1" in terminal.end()
    assert terminal.code == 0
    assert waiting.api.given["t2"] == {"output": "the blue one"}


def test_a_person_edits_the_arguments_and_leaves_a_call_open(waiting, tmp_path):
    """What the editor leaves is shown before it is sent; what is no JSON object is not."""
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nif grep -q 5 "$1" && [ ! -e "$0.once" ]; then touch "$0.once"; echo nonsense > "$1"; '
                      'else sed -i s/5/4/ "$1"; fi\n')  # fmt: skip
    editor.chmod(0o755)
    terminal = Terminal(waiting, "answer", "r1", EDITOR=str(editor))
    terminal.until("(s)kip: ")
    terminal.type(b"e\n")
    terminal.until("must be a JSON object")
    terminal.type(b"e\n")
    terminal.until('"amount": 4')
    terminal.until("arguments? [Y/n]: ")
    terminal.type(b"\n")
    terminal.until("leave it open): ")
    terminal.type(b"\n")
    assert "outlive answer r1" in terminal.end()
    assert (terminal.code, waiting.api.given) == (0, {"t1": {"approved": True, "input": {"amount": 4}}})


def test_a_call_that_another_user_answers_meanwhile_is_reported_and_the_next_one_asked(waiting):
    terminal = Terminal(waiting, "answer", "r1")
    terminal.until("(s)kip: ")
    waiting.api.take({"t1": {"approved": False}})
    terminal.type(b"y\n")
    terminal.until("bob answered call t1 otherwise")
    terminal.until("leave it open): ")
    terminal.type(CONTROL_C)
    assert "interrupted" in terminal.end()
    assert (terminal.code, waiting.api.given) == (130, {"t1": {"approved": False}})


def test_a_run_that_does_not_wait_has_nothing_to_answer(story):
    terminal = Terminal(story, "answer", "r1")
    assert "run r1 does not wait for answers: it is running" in terminal.end()
    assert terminal.code == 4


# ------------------------------------------------------------------ completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_valid_for_their_shell(story, shell, tmp_path):
    """Each installed shell parses its script without an error."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "completion"
    script.write_bytes(story.run("completion", shell, PATH=os.environ["PATH"]).stdout)
    assert script.stat().st_size > 100
    done = subprocess.run([program, "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_completion_completes_commands_and_options(story):
    """In bash, with only the script sourced."""
    script = r"""
        eval "$(outlive completion bash)"
        COMP_WORDS=(outlive st); COMP_CWORD=1; _outlive_completion outlive; echo "${COMPREPLY[@]}"
        COMP_WORDS=(outlive start --m); COMP_CWORD=2; COMPREPLY=(); _outlive_completion outlive; echo "${COMPREPLY[@]}"
        COMP_WORDS=(outlive answer --r); COMP_CWORD=2; COMPREPLY=(); _outlive_completion outlive; echo "${COMPREPLY[@]}"
    """
    environment = story.environment(PATH=f"{COMMAND.parent}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["start stop", "--max-steps --metadata", "--reason"]
    assert story.requests == []
