"""What must be true of the table's rows at every instant, after any run, crash or redelivery."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from outlive.store.body import unpack

Item = Mapping[str, Any]

ENDED = {"succeeded": "completed", "failed": "error", "aborted": "aborted"}
SEALS = {"partial", "end"}
WAITING = "waiting"


def violations(items: Iterable[Item]) -> list[str]:
    """Every promise the rows break, in a sentence each: none on a table that is in order.

    At most one active run a chat, and the slot held exactly while it is; run, message and log end together; records
    without gaps, sealed exactly when the run has ended. A run waits exactly while calls of its newest step are open.
    """
    runs: dict[str, Item] = {}
    chats: dict[str, Item] = {}
    headers: dict[tuple[str, int], Item] = {}
    logs: dict[tuple[str, int], list[Item]] = defaultdict(list)
    answers: dict[tuple[str, int], list[Item]] = defaultdict(list)
    for item in items:
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if sk == "RUN":
            runs[pk] = item
        elif sk == "CHAT":
            chats[pk] = item
        elif "#STEP#" in sk:
            logs[pk, int(sk.split("#")[1])].append(item)
        elif "#ANSWER#" in sk:
            answers[pk, int(sk.split("#")[1])].append(item)
        elif sk.startswith("MSG#"):
            headers[pk, int(sk.split("#")[1])] = item
    problems = _slots(runs, chats)
    for pk, run in runs.items():
        place = f"{run['workspace_id']['S']}#{run['chat_id']['S']}", int(run["assistant_seq"]["N"])
        header = headers.pop(place, None)
        question = headers.pop((place[0], int(run["user_seq"]["N"])), None)
        log = logs.pop(place, [])
        problems += [f"run {pk}: {problem}" for problem in _run(run, header, question, log)]
        problems += [f"run {pk}: {problem}" for problem in _waits(run, log, answers.pop(place, []))]
    problems += [f"message {place} belongs to no run" for place in headers]
    problems += [f"records at {place} belong to no run" for place in logs]
    problems += [f"answers at {place} belong to no run" for place in answers]
    return problems


def changed_after_its_end(before: Iterable[Item], after: Iterable[Item]) -> list[str]:
    """Runs that had ended and are not what they were; rows that vanished."""
    now = {(item["pk"]["S"], item["sk"]["S"]): item for item in after}
    problems = []
    for item in before:
        key = item["pk"]["S"], item["sk"]["S"]
        if key not in now:
            problems.append(f"{key} is gone")
        elif key[1] == "RUN" and item["status"]["S"] in ENDED and dict(item) != dict(now[key]):
            problems.append(f"run {key[0]} changed after its end")
        elif ("#STEP#" in key[1] or "#ANSWER#" in key[1] or key[1].startswith("LIVE#")) and dict(item) != dict(
            now[key]
        ):
            problems.append(f"{key} was replaced")
    return problems


def _slots(runs: Mapping[str, Item], chats: Mapping[str, Item]) -> list[str]:
    active = defaultdict(set)
    for run in runs.values():
        if run["status"]["S"] not in ENDED:
            active[f"{run['workspace_id']['S']}#{run['chat_id']['S']}"].add(run["id"]["S"])
    problems = [f"chat {pk} has no item" for pk in active.keys() - chats.keys()]
    for pk, chat in chats.items():
        held = {chat["active_run_id"]["S"]} if "active_run_id" in chat else set()
        if held != active[pk]:
            problems.append(f"chat {pk}: the slot holds {sorted(held)}, active are {sorted(active[pk])}")
    return problems


def _run(run: Item, header: Item | None, question: Item | None, log: list[Item]) -> Iterable[str]:
    status = run["status"]["S"]
    ended = status in ENDED
    if header is None or question is None:
        yield "a message is missing"
        return
    if header["run_id"]["S"] != run["id"]["S"] or question["run_id"]["S"] != run["id"]["S"]:
        yield "its messages are another run's"
    if header["status"]["S"] != ENDED.get(status, "streaming"):
        yield f"{status}, but its message is {header['status']['S']}"
    if ended != ("finished_at" in run):
        yield f"{status}, but finished_at is {run.get('finished_at')}"
    if (ended or status == WAITING) == ("active_shard" in run):
        yield f"{status}, and the index of active runs does not know"
    if ended and ("lease_id" in run or "lease_until" in run):
        yield "ended with a lease"
    log = sorted(log, key=lambda item: item["sk"]["S"])
    kinds = [item["kind"]["S"] for item in log]
    steps = [int(item["step"]["N"]) for item in log]
    if steps != list(range(len(log))):
        yield f"its records are {steps}"
    if any(kind not in ("step", "asked") for kind in kinds[:-1]):
        yield f"something follows an end: {kinds}"
    if not ended and kinds and kinds[-1] in SEALS:
        yield f"{status} with a sealed log"
    if ended and (not kinds or kinds[-1] not in SEALS | {"final"}):
        yield f"{status} with an open log: {kinds}"
    if ended and int(run["step_count"]["N"]) != sum(kind != "end" for kind in kinds):
        yield f"step_count {run['step_count']['N']} of {kinds}"
    handed_over = run.get("finish_reason") == {"S": "handed_over"}
    if status == "succeeded" and ("stop_requested_at" in run or (kinds[-1:] != ["final"] and not handed_over)):
        yield f"succeeded with a stop or without an answer: {kinds}"
    if status == "failed" and ("stop_requested_at" in run or "error" not in run):
        yield "failed after a stop, or without an error"
    if status == "aborted" and ("stop_requested_at" in run) == ("error" in run):
        yield "aborted by a stop and with an error, or by neither"


def _waits(run: Item, log: list[Item], answers: list[Item]) -> Iterable[str]:
    """A run waits without a lease, for calls of its newest step that have no answer; what went on has them all."""
    waits = run["status"]["S"] == WAITING
    there = [name for name in ("asked", "due_shard", "due_at") if name in run]
    if there != (["asked", "due_shard", "due_at"] if waits else []):
        yield f"{run['status']['S']} with {there}"
    if waits and ("lease_id" in run or "stop_requested_at" in run):
        yield "waits with a lease or a stop"
    log = sorted(log, key=lambda item: item["sk"]["S"])
    for step, record in enumerate(log):
        if record["kind"]["S"] != "asked":
            continue
        answered = {item["tool_call_id"]["S"] for item in answers if int(item["sk"]["S"].split("#")[3]) == step}
        asked = {call.tool_call_id for call in unpack(record["packed"]["B"]).asked}
        still_open = {call[0] for call in json.loads(run["asked"]["S"])[2]} if waits and step == len(log) - 1 else set()
        goes_on = run["status"]["S"] not in ENDED
        if answered - asked or (goes_on and asked - answered != still_open):
            yield f"step {step} asked about {asked}, answered are {answered}, open are {still_open}"
    if waits and (not log or log[-1]["kind"]["S"] != "asked"):
        yield "waits, and its newest step asked nothing"
