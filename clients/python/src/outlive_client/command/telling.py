"""A run as it happens, and messages as they stand, told to a person."""

from typing import Any

from outlive_client.command.terminal import Screen, iso, one_line, style_of
from outlive_client.events import (
    Event,
    PartEvent,
    RunEvent,
    SettledEvent,
    StepEvent,
    TextEvent,
    ToolCallEvent,
    ToolResultEvent,
)
from outlive_client.views import Message, Run

THOUGHT = "dim italic"


class Telling:
    """Events, one after the other. What was told can't be taken back, so what becomes void is followed by a word on it.

    `resumed`: somebody told the events before these, and may have been in the middle of a step.
    """

    def __init__(self, screen: Screen, *, resumed: bool = False) -> None:
        self._screen = screen
        self._resumed = resumed
        self._told: set[int] = set()
        self._kind = ""
        self._status = ""

    def show(self, event: Event) -> None:
        """Tell what happened."""
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
                self._say(kind, text)
                self._told.add(step)
            case ToolCallEvent(step=step):
                self._kind = ""
                screen.line(call_line(event.tool_name, event.input), "cyan")
                self._told.add(step)
            case ToolResultEvent(step=step):
                self._kind = ""
                screen.line(*result_line(event.tool_name, event.state, event.output, event.error_text))
                self._told.add(step)
            case PartEvent(step=step, part=part):
                self._kind = ""
                screen.line(other_line(part), "dim")
                self._told.add(step)
            case SettledEvent(run=run):
                screen.end_line()
                screen.note(ending_of(run), style_of(run.status))

    def _show_status(self, run: Run) -> None:
        status = f"run {run.id} in chat {run.chat_id}: {run.status}"
        if run.stop_requested_at and not run.ended:
            status += ", stop requested"
        if status != self._status:
            self._screen.note(status)
        self._status = status

    def _show_step(self, event: StepEvent) -> None:
        screen, step = self._screen, event.step
        self._kind = ""
        if self._resumed and event.state in {"started", "discarded"} and event.attempt != 1:
            screen.note(f"step {step} {event.state}: whatever was told of it before is void", "yellow")
        self._resumed = False
        if event.state == "started" and step in self._told:
            attempt = f" (attempt {event.attempt})" if event.attempt else ""
            screen.line(f"↻ step {step} begins again{attempt}: what it told above is void", "yellow")
            self._told.discard(step)
        elif event.state == "discarded" and step in self._told:
            screen.line(f"✗ step {step} was cut off: what it told above is void", "yellow")
            self._told.discard(step)
        elif event.state == "started" and self._told:
            screen.gap()
        else:
            screen.end_line()

    def _say(self, kind: str, text: str) -> None:
        if kind != self._kind and self._kind:
            self._screen.end_line()
        if kind not in (self._kind, "text") and not self._screen.is_terminal:
            self._screen.write(f"({kind}) ")
        self._kind = kind
        self._screen.write(text, "" if kind == "text" else THOUGHT)


def show_message(screen: Screen, message: Message) -> None:
    """A message as it stands."""
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
        screen.write(("" if screen.is_terminal else "(reasoning) ") + str(part.get("text", "")), THOUGHT)
    elif kind.startswith("tool-"):
        name = kind.removeprefix("tool-")
        screen.line(call_line(name, part.get("input")), "cyan")
        if str(part.get("state", "")).startswith("output-"):
            screen.line(*result_line(name, str(part["state"]), part.get("output"), part.get("errorText")))
    elif kind != "step-start":
        screen.line(other_line(part), "dim")


def other_line(part: dict[str, Any]) -> str:
    """A part that a terminal has no form for: what it is, and where it leads."""
    where = part.get("filename") or part.get("title") or part.get("url") or ""
    # A file may stand in its own address.
    return f"+ {one_line(str(part.get('type', '')))} {one_line(str(where)[:200])}".rstrip()


def call_line(name: str, given: Any) -> str:
    """A call that the model made."""
    return f"→ {name} {one_line(given)}"


def result_line(name: str, state: str, output: Any, error: str | None) -> tuple[str, str]:
    """What came of a call, and how that is shown."""
    if state == "output-error":
        return f"✗ {name}: {one_line(error or 'failed')}", "red"
    return f"← {name} {one_line(output)}", "green"


def ending_of(run: Run) -> str:
    """How the run stands, in a sentence."""
    if run.error:
        return f"{run.status}: {one_line(run.error.message)} ({run.error.code})"
    steps, asked = run.step_count, run.usage.requests
    why = {"max_steps": ", the most it may take", "length": ", cut off at the model's limit"}.get(
        run.finish_reason or "", ""
    )
    took = took_of(run)
    return (
        f"{run.status} after {steps} {'step' if steps == 1 else 'steps'}{why}, "
        f"{asked} model {'request' if asked == 1 else 'requests'}" + (f", {took}" if took else "")
    )


def took_of(run: Run) -> str:
    """How long the run took, from its accept to its end."""
    if run.created_at is None or run.finished_at is None:
        return ""
    seconds = (run.finished_at - run.created_at).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02} h" if minutes >= 60 else f"{minutes}:{seconds:02} min"
