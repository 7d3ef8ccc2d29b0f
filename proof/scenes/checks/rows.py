"""What must be true of a table by itself.

`[n]` is a guarantee of docs/guarantees.md, `[behaviour n]` a line of docs/behaviours.md."""

from proof.scenes.snapshot import ACTIVE, HOLDING, TERMINAL, Item, Rows, Snapshot, place

MESSAGE_OF = {
    "pending": "streaming",
    "running": "streaming",
    "waiting": "streaming",
    "succeeded": "completed",
    "failed": "error",
    "aborted": "aborted",
}


def standing(rows: Rows) -> list[str]:
    """Every promise a table breaks by itself."""
    seen = Snapshot.of(rows)
    broken: list[str] = []
    for pk, chat in seen.chats.items():
        active = [name for name, run in seen.runs.items() if place(run)[0] == pk and run.text("status") in HOLDING]
        slot = chat.text("active_run_id")
        if len(active) > 1:
            broken.append(f"[1] {len(active)} runs hold one chat: {active}")
        if active != ([] if slot is None else [slot]):
            broken.append(f"[1] the chat's slot holds {slot}, active is {active}")
        queued = {n for n, run in seen.runs.items() if place(run)[0] == pk and run.text("status") == "queued"}
        if queued != set(chat.queue) or len(queued) != len(chat.queue):
            broken.append(f"[behaviour 97] the queue names {chat.queue}, queued are {sorted(queued)}")
        if chat.queue and slot is None:
            broken.append(f"[behaviour 97] {chat.queue} wait, and no run is before them")
    for name, run in seen.runs.items():
        broken += [f"{problem} (run {name})" for problem in _run_problems(seen, run)]
    return broken


def _run_problems(seen: Snapshot, run: Item) -> list[str]:
    broken: list[str] = []
    status = run.text("status") or ""
    if (run.text("input") is not None) is not (status == "queued"):
        broken.append(f"[behaviour 96] a run that is {status} has the prompt {run.text('input')}")
    if run.never_began:
        return broken + _queued_problems(seen, run, status)
    pk, seq = place(run)
    header, prompt = seen.messages.get((pk, seq)), seen.messages.get((pk, run.whole("user_seq")))
    if pk not in seen.chats or header is None or prompt is None:
        return ["[10] a run without its chat or its messages"]
    if header.text("status") != MESSAGE_OF[status]:
        broken.append(f"[2] the message is {header.text('status')} under a run that is {status}")
    ended = status in TERMINAL
    if (run.text("finished_at") is not None) is not ended:
        broken.append(f"[2] finished_at is {run.text('finished_at')} on a run that is {status}")
    if (run.text("active_shard") is not None) is not (status in ACTIVE):
        broken.append(f"[3] a run that is {status} is {'not ' if status in ACTIVE else ''}in the index of active runs")
    if ended and (run.text("lease_id") or run.text("lease_until")):
        broken.append("[2] an ended run is still held")
    if ended and run.text("stop_requested_at") is not None and (status != "aborted" or run.text("error") is not None):
        broken.append(f"[4] stopped, but ended {status} with error {run.text('error')}")
    if status == "failed" and run.text("error") is None:
        broken.append("[behaviour 4] failed without an error")
    excused = run.text("error") is not None or run.text("finish_reason") == "superseded"
    if status == "aborted" and run.text("stop_requested_at") is None and not excused:
        broken.append("[behaviour 29] aborted without a stop and without a sweep's reason")
    broken += _log_problems(run, seen.log(run), status)
    broken += _waiting_problems(seen, run, status)
    return broken


def _queued_problems(seen: Snapshot, run: Item, status: str) -> list[str]:
    """A run that has not begun is queued, or was taken back, and nothing of it is anywhere else."""
    broken: list[str] = []
    taken_back = status == "aborted" and run.text("stop_requested_at") is not None and run.text("finished_at")
    if status != "queued" and not taken_back:
        broken.append(f"[behaviour 99] a run that never began is {status}")
    for name in ("active_shard", "due_shard", "chat_key", "lease_id", "started_at"):
        if run.text(name) is not None:
            broken.append(f"[behaviour 96] a run that never began has {name} {run.text(name)}")
    if any(message.text("run_id") == run.text("id") for message in seen.messages.values()):
        broken.append("[behaviour 99] a run that never began has messages")
    return broken


def _waiting_problems(seen: Snapshot, run: Item, status: str) -> list[str]:
    """A run waits exactly as long as a call of its newest step is open, and nothing of it is under way meanwhile."""
    broken: list[str] = []
    waits = status == "waiting"
    for name in ("asked", "due_shard", "due_at"):
        if (run.text(name) is not None) is not waits:
            broken.append(f"[behaviour 72] {name} is {run.text(name)} on a run that is {status}")
    if waits and (run.text("lease_id") or run.text("lease_until")):
        broken.append("[behaviour 72] a waiting run is held")
    if waits and run.text("stop_requested_at") is not None:
        broken.append("[behaviour 75] a stop waits behind a question")
    log = seen.log(run)
    for number, record in enumerate(log):
        if record.text("kind") != "asked":
            continue
        decided, calls = seen.decided(run, number), record.asked
        newest = number == len(log) - 1
        still_open = [call for call in calls if call not in decided]
        if waits and newest and run.open_calls != still_open:
            broken.append(f"[behaviour 74] the run waits for {run.open_calls}, open are {still_open}")
        if status in ACTIVE and still_open:
            broken.append(f"[behaviour 72] the run goes on, and nobody answered {still_open}")
        if decided.keys() - set(calls):
            broken.append(f"[behaviour 74] an answer to no call: {decided.keys() - set(calls)}")
    if waits and (not log or log[-1].text("kind") != "asked" or run.whole("claimed_step") != len(log) - 1):
        broken.append(f"[behaviour 72] the run waits for {run.text('asked')} after {len(log)} records")
    return broken


def _log_problems(run: Item, log: list[Item], status: str) -> list[str]:
    broken: list[str] = []
    ended = status in TERMINAL
    kinds = [record.text("kind") for record in log]
    if [record.whole("step") for record in log] != list(range(len(log))):
        broken.append(f"[6] step records {[record.whole('step') for record in log]}")
    if any(kind in ("partial", "end", "final") for kind in kinds[:-1]):
        broken.append(f"[6] a record after the end: {kinds}")
    if ended and (not kinds or kinds[-1] in ("step", "asked")):
        broken.append(f"[6] ended, but the log is open: {kinds}")
    if ended and kinds[-2:] == ["asked", "end"]:
        broken.append("[behaviour 75] ended, and the calls that were asked about are not closed")
    if not ended and kinds and kinds[-1] in ("partial", "end"):
        broken.append(f"[6] the log is sealed under a run that is {status}")
    if kinds[-1:] == ["final"] and ended and status != "succeeded" and run.text("stop_requested_at") is None:
        broken.append(f"[behaviour 42] the work was done without a stop, but it ended {status}")
    handed_over = run.text("finish_reason") == "handed_over"
    if status == "succeeded" and not handed_over and kinds[-1:] != ["final"]:
        broken.append(f"[2] succeeded without a final record: {kinds}")
    counted = sum(kind != "end" for kind in kinds)
    if ended and run.whole("step_count") != counted:
        broken.append(f"[6] step_count says {run.whole('step_count')}, there are {counted} records")
    if run.text("started_at") is None and run.whole("claimed_step") < 0 and counted:
        broken.append("[5] a record though no step was claimed")
    closes = kinds[-1:] == ["end"] or kinds[-2:] == ["asked", "partial"]
    if len(log) > run.whole("claimed_step") + 1 and not closes:
        broken.append("[6] a record of a step that was never claimed")
    return broken
