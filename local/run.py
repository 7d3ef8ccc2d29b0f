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

# The script for the offline model: three steps, two of them with tool calls.
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
QUESTION = "What time is it, and what is 6 * 7? Use your tools, then tell me in one sentence."


def main() -> int:
    """Show a run, then serve until Ctrl-C."""
    os.environ.setdefault("STREAMING_FUNCTION", "true")
    try:
        with running() as stack:
            print_next_steps(stack, show_run(stack))
            wait_for_the_end(stack)
    except StopRequested:
        # Ctrl-C while the stack was starting.
        pass
    return 0


def show_run(stack: Stack) -> str:
    """Start a run and print its steps as they are stored. Returns the chat id. Raises `UserError` if the run does not end."""
    model = os.environ.get("AGENT_MODEL", "offline")
    chat = f"demo-{uuid.uuid4().hex[:8]}"
    prompt = f"#script {json.dumps(SCRIPT)}" if model == "offline" else QUESTION
    _print(f"\nA run in chat {chat}, answered by {'the offline stand-in' if model == 'offline' else model}:\n")
    run = _call(stack, "POST", f"/chats/{chat}/runs", {"prompt": prompt})["run"]
    _print(f"  {run['status']:<10} run {run['id']} is accepted and goes on without a reader")
    shown, status = 0, run["status"]
    deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
    while run["finished_at"] is None:
        if time.monotonic() > deadline:
            raise UserError(f"the run has not ended within {RUN_TIMEOUT_SECONDS} seconds; see {stack.aws.log}")
        if not stack.aws.alive:
            raise UserError(f"the local AWS ended; see {stack.aws.log}")
        time.sleep(POLL_SECONDS)
        snapshot = _call(stack, "GET", f"/runs/{run['id']}")
        run = snapshot["run"]
        if run["status"] != status and run["finished_at"] is None:
            status = run["status"]
            _print(f"  {status:<10} a worker has claimed the first step")
        parts = snapshot["message"]["parts"]
        for part in parts[shown:]:
            _print_part(part)
        shown = len(parts)
    reason = f": {run['error']['code']}, {run['error']['message']}" if run["error"] else ""
    _print(
        f"  {run['status']:<10} after {run['step_count']} steps, {run['usage']['requests']} model requests{reason}\n"
    )
    return chat


def _print_part(part: dict[str, Any]) -> None:
    kind = part["type"]
    if kind == "step-start":
        _print(f"  {'step':<10} {'─' * 40}")
    elif kind in {"text", "reasoning"}:
        for line in textwrap.wrap(part["text"], 96):
            _print(f"  {'':<10} {line}")
    elif kind.startswith("tool-"):
        result = part.get("output", part.get("errorText", part["state"]))
        arguments = json.dumps(part.get("input", {}), ensure_ascii=False)
        _print(f"  {'':<10} {kind.removeprefix('tool-')} {arguments} → {result}")


def print_next_steps(stack: Stack, chat: str) -> None:
    """Print the addresses, a token and commands to try."""
    _print(f"The stack runs until Ctrl-C. Its state stays for the next start. Base address: {stack.url}\n")
    if stack.console:
        _print(f"Open the console in a browser. It shows this run:\n\n  {stack.console}&chat={chat}\n")
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
