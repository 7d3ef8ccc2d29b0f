"""The wide scenes, with far more going on: for walks, because they have too many orders to see all."""

from outlive.agent import Ask
from proof.scenes.agents import steps
from proof.scenes.roles import answer, read, start, stop, stop_run, sweep, typed, waits
from proof.scenes.scene import Scene
from proof.scenes.terms import BOTH, LEASE_JUMP, PATIENT, PENDING_JUMP, STALE_JUMP
from proof.sqs.memory_queue import SECOND


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
    busy = {
        "g": waits(),
        "h": waits(key="j"),
        "hh": waits(key="j"),
        "i": waits("steer"),
        "j": waits("steer"),
        "k": waits("supersede", run_id="a.1"),
        "w": stop_run("g.1"),
        "ww": stop_run("i.1"),
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
        Scene(
            "wide-busy",
            "all actors at once in one chat, with runs that wait, steer and supersede",
            {**one_chat, **answers, **busy},
            curious,
            settings=PATIENT,
            **rest,
            **loose,
        ),
        Scene("wide-steady", "all actors at once, the agent never failing", one_chat, steps(2), **rest, **loose),
    ]
