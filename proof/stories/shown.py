"""What clients read of the plain model's runs, and what its model is sent."""

from typing import Any

from outlive.asked import is_open
from outlive.clock import iso
from proof.stories.plain import Run


def shown(run: Run) -> dict[str, Any]:
    """The run as its owner reads it, without `updated_at`; of an error, its code."""
    return {
        "id": run.id,
        "chat_id": run.chat.id,
        "status": run.status,
        "agent": "assistant",
        "trigger": "user",
        "created_by": run.chat.user,
        "assistant_message_id": run.assistant_message_id,
        "queue_position": None,
        "next_run_id": None,
        "step_count": len(run.log),
        "asked": asked_shown(run),
        "retrying": None,
        "output": None,
        "error": run.error[0] if run.error else None,
        "finish_reason": run.finish_reason,
        "usage": usage(run.requests),
        "budget": {"max_steps": run.max_steps},
        "metadata": run.body.get("metadata", {}),
        "created_at": iso(run.created_at),
        "started_at": _at(run.started_at),
        "stop_requested_at": _at(run.stop_requested_at),
        "finished_at": _at(run.finished_at),
    }


def asked_shown(run: Run) -> dict[str, Any] | None:
    """What the run waits for."""
    if not run.waits:
        return None
    calls = [
        {"tool_call_id": part["toolCallId"], "kind": "approval", "tool_name": "pay", "input": part["input"]}
        for part in run.log[-1].parts
        if is_open(part)
    ]
    return {"step": len(run.log) - 1, "until": iso(run.due_at), "open": calls}


def parts_shown(run: Run) -> list[dict[str, Any]]:
    """The parts of its answer: a call that was answered in a later step stands where it was made."""
    shown: list[dict[str, Any]] = []
    for part in [part for record in run.log for part in record.parts]:
        places = [place for place, earlier in enumerate(shown) if is_open(earlier)]
        same = [place for place in places if shown[place]["toolCallId"] == part.get("toolCallId")]
        if same:
            shown[same[0]] = part
        else:
            shown.append(part)
    return shown


def answer_shown(run: Run) -> dict[str, Any]:
    """The run's assistant message, without `updated_at`; of an error, its code."""
    metadata: dict[str, Any] = {"error": None, "finish_reason": None, "usage": None}
    if run.ended:
        code = run.error[0] if run.error else None
        metadata = {"error": code, "finish_reason": run.finish_reason, "usage": usage(run.requests)}
    return {
        "id": run.assistant_message_id,
        "chat_id": run.chat.id,
        "run_id": run.id,
        "role": "assistant",
        "status": {"succeeded": "completed", "failed": "error", "aborted": "aborted"}.get(run.status, "streaming"),
        "content": "".join(record.text for record in run.log),
        "parts": parts_shown(run),
        "metadata": metadata,
        "created_at": iso(run.created_at),
    }


def question_shown(run: Run) -> dict[str, Any]:
    """The run's user message, without its id and `updated_at`."""
    return {
        "chat_id": run.chat.id,
        "run_id": run.id,
        "role": "user",
        "status": "completed",
        "content": run.body["prompt"],
        "parts": [{"type": "text", "text": run.body["prompt"]}],
        "metadata": {"error": None, "finish_reason": None, "usage": None},
        "created_at": iso(run.created_at),
    }


def history(run: Run) -> list[tuple[str, str, str | None]]:
    """What the model is sent for the run's next step: who, the text, and the agent's own form of it."""
    turns: list[tuple[str, str, str | None]] = []
    for each in run.chat.runs:
        turns.append(("user", each.body["prompt"], None))
        turns += [("assistant", record.text, record.messages) for record in each.log]
    return turns


def usage(requests: int) -> dict[str, float | None]:
    """What so many model requests take up here."""
    used = {"input_tokens": 7 * requests, "output_tokens": 3 * requests, "requests": requests}
    return {**used, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_usd": None}


def _at(moment: int | None) -> str | None:
    return None if moment is None else iso(moment)
