"""What the functions logged of their claims: none without a reason."""

import json
import re
from collections import Counter
from datetime import datetime
from typing import Any

from proof.stress.course import Course


def judge_claims(course: Course) -> None:
    """Each step was claimed once, and once more for each error of its script, and for each worker it lost.

    A worker is lost if it was killed, or if this machine let it stand still for a whole lease: then its own lines
    show that it woke up overtaken.
    """
    attempts: dict[tuple[str, int], int] = {}
    moments: dict[tuple[str, int], list[float]] = {}
    for move, run, step, attempt, at in logged(course, "move", "run", "step", "attempt", "timestamp"):
        if move in ("claim", "reclaim"):
            place = run, step
            attempts[place] = max(attempts.get(place, 0), attempt)
            moments.setdefault(place, []).append(_moment(at))
    hiccups = {
        (client_run.id, step): times
        for client_run in course.client_runs
        for step, times in client_run.script.hiccups.items()
    }
    begun = {
        client_run.id: client_run.seen["run"]["created_at"] for client_run in course.client_runs if client_run.seen
    }
    course.done["steps claimed"] = len(attempts)
    course.done["claims of a step"] = sum(attempts.values())
    course.done["claims again after an error of the script"] = 0
    unexplained: list[tuple[float, float, tuple[str, int]]] = []
    for place, times in attempts.items():
        scripted = min(times - 1, hiccups.get(place, 0))
        course.done["claims again after an error of the script"] += scripted
        # The lines of a worker that went with the stack are lost; the next claim's number counts it.
        first = min(moments[place]) if len(moments[place]) == times else _from_iso(begun[place[0]])
        unexplained += [(max(moments[place]), first, place)] * (times - 1 - scripted)
    kills, woke = sorted(course.kills), _woke_up_overtaken(course, attempts)
    gave_back, late = _given_back(course), _came_back_late(course, attempts)
    course.done["claims again after a lapsed lease"] = 0
    course.done["claims again after the store was out of reach"] = 0
    course.done["claims again of a recorded step whose message came back"] = 0
    course.done["claims again after a kill or a restart"] = len(unexplained)
    for last, first, place in sorted(unexplained):
        if any(gone <= last and first <= back for gone, back in course.outages):
            continue
        kill = next((at for at in kills if first - 1 <= at <= last), None)
        if kill is None and woke[place]:
            woke[place] -= 1
            course.done["claims again after a lapsed lease"] += 1
            course.done["claims again after a kill or a restart"] -= 1
        elif kill is None and gave_back[place]:
            gave_back[place] -= 1
            course.done["claims again after the store was out of reach"] += 1
            course.done["claims again after a kill or a restart"] -= 1
        elif kill is None and late[place]:
            late[place] -= 1
            course.done["claims again of a recorded step whose message came back"] += 1
            course.done["claims again after a kill or a restart"] -= 1
        elif kill is None:
            lines = "".join(f"\n    {line}" for line in _lines_of(course, *place))
            course.wrong.append(f"step {place[1]} of run {place[0]} was claimed once more without a reason:{lines}")
        else:
            kills.remove(kill)


def _woke_up_overtaken(course: Course, attempts: dict[tuple[str, int], int]) -> Counter[tuple[str, int]]:
    """How many workers of each step went on after another one had claimed it."""
    claimed: dict[tuple[str, int, int], float] = {}
    woke: set[tuple[str, int, int]] = set()
    for move, run, step, attempt, at in logged(course, "move", "run", "step", "attempt", "timestamp"):
        if move in ("claim", "reclaim"):
            claimed[run, step, attempt] = _moment(at)
    for move, run, step, attempt, at in logged(course, "move", "run", "step", "attempt", "timestamp"):
        if move == "record" and claimed.get((run, step, attempt + 1), float("inf")) < _moment(at):
            woke.add((run, step, attempt))
    counts = Counter((run, step) for run, step, _ in woke)
    for message, run, step, cause in logged(course, "message", "run", "step", "cause"):
        if message == "step_put_off" and str(cause).startswith("Overtaken") and (run, step) in attempts:
            counts[run, step] += 1
    return counts


def _given_back(course: Course) -> Counter[tuple[str, int]]:
    """How often a worker let go of a step because the store did not answer it: a machine too slow to be in time."""
    counts: Counter[tuple[str, int]] = Counter()
    for message, run, step, cause in logged(course, "message", "run", "step", "cause"):
        if message == "step_put_off" and not str(cause).startswith("Overtaken"):
            counts[run, step] += 1
    # A release that the script did not ask for: the one other thing a worker lets go for.
    scripted = {
        (client_run.id, step): times
        for client_run in course.client_runs
        for step, times in client_run.script.hiccups.items()
    }
    released = Counter((run, step) for move, run, step in logged(course, "move", "run", "step") if move == "release")
    for place, times in released.items():
        counts[place] += max(0, times - scripted.get(place, 0))
    return counts


def _came_back_late(course: Course, attempts: dict[tuple[str, int], int]) -> Counter[tuple[str, int]]:
    """How many claims found their step's record: the message came back before it was acknowledged. The model is not
    called then."""
    recorded: dict[tuple[str, int], float] = {}
    claims: list[tuple[tuple[str, int], float]] = []
    for move, run, step, at in logged(course, "move", "run", "step", "timestamp"):
        if move == "record":
            recorded[run, step] = min(_moment(at), recorded.get((run, step), float("inf")))
        elif move == "reclaim" and (run, step) in attempts:
            claims.append(((run, step), _moment(at)))
    return Counter(place for place, at in claims if at > recorded.get(place, float("inf")))


def _lines_of(course: Course, run: str, step: int) -> list[str]:
    """The log lines of this step."""
    lines = (line[line.find('{"level"') :] for line in "\n".join(course.logs).splitlines() if f'"{run}"' in line)
    return [line for line in lines if f'"step":{step},' in line.replace(" ", "") or '"step"' not in line]


def logged(course: Course, *names: str) -> list[tuple[Any, ...]]:
    """These fields of every log line of the functions that has the first of them."""
    rows = []
    for line in "\n".join(course.logs).splitlines():
        at = line.find('{"level"')
        if at < 0:
            continue
        try:
            entry = json.loads(line[at:])
        except ValueError:
            continue
        if names[0] in entry:
            rows.append(tuple(entry.get(name) for name in names))
    return rows


def _moment(at: str) -> float:
    return datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f%z").timestamp()


def _from_iso(at: str) -> float:
    return datetime.fromisoformat(re.sub("Z$", "+00:00", at)).timestamp()
