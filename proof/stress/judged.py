"""What must have come of a soak: everything is as the scripts say."""

from typing import Any

from proof.stacks.deployed import Stack
from proof.stress.claims import judge_claims, logged
from proof.stress.clients import Clients
from proof.stress.consistency import violations
from proof.stress.course import Course
from proof.stress.scripts import ClientRun


def judge(stack: Stack, clients: Clients, course: Course) -> None:
    """Everything is as the scripts say; what isn't is in `wrong`."""
    course.logs.append(stack.log)
    rows = stack.items()
    course.wrong += violations(rows)
    dead = stack.queued("DeadLetterQueueUrl") if "DeadLetterQueueUrl" in stack.outputs else 0
    if dead:
        course.wrong.append(f"{dead} messages in the dead-letter queue")
    stored = sum(row["sk"]["S"] == "RUN" for row in rows)
    if stored != len(course.client_runs):
        course.wrong.append(f"{stored} runs are stored, {len(course.client_runs)} were started")
    by_chat: dict[str, list[ClientRun]] = {}
    for client_run in course.client_runs:
        by_chat.setdefault(client_run.chat, []).append(client_run)
    for chat, its in by_chat.items():
        messages = clients.surely("GET", f"/chats/{chat}/messages?limit=100").body["messages"]
        places = [(one["role"], one["run_id"]) for one in messages]
        if places != [(role, client_run.id) for client_run in its for role in ("user", "assistant")]:
            course.wrong.append(f"the transcript of {chat} is {places}")
            continue
        for client_run, question, answer in zip(its, messages[::2], messages[1::2], strict=True):
            course.wrong += [f"run {client_run.id} of {chat}: {one}" for one in _judged(client_run, question, answer)]
    judge_claims(course)
    for level, message in logged(course, "level", "message"):
        if level in ("ERROR", "CRITICAL"):
            course.done[f"error lines: {message}"] += 1


def _judged(client_run: ClientRun, question: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """What is wrong with a run that has ended."""
    run, script, wrong = client_run.seen["run"], client_run.script, []
    whole = "".join(script.says)
    content, steps = answer["content"], run["step_count"]
    if question["content"] != script.prompt:
        wrong.append("its question is not the prompt")
    asked = sum(part["type"] == "tool-announce" for part in answer["parts"])
    # A step that a stop ended may have come to its calls and not to its question.
    unasked = steps - run["usage"]["requests"]
    if unasked != asked and (run["status"] != "aborted" or unasked != asked - 1):
        wrong.append(f"{run['usage']['requests']} model requests recorded for {steps} steps, {asked} of which asked")
    if sum(part["type"] == "step-start" for part in answer["parts"]) != run["usage"]["requests"]:
        wrong.append(f"{steps} steps, shown otherwise")
    calls = [part for part in answer["parts"] if part["type"].startswith("tool-")]
    open_calls = [part for part in calls if not part["state"].startswith("output-")]
    if open_calls:
        wrong.append(f"unfinished calls: {open_calls}")
    if run["status"] == "aborted":
        if not client_run.stops:
            wrong.append(f"aborted without a stop: {run['error']}")
        if run["error"] is not None or not whole.startswith(content):
            wrong.append(f"aborted with {run['error']}, saying {content!r}")
    else:
        if True in client_run.stops:
            wrong.append(f"{run['status']} though a stop was answered true")
        expected = ("failed" if script.refused else "succeeded", len(script.says) + script.asks)
        if (run["status"], steps) != expected or content != whole:
            wrong.append(f"{run['status']} after {steps} steps, {run['error']}, saying {content!r}")
    return wrong
