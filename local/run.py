"""`make run`: start the local stack, show a run and the next commands to try, and serve until Ctrl-C."""

import json
import os
import sys
import textwrap
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from local.messages import UserError, run_main
from local.serve import USER, WORKSPACE, Stack, StopRequested, running, wait_for_the_end

POLL_SECONDS = 0.25
RUN_TIMEOUT_SECONDS = 120

# The scripts for the offline model: three steps, two of them with tool calls; and a call that a person has to approve.
SCRIPT = [
    {
        "text": "Let me look at the clock, and do the sum.",
        "seconds": 1,
        "tools": [["clock", {}], ["calculate", {"expression": "6 * 7"}]],
    },
    {
        "text": "And now something slow, as tools can be.",
        "seconds": 1,
        "tools": [["wait", {"seconds": 2}]],
    },
    {
        "text": "Done. Each step was stored before the next began: close the page, kill a worker, and the run goes on.",
        "seconds": 2,
    },
]
ASKING_SCRIPT = [
    {
        "text": "I will announce it as soon as you agree.",
        "tools": [["announce", {"text": "Tea is at five."}]],
    },
    {"text": "It is announced."},
]
QUESTION = "What time is it, and what is 6 * 7? Use your tools, then tell me in one sentence."


def main() -> int:
    """Show a run and one that waits for the user, then serve until Ctrl-C."""
    os.environ.setdefault("STREAMING_FUNCTION", "true")
    try:
        with running() as stack:
            print_next_steps(stack, *show_runs(stack))
            wait_for_the_end(stack)
    except StopRequested:
        # Ctrl-C while the stack was starting.
        pass
    return 0


def show_runs(stack: Stack) -> tuple[str, str | None]:
    """Show a run, and with the offline model another one that asks for an approval. Returns the chat's id and the id of
    the run that waits, if one does. Raises `UserError` if a run does not end.
    """
    model = os.environ.get("AGENT_MODEL", "offline")
    chat = f"demo-{uuid.uuid4().hex[:8]}"
    if model != "offline":
        _print(f"\nA run in chat {chat}, answered by {model}:\n")
        show_run(stack, chat, QUESTION)
        return chat, None
    _print(f"\nA run in chat {chat}, answered by the offline stand-in:\n")
    show_run(stack, chat, f"#script {json.dumps(SCRIPT)}")
    _print("And one that asks before it acts:\n")
    run = show_run(stack, chat, f"#script {json.dumps(ASKING_SCRIPT)}")
    return chat, run["id"] if run["status"] == "waiting" else None


def show_run(stack: Stack, chat: str, prompt: str) -> dict[str, Any]:
    """Start a run and print its steps as they are stored, until it ends or waits for answers. Returns the run.

    Raises `UserError` if it does neither.
    """
    run: dict[str, Any] = _call(stack, "POST", f"/chats/{chat}/runs", {"prompt": prompt})["run"]
    _print(f"  {run['status']:<10} run {run['id']} is accepted and goes on without a reader")
    shown, status = 0, run["status"]
    deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
    while run["finished_at"] is None and run["status"] != "waiting":
        if time.monotonic() > deadline:
            raise UserError(f"the run has not ended within {RUN_TIMEOUT_SECONDS} seconds; see {stack.aws.log}")
        if not stack.aws.alive:
            raise UserError(f"the local AWS ended; see {stack.aws.log}")
        time.sleep(POLL_SECONDS)
        snapshot = _call(stack, "GET", f"/runs/{run['id']}")
        run = snapshot["run"]
        if run["status"] != status and run["status"] == "running":
            _print(f"  {run['status']:<10} a worker has claimed the first step")
        status = run["status"]
        parts = snapshot["message"]["parts"]
        for part in parts[shown:]:
            _print_part(part)
        shown = len(parts)
    if run["asked"]:
        _print(f"  {run['status']:<10} for an answer, until {run['asked']['until']}; until then it costs nothing\n")
        return run
    reason = f": {run['error']['code']}, {run['error']['message']}" if run["error"] else ""
    _print(
        f"  {run['status']:<10} after {run['step_count']} steps, {run['usage']['requests']} model requests{reason}\n"
    )
    return run


def _print_part(part: dict[str, Any]) -> None:
    kind = part["type"]
    if kind == "step-start":
        _print(f"  {'step':<10} {'─' * 40}")
    elif kind in {"text", "reasoning"}:
        for line in textwrap.wrap(part["text"], 96):
            _print(f"  {'':<10} {line}")
    elif kind.startswith("tool-"):
        open_state = "needs an approval" if part["state"] == "approval-requested" else part["state"]
        result = part.get("output", part.get("errorText", open_state))
        arguments = json.dumps(part.get("input", {}), ensure_ascii=False)
        _print(f"  {'':<10} {kind.removeprefix('tool-')} {arguments} → {result}")


def print_next_steps(stack: Stack, chat: str, waiting_run: str | None) -> None:
    """Print the addresses, a token and commands to try."""
    _print(f"The stack runs until Ctrl-C. Its state stays for the next start. Base address: {stack.url}\n")
    if stack.console:
        shows = "these runs, and what the second one asks you" if waiting_run else "this run"
        _print(f"Open the console in a browser. It shows {shows}:\n\n  {stack.console}&chat={chat}\n")
    _print(f"In another terminal, as {USER} of workspace {WORKSPACE} (make token prints others):\n")
    _print(f"  TOKEN={stack.token(WORKSPACE, USER)}")
    _print(
        f"""  curl -H "Authorization: Bearer $TOKEN" -d '{{"prompt": "What time is it?"}}' {stack.url}/chats/my-chat/runs"""
    )
    _print(f"""  curl -H "Authorization: Bearer $TOKEN" {stack.url}/chats/my-chat/run\n""")
    if stack.stream_url:
        _print("Or in a page of yours, with useChat of the AI SDK. The text appears while it is written:\n")
        _print("  useChat({ transport: new DefaultChatTransport({")
        _print(f"""    api: "{stack.stream_url}/api/chat", headers: {{ Authorization: "Bearer …" }} }}) }})\n""")
    _print("Or with the command line, which shows the run as it happens:\n")
    _print(f"  export OUTLIVE_URL={stack.url} OUTLIVE_TOKEN=$TOKEN")
    _print("""  $(make -s cli) start my-chat "And what is 6 * 7?"\n""")
    if waiting_run:
        _print(f"The run that waits can be answered there, too:\n\n  $(make -s cli) answer {waiting_run}\n")


def _call(stack: Stack, method: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(stack.url + path, method=method)
    request.add_header("Authorization", f"Bearer {stack.token(WORKSPACE, USER)}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        body_text = error.read().decode(errors="replace")
        raise UserError(f"{method} {path} failed with status {error.code}: {' '.join(body_text.split())}") from error
    except OSError as error:
        raise UserError(f"{method} {path} got no answer ({error}); see {stack.aws.log}") from error


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_main(main))
