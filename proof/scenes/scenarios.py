"""The scenes the proof plays: small enough for every order and every fault, and each about one collision.

What must hold is the same for all of them; `scene.py` has it. The wide scenes are for walks: too many orders to see all.
"""

from dataclasses import replace

from proof.scenes.actors import SETTINGS, Ask, asks_first, steps
from proof.scenes.scene import (
    LEASE_JUMP,
    MINUTE,
    PENDING_JUMP,
    STALE_JUMP,
    Director,
    Scene,
    answer,
    read,
    start,
    stop,
    stop_run,
    sweep,
    typed,
)
from proof.sqs.memory_queue import SECOND

UNTIMED = ("crash", "lost", "late", "refused", "message")
"""For scenes in which time passes anyway."""
BOTH = (LEASE_JUMP, STALE_JUMP)
TWO_IN_ONE = replace(SETTINGS, steps_per_message=2)
ANSWER_SECONDS = 1800
PATIENT = replace(SETTINGS, answer_seconds=ANSWER_SECONDS)
"""For scenes in which a run waits: the sweeps at the end of a path reach its deadline."""
NO_RESENDS = replace(SETTINGS, sweep_resend_limit=0)
"""So that a run is given up at the first look."""
FEW_WORKERS = replace(SETTINGS, maximum_concurrency=2)
"""So that one message that waits is a line."""


# -- how things stand when a scene begins --


def pending(director: Director) -> None:
    """A run was accepted; its message waits."""
    director.run("a")


def twice(director: Director) -> None:
    """A run was accepted and its message comes to two workers at once."""
    director.run("a")
    director.deliver()
    director.move("!again 1")


def one_step_done(director: Director) -> None:
    """A run of several steps has its first record; the message of the second waits."""
    director.run("a")
    director.work()


def dead_after_record(director: Director) -> None:
    """The worker of the first step died between its record and the next send."""
    director.run("a")
    name = director.deliver()
    director.until(name, "SendMessage")
    director.move(f"{name} !crash")


def final_unsettled(director: Director) -> None:
    """The worker died between the final record and the settle, its message with it; the lease is over."""
    director.run("a")
    name = director.deliver()
    director.until(name, "TransactWriteItems")
    director.move(f"{name} !crash", "!lose 1")
    director.passes(LEASE_JUMP)


def left_alone(director: Director) -> None:
    """The worker died in its model request, and its message is lost; the lease has expired."""
    director.run("a")
    name = director.deliver()
    director.until(name, "model")
    director.move(f"{name} !crash", "!lose 1")
    director.passes(LEASE_JUMP)


def stale(director: Director) -> None:
    """As left alone, and ten minutes have gone by."""
    left_alone(director)
    director.passes(STALE_JUMP)


def stale_but_alive(director: Director) -> None:
    """A worker froze in its model request, for longer than the stale window."""
    director.run("a")
    name = director.deliver()
    director.until(name, "model")
    director.move("!lose 1")
    director.passes(STALE_JUMP)


def at_the_model(director: Director) -> None:
    """A worker is asking the model."""
    director.run("a")
    director.until(director.deliver(), "model")


def frozen(director: Director) -> None:
    """A worker froze in its model request; its lease has expired, and its message is lost."""
    director.run("a")
    director.until(director.deliver(), "model")
    director.move("!lose 1")
    director.passes(LEASE_JUMP)


def at_the_settle(director: Director) -> None:
    """A worker has put the final record and is about to settle."""
    director.run("a")
    director.until(director.deliver(), "TransactWriteItems")


def never_sent(director: Director) -> None:
    """A run was accepted and its message lost; a lease has gone by."""
    director.run("a")
    director.move("!lose 1")
    director.passes(LEASE_JUMP)


def forgotten(director: Director) -> None:
    """As never sent, an hour later."""
    never_sent(director)
    director.passes(PENDING_JUMP)


def damaged(director: Director) -> None:
    """A worker is asking the model; something wrote over an attribute of the run."""
    at_the_model(director)
    director.damage("trigger", "?")


def damaged_and_left(director: Director) -> None:
    """The worker of a damaged run died in its model request, and its message is lost; the lease has expired."""
    left_alone(director)
    director.damage("trigger", "?")


def in_line(director: Director) -> None:
    """A run waits for its first step for over an hour; a worker is at work on another one."""
    director.run("a")
    director.passes(PENDING_JUMP)
    director.run("b")
    director.move("w1<-2")
    director.until("w1", "model")


def in_line_for_a_step(director: Director) -> None:
    """As in line, for its second step."""
    director.run("a")
    director.work()
    director.passes(PENDING_JUMP)
    director.run("b")
    director.move("w2<-3")
    director.until("w2", "model")


def waiting(director: Director) -> None:
    """A run was accepted over an hour ago, and its message only comes now."""
    director.run("a")
    director.passes(PENDING_JUMP)


def idle(director: Director) -> None:
    """The chat's first run has ended."""
    director.run("a")
    director.work()


def about_to_reclaim(director: Director) -> None:
    """The first step's lease ran out, a worker is about to reclaim it, and just then it is done: the next step's
    turn."""
    director.run("a")
    first = director.deliver()
    director.until(first, "PutItem")
    director.passes(LEASE_JUMP)
    second = director.deliver()
    director.until(second, "UpdateItem")
    director.move(second)
    director.until(second, "UpdateItem")
    director.run(first)


def left_with_message(director: Director) -> None:
    """The worker died in its model request, and its message comes back only after ten minutes."""
    director.run("a")
    name = director.deliver()
    director.until(name, "model")
    director.move(f"{name} !crash")
    director.passes(STALE_JUMP)


def frozen_and_stopped(director: Director) -> None:
    """A worker froze in its model request; the run was stopped, and then its lease expired."""
    at_the_model(director)
    director.run("s")
    director.passes(LEASE_JUMP)


def resent_twice(director: Director) -> None:
    """As left alone; two sweeps sent the step again, every message was lost, and a minute has passed."""
    left_alone(director)
    for number, name in enumerate("vx", 2):
        director.run(name)
        director.move(f"!lose {number}")
        director.passes(MINUTE)


def slow(director: Director) -> None:
    """A worker is asking the model and its lease is over."""
    at_the_model(director)
    director.passes(LEASE_JUMP)


def unanswered(director: Director) -> None:
    """A run's first step asked; it waits, and no message is left."""
    director.run("a")
    director.work()


def waiting_and_mail(director: Director) -> None:
    """As unanswered; the message of the step that asked comes once more."""
    director.run("a")
    director.deliver()
    director.move("!again 1")
    director.run("w1")


def overdue(director: Director) -> None:
    """A run waits, and its deadline has passed."""
    unanswered(director)
    director.passes(ANSWER_SECONDS * SECOND + SECOND)


def resumed(director: Director) -> None:
    """Every call was answered; the message of the next step waits."""
    unanswered(director)
    director.run("p")


def resumed_twice(director: Director) -> None:
    """As resumed, and its message comes to two workers at once."""
    resumed(director)
    director.deliver()
    director.move("!again 2")


def resumed_unsent(director: Director) -> None:
    """Whoever answered the last call died before the send; a lease has gone by."""
    unanswered(director)
    director.until("p", "SendMessage")
    director.move("p !crash")
    director.passes(LEASE_JUMP)


def in_the_tool(director: Director) -> None:
    """A worker is running the approved call."""
    resumed(director)
    director.until(director.deliver(), "model")


def first_fails(ask: Ask) -> tuple[str, ...]:
    """An agent that fails, one way or another, and answers the second time."""
    return ("transient", "permanent", "raise") if ask.attempt == 1 else ("answer",)


def scenes() -> list[Scene]:
    """Every scene of the proof."""
    a, two = {"a": start()}, {"a": start(), "b": start("d")}
    return [
        Scene("one-start", "a start alone", {"a": start()}, steps(0), workers=1),
        Scene("one-start-no-resends", "a start alone, and no message is sent again", {"a": start()}, steps(0), workers=1,
              settings=NO_RESENDS, succeeds=False),
        Scene("two-starts", "two starts on one chat", {"a": start(), "b": start()}, steps(0), workers=1),
        Scene("two-owners", "two users start on one new chat id", {"a": start(), "e": start(user="eve")}, steps(0),
              workers=1),
        Scene("one-key", "a start and the same again, by its key", {"a": start(key="k"), "b": start(key="k")}, steps(0),
              workers=1),
        Scene("two-starts-later", "two starts on a chat whose first run has ended", {"b": start(), "c": start()}, steps(0),
              idle, a, workers=1),
        Scene("one-key-later", "a start by the key of a run that has ended, or ends meanwhile",
              {"b": start(key="k"), "c": start(key="k")}, steps(0), pending, {"a": start(key="k")}, workers=1),
        Scene("start-stop", "a stop comes while a start is on its way", {"a": start(), "s": stop()}, steps(0), workers=1),
        Scene("claim-stop", "a stop of a run whose message waits", {"s": stop()}, steps(0), pending, a),
        Scene("two-stops", "two stops of a run whose message waits", {"s": stop(), "t": stop()}, steps(0), pending, a,
              workers=1),
        Scene("two-stops-held", "two stops of a run at work, by clocks that differ", {"s": stop(), "t": stop()}, steps(0),
              at_the_model, a, workers=1, commands=("look",), skewed=True),
        Scene("steps-stop", "a stop in the middle of a run", {"s": stop()}, steps(1), one_step_done, a, workers=1),
        Scene("settle-stop", "a stop as the final record is in", {"s": stop(), "t": stop()}, steps(0), at_the_settle, a),
        Scene("settle-sweep", "a sweep finds a lease that ran out under a worker about to settle",
              {"z": sweep(), "s": stop()}, steps(0), at_the_settle, a, jumps=(LEASE_JUMP,), workers=1,
              kinds=UNTIMED),
        Scene("two-workers", "one message comes to two workers", {}, steps(1), twice, a),
        Scene("two-workers-stop", "one message comes to two workers, and a stop", {"s": stop()}, steps(0), twice, a),
        Scene("overtaken", "a worker wakes up after its lease", {}, steps(1), at_the_model, a, jumps=(LEASE_JUMP,),
              kinds=UNTIMED),
        Scene("overtaken-stop", "a worker wakes up after its lease, and a stop", {"s": stop()}, steps(0), at_the_model, a,
              jumps=(LEASE_JUMP,), kinds=UNTIMED),
        Scene("overtaken-fails", "a worker wakes up after its lease and fails, and a stop", {"s": stop()}, first_fails,
              at_the_model, a, jumps=(LEASE_JUMP,), kinds=UNTIMED, commands=(), succeeds=False, troubled=True),
        Scene("late-reclaim", "a worker reclaims a step that was done just before", {}, steps(1, s1=("answer", "transient")),
              about_to_reclaim, a, commands=(), kinds=("crash", "lost", "late"), troubled=True, succeeds=False),
        Scene("overtaken-otherwise", "a worker wakes up after its lease and comes to another outcome", {},
              steps(1, s0=("answer", "call")), at_the_model, a, jumps=(LEASE_JUMP,), kinds=UNTIMED, commands=()),
        Scene("watched", "a worker hears of a stop, or of its end, while its lease runs out and is renewed", {"s": stop()},
              steps(0), at_the_model, a, jumps=(LEASE_JUMP,), workers=1, kinds=UNTIMED, ticks=3),
        Scene("out-of-time", "the platform is about to kill a worker, and a stop", {"s": stop()}, steps(0), at_the_model, a,
              workers=1, commands=("look", "deadline"), ticks=2, succeeds=False),
        Scene("two-in-one", "one message stands for two steps and comes to two workers", {}, steps(2), twice, a,
              settings=TWO_IN_ONE),
        Scene("two-in-one-stop", "one message stands for two steps, and a stop", {"s": stop()}, steps(1), pending, a,
              workers=1, settings=TWO_IN_ONE),
        Scene("dead-before-send", "a worker died between record and send", {"s": stop()}, steps(1), dead_after_record, a,
              workers=1),
        Scene("two-sweeps-final", "two sweeps find a final record without a settle", {"y": sweep(), "z": sweep()},
              steps(0), final_unsettled, a, workers=1),
        Scene("start-on-final", "a start finds a final record without a settle; so does a sweep",
              {"b": start(), "z": sweep()}, steps(0), final_unsettled, a, workers=1),
        Scene("two-sweeps-left", "two sweeps find a step without a live lease", {"y": sweep(), "z": sweep()}, steps(0), left_alone,
              a, passing=BOTH),
        Scene("two-sweeps-slow", "two sweeps find a step without a live lease, one of them over a minute late",
              {"y": sweep(), "z": sweep()}, steps(0), left_alone, a, jumps=(MINUTE,), kinds=UNTIMED, workers=1),
        Scene("sweep-by-hand", "an operator's sweep without a window, a worker that wakes up, and another",
              {"z": sweep(0)}, steps(0), slow, a, workers=1, kinds=UNTIMED, succeeds=False),
        Scene("sweep-stopped", "a sweep finds a stopped run whose frozen worker wakes up", {"z": sweep()}, steps(0),
              frozen_and_stopped, {"a": start(), "s": stop()}, workers=1, kinds=UNTIMED),
        Scene("resent-twice", "two sweeps, a minute apart, find a step that was sent again twice", {"y": sweep(), "z": sweep()},
              steps(0), resent_twice, {"a": start(), "v": sweep(), "x": sweep()}, jumps=(MINUTE,), kinds=("crash", "lost", "late"), workers=1,
              succeeds=False),
        Scene("sweep-late-message", "a sweep finds a stale run whose message comes after all", {"z": sweep()},
              steps(0, s0=("answer", "transient")), left_with_message, a, workers=1, succeeds=False, troubled=True,
              settings=NO_RESENDS),
        Scene("sweep-after-outage", "a sweep finds a run that no worker moved for ten minutes, whose message comes after all",
              {"z": sweep()}, steps(0), left_with_message, a, workers=1),
        Scene("sweep-after-hour", "a sweep finds a run that no worker claimed in an hour, whose message comes after all",
              {"z": sweep()}, steps(0), waiting, a, workers=1),
        Scene("in-line", "a sweep finds a run that waits behind another one for over an hour", {"z": sweep()}, steps(0),
              in_line, two, workers=1, kinds=("crash",), succeeds=False, settings=replace(FEW_WORKERS, sweep_resend_limit=0)),
        Scene("in-line-step", "as in-line, for its second step", {"z": sweep()}, steps(1), in_line_for_a_step, two,
              workers=1, kinds=("crash",), succeeds=False, settings=replace(FEW_WORKERS, sweep_resend_limit=0)),
        Scene("in-line-resend", "as in-line, and a sweep may send messages again", {"z": sweep()}, steps(0), in_line, two,
              workers=1, kinds=("crash",), succeeds=False, settings=FEW_WORKERS),
        Scene("sweep-stop", "a sweep and a stop find a step without a live lease", {"s": stop(), "z": sweep()}, steps(0),
              left_alone, a, workers=1, passing=BOTH),
        Scene("sweep-frozen", "a sweep finds a frozen worker's run, which grows stale; the worker wakes up",
              {"z": sweep(), "s": stop()}, steps(0), frozen, a, jumps=(STALE_JUMP,), workers=1, kinds=UNTIMED,
              succeeds=False),
        Scene("sweep-given-up", "a sweep gives up a frozen worker's run, which grows stale; the worker wakes up",
              {"z": sweep(), "s": stop()}, steps(0), frozen, a, jumps=(STALE_JUMP,), workers=1, kinds=UNTIMED,
              succeeds=False, settings=NO_RESENDS),
        Scene("never-sent", "two sweeps find a run whose message was lost", {"y": sweep(), "z": sweep()}, steps(0),
              never_sent, a),
        Scene("forgotten", "a sweep, a start and a late message find a run never claimed in an hour",
              {"b": start(), "z": sweep()}, steps(0), forgotten, a, workers=1, succeeds=False, settings=NO_RESENDS),
        Scene("start-on-stale", "a start finds a stale run; so does a sweep", {"b": start(), "z": sweep()}, steps(0),
              stale, a, workers=1, succeeds=False, settings=NO_RESENDS),
        Scene("start-on-frozen", "a start finds a stale run whose worker wakes up", {"b": start()}, steps(0),
              stale_but_alive, a, workers=1, succeeds=False, settings=NO_RESENDS),
        Scene("stop-start-on-final", "a start and a stop find a final record without a settle",
              {"b": start(), "s": stop()}, steps(0), final_unsettled, a, workers=1),
        Scene("stop-next", "a stop by chat, while one run ends and the next one starts", {"s": stop(), "b": start()},
              steps(0), at_the_settle, a, workers=1),
        Scene("permanent-stop", "a permanent error, and a stop", {"s": stop()}, steps(0, s0=("permanent",)), pending, a,
              workers=1, succeeds=False),
        Scene("transient-stop", "a transient error, an answer or a broken agent, and a stop", {"s": stop()},
              steps(0, s0=("answer", "transient", "raise")), pending, a, workers=1, succeeds=False),
        Scene("foreigners", "another user and another workspace start, stop and read by the same ids",
              {"e": stop(user="eve"), "f": start(user="eve"), "g": stop_run("a.1", workspace="x"), "h": read(user="eve"),
               "i": stop_run("a.1", user="eve")},
              steps(0), pending, a, workers=1, kinds=("crash", "lost", "late")),
        Scene("misread-holder", "a start reads that its chat's active run is gone, and it is not",
              {"b": start(), "c": start()}, steps(0), pending, a, workers=1, kinds=("blank",)),
        Scene("damaged", "a run's row is damaged while its worker asks, and freezes; a sweep and a start find it",
              {"z": sweep(), "b": start()}, steps(0), damaged, a, jumps=(LEASE_JUMP,), workers=1,
              kinds=("crash", "lost", "refused"), succeeds=False, prompt=False),
        Scene("damaged-left", "two sweeps and a start find a damaged run without a live lease",
              {"y": sweep(), "z": sweep(), "b": start()}, steps(0), damaged_and_left, a, workers=1,
              kinds=("crash", "lost", "refused"), succeeds=False, prompt=False),
        Scene("ask-answer", "an answer that guesses, while the step that asks is under way", {"p": answer(c1=True)},
              asks_first(), at_the_model, a, workers=1, settings=PATIENT),
        Scene("ask-stop", "a stop while the step that asks is under way", {"s": stop(), "p": answer(c1=True)},
              asks_first(), at_the_model, a, workers=1, settings=PATIENT),
        Scene("ask-overtaken", "a worker that asks wakes up after its lease; the run is answered", {"p": answer(c1=True)},
              asks_first("ask", "call"), at_the_model, a, jumps=(LEASE_JUMP,), kinds=("crash", "lost", "late"), commands=(),
              settings=PATIENT),
        Scene("ask-overtaken-two-in-one", "the same, where a message stands for two steps", {"p": answer(c1=True)},
              asks_first(), at_the_model, a, jumps=(LEASE_JUMP,), kinds=("crash", "lost"), commands=(),
              settings=replace(PATIENT, steps_per_message=2)),
        Scene("two-decisions", "the owner denies what an approver approves", {"p": answer(c1=False),
              "q": answer(user="boss", approves=True, c1=True)}, asks_first(), unanswered, a, workers=1, settings=PATIENT),
        Scene("two-halves", "two people answer one call each, at once", {"p": answer(c1=True), "q": answer(c2=False)},
              asks_first("ask both"), unanswered, a, workers=1, settings=PATIENT),
        Scene("half-and-all", "one answers a call, another one both, and otherwise",
              {"p": answer(c1=True), "q": answer(c1=False, c2=True)}, asks_first("ask both"), unanswered, a, workers=1,
              settings=PATIENT),
        Scene("answer-again", "the same answer again, while its step runs and breaks off",
              {"q": answer(c1=True)}, asks_first(resumed=("run", "transient")), resumed,
              {"a": start(), "p": answer(c1=True)}, workers=1, settings=PATIENT, troubled=True),
        Scene("answer-stop", "an answer and a stop", {"p": answer(c1=True), "s": stop()}, asks_first(), unanswered, a,
              workers=1, settings=PATIENT),
        Scene("answer-sweep", "an answer and a sweep at the deadline", {"p": answer(c1=True), "z": sweep()},
              asks_first(), overdue, a, workers=1, settings=PATIENT),
        Scene("answer-deadline", "an answer and a sweep, while the deadline passes",
              {"p": answer(c1=True), "z": sweep()}, asks_first(), unanswered, a, workers=1, kinds=UNTIMED,
              jumps=((ANSWER_SECONDS + 1) * SECOND,), settings=PATIENT, succeeds=False),
        Scene("asked-again", "a sweep at the deadline of a question; the run is answered and asks once more",
              {"p": answer(c1=True), "z": sweep()}, asks_first(resumed=("ask again",)), overdue, a, workers=1,
              kinds=("crash", "lost"), settings=PATIENT),
        Scene("answered-twice", "two requests with one answer; the run is answered and asks once more about the same call",
              {"p": answer(c1=True), "q": answer(c1=True)}, asks_first(resumed=("ask again",)), unanswered, a, workers=1,
              kinds=("crash", "lost", "late"), settings=PATIENT, succeeds=False),
        Scene("resumed-unsent", "the same answer again finds a resumed run whose message was never sent",
              {"q": answer(c1=True)}, asks_first(), resumed_unsent, {"a": start(), "p": answer(c1=True)}, workers=1,
              settings=PATIENT),
        Scene("resumed-swept", "so do a sweep and the same answer at once", {"q": answer(c1=True), "z": sweep()},
              asks_first(), resumed_unsent, {"a": start(), "p": answer(c1=True)}, workers=1,
              kinds=("crash", "lost", "refused"), settings=PATIENT),
        Scene("resumed-twice", "the message that runs answered calls comes to two workers", {}, asks_first(),
              resumed_twice, {"a": start(), "p": answer(c1=True)}, settings=PATIENT),
        Scene("resumed-stop", "a stop while approved calls are about to run", {"s": stop()}, asks_first(), resumed,
              {"a": start(), "p": answer(c1=True)}, workers=1, settings=PATIENT),
        Scene("dead-in-the-tool", "a worker that runs an approved call is overtaken", {}, asks_first(), in_the_tool,
              {"a": start(), "p": answer(c1=True)}, jumps=(LEASE_JUMP,), kinds=UNTIMED, commands=(), settings=PATIENT),
        Scene("typed-answer", "a message typed in place of a decision, and the decision",
              {"b": typed(), "p": answer(c1=True)}, asks_first(), unanswered, a, workers=1, settings=PATIENT),
        Scene("typed-half", "a message typed in place of two decisions, and one of them",
              {"b": typed(), "p": answer(c1=True)}, asks_first("ask both"), unanswered, a, workers=1, settings=PATIENT),
        Scene("typed-stop", "a message typed in place of a decision, and a stop", {"b": typed(), "s": stop()},
              asks_first(), unanswered, a, workers=1, settings=PATIENT),
        Scene("typed-twice", "two messages typed in place of a decision", {"b": typed(), "c": typed(key="k")},
              asks_first(), unanswered, a, workers=1, settings=PATIENT),
        Scene("typed-sweep", "a message typed in place of a decision, and a sweep, at the deadline",
              {"b": typed(), "z": sweep()}, asks_first(), overdue, a, workers=1, settings=PATIENT),
        Scene("late-message-answer", "the message of the step that asked comes again, and an answer",
              {"p": answer(c1=True)}, asks_first(), waiting_and_mail, a, workers=1, settings=PATIENT),
        Scene("foreign-answers", "other users and another workspace answer by the same ids",
              {"e": answer(user="eve", c1=True), "g": answer(workspace="x", user="boss", approves=True, c1=True),
               "i": answer("a.9", c1=True), "h": start()}, asks_first(), unanswered, a, workers=1, kinds=("crash", "lost", "late"),
              settings=PATIENT),
        Scene("readers", "a reconnect while a run is stopped and ends", {"r": read(), "s": stop()}, steps(0), pending, a,
              workers=1),
    ]  # fmt: skip


def moody(ask: Ask) -> tuple[str, ...]:
    """An agent of three steps that now and then fails."""
    usual = "answer" if ask.step >= 2 or ask.text_only else "call"
    return (usual, usual, usual, "transient", "permanent", "raise")


def curious(ask: Ask) -> tuple[str, ...]:
    """An agent that asks, at times once more for the same call, and now and then fails."""
    if ask.asked:
        return ("run", "run", "ask again", "transient", "permanent", "raise")
    return ("answer",) if ask.step >= 3 or ask.text_only else ("ask", "ask both", "call", "answer", "transient")


def wide_scenes() -> list[Scene]:
    """Scenes with far more going on; for walks."""
    times = (7 * SECOND, LEASE_JUMP, LEASE_JUMP, STALE_JUMP, LEASE_JUMP, PENDING_JUMP)
    one_chat = {
        "a": start(),
        "b": start(key="k"),
        "bb": start(key="k"),
        "c": start(),
        "s": stop(),
        "t": stop(),
        "u": stop_run("a.1"),
        "x": sweep(),
        "y": sweep(),
        "z": sweep(),
        "r": read(),
        "e": start(user="eve"),
        "f": stop(user="eve"),
    }
    two_chats = {
        "a": start(),
        "b": start("d"),
        "c": start(workspace="x"),
        "d": start("d", user="eve", workspace="x"),
        "s": stop(),
        "t": stop("d"),
        "u": stop(workspace="x"),
        "v": stop_run("a.1", workspace="x"),
        "y": sweep(),
        "z": sweep(0),
        "aa": start(),
        "cc": start(workspace="x"),
        "r": read(workspace="x"),
    }
    answers = {
        "p": answer(c1=True),
        "q": answer(user="boss", approves=True, c1=False),
        "l": answer(c1=True, c2=True),
        "m": answer("b.1", c1=True),
        "n": typed(),
        "o": answer(user="eve", c1=True),
    }
    rest = {"workers": 3, "jumps": times, "passing": BOTH, "ticks": 3, "commands": ("look", "beat", "deadline")}
    loose = {"succeeds": False, "troubled": True, "skewed": True}
    return [
        Scene("wide-chat", "all actors at once in one chat", one_chat, moody, **rest, **loose),
        Scene("wide-chats", "all actors at once in chats of two workspaces", two_chats, moody, **rest, **loose),
        Scene(
            "wide-asked",
            "all actors at once in one chat whose runs ask",
            {**one_chat, **answers},
            curious,
            settings=PATIENT,
            **rest,
            **loose,
        ),
        Scene("wide-steady", "all actors at once, the agent never failing", one_chat, steps(2), **rest, **loose),
    ]


def scene_named(name: str) -> Scene:
    """The scene of this name. Raises KeyError."""
    return {scene.name: scene for scene in [*scenes(), *wide_scenes()]}[name]
