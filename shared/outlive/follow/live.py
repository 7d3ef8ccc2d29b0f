"""What a step streams, written down for its readers while its worker is still at it.

The agent hands over what it streams, and a thread writes it: readers have it within a second or two, and nothing of the
run waits for that. A store that hangs or refuses costs readers their live text and the run nothing; the record has it all.
"""

from collections.abc import Callable
from threading import Lock

import msgspec

from outlive.clock import DAY, SECOND, Clock
from outlive.follow.passages import Call, Words, written_passages
from outlive.log import cause, logger
from outlive.store.rows import Run
from outlive.store.short_lived import Live
from outlive.text import clean

PIECE_BYTES = 1024
"""A piece with this much new text is written at once."""
PIECE_AGE_MS = SECOND
"""A smaller piece is written when its oldest text is this old."""
WRITE_GAP_MS = SECOND // 2
"""Between two writes: two a second at most, however fast a model streams."""
MAX_BACKOFF_MS = 8 * SECOND
"""Between two tries at a store that refuses."""
MAX_PIECE_BYTES = 200_000
"""Of text in one piece; an item holds 400 KB, and JSON may take twice the room."""
MAX_INPUT_BYTES = 8192
"""Of a call's input that is shown early."""
KEPT_MS = DAY


class LiveLog:
    """What one attempt of a step has streamed so far, piece by piece.

    A piece is frozen when its write is first tried: if only the answer was lost, the same piece is written to the same
    place again, and no later piece before it. So a reader who reads up to a gap reads what was streamed.
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
        self._gap = WRITE_GAP_MS

    def show(self, passage: Words | Call) -> None:
        """Take what the agent streams. Returns at once. What can't be shown ends the log: only a log without gaps is of use."""
        with self._lock:
            if self._over:
                return
            if isinstance(passage, Words):
                if not passage.text:
                    return
                passage = Words(passage.kind, clean(passage.text))
            else:
                passage = Call(passage.id, passage.name, clean(passage.input))
                if _weight(passage) > MAX_INPUT_BYTES:
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
        return min(max(at - now, 0), WRITE_GAP_MS) / SECOND

    def _due_at(self, now: int) -> int:
        with self._lock:
            if self._since is None:
                return now + WRITE_GAP_MS
            return max(self._next, now if self._bytes >= PIECE_BYTES else self._since + PIECE_AGE_MS)

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
            expires_at=(now + KEPT_MS) // SECOND,
        )

    def _write(self, piece: Live) -> None:
        try:
            self._put(piece)
        except Exception as error:
            if self._gap == WRITE_GAP_MS:
                logger.warning("live_text_late", run=self._run.id, step=self._run.claimed_step, cause=cause(error))
            self._gap = min(2 * self._gap, MAX_BACKOFF_MS)
        else:
            self._frozen, self._number = None, self._number + 1
        self._next = self._clock.now() + self._gap


def _weight(passage: Words | Call) -> int:
    """Bytes of a text, or of a call's input as JSON; if that has no such form, more than is worth showing."""
    if isinstance(passage, Words):
        return len(passage.text.encode())
    try:
        return len(msgspec.json.encode(passage.input))
    except Exception:
        return MAX_INPUT_BYTES + 1


def _first(waiting: list[Words | Call]) -> tuple[list[Words | Call], list[Words | Call]]:
    """As much as one piece may hold, words of one kind together, and what is left."""
    taken: list[Words | Call] = []
    room = MAX_PIECE_BYTES
    for index, passage in enumerate(waiting):
        if _weight(passage) > room:
            if not isinstance(passage, Words) or taken:
                return taken, waiting[index:]
            # A character takes 4 bytes at most.
            at = MAX_PIECE_BYTES // 4
            first, rest = Words(passage.kind, passage.text[:at]), Words(passage.kind, passage.text[at:])
            return [first], [rest, *waiting[index + 1 :]]
        room -= _weight(passage)
        last = taken[-1] if taken else None
        if isinstance(passage, Words) and isinstance(last, Words) and last.kind == passage.kind:
            taken[-1] = Words(last.kind, last.text + passage.text)
        else:
            taken.append(passage)
    return taken, []
