"""Scenes in a busy chat: runs that wait, are promoted or taken back, and messages that steer or supersede."""

from proof.scenes.agents import asks_first, steps
from proof.scenes.beginnings import (
    at_the_model,
    at_the_settle,
    damaged_and_left,
    one_step_done,
    overdue,
    pending,
    promoted_unsent,
    queued,
    queued_and_unanswered,
    queued_at_the_model,
    queued_at_the_settle,
    queued_behind_stale,
    resumed,
    steered_between_steps,
    unanswered,
)
from proof.scenes.roles import answer, start, stop, stop_run, sweep, waits
from proof.scenes.scene import Scene
from proof.scenes.terms import LEASE_JUMP, NO_RESENDS, PATIENT

SAFE = ("crash", "lost", "refused")
"""For scenes with many orders."""


def busy_scenes() -> list[Scene]:
    """Every scene with a queue."""
    a = {"a": start()}
    ab = {**a, "b": waits()}
    steered = {**a, "b": waits("steer")}
    instead = waits("supersede", run_id="a.1")
    return [
        Scene("enqueue-settle", "a run is queued as the one before it ends", {"b": waits()}, steps(0), at_the_settle, a,
              workers=1),
        Scene("enqueue-promote", "a run is queued as the one before it ends and another one is promoted", {"c": waits()},
              steps(0), queued_at_the_settle, ab, workers=1, kinds=SAFE),
        Scene("two-enqueues", "two runs are queued at once",
              {"b": waits(), "c": waits(key="k")}, steps(0), pending, a, workers=1, kinds=("crash", "lost")),
        Scene("one-queued-key", "a run is queued twice by its key", {"b": waits(key="k"), "c": waits(key="k")}, steps(0),
              pending, a, workers=1, kinds=("crash", "lost")),
        Scene("promote-settle", "a run ends before another one; its worker may die anywhere", {}, steps(0),
              queued_at_the_settle, ab, workers=1),
        Scene("promote-unsent", "two sweeps find a promoted run whose message was never sent",
              {"y": sweep(), "z": sweep()}, steps(0), promoted_unsent, ab, workers=1, kinds=SAFE),
        Scene("enqueue-stop", "a queued run is taken back as the one before it ends", {"s": stop_run("b.1")}, steps(0),
              queued_at_the_settle, ab, workers=1),
        Scene("two-stops-queued", "a queued run is taken back twice", {"s": stop_run("b.1"), "t": stop_run("b.1")}, steps(0),
              queued, ab, workers=1, kinds=SAFE),
        Scene("enqueue-stopchat", "a stop of the chat, and another run that is queued meanwhile",
              {"s": stop(), "c": waits()}, steps(0), queued, ab, workers=1, kinds=("crash",)),
        Scene("stopchat-settle", "a stop of the chat as its active run ends", {"s": stop()}, steps(0),
              queued_at_the_settle, ab, workers=1, kinds=SAFE),
        Scene("stopchat-held", "a stop of the chat while a worker holds its active run", {"s": stop()}, steps(0),
              queued_at_the_model, ab, workers=1, kinds=SAFE),
        Scene("enqueue-sweep", "a sweep and a start that would wait find a stale run with a queue",
              {"z": sweep(), "c": waits()}, steps(0), queued_behind_stale, ab, workers=1, succeeds=False, kinds=SAFE,
              settings=NO_RESENDS),
        Scene("enqueue-damaged", "a start that would wait, and a sweep, find a damaged run", {"z": sweep(), "b": waits()},
              steps(0), damaged_and_left, a, workers=1, kinds=SAFE, succeeds=False, prompt=False),
        Scene("enqueue-unanswered", "a sweep and a stop find an unanswered run with a queue",
              {"z": sweep(), "b": waits(), "s": stop_run("a.1")}, asks_first(), overdue, a, workers=1, kinds=SAFE,
              settings=PATIENT),
        Scene("supersede-record", "a message supersedes a run at work, whose worker goes on", {"b": instead}, steps(0),
              at_the_model, a, workers=1),
        Scene("supersede-settle", "a message supersedes a run as it ends", {"b": instead}, steps(0), at_the_settle, a,
              workers=1),
        Scene("supersede-queue", "a message supersedes a run, and another one waits", {"c": instead}, steps(0),
              queued_at_the_settle, ab, workers=1, kinds=SAFE),
        Scene("two-supersedes", "two messages supersede one run",
              {"b": instead, "c": waits("supersede", run_id="a.1", key="k")}, steps(0), pending, a, workers=1, kinds=SAFE),
        Scene("supersede-stop", "a message supersedes a run that is stopped", {"b": instead, "s": stop_run("a.1")}, steps(0),
              at_the_model, a, workers=1, kinds=SAFE),
        Scene("supersede-waiting", "a message supersedes a run that waits, and its answer comes",
              {"b": instead, "p": answer(c1=True)}, asks_first(), unanswered, a, workers=1, kinds=SAFE, settings=PATIENT),
        Scene("steer", "a message steers a run between two steps", {"b": waits("steer")}, steps(1), one_step_done, a,
              workers=1),
        Scene("steer-final", "a message steers a run that is about to answer", {"b": waits("steer")}, steps(0),
              at_the_model, a, workers=1),
        Scene("steer-overtaken", "a steered run's worker wakes up after its lease", {}, steps(1), steered_between_steps,
              steered, jumps=(LEASE_JUMP,), kinds=("lost",), commands=()),
        Scene("steer-stop", "a message steers a run, and a stop", {"b": waits("steer"), "s": stop_run("a.1")}, steps(1),
              one_step_done, a, workers=1, kinds=SAFE),
        Scene("steer-steer", "two messages steer one run", {"b": waits("steer"), "c": waits("steer")}, steps(1),
              one_step_done, a, workers=1, kinds=SAFE),
        Scene("steer-ask", "a message steers a run whose step asks", {"b": waits("steer")}, asks_first(), at_the_model, a,
              workers=1, kinds=SAFE, settings=PATIENT),
        Scene("steer-waiting", "a message steers a run that waits, and its answer comes",
              {"b": waits("steer"), "p": answer(c1=True)}, asks_first(), unanswered, a, workers=1, kinds=SAFE,
              settings=PATIENT),
        Scene("steer-resumed", "a message steers a run whose approved calls are about to run", {"b": waits("steer")},
              asks_first(), resumed, {**a, "p": answer(c1=True)}, workers=1, kinds=SAFE, settings=PATIENT),
        Scene("steer-resumed-asks", "the same, and the approved call asks once more", {"b": waits("steer")},
              asks_first(resumed=("ask again",)), resumed, {**a, "p": answer(c1=True)}, workers=1, kinds=("crash", "lost"),
              settings=PATIENT),
        Scene("steer-unsteer", "a message that steers is taken back as the run hands over", {"s": stop_run("b.1")},
              steps(0), queued, steered, workers=1),
        Scene("steer-unsteer-ask", "a message that steers is taken back while the run asks",
              {"b": waits("steer"), "s": stop_run("b.1")}, asks_first(), at_the_model, a, workers=1, kinds=SAFE,
              settings=PATIENT),
        Scene("queued-waiting", "answers to a run with a queue, and a stop of the chat",
              {"p": answer(c1=True), "s": stop()}, asks_first(), queued_and_unanswered, ab, workers=1, kinds=SAFE,
              settings=PATIENT),
        Scene("foreign-queue", "another user queues, steers, supersedes and stops by the same ids",
              {"e": waits(user="eve"), "f": waits("steer", user="eve"), "g": stop_run("b.1", user="eve"),
               "h": waits("supersede", run_id="a.1", user="eve")}, steps(0), queued, ab, workers=1, kinds=("crash", "lost")),
    ]  # fmt: skip
