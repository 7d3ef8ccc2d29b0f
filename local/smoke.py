"""`make smoke BASE=… TOKEN=…`: prove that a deployment works, from outside, with a token and nothing else.

It stores a file, starts a run with it, follows it to its end, stops another one, and reads the chat and the file. It needs no AWS account, takes a few seconds,
and says in one sentence what is wrong. It costs two short runs, in a chat of its own.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

from local.messages import UserError, run_main

LIMIT_SECONDS = 50
"""For all of it: a deployment that needs longer for two short runs is not well."""
LOOK_SECONDS = 0.5
STOPS = 3
"""Runs that are started to be stopped: the first may end too soon."""
PROMPT = "Say hello in one short sentence."
TEXT = b"hello"
LONG_PROMPT = (
    '#script [{"text": "A long answer, which no client waits for.", "seconds": 30}]\nWrite 2,000 words about rivers.'
)
"""The offline model plays it; any other finds something to write."""


@dataclass(frozen=True)
class Answer:
    """An answer of the API; `body` is what its JSON holds, or its text."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        """What it says went wrong."""
        reason = self.headers.get("www-authenticate", "")
        if isinstance(self.body, dict):
            reason = str(self.body.get("detail") or self.body.get("message") or reason)
        return f"status {self.status}" + (f", {reason}" if reason else "")


class Deployment:
    """The API at `base`, called with `token`."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base.rstrip("/")
        self.token = token
        self.deadline = time.monotonic() + LIMIT_SECONDS

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Answer:
        """One request; `token` in place of the deployment's. Raises `UserError` if there is no answer."""
        request = urllib.request.Request(self.base + path, method=method)
        request.add_header("Accept", "application/json")
        request.add_header("Authorization", f"Bearer {self.token if token is None else token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise UserError(f"the deployment took longer than {LIMIT_SECONDS} seconds for two short runs")
        try:
            with urllib.request.urlopen(request, timeout=max(1.0, min(left, 29.0))) as answer:
                return _answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return _answer(error.code, error.headers, error.read())
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UserError(f"BASE does not answer: {method} {self.base}{path}: {reason}") from error


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    text = body.decode(errors="replace")
    try:
        read = json.loads(text) if text else None
    except ValueError:
        read = text
    return Answer(status, read, {name.lower(): value for name, value in headers.items()})


def check(base: str, token: str) -> None:
    """Make every check, one line each. Raises `UserError` with the first one that fails."""
    began = time.monotonic()
    deployment = Deployment(base, token)
    chat = f"smoke-{uuid.uuid4().hex[:12]}"
    _print("no token is refused", began, _refuses(deployment, chat))
    file_id = _upload(deployment, chat)
    run = _start(deployment, chat, PROMPT, file_id)
    _print("a run was started", began, run["id"])
    ended = _follow(deployment, run["id"])
    _print("it was followed to its end", began, f"{ended['step_count']} steps")
    _print("another one was stopped", began, _stop(deployment, chat))
    _print("the chat was read", began, _read(deployment, chat, run["id"]))
    _print("its file was read", began, _download(deployment, chat, file_id))


def _refuses(deployment: Deployment, chat: str) -> str:
    answer = deployment.call("POST", f"/chats/{chat}/runs", {"prompt": PROMPT}, token="x")
    if answer.status in {200, 202}:
        raise UserError("the deployment accepts a run without a valid token; take it off the network")
    if answer.status != 401:
        raise UserError(
            f"BASE is not the address of an Outlive API: a start without a token got {answer.reason}, not 401"
        )
    return "401"


def _upload(deployment: Deployment, chat: str) -> str | None:
    """Store a text in the chat; returns its id, or None if the deployment takes no texts, or nothing with this token."""
    about = {"name": "smoke.txt", "media_type": "text/plain", "size": len(TEXT)}
    made = deployment.call("POST", f"/chats/{chat}/files", about)
    if made.status in {403, 422}:
        return None
    if made.status == 401:
        raise _refused(made)
    if made.status != 201:
        raise UserError(f"no file could be uploaded: {made.reason}; the log of the file function says why")
    offer = made.body["upload"]
    request = urllib.request.Request(offer["url"], TEXT, offer["headers"], method="PUT")
    _of_the_bucket(request, "stored")
    return str(made.body["file"]["id"])


def _download(deployment: Deployment, chat: str, file_id: str | None) -> str:
    if file_id is None:
        return "left out: FileTypes has no text/plain"
    found = deployment.call("GET", f"/chats/{chat}/files/{file_id}")
    if found.status != 200:
        raise UserError(f"the file could not be read: {found.reason}; the log of the file function says why")
    if _of_the_bucket(urllib.request.Request(found.body["download"]["url"]), "read") != TEXT:
        raise UserError("the file was read, but its content is another one")
    return f"{len(TEXT)} bytes"


def _of_the_bucket(request: urllib.request.Request, what: str) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=29) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise UserError(f"the bucket refused a file that was to be {what}: status {error.code}") from error
    except OSError as error:
        raise UserError(f"the bucket does not answer: {getattr(error, 'reason', error)}") from error


def _refused(answer: Answer) -> UserError:
    return UserError(
        f"TOKEN is refused: {answer.reason}; its iss, aud, expiry and workspace claim must be what the deployment "
        "expects, and the access log has the reason in `refused`"
    )


def _start(deployment: Deployment, chat: str, prompt: str, file_id: str | None = None) -> dict[str, Any]:
    body = {"prompt": prompt} | ({"files": [file_id]} if file_id else {})
    answer = deployment.call("POST", f"/chats/{chat}/runs", body)
    if answer.status == 401:
        raise _refused(answer)
    if answer.status == 403:
        raise UserError(
            f"TOKEN may not start runs: {answer.reason}; RunsEnabled is false, or a required scope is missing"
        )
    if answer.status != 202 or not isinstance(answer.body, dict) or "run" not in answer.body:
        raise UserError(f"a run could not be started: {answer.reason}; the log of the start function says why")
    started: dict[str, Any] = answer.body["run"]
    return started


def _follow(deployment: Deployment, run_id: str) -> dict[str, Any]:
    cursor, run = "", None
    while True:
        answer = deployment.call("GET", f"/runs/{run_id}/events?wait=10{cursor and '&after='}{cursor}")
        if answer.status == 204 or answer.status != 200:
            break
        cursor = answer.body["cursor"]
        run = next((event["run"] for event in reversed(answer.body["events"]) if "run" in event), run)
        if time.monotonic() > deployment.deadline - 5 and (run is None or run["status"] == "pending"):
            raise UserError(
                "the run was accepted, but no worker began it; the log of the step function and the queue's event source "
                "mapping say why"
            )
    if answer.status != 204 or run is None:
        raise UserError(f"the run could not be followed: {answer.reason}; the log of the tail function says why")
    if run["status"] != "succeeded":
        error = run["error"] or {}
        raise UserError(f"the run ended {run['status']}: {error.get('code')}, {error.get('message')}")
    ended: dict[str, Any] = run
    return ended


def _stop(deployment: Deployment, chat: str) -> str:
    for _ in range(STOPS):
        run = _start(deployment, chat, LONG_PROMPT)
        answer = deployment.call("POST", f"/runs/{run['id']}/stop")
        if answer.status != 200:
            raise UserError(f"a run could not be stopped: {answer.reason}; the log of the stop function says why")
        while not run["finished_at"]:
            time.sleep(LOOK_SECONDS)
            answer = deployment.call("GET", f"/runs/{run['id']}")
            if answer.status != 200:
                raise UserError(f"a run could not be read: {answer.reason}; the log of the read function says why")
            run = answer.body["run"]
        if run["status"] == "aborted":
            return str(run["id"])
    raise UserError(f"a run that was stopped ended {run['status']}, each of {STOPS} times")


def _read(deployment: Deployment, chat: str, run_id: str) -> str:
    answer = deployment.call("GET", f"/chats/{chat}/messages")
    if answer.status != 200:
        raise UserError(f"the chat could not be read: {answer.reason}; the log of the read function says why")
    messages = answer.body["messages"]
    if not any(
        message["run_id"] == run_id and message["content"] for message in messages if message["role"] == "assistant"
    ):
        raise UserError("the chat was read, but the answer of its run is not in it")
    return f"{len(messages)} messages"


def _print(line: str, began: float, about: str) -> None:
    sys.stdout.write(f"  ok  {time.monotonic() - began:5.1f} s  {line:<27} {about}\n")
    sys.stdout.flush()


def main() -> int:
    """Check the deployment that BASE and TOKEN name."""
    base, token = os.environ.get("BASE", ""), os.environ.get("TOKEN", "")
    if not base.startswith(("https://", "http://")):
        raise UserError(
            "BASE must be the address of the API, the stack's output ApiUrl: make smoke BASE=https://… TOKEN=…"
        )
    if not token:
        raise UserError("TOKEN must be a token of your identity provider: make smoke BASE=https://… TOKEN=…")
    check(base, token)
    sys.stdout.write(f"{base} works\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
