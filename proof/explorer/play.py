"""All that can happen next in a world.

It is a list of choices with a label each, the same for the same world, so a list of labels is a script that anyone can play
again.
"""

from collections.abc import Hashable, Iterator

from proof.explorer.calls import Request
from proof.explorer.faults import Faults
from proof.explorer.forest import Node
from proof.explorer.moves import Choice, Moves, aside, happened, parked
from proof.explorer.world import Event, Scene, Stage, World
from proof.sqs import memory_queue
from proof.sqs.memory_queue import SECOND


class Play:
    """One scene on a stage, with faults of the kinds allowed."""

    def __init__(self, stage: Stage, scene: Scene, kinds: frozenset[str]) -> None:
        self.stage, self.scene, self.kinds = stage, scene, kinds
        self._moves = Moves(stage, scene, kinds)
        self._faults = Faults(self._moves)

    def opening(self, table: int, faults: int, ghost: Hashable, clock: int) -> World:
        """The world before anything has happened."""
        return World(table, memory_queue.State(), clock, self.scene.actors(), (), (), 0, 0, (), faults, ghost)

    def choices(self, world: World) -> list[Choice]:
        """All that can happen, time that has to pass included. Ghosts are still those of `world`.

        A process about to ask the queue or to hear from its model goes first, and no other process is offered: that and what
        others do don't touch each other, so every order has a twin in which it went first, with the same end. (Time and
        mail faults do touch messages in flight; while there can be any, of the queue's calls only sends go first.)
        """
        first = self._first(world)
        if first is not None:
            offered = list(self._moves.calls_of(world, *first))
            return offered + (list(self._faults.of_process(world, *first)) if world.faults else [])
        offered = list(self._normal(world))
        if not offered and world.queue.letters:
            offered.append(("wait", lambda: self._waited(world)))
        offered += self._jumps(world)
        offered += self._landings(world)
        if world.faults:
            offered += self._faults.everywhere(world)
        return offered

    def over(self, world: World) -> bool:
        """True if nothing happens any more without a fault: every process has ended and the queue is empty."""
        return not world.todo and not world.alive and not world.queue.letters

    def cut(self, queue: memory_queue.State, faults: int) -> memory_queue.State:
        """The queue without what can't come back in this play."""
        return self._moves.cut(queue, faults)

    def _first(self, world: World) -> tuple[str, Node, World] | None:
        nodes = self.stage.forest.nodes
        calm = world.jumps == len(self.scene.jumps) and not (world.faults and self.kinds & {"message", "time"})
        for name, number in world.alive:
            node = nodes[number]
            request = node.pending[0]
            if request is None or any(
                not parked(each) or node.offers.get(n) for n, each in enumerate(node.pending[1:], 1)
            ):
                continue
            if request.where == "choice" or (request.where == "queue" and (calm or request.operation == "SendMessage")):
                return name, node, world
        return None

    def _normal(self, world: World) -> Iterator[Choice]:
        for name, node, begun in self._moves.standing(world):
            yield from self._moves.calls_of(world, name, node, begun)

    def _waited(self, world: World) -> tuple[Event, World]:
        """Nobody can go on: time passes until the next message comes back."""
        clock = min(letter.visible_at for letter in world.queue.letters)
        return aside("wait"), world._replace(clock=max(clock, world.clock))

    def _jumps(self, world: World) -> Iterator[Choice]:
        if world.jumps < len(self.scene.jumps):
            passed = self.scene.jumps[world.jumps]
            after = world._replace(clock=world.clock + passed, jumps=world.jumps + 1)
            yield happened(f"+{passed // SECOND}s", after)

    def _landings(self, world: World) -> Iterator[Choice]:
        """Each write that is still on its way takes effect now, if its condition holds now; no process gets the
        answer."""
        for number, (name, request) in enumerate(world.late):
            left = world._replace(late=world.late[:number] + world.late[number + 1 :])
            yield self._landed(left, name, request, f"late {number + 1} of {name}")

    def _landed(self, world: World, name: str, request: Request, label: str) -> Choice:
        answer, table = self.stage.ask_table(world.table, request)
        event, after = Event(label, name, request, answer, None, ()), world._replace(table=table)
        return label, lambda: (event, after)
