"""Show a run's events and messages as text."""

from typing import Any

from outlive_client.command.terminal import Screen, iso, one_line, style_of
from outlive_client.events import (
    Event,
    PartEvent,
    RunEvent,
    SettledEvent,
    StepEvent,
    TextEvent,
    ToolApprovalEvent,
    ToolCallEvent,
    ToolResultEvent,
)
from outlive_client.views import AskedCall, Message, Run

REASONING_STYLE = "dim italic"


class RunDisplay:
    """Shows events one after the other. Shown text can't be removed, so a line says when a step's shown output becomes void.

    `resumed`: another command has shown the events before these, and may have stopped in the middle of a step.
    """

    def __init__(self, screen: Screen, *, resumed: bool = False) -> None:
        self._screen = screen
        self._resumed = resumed
        self._shown_steps: set[int] = set()
        self._kind = ""
        self._status = ""

    def show(self, event: Event) -> None:
        """Show the event."""
        screen = self._screen
        if screen.as_json:
            screen.json(event)
            return
        match event:
            case RunEvent(run=run):
                self._show_status(run)
            case StepEvent():
                self._show_step(event)
            case TextEvent(step=step, kind=kind, text=text):
                self._show_text(kind, text)
                self._shown_steps.add(step)
            case ToolCallEvent(step=step):
                self._kind = ""
                screen.line(call_line(event.tool_name, event.input), "cyan")
                self._shown_steps.add(step)
            case ToolResultEvent(step=step):
                self._kind = ""
                screen.line(*result_line(event.tool_name, event.state, event.output, event.error_text))
                self._shown_steps.add(step)
            case ToolApprovalEvent(tool_name=name):
                self._kind = ""
                screen.line(approval_line(name), "magenta")
            case PartEvent(step=step, part=part):
                self._kind = ""
                screen.line(other_line(part), "dim")
                self._shown_steps.add(step)
            case SettledEvent(run=run):
                screen.end_line()
                screen.note(summary_of(run), style_of(run.status))

    def _show_status(self, run: Run) -> None:
        status = f"run {run.id} in chat {run.chat_id}: {run.status}"
        if run.stop_requested_at and not run.ended:
            status += ", stop requested"
        if run.retrying:
            status += f", waiting for the model's provider ({run.retrying.code})"
        if status != self._status:
            self._screen.note(status)
        self._status = status

    def _show_step(self, event: StepEvent) -> None:
        screen, step = self._screen, event.step
        self._kind = ""
        if self._resumed and event.state in {"started", "discarded"} and event.attempt != 1:
            screen.note(f"step {step} {event.state}: its earlier output is void", "yellow")
        self._resumed = False
        if event.state == "started" and step in self._shown_steps:
            attempt = f" (attempt {event.attempt})" if event.attempt else ""
            screen.line(f"↻ step {step} starts again{attempt}: its output above is void", "yellow")
            self._shown_steps.discard(step)
        elif event.state == "discarded" and step in self._shown_steps:
            screen.line(f"✗ step {step} was cut off: its output above is void", "yellow")
            self._shown_steps.discard(step)
        elif event.state == "started" and self._shown_steps:
            screen.gap()
        else:
            screen.end_line()

    def _show_text(self, kind: str, text: str) -> None:
        if kind != self._kind and self._kind:
            self._screen.end_line()
        if kind not in (self._kind, "text") and not self._screen.is_terminal:
            self._screen.write(f"({kind}) ")
        self._kind = kind
        self._screen.write(text, "" if kind == "text" else REASONING_STYLE)


def show_message(screen: Screen, message: Message) -> None:
    """Show a message."""
    screen.end_line()
    when = f"  {iso(message.created_at)}" if message.created_at else ""
    screen.line(f"{message.role}{when}  {message.status}", "bold")
    for part in message.parts:
        _show_part(screen, part)
    screen.end_line()


def _show_part(screen: Screen, part: dict[str, Any]) -> None:
    kind = str(part.get("type", ""))
    if kind == "text":
        screen.end_line()
        screen.write(str(part.get("text", "")))
    elif kind == "reasoning":
        screen.end_line()
        screen.write(("" if screen.is_terminal else "(reasoning) ") + str(part.get("text", "")), REASONING_STYLE)
    elif kind.startswith("tool-"):
        name = kind.removeprefix("tool-")
        screen.line(call_line(name, part.get("input")), "cyan")
        state = str(part.get("state", ""))
        if state.startswith("output-"):
            screen.line(*result_line(name, state, part.get("output"), part.get("errorText")))
        elif state == "approval-requested":
            screen.line(approval_line(name), "magenta")
    elif kind != "step-start":
        screen.line(other_line(part), "dim")


def other_line(part: dict[str, Any]) -> str:
    """The line for a part of another type: its type, and its data, name or address."""
    if part.get("type") == "data-output":
        return f"= {one_line(part.get('data'))}"
    reference = part.get("filename") or part.get("title") or part.get("url") or ""
    # A data: address contains the whole file.
    return f"+ {one_line(str(part.get('type', '')))} {one_line(str(reference)[:200])}".rstrip()


def call_line(name: str, arguments: Any) -> str:
    """The line for a tool call."""
    return f"→ {name} {one_line(arguments)}"


def result_line(name: str, state: str, output: Any, error: str | None) -> tuple[str, str]:
    """The line for a tool's result, and its style."""
    if state == "output-error":
        return f"✗ {name}: {one_line(error or 'failed')}", "red"
    if state == "output-denied":
        return f"✗ {name} was denied", "yellow"
    return f"← {name} {one_line(output)}", "green"


def approval_line(name: str) -> str:
    """The line for a call that waits for an approval."""
    return f"? {name} needs an approval"


def show_asked(screen: Screen, run: Run) -> None:
    """Show the calls that the run waits for, and how to answer them, on standard error."""
    if run.asked is None:
        return
    screen.message(f"run {run.id} waits for answers, until {iso(run.asked.until)}:", style_of(run.status))
    for asked in run.asked.open:
        screen.message(f"  {asked.kind:<9} {asked.tool_call_id}  {call_line(asked.tool_name, asked.input)}")
    screen.message(f"  answer:   outlive answer {run.id}")


def wanted_by(asked: AskedCall) -> str:
    """The call and its kind in a few words."""
    return f"{asked.tool_name} ({asked.kind})"


def summary_of(run: Run) -> str:
    """How the run ended, in a sentence."""
    if run.error:
        return f"{run.status}: {one_line(run.error.message)} ({run.error.code})"
    requests = run.usage.requests
    reason = {
        "max_steps": ", the most it may take",
        "length": ", cut off at the model's limit",
        "handed_over": ", handed over to the next message",
        "superseded": ", superseded by the next message",
    }.get(run.finish_reason or "", "")
    duration = duration_of(run)
    return (
        f"{run.status} after {steps_of(run)}{reason}, "
        f"{requests} model {'request' if requests == 1 else 'requests'}" + (f", {duration}" if duration else "")
    )


def steps_of(run: Run) -> str:
    """How many steps the run has taken."""
    return f"{run.step_count} {'step' if run.step_count == 1 else 'steps'}"


def duration_of(run: Run) -> str:
    """The time from the run's creation to its end."""
    if run.created_at is None or run.finished_at is None:
        return ""
    seconds = (run.finished_at - run.created_at).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02} h" if minutes >= 60 else f"{minutes}:{seconds:02} min"
