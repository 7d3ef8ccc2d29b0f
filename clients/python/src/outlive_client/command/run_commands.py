"""The commands that start, watch and stop a run."""

import json
import mimetypes
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from outlive_client.client import Outlive
from outlive_client.command.display import RunDisplay, show_asked, summary_of
from outlive_client.command.exits import Exit, exit_of, explain
from outlive_client.command.interrupts import Interrupts
from outlive_client.command.options import client_of, screen_of, with_api_options
from outlive_client.command.terminal import Screen, style_of
from outlive_client.errors import InvalidRequest, OutliveError
from outlive_client.events import SettledEvent, StepEvent
from outlive_client.views import Run


def _json_object(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise click.BadParameter("must be a JSON object, such as '{\"page\": 1}'")
    return parsed


def with_wait_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with --wait."""
    return click.option("--wait", is_flag=True, help="Go on while the run waits for answers; without this, end.")(
        command
    )


@click.command(
    short_help="Start a run in CHAT with PROMPT.",
    epilog="""\b
Examples:
  outlive start my-chat "What time is it?"
  git diff | outlive start review -
  outlive start my-chat "And then?" --on-busy enqueue
  outlive start my-chat "What is this?" --file map.png --file notes.txt
  RUN=$(outlive start my-chat "Take your time." --detach)
  outlive start my-chat "Hello" --json | jq -r 'select(.type == "text").text'
""",
)
@click.argument("chat")
@click.argument("prompt")
@click.option("--watch/--detach", default=True, help="Show the run as it happens (default), or print its id and exit.")
@with_wait_option
@click.option("--agent", metavar="NAME", help="The agent that answers. By default the only one, or assistant.")
@click.option("--max-steps", type=click.IntRange(min=1), help="The most steps that the run may take.")
@click.option("--metadata", metavar="JSON", callback=_json_object, help="An object to store with the run, up to 2 KB.")
@click.option(
    "--on-busy",
    type=click.Choice(["reject", "enqueue", "steer"]),
    help="In a chat with an active run: refuse the start (default), wait for it, or take its place after its step.",
)
@click.option("--supersede", metavar="RUN", help="End this run if it is active, and take its place at once.")
@click.option(
    "--file",
    "paths",
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A file to send with the prompt; may be given several times.",
)
@click.option("--key", help="Idempotency key: starts with the same key are the same run. By default a new key.")
@with_api_options
@click.pass_context
def start(
    ctx: click.Context,
    chat: str,
    prompt: str,
    *,
    watch: bool,
    wait: bool,
    agent: str | None,
    max_steps: int | None,
    metadata: dict[str, Any] | None,
    on_busy: str | None,
    supersede: str | None,
    paths: tuple[Path, ...],
    key: str | None,
) -> int:
    """Start a run in CHAT with PROMPT, or with the text of standard input if PROMPT is a dash."""
    client, screen = client_of(ctx), screen_of(ctx)
    key = key or str(uuid.uuid4())
    if on_busy and supersede:
        raise click.UsageError("give either --on-busy or --supersede", ctx)
    if prompt == "-":
        prompt = _read_standard_input()
    try:
        files = [_upload(client, chat, path) for path in paths]
        started = client.start(
            chat,
            prompt,
            agent=agent,
            max_steps=max_steps,
            metadata=metadata,
            files=files,
            key=key,
            on_busy="supersede" if supersede else on_busy,
            supersedes=supersede,
        )
    except KeyboardInterrupt:
        screen.message(
            f"interrupted before the answer arrived; if the run was started, the same start with --key {key} shows it"
        )
        return Exit.DETACHED
    if watch:
        if started.replayed:
            screen.note("an earlier start with this key has started this run")
        if started.run.queue_position and not screen.as_json:
            screen.note(f"run {started.run.id} waits in chat {chat}, place {started.run.queue_position}")
        return _follow(client, screen, started.run.id, None, wait=wait)
    if screen.as_json:
        screen.json(started)
    else:
        screen.write(f"{started.run.id}\n")
    return Exit.DONE


def _upload(client: Outlive, chat: str, path: Path) -> str:
    """Upload the file to the chat; returns its id."""
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        return client.upload(chat, path.name, path.read_bytes(), media_type).id
    except OSError as error:
        raise click.UsageError(f"{path} can't be read: {error.strerror}") from None
    except InvalidRequest as error:
        raise click.UsageError(f"{path.name}: {error}") from None


def _read_standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise click.UsageError("the prompt on standard input is not UTF-8") from None


@click.command(
    epilog="""\b
Examples:
  outlive watch 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b
  outlive watch --chat my-chat
  outlive watch --chat my-chat --json > events.jsonl

Ctrl-C ends the command, not the run.
"""
)
@click.argument("run", required=False)
@click.option("--chat", help="Watch the latest run of this chat.")
@click.option("--after", metavar="CURSOR", help="Show only the events after this one: its id in the JSON output.")
@with_wait_option
@with_api_options
@click.pass_context
def watch(ctx: click.Context, run: str | None, chat: str | None, after: str | None, *, wait: bool) -> int:
    """Show RUN as it happens, from its start to its end, or until it waits for answers."""
    _require_one(ctx, run, chat)
    client, screen = client_of(ctx), screen_of(ctx)
    if chat is not None:
        latest = client.latest(chat).run
        if latest is None:
            screen.message(f"outlive: you have no run in chat {chat}")
            return Exit.NOT_FOUND
        run = latest.id
    return _follow(client, screen, run or "", after, wait=wait)


def _require_one(ctx: click.Context, run: str | None, chat: str | None) -> None:
    if (run is None) == (chat is None):
        raise click.UsageError("give either a run or --chat", ctx)


def _follow(client: Outlive, screen: Screen, run_id: str, after: str | None, *, wait: bool) -> Exit:
    display = RunDisplay(screen, resumed=after is not None)
    run, cursor = None, after
    try:
        with Interrupts() as interrupts:
            # A run that was answered as soon as it waited is watched on.
            while run is None or not (run.ended or run.waits):
                run = None
                for event in client.watch(run_id, cursor, until_waiting=not wait):
                    with interrupts.uninterrupted():
                        display.show(event)
                        cursor = event.id
                    if isinstance(event, SettledEvent):
                        run = event.run
                    elif wait and isinstance(event, StepEvent) and event.waits:
                        show_asked(screen, client.run(run_id).run)
                if run is None:
                    run = client.run(run_id).run
                    if run.ended:  # `after` is its last event
                        screen.note(summary_of(run), style_of(run.status))
    except KeyboardInterrupt:
        _explain_detached(screen, run_id, cursor)
        return Exit.DETACHED
    except OutliveError as error:
        code, sentence = explain(error)
        screen.end_line()
        resume = (
            f"; the run goes on, watch the rest: outlive watch {run_id} --after {cursor}" if cursor != after else ""
        )
        screen.message(f"outlive: {sentence}{resume}")
        return code
    if run.waits:
        _explain_waiting(screen, run, cursor)
    return exit_of(run)


def _explain_waiting(screen: Screen, run: Run, cursor: str | None) -> None:
    screen.end_line()
    show_asked(screen, run)
    screen.message(f"  then watch the rest: outlive watch {run.id}" + (f" --after {cursor}" if cursor else ""))


def _explain_detached(screen: Screen, run_id: str, cursor: str | None) -> None:
    screen.end_line()
    screen.message(f"detached: run {run_id} goes on")
    screen.message(f"  watch it again:   outlive watch {run_id}")
    if cursor:
        screen.message(f"  watch the rest:   outlive watch {run_id} --after {cursor}")
    screen.message(f"  stop the run:     outlive stop {run_id}")


@click.command(
    epilog="""\b
Examples:
  outlive stop 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b
  outlive stop --chat my-chat
"""
)
@click.argument("run", required=False)
@click.option("--chat", help="Stop the run that is active in this chat, and those that wait behind it.")
@with_api_options
@click.pass_context
def stop(ctx: click.Context, run: str | None, chat: str | None) -> int:
    """Stop RUN: it ends aborted, and its message keeps the text so far."""
    _require_one(ctx, run, chat)
    client, screen = client_of(ctx), screen_of(ctx)
    stopped = client.stop_run(run) if run is not None else client.stop_chat(chat or "")
    if screen.as_json:
        screen.json(stopped)
    elif stopped.stopped and stopped.run:
        screen.line(f"run {stopped.run.id} {'is' if stopped.run.ended else 'will be'} aborted")
    elif stopped.run:
        screen.line(f"run {stopped.run.id} had already ended: {stopped.run.status}")
    else:
        screen.message("outlive: no run is active" + (f" in chat {chat}" if chat else ""))
    return Exit.DONE if stopped.stopped or stopped.run else Exit.NOT_FOUND
