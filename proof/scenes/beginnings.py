"""How things stand when a scene begins."""

from proof.scenes.director import Director
from proof.scenes.terms import ANSWER_SECONDS, LEASE_JUMP, MINUTE, PENDING_JUMP, STALE_JUMP
from proof.sqs.memory_queue import SECOND


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


def queued(director: Director) -> None:
    """A run was accepted, and others wait behind it."""
    director.run("a", "b")


def queued_at_the_model(director: Director) -> None:
    """A worker is asking the model, and another run waits."""
    at_the_model(director)
    director.run("b")


def queued_at_the_settle(director: Director) -> None:
    """A worker has put the final record and is about to settle, and another run waits."""
    at_the_settle(director)
    director.run("b")


def queued_behind_stale(director: Director) -> None:
    """A run waits behind one whose worker died, and its message is lost; ten minutes have gone by."""
    left_alone(director)
    director.run("b")
    director.passes(STALE_JUMP)


def queued_and_unanswered(director: Director) -> None:
    """A run waits for answers, and another one waits behind it."""
    unanswered(director)
    director.run("b")


def steered_between_steps(director: Director) -> None:
    """A run has its first record, and a message steers it before the second step."""
    one_step_done(director)
    director.run("b")


def promoted_unsent(director: Director) -> None:
    """Whoever ended the run before died before it sent the promoted run's message; a lease has gone by."""
    queued_at_the_settle(director)
    director.until("w1", "SendMessage")
    director.move("w1 !crash", "!lose 1")
    director.passes(LEASE_JUMP)


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
