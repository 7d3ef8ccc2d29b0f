"""What a step streams, stored in pieces for readers while its worker is still executing it.

The agent passes on each passage, and a thread writes the pieces: readers receive the text within a second or two, and the
run never waits for a write. If the store hangs or refuses, readers miss live text and the run is not affected: the step's
record contains all of it.
"""

from collections.abc import Callable, Iterable, Iterator
from threading import Lock

import msgspec

from outlive.clock import DAY, SECOND, Clock
from outlive.follow.passages import Call, Passage, Words, read_passages, written_passages
from outlive.log import cause, damaged, logger
from outlive.store.rows import Run
from outlive.store.short_lived import Live
from outlive.text import clean

PIECE_BYTES = 1024
"""A piece with this much new text is written at once."""
PIECE_AGE_MS = SECOND
"""A smaller piece is written when its oldest text is this old."""
WRITE_GAP_MS = SECOND // 2
"""Between two writes: at most two a second."""
MAX_BACKOFF_MS = 8 * SECOND
"""The longest pause before a write that failed is tried again."""
MAX_PIECE_BYTES = 200_000
"""Bytes of text in one piece. An item holds 400 KB, and the text may take twice its size as JSON."""
MAX_INPUT_BYTES = 8192
"""Bytes of the largest input of a call that is shown live."""
LIFETIME_MS = DAY


def streamed_words(pieces: Iterable[Live]) -> Iterator[Words]:
    """The text of these pieces of one attempt, from the first one on as far as none is missing."""
    for number, piece in enumerate(pieces):
        passages = passages_of(piece)
        if piece.place[2] != number or passages is None:
            return
        yield from (passage for passage in passages if isinstance(passage, Words))


def passages_of(piece: Live) -> list[Passage] | None:
    """The piece's passages; None, with a warning in the log, if it can't be read."""
    try:
        return read_passages(piece.passages)
    except Exception as error:
        damaged("piece_unreadable", row=piece.sk, cause=type(error).__name__)
        return None


class LiveLog:
    """What one attempt of a step has streamed so far, piece by piece.

    A piece is frozen when its write is first tried. If the write succeeds and only its answer is lost, the same piece is
    written under the same key again, before any later piece. So the pieces up to the first gap are what was streamed.
    """

    def __init__(self, run: Run, put: Callable[[Live], None], clock: Clock) -> None:
        """`run` is the claimed run; `put` stores a piece."""
        self._run, self._put, self._clock = run, put, clock
        self._lock = Lock()
        self._waiting: list[Words | Call] = []
        self._bytes = 0
        self._since: int | None = None
        self._ended = False
        self._frozen: Live | None = None
        self._number = 0
        self._next = 0
        self._gap = WRITE_GAP_MS

    def show(self, passage: Words | Call) -> None:
        """Add a passage that the agent streamed. Returns at once. A passage that can't be shown ends the log, which has
        no gaps.
        """
        with self._lock:
            if self._ended:
                return
            if isinstance(passage, Words):
                if not passage.text:
                    return
                passage = Words(passage.kind, clean(passage.text))
            else:
                passage = Call(passage.id, passage.name, clean(passage.input))
                if _weight(passage) > MAX_INPUT_BYTES:
                    self._ended = True
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
            piece, self._waiting = _next_piece(self._waiting)
            self._bytes = sum(_weight(passage) for passage in self._waiting)
            self._since = now if self._waiting else None
        run = self._run
        self._frozen = Live(
            run.pk,
            Live.sort_key(run.claimed_step, run.attempt, self._number),
            passages=written_passages(piece),
            created_at=now,
            expires_at=(now + LIFETIME_MS) // SECOND,
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
    """Bytes of a text, or of a call's input as JSON; more than MAX_INPUT_BYTES if the input has no JSON form."""
    if isinstance(passage, Words):
        return len(passage.text.encode())
    try:
        return len(msgspec.json.encode(passage.input))
    except Exception:
        return MAX_INPUT_BYTES + 1


def _next_piece(waiting: list[Words | Call]) -> tuple[list[Words | Call], list[Words | Call]]:
    """The passages of the next piece, with consecutive words of one kind joined, and the rest."""
    first: list[Words | Call] = []
    room = MAX_PIECE_BYTES
    for index, passage in enumerate(waiting):
        if _weight(passage) > room:
            if not isinstance(passage, Words) or first:
                return first, waiting[index:]
            # A character takes 4 bytes at most.
            at = MAX_PIECE_BYTES // 4
            head, tail = Words(passage.kind, passage.text[:at]), Words(passage.kind, passage.text[at:])
            return [head], [tail, *waiting[index + 1 :]]
        room -= _weight(passage)
        last = first[-1] if first else None
        if isinstance(passage, Words) and isinstance(last, Words) and last.kind == passage.kind:
            first[-1] = Words(last.kind, last.text + passage.text)
        else:
            first.append(passage)
    return first, []
