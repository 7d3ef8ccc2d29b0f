"""The command that answers the calls a run waits for: from its options, or by asking on a terminal."""

import json
import sys
from typing import Any, TypeAlias

import click
import msgspec
from msgspec.structs import replace

from outlive_client.client import Outlive
from outlive_client.command.display import show_asked
from outlive_client.command.exits import Exit, explain
from outlive_client.command.options import client_of, screen_of, with_api_options
from outlive_client.command.terminal import Screen, one_line
from outlive_client.errors import AnsweredOtherwise, NotWaiting
from outlive_client.views import AskedCall, Run

Decision: TypeAlias = dict[str, Any]


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def _json_object(text: str) -> dict[str, Any] | None:
    value = _json_or_text(text)
    return value if isinstance(value, dict) else None


@click.command(
    short_help="Answer the calls that RUN waits for.",
    epilog="""\b
Examples:
  outlive answer 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b
  outlive answer 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b --approve call_1 --input '{"text": "Hello"}'
  outlive answer 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b --deny call_1 --reason "Not today."
  outlive answer 5f2b9c1e7a4d4f0f9a3c6b8d1e2f3a4b --output call_2 "the blue one"

outlive show RUN lists the calls and their ids. A run that has got its last answer goes on.
""",
)
@click.argument("run")
@click.option("--approve", metavar="CALL", multiple=True, help="Let the tool of this call run.")
@click.option("--input", "arguments", metavar="JSON", help="Approve with these arguments, a JSON object.")
@click.option("--deny", metavar="CALL", multiple=True, help="Do not let the tool of this call run.")
@click.option("--reason", metavar="TEXT", help="Why it is denied. The agent reads it.")
@click.option(
    "--output",
    metavar="CALL VALUE",
    nargs=2,
    multiple=True,
    help="The result of a question or of a tool of the client: JSON, or text that is no JSON.",
)
@click.option(
    "--error", metavar="CALL TEXT", nargs=2, multiple=True, help="Why there is no result. The agent reads it."
)
@click.option("--step", type=int, metavar="N", help="The step that asked, if more than one asked about the call.")
@with_api_options
@click.pass_context
def answer(
    ctx: click.Context,
    run: str,
    *,
    approve: tuple[str, ...],
    arguments: str | None,
    deny: tuple[str, ...],
    reason: str | None,
    output: tuple[tuple[str, str], ...],
    error: tuple[tuple[str, str], ...],
    step: int | None,
) -> int:
    """Answer the calls that RUN waits for. Without options it asks on the terminal, one call after the other.

    The first answer to a call counts. The same answer again changes nothing.
    """
    given: list[tuple[str, Decision]] = [
        *((call, {"approved": True}) for call in approve),
        *((call, {"approved": False} | ({"reason": reason} if reason is not None else {})) for call in deny),
        *((call, {"output": _json_or_text(value)}) for call, value in output),
        *((call, {"error_text": text}) for call, text in error),
    ]
    answers = dict(given)
    if len(answers) < len(given):
        raise click.UsageError("a call may be answered once only", ctx)
    if reason is not None and not deny:
        raise click.UsageError("--reason goes with --deny", ctx)
    if arguments is not None:
        if len(approve) != 1:
            raise click.UsageError("--input goes with one --approve", ctx)
        answers[approve[0]]["input"] = _json_object(arguments)
        if answers[approve[0]]["input"] is None:
            raise click.UsageError("--input must be a JSON object, such as '{\"page\": 1}'", ctx)
    client, screen = client_of(ctx), screen_of(ctx)
    if not answers:
        if screen.as_json or not (sys.stdin.isatty() and screen.is_terminal):
            raise click.UsageError("without a terminal, give --approve, --deny, --output or --error", ctx)
        return _ask(client, screen, run)
    answered = client.answer(run, answers, step=step)
    if screen.as_json:
        screen.json(answered)
    else:
        _show_result(screen, answered.run)
    return Exit.DONE


def _show_result(screen: Screen, run: Run) -> None:
    if run.waits:
        show_asked(screen, run)
    elif run.ended:
        screen.line(f"run {run.id} has ended: {run.status}")
    else:
        screen.line(f"run {run.id} goes on: outlive watch {run.id}")


def _ask(client: Outlive, screen: Screen, run_id: str) -> Exit:
    """Ask about one open call after the other, and send each answer at once."""
    run = client.run(run_id).run
    if run.asked is None:
        screen.message(f"outlive: run {run.id} does not wait for answers: it is {run.status}")
        return Exit.NOT_FOUND
    for call in run.asked.open:
        if run.asked is None or call.tool_call_id not in {each.tool_call_id for each in run.asked.open}:
            continue  # another user has answered it meanwhile
        decision = _decision(screen, call)
        if decision is None:
            continue
        try:
            run = client.answer(run.id, {call.tool_call_id: decision}, step=run.asked.step).run
        except (AnsweredOtherwise, NotWaiting) as error:
            # Another user answered first. The other calls may still be open.
            screen.message(f"outlive: {explain(error)[1]}")
            run = client.run(run.id).run
    screen.gap()
    _show_result(screen, run)
    return Exit.DONE


def _decision(screen: Screen, call: AskedCall) -> Decision | None:
    """The decision of the person at the terminal; None to leave the call open."""
    screen.gap()
    screen.line(f"{call.tool_name}  ({call.kind}, {call.tool_call_id})", "bold")
    screen.write(_pretty(call.input) + "\n")
    if call.metadata not in (None, call.input):
        screen.line(f"note: {one_line(call.metadata)}", "dim")
    if call.kind == "approval":
        return _approval(screen, call)
    is_question = call.kind == "question"
    text = _line("Answer (empty: leave it open)" if is_question else "Result, as JSON or text (empty: leave it open)")
    return {"output": text if is_question else _json_or_text(text)} if text else None


def _approval(screen: Screen, call: AskedCall) -> Decision | None:
    while True:
        question = "Approve? (y)es, (n)o, (e)dit the arguments, (s)kip"
        letter = click.prompt(question, type=click.Choice(["y", "n", "e", "s"]), show_choices=False)
        if letter == "y":
            return {"approved": True}
        if letter == "n":
            reason = _line("Why? The agent reads it (empty: no reason)")
            return {"approved": False} | ({"reason": reason} if reason else {})
        if letter == "s":
            return None
        text = click.edit(_pretty(call.input), extension=".json", require_save=False)
        arguments = _json_object(text or "")
        if arguments is not None:
            screen.write(_pretty(arguments) + "\n")
            call = replace(call, input=arguments)
            if click.confirm("Approve with these arguments?", default=True):
                return {"approved": True, "input": arguments}
        else:
            screen.message("outlive: the arguments must be a JSON object")


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _line(question: str) -> str:
    line: str = click.prompt(question, default="", show_default=False)
    return line.strip()
