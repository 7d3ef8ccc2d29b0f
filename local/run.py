"""`make run`: the local stack, a run to look at, and what to try next; it stays up until Ctrl-C."""

import json
import os
import sys
import textwrap
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from local.said import Trouble, or_say
from local.serve import USER, WORKSPACE, Leave, Stack, running, stay

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 120

# The stand-in model has nothing to say by itself, so it is told what to do: three steps, with tools in two of them.
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
    """Serve and show, until told to stop."""
    try:
        with running() as stack:
            invite(stack, show(stack))
            stay(stack)
    except Leave:
        # Told to stop while it was still starting.
        pass
    return 0


def show(stack: Stack) -> str:
    """A run is started and its steps are printed as they are stored. Returns its chat. Raises `Trouble` if it does not end."""
    model = os.environ.get("AGENT_MODEL", "offline")
    chat = f"demo-{uuid.uuid4().hex[:8]}"
    prompt = f"#script {json.dumps(SCRIPT)}" if model == "offline" else QUESTION
    _say(f"\nA run in chat {chat}, answered by {'the offline stand-in' if model == 'offline' else model}:\n")
    run = _call(stack, "POST", f"/chats/{chat}/runs", {"prompt": prompt})["run"]
    _say(f"  {run['status']:<10} run {run['id']} is accepted; nobody needs to watch it")
    shown, status = 0, run["status"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while run["finished_at"] is None:
        if time.monotonic() > deadline:
            raise Trouble(f"the run has not ended within {PATIENCE_SECONDS} seconds; see {stack.aws.log}")
        if not stack.aws.alive:
            raise Trouble(f"the local AWS ended; its last words are in {stack.aws.log}")
        time.sleep(POLL_SECONDS)
        seen = _call(stack, "GET", f"/runs/{run['id']}")
        run = seen["run"]
        if run["status"] != status and run["finished_at"] is None:
            status = run["status"]
            _say(f"  {status:<10} a worker has claimed the first step")
        parts = seen["message"]["parts"]
        for part in parts[shown:]:
            _show(part)
        shown = len(parts)
    why = f": {run['error']['code']}, {run['error']['message']}" if run["error"] else ""
    _say(f"  {run['status']:<10} after {run['step_count']} steps, {run['usage']['requests']} model requests{why}\n")
    return chat


def _show(part: dict[str, Any]) -> None:
    kind = part["type"]
    if kind == "step-start":
        _say(f"  {'step':<10} {'─' * 40}")
    elif kind in {"text", "reasoning"}:
        for line in textwrap.wrap(part["text"], 96):
            _say(f"  {'':<10} {line}")
    elif kind.startswith("tool-"):
        result = part.get("output", part.get("errorText", part["state"]))
        given = json.dumps(part.get("input", {}), ensure_ascii=False)
        _say(f"  {'':<10} {kind.removeprefix('tool-')} {given} → {result}")


def invite(stack: Stack, chat: str) -> None:
    """Print what the reader needs to go on alone."""
    _say(f"The stack stays up until Ctrl-C, and its state survives that. Base address: {stack.url}\n")
    if stack.console:
        _say(f"Open the console in a browser; this run is in it:\n\n  {stack.console}&chat={chat}\n")
    _say(f"In another terminal, as {USER} of workspace {WORKSPACE} (make token prints others):\n")
    _say(f"  TOKEN={stack.token(WORKSPACE, USER)}")
    _say(
        f"""  curl -H "Authorization: Bearer $TOKEN" -d '{{"prompt": "What time is it?"}}' {stack.url}/chats/mine/runs"""
    )
    _say(f"""  curl -H "Authorization: Bearer $TOKEN" {stack.url}/chats/mine/run\n""")
    _say("Or with the command line, which shows the run as it happens:\n")
    _say(f"  export OUTLIVE_URL={stack.url} OUTLIVE_TOKEN=$TOKEN")
    _say("""  $(make -s cli) start mine "And what is 6 * 7?"\n""")


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
        why = error.read().decode(errors="replace")
        raise Trouble(f"{method} {path} was answered {error.code}: {' '.join(why.split())}") from error
    except OSError as error:
        raise Trouble(f"{method} {path} was not answered ({error}); see {stack.aws.log}") from error


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(or_say(main))
