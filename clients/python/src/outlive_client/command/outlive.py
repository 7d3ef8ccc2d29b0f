"""The commands: what each takes, and what it does."""

import json
import os
import sys
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import get_completion_class

from outlive_client.client import Outlive
from outlive_client.command.exits import TOLD, Exit, exit_of, explained
from outlive_client.command.interrupts import Interrupts
from outlive_client.command.telling import Telling, ending_of, show_message, took_of
from outlive_client.command.terminal import ReaderLeft, Screen, iso, local, style_of
from outlive_client.errors import OutliveError
from outlive_client.events import SettledEvent
from outlive_client.views import Run

F = TypeVar("F", bound=Callable[..., Any])


def main() -> int:
    """Do what the command line says. Returns the exit code."""
    try:
        done = outlive.main(prog_name="outlive", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as wrong:
        wrong.show()
        return Exit.USAGE
    except click.ClickException as wrong:
        hint = f" (see {wrong.ctx.command_path} --help)" if isinstance(wrong, click.UsageError) and wrong.ctx else ""
        return _say(f"{wrong.format_message().rstrip('.')}{hint}", Exit.USAGE)
    except OutliveError as error:
        code, sentence = explained(error)
        return _say(sentence, code)
    except ValueError as error:
        return _say(str(error), Exit.USAGE)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", Exit.DETACHED)
    except ReaderLeft:
        # What is left in the buffer has no reader either, and Python would complain about that at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.CLOSED
    except OSError as error:
        return _say(f"the output can't be written: {error.strerror}", Exit.REFUSED)
    except Exception as error:
        return _say(f"this should not have happened: {type(error).__name__}: {error}", Exit.BROKEN)
    return done if isinstance(done, int) else Exit.DONE


def _say(sentence: str, code: Exit) -> Exit:
    Screen(as_json=False).tell(f"outlive: {' '.join(sentence.split())}")
    return code


# ------------------------------------------------------------------ options that every command takes


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Before or behind the command's name: what is said on the command line counts, and the last word of it."""
    said = ctx.ensure_object(dict)
    if param.name and (ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE or param.name not in said):
        said[param.name] = value


def _connected(command: F) -> F:
    for option in (
        click.option(
            "--json", "as_json", is_flag=True, expose_value=False, callback=_keep, help="Print JSON and nothing else."
        ),
        click.option(
            "--token",
            envvar="OUTLIVE_TOKEN",
            show_envvar=True,
            expose_value=False,
            callback=_keep,
            help="A bearer token.",
        ),
        click.option(
            "--url",
            envvar="OUTLIVE_URL",
            show_envvar=True,
            expose_value=False,
            callback=_keep,
            help="Where the API is.",
        ),
    ):
        command = option(command)
    return command


def _screen(ctx: click.Context) -> Screen:
    return Screen(as_json=bool(ctx.obj["as_json"]))


def _client(ctx: click.Context) -> Outlive:
    for name, what in (("url", "where the API is"), ("token", "who you are")):
        if not ctx.obj[name]:
            raise click.UsageError(f"say {what}: --{name}, or OUTLIVE_{name.upper()} in the environment", ctx)
    return ctx.with_resource(open_client(ctx.obj["url"], ctx.obj["token"]))


def open_client(url: str, token: str) -> Outlive:
    """The client that a command uses."""
    return Outlive(url, token)


@click.group(
    epilog=f"""\b
Examples:
  export OUTLIVE_URL=http://127.0.0.1:4566/_aws/execute-api/outlive
  export OUTLIVE_TOKEN=$(make -s token)
  outlive start my-chat "What time is it?"
  outlive ls my-chat

{TOLD}""",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="outlive-client", message="outlive %(version)s")
@_connected
def outlive() -> None:
    """Start, watch and stop agent runs that go on whether anybody watches or not."""


# ------------------------------------------------------------------ start, watch, stop


def _object(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise click.BadParameter("must be a JSON object, such as '{\"page\": 1}'")
    return read


@outlive.command(
    short_help="Start a run in CHAT with PROMPT.",
    epilog="""\b
Examples:
  outlive start my-chat "What time is it?"
  git diff | outlive start review -
  RUN=$(outlive start my-chat "Take your time." --detach)
  outlive start my-chat "Hello" --json | jq -r 'select(.type == "text").text'
""",
)
@click.argument("chat")
@click.argument("prompt")
@click.option(
    "--watch/--detach", "stay", default=True, help="Show the run as it happens (default), or print its id and leave."
)
@click.option("--max-steps", type=click.IntRange(min=1), help="Take no more steps than this.")
@click.option("--metadata", metavar="JSON", callback=_object, help="An object to keep with the run, up to 2 KB.")
@click.option("--key", help="Idempotency key: the same start with the same key is the same run. Without it, a new one.")
@_connected
@click.pass_context
def start(
    ctx: click.Context,
    chat: str,
    prompt: str,
    *,
    stay: bool,
    max_steps: int | None,
    metadata: dict[str, Any] | None,
    key: str | None,
) -> int:
    """Start a run in CHAT with PROMPT, or with standard input if PROMPT is a dash."""
    client, screen = _client(ctx), _screen(ctx)
    key = key or str(uuid.uuid4())
    if prompt == "-":
        prompt = _input()
    try:
        started = client.start(chat, prompt, max_steps=max_steps, metadata=metadata, key=key)
    except KeyboardInterrupt:
        screen.tell(
            f"interrupted before the answer came; the same start with --key {key} finds the run, if there is one"
        )
        return Exit.DETACHED
    if stay:
        if started.replayed:
            screen.note("this key has started the run before")
        return _follow(client, screen, started.run.id, None)
    if screen.as_json:
        screen.json(started)
    else:
        screen.write(f"{started.run.id}\n")
    return Exit.DONE


def _input() -> str:
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise click.UsageError("the prompt on standard input is not UTF-8") from None


@outlive.command(
    epilog="""\b
Examples:
  outlive watch 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b
  outlive watch --chat my-chat
  outlive watch --chat my-chat --json > events.jsonl

Ctrl-C ends the watching, not the run.
"""
)
@click.argument("run", required=False)
@click.option("--chat", help="Watch the latest run of this chat.")
@click.option("--after", metavar="CURSOR", help="Only what came after this event: its id in the JSON form.")
@_connected
@click.pass_context
def watch(ctx: click.Context, run: str | None, chat: str | None, after: str | None) -> int:
    """Show RUN as it happens, from its beginning to its end."""
    _require_one(ctx, run, chat)
    client, screen = _client(ctx), _screen(ctx)
    if chat is not None:
        latest = client.latest(chat).run
        if latest is None:
            screen.tell(f"outlive: no run of yours in chat {chat}")
            return Exit.NOT_FOUND
        run = latest.id
    return _follow(client, screen, run or "", after)


def _require_one(ctx: click.Context, run: str | None, chat: str | None) -> None:
    if (run is None) == (chat is None):
        raise click.UsageError("give either a run or --chat", ctx)


def _follow(client: Outlive, screen: Screen, run_id: str, after: str | None) -> Exit:
    telling, ended, shown = Telling(screen, resumed=after is not None), None, after
    try:
        with Interrupts() as interrupts:
            for event in client.watch(run_id, after):
                with interrupts.whole():
                    telling.show(event)
                    shown = event.id
                if isinstance(event, SettledEvent):
                    ended = event.run
    except KeyboardInterrupt:
        _detached(screen, run_id, shown)
        return Exit.DETACHED
    except OutliveError as error:
        code, sentence = explained(error)
        screen.end_line()
        further = f"; the run goes on without you: outlive watch {run_id} --after {shown}" if shown != after else ""
        screen.tell(f"outlive: {sentence}{further}")
        return code
    if ended is None:
        # Everything had been told before.
        ended = client.run(run_id).run
        screen.note(ending_of(ended), style_of(ended.status))
    return exit_of(ended)


def _detached(screen: Screen, run_id: str, shown: str | None) -> None:
    screen.end_line()
    screen.tell(f"detached: run {run_id} goes on without you")
    screen.tell(f"  all of it again:  outlive watch {run_id}")
    if shown:
        screen.tell(f"  only what is new: outlive watch {run_id} --after {shown}")
    screen.tell(f"  end the run:      outlive stop {run_id}")


@outlive.command(
    epilog="""\b
Examples:
  outlive stop 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b
  outlive stop --chat my-chat
"""
)
@click.argument("run", required=False)
@click.option("--chat", help="Stop the run that is active in this chat.")
@_connected
@click.pass_context
def stop(ctx: click.Context, run: str | None, chat: str | None) -> int:
    """Stop RUN: it ends aborted, with what was said so far."""
    _require_one(ctx, run, chat)
    client, screen = _client(ctx), _screen(ctx)
    stopped = client.stop_run(run) if run is not None else client.stop_chat(chat or "")
    if screen.as_json:
        screen.json(stopped)
    elif stopped.stopped and stopped.run:
        screen.line(f"run {stopped.run.id} {'is' if stopped.run.ended else 'will be'} aborted")
    elif stopped.run:
        screen.line(f"run {stopped.run.id} had ended before: {stopped.run.status}")
    else:
        screen.tell("outlive: there is nothing to stop" + (f" in chat {chat}" if chat else ""))
    return Exit.DONE if stopped.stopped or stopped.run else Exit.NOT_FOUND


# ------------------------------------------------------------------ ls, show, messages


@outlive.command(
    epilog="""\b
Examples:
  outlive ls my-chat
  outlive ls my-chat --json | jq -r '.runs[] | select(.status == "failed").id'
"""
)
@click.argument("chat")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="So many at most.")
@_connected
@click.pass_context
def ls(ctx: click.Context, chat: str, limit: int) -> int:
    """List the runs of CHAT, newest first."""
    client, screen = _client(ctx), _screen(ctx)
    runs = list(client.runs(chat, limit=limit))
    if screen.as_json:
        screen.json({"runs": runs})
    elif runs:
        screen.table(["RUN", "STATUS", "STEPS", "STARTED", "TOOK", "WHY"], [_row(run, screen) for run in runs])
    else:
        screen.note(f"no run of yours in chat {chat}")
    return Exit.DONE


def _row(run: Run, screen: Screen) -> list[str]:
    at = run.created_at
    began = "" if at is None else local(at) if screen.is_terminal else iso(at)
    why = run.error.code if run.error else run.finish_reason or ""
    return [run.id, run.status, str(run.step_count), began, took_of(run), why]


@outlive.command(
    epilog="""\b
Examples:
  outlive show 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b
  outlive show 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b --json | jq -r .run.status
"""
)
@click.argument("run")
@_connected
@click.pass_context
def show(ctx: click.Context, run: str) -> int:
    """Show RUN and what it has said, as they are now."""
    client, screen = _client(ctx), _screen(ctx)
    seen = client.run(run)
    if screen.as_json:
        screen.json(seen)
        return Exit.DONE
    screen.line(f"run {seen.run.id} in chat {seen.run.chat_id}", "bold")
    screen.line(
        ending_of(seen.run) if seen.run.ended else f"{seen.run.status}, {seen.run.step_count} steps so far",
        style_of(seen.run.status),
    )
    for name in ("created_at", "started_at", "stop_requested_at", "finished_at"):
        at = getattr(seen.run, name)
        if at is not None:
            screen.line(f"{name.removesuffix('_at').replace('_', ' ')} {iso(at)}", "dim")
    if seen.message:
        screen.gap()
        show_message(screen, seen.message)
    return Exit.DONE


@outlive.command(
    epilog="""\b
Examples:
  outlive messages my-chat
  outlive messages my-chat --json | jq -r '.messages[].content'
"""
)
@click.argument("chat")
@_connected
@click.pass_context
def messages(ctx: click.Context, chat: str) -> int:
    """Show what was said in CHAT, oldest first."""
    client, screen = _client(ctx), _screen(ctx)
    if screen.as_json:
        screen.json({"messages": list(client.messages(chat))})
        return Exit.DONE
    first = True
    for message in client.messages(chat):
        if not first:
            screen.gap()
        show_message(screen, message)
        first = False
    if first:
        screen.note(f"no messages of yours in chat {chat}")
    return Exit.DONE


# ------------------------------------------------------------------ completion


@outlive.command(
    epilog="""\b
Examples:
  eval "$(outlive completion bash)"                                  in ~/.bashrc
  eval "$(outlive completion zsh)"                                   in ~/.zshrc, after compinit
  outlive completion fish > ~/.config/fish/completions/outlive.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print what makes SHELL complete this command."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(outlive, {}, "outlive", "_OUTLIVE_COMPLETE").source())
    return Exit.DONE
