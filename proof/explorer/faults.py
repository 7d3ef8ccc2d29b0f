"""The faults that may befall a world."""

from collections.abc import Iterator
from dataclasses import dataclass

from proof.dynamodb.refusals import conflict, throttled, timed_out
from proof.explorer.calls import Answer
from proof.explorer.forest import Node
from proof.explorer.moves import Choice, Moves, happened, label_of, threaded
from proof.explorer.world import World, moved
from proof.sqs.memory_queue import SECOND

READS = frozenset({"GetItem", "BatchGetItem", "Query"})
FAULTS = ("crash", "lost", "late", "refused", "message", "time", "blank")
"""The kinds: a process dies; an answer is lost though the call took effect; a write, or a copy of it, takes effect at any
later time; a call is refused or unanswered without effect; a message comes once more or never; time passes unseen (a paused
worker, a late clock); a read of one item answers that there is none, though there is."""
TIMED_OUT = Answer.raised(timed_out())
DONE = Answer.value({})


@dataclass(frozen=True, slots=True)
class Faults:
    """What can go wrong in a world. Each fault takes one of those that it has left."""

    moves: Moves

    def everywhere(self, world: World) -> Iterator[Choice]:
        """Every fault of a message, of time and of a process."""
        less = world._replace(faults=world.faults - 1)
        if "message" in self.moves.kinds:
            yield from self._mail_faults(less)
        if "time" in self.moves.kinds:
            for passed in self.moves.scene.passing:
                if self.moves.scene.matters(less, passed):
                    yield happened(f"!+{passed // SECOND}s", less._replace(clock=less.clock + passed))
        for name, node, begun in self.moves.standing(world):
            yield from self.of_process(world, name, node, begun)

    def of_process(self, world: World, name: str, node: Node, begun: World) -> Iterator[Choice]:
        """The death of a process, and every fault of its calls."""
        label = label_of(world, begun, name)
        begun = begun._replace(faults=world.faults - 1)
        # Who has not begun can't die; a delivered message can take its worker with it.
        if "crash" in self.moves.kinds and name not in world.todo:
            yield self.moves.crashed(begun, name, f"{label} !crash")
        for thread, request in enumerate(node.pending):
            if request is not None and request.where not in ("thread", "choice"):
                yield from self._call_faults(begun, name, node, thread, threaded(label, thread))

    def _call_faults(self, world: World, name: str, node: Node, thread: int, label: str) -> Iterator[Choice]:
        request = node.pending[thread]
        assert request is not None
        reading = request.operation in READS
        if not reading and self.moves.kinds & {"crash", "lost"}:
            answer, after = self.moves.effect(world, request)
            if "crash" in self.moves.kinds:
                yield self.moves.crashed(after, name, f"{label} !crash-after")
            # A refusal whose answer is lost is a call without effect and without answer: `refused` has that.
            if "lost" in self.moves.kinds and not answer.error:
                yield self.moves.answered(after, name, node, thread, TIMED_OUT, f"{label} !lost")
                # Botocore asks again by itself; a transaction it knows again by its token.
                again, twice = (
                    (DONE, after) if request.operation == "TransactWriteItems" else self.moves.effect(after, request)
                )
                yield self.moves.answered(twice, name, node, thread, again, f"{label} !retried")
        if "late" in self.moves.kinds and not reading and request.where == "table":
            yield from self._late(world, name, node, thread, label)
        if "blank" in self.moves.kinds and request.operation == "GetItem":
            yield self.moves.answered(world, name, node, thread, DONE, f"{label} !blank")
        if "refused" in self.moves.kinds:
            yield self.moves.answered(world, name, node, thread, TIMED_OUT, f"{label} !timeout")
            busy = Answer.raised(throttled(request.operation))
            yield self.moves.answered(world, name, node, thread, busy, f"{label} !throttled")
            if not reading and request.where == "table":
                actions = len(request.body.get("TransactItems", ())) or 1
                held = Answer.raised(conflict(request.operation, actions))
                yield self.moves.answered(world, name, node, thread, held, f"{label} !conflict")

    def _late(self, world: World, name: str, node: Node, thread: int, label: str) -> Iterator[Choice]:
        """The request stays on its way while its caller hears nothing, or is answered on the client's own retry."""
        request = node.pending[thread]
        assert request is not None
        late = tuple(sorted((*world.late, (name, request)), key=lambda each: (each[0], each[1].number)))
        yield self.moves.answered(world._replace(late=late), name, node, thread, TIMED_OUT, f"{label} !late")
        answer, after = self.moves.effect(world, request)
        # The retry of a transaction that took effect bears its token, so the first request changes nothing any more.
        if answer.error or request.operation != "TransactWriteItems":
            yield self.moves.answered(after._replace(late=late), name, node, thread, answer, f"{label} !copied")

    def _mail_faults(self, world: World) -> Iterator[Choice]:
        queue, clock = world.queue, world.clock
        for letter in queue.letters:
            lost = moved(queue, clock, lambda box, n=letter.number: box.lose(n))  # type: ignore[misc]
            yield happened(f"!lose {letter.number}", world._replace(queue=self.moves.cut(lost, world.faults)))
        for letter in (*(each for each in queue.letters if each.visible_at > clock), *queue.gone):
            again = moved(queue, clock, lambda box, n=letter.number: box.again(n))  # type: ignore[misc]
            yield happened(f"!again {letter.number}", world._replace(queue=self.moves.cut(again, world.faults)))
