"""What a step says on its way to its readers, while its worker is still at it.

The agent says it, a thread of its own writes it down: readers then have it within a second or two, and nothing of the
run waits for that. A store that hangs or refuses costs readers their live text and the run nothing; the record has it all.
"""

from collections.abc import Callable
from threading import Lock

import msgspec

from outlive.agent import Piece, Said
from outlive.clock import DAY, SECOND, Clock
from outlive.follow.passages import Call, Words, written_passages
from outlive.log import cause, logger
from outlive.store.rows import Live, Run
from outlive.text import clean

DUE_BYTES = 1024
"""So much new text is written at once …"""
DUE_AFTER = SECOND
"""… and less of it when it has waited so long (ms)."""
APART = SECOND // 2
"""Between two writes (ms): with these it is two a second at most, however fast a model speaks."""
LONGEST_APART = 8 * SECOND
"""Between two tries at a store that refuses (ms)."""
MOST_BYTES = 200_000
"""Of text in one piece; an item holds 400 KB, and JSON may take twice the room."""
MOST_INPUT = 8192
"""Bytes of a call's input that is worth showing early."""
KEPT = DAY


class LiveLog:
    """What one attempt of a step has said so far, piece by piece.

    A piece is frozen when its write is first tried: was only the answer lost, the same is written to the same place
    again, and no later piece before it. So whoever reads up to a gap reads what was said.
    """

    def __init__(self, run: Run, put: Callable[[Live], None], clock: Clock) -> None:
        """`run` as its worker claimed it; `put` stores a piece."""
        self._run, self._put, self._clock = run, put, clock
        self._lock = Lock()
        self._waiting: list[Words | Call] = []
        self._bytes = 0
        self._since: int | None = None
        self._over = False
        self._frozen: Live | None = None
        self._number = 0
        self._next = 0
        self._apart = APART

    def say(self, said: Said) -> None:
        """Take what the agent says. Returns at once; what can't be shown ends the log, for order is all it has."""
        with self._lock:
            if self._over:
                return
            if isinstance(said, Piece):
                if not said.text:
                    return
                passage: Words | Call = Words(said.kind, clean(said.text))
            else:
                passage = Call(said.id, said.name, clean(said.input))
                if _weight(passage) > MOST_INPUT:
                    self._over = True
                    return
            self._waiting.append(passage)
            self._bytes += _weight(passage)
            if self._since is None:
                self._since = self._clock.now()

    def tick(self) -> float:
        """Write what is due; returns the seconds until something may be."""
        now = self._clock.now()
        if self._frozen is None and self._due_at(now) <= now:
            self._freeze(now)
        if self._frozen is not None and self._next <= now:
            self._write(self._frozen)
            now = self._clock.now()
        at = self._due_at(now) if self._frozen is None else self._next
        return min(max(at - now, 0), APART) / SECOND

    def _due_at(self, now: int) -> int:
        with self._lock:
            if self._since is None:
                return now + APART
            return max(self._next, now if self._bytes >= DUE_BYTES else self._since + DUE_AFTER)

    def _freeze(self, now: int) -> None:
        with self._lock:
            taken, self._waiting = _first(self._waiting)
            self._bytes = sum(_weight(passage) for passage in self._waiting)
            self._since = now if self._waiting else None
        run = self._run
        self._frozen = Live(
            run.pk,
            Live.sort_key(run.claimed_step, run.attempt, self._number),
            said=written_passages(taken),
            created_at=now,
            expires_at=(now + KEPT) // SECOND,
        )

    def _write(self, piece: Live) -> None:
        try:
            self._put(piece)
        except Exception as error:
            if self._apart == APART:
                logger.warning("live_text_late", run=self._run.id, step=self._run.claimed_step, cause=cause(error))
            self._apart = min(2 * self._apart, LONGEST_APART)
        else:
            self._frozen, self._number = None, self._number + 1
        self._next = self._clock.now() + self._apart


def _weight(passage: Words | Call) -> int:
    """Bytes of a text, or of a call's input as JSON; if that has no such form, more than is worth showing."""
    if isinstance(passage, Words):
        return len(passage.text.encode())
    try:
        return len(msgspec.json.encode(passage.input))
    except Exception:
        return MOST_INPUT + 1


def _first(waiting: list[Words | Call]) -> tuple[list[Words | Call], list[Words | Call]]:
    """As much as one piece may hold, words of one kind together, and what is left."""
    taken: list[Words | Call] = []
    room = MOST_BYTES
    for index, passage in enumerate(waiting):
        if _weight(passage) > room:
            if not isinstance(passage, Words) or taken:
                return taken, waiting[index:]
            # A character takes 4 bytes at most.
            at = MOST_BYTES // 4
            first, rest = Words(passage.kind, passage.text[:at]), Words(passage.kind, passage.text[at:])
            return [first], [rest, *waiting[index + 1 :]]
        room -= _weight(passage)
        last = taken[-1] if taken else None
        if isinstance(passage, Words) and isinstance(last, Words) and last.kind == passage.kind:
            taken[-1] = Words(last.kind, last.text + passage.text)
        else:
            taken.append(passage)
    return taken, []
