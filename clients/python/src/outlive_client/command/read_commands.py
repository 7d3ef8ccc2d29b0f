"""The commands that read runs and messages."""

import click

from outlive_client.command.display import duration_of, show_asked, show_message, steps_of, summary_of, wanted_by
from outlive_client.command.exits import Exit
from outlive_client.command.options import client_of, screen_of, with_api_options
from outlive_client.command.terminal import Screen, iso, local_time, one_line, style_of
from outlive_client.views import Run


@click.command(
    epilog="""\b
Examples:
  outlive ls my-chat
  outlive ls my-chat --json | jq -r '.runs[] | select(.status == "failed").id'
"""
)
@click.argument("chat")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The most runs to list.")
@with_api_options
@click.pass_context
def ls(ctx: click.Context, chat: str, limit: int) -> int:
    """List the runs of CHAT, newest first."""
    client, screen = client_of(ctx), screen_of(ctx)
    runs = list(client.runs(chat, limit=limit))
    if screen.as_json:
        screen.json({"runs": runs})
    elif runs:
        screen.table(["RUN", "STATUS", "STEPS", "STARTED", "TOOK", "WHY"], [_row(run, screen) for run in runs])
    else:
        screen.note(f"you have no run in chat {chat}")
    return Exit.DONE


def _row(run: Run, screen: Screen) -> list[str]:
    started = ""
    if run.created_at is not None:
        started = local_time(run.created_at) if screen.is_terminal else iso(run.created_at)
    asked = ", ".join(wanted_by(call) for call in run.asked.open) if run.asked else ""
    reason = run.error.code if run.error else run.finish_reason or asked
    return [run.id, run.status, str(run.step_count), started, duration_of(run), reason]


@click.command(
    epilog="""\b
Examples:
  outlive queue my-chat
  outlive stop $(outlive queue my-chat --json | jq -r '.queue[0].run.id')
"""
)
@click.argument("chat")
@with_api_options
@click.pass_context
def queue(ctx: click.Context, chat: str) -> int:
    """List the runs that wait for the active run of CHAT, the next one first."""
    client, screen = client_of(ctx), screen_of(ctx)
    queued = client.queue(chat)
    if screen.as_json:
        screen.json({"queue": queued})
    elif queued:
        rows = [[str(place), each.run.id, one_line(each.prompt)] for place, each in enumerate(queued, start=1)]
        screen.table(["PLACE", "RUN", "PROMPT"], rows)
    else:
        screen.note(f"no run waits in chat {chat}")
    return Exit.DONE


@click.command(
    epilog="""\b
Examples:
  outlive show 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b
  outlive show 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b --json | jq -r .run.status
"""
)
@click.argument("run")
@with_api_options
@click.pass_context
def show(ctx: click.Context, run: str) -> int:
    """Show RUN and its message as they are now."""
    client, screen = client_of(ctx), screen_of(ctx)
    snapshot = client.run(run)
    if screen.as_json:
        screen.json(snapshot)
        return Exit.DONE
    screen.line(f"run {snapshot.run.id} in chat {snapshot.run.chat_id}", "bold")
    screen.line(
        summary_of(snapshot.run) if snapshot.run.ended else f"{snapshot.run.status}, {steps_of(snapshot.run)} so far",
        style_of(snapshot.run.status),
    )
    if snapshot.run.retrying:
        retrying = snapshot.run.retrying
        screen.line(f"waiting for the model's provider: {retrying.code}: {retrying.message}", "yellow")
    for name in ("created_at", "started_at", "stop_requested_at", "finished_at"):
        at = getattr(snapshot.run, name)
        if at is not None:
            screen.line(f"{name.removesuffix('_at').replace('_', ' ')} {iso(at)}", "dim")
    if snapshot.message:
        screen.gap()
        show_message(screen, snapshot.message)
    show_asked(screen, snapshot.run)
    return Exit.DONE


@click.command(
    epilog="""\b
Examples:
  outlive messages my-chat
  outlive messages my-chat --json | jq -r '.messages[].content'
"""
)
@click.argument("chat")
@with_api_options
@click.pass_context
def messages(ctx: click.Context, chat: str) -> int:
    """Show the messages of CHAT, oldest first."""
    client, screen = client_of(ctx), screen_of(ctx)
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
        screen.note(f"you have no messages in chat {chat}")
    return Exit.DONE
