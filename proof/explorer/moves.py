"""What a process can do next: begin, take a message, get the answer to a call, or die."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from proof.explorer.calls import Answer, Request
from proof.explorer.forest import Node
from proof.explorer.processes import PARKED
from proof.explorer.world import Event, Scene, Stage, World, moved
from proof.sqs import memory_queue
from proof.sqs.memory_queue import Letter

Choice = tuple[str, Callable[[], tuple[Event, World]]]
"""Something that can happen: its label, and how to have it happen."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What the processes of a scene can do on a stage, with faults of the kinds allowed."""

    stage: Stage
    scene: Scene
    kinds: frozenset[str]

    def cut(self, queue: memory_queue.State, faults: int) -> memory_queue.State:
        """The queue without what can't come back in this play, so that worlds which only differ in that are one."""
        return queue if faults and "message" in self.kinds else queue._replace(gone=())

    def standing(self, world: World) -> Iterator[tuple[str, Node, World]]:
        """Everybody who could do something: name, where it stands, and the world as it is once it has begun."""
        nodes = self.stage.forest.nodes
        for name, number in world.alive:
            yield name, nodes[number], world
        for name in world.todo:
            if self.scene.twin(name) in world.todo:
                continue
            program = self.scene.program(name)
            node = self.stage.forest.begin(name, (self.scene.name, name), program, world.clock).node
            alive = tuple(sorted((*world.alive, (name, node.number))))
            yield name, node, world._replace(todo=tuple(each for each in world.todo if each != name), alive=alive)
        if sum(name[0] == "w" and name[1:].isdigit() for name, _ in world.alive) < self.scene.workers:
            for letter in world.queue.letters:
                if letter.visible_at <= world.clock:
                    yield self._delivered(world, letter)

    def _delivered(self, world: World, letter: Letter) -> tuple[str, Node, World]:
        queue = moved(world.queue, world.clock, lambda box: box.deliver(letter.number, self.scene.visibility))
        (received,) = (each for each in queue.letters if each.number == letter.number)
        name = f"w{world.serial + 1}"
        key = (self.scene.name, received.body, received.receipt)
        node = self.stage.forest.begin(name, key, self.scene.worker(name, received), world.clock).node
        alive = tuple(sorted((*world.alive, (name, node.number))))
        return name, node, world._replace(queue=queue, alive=alive, serial=world.serial + 1)

    def calls_of(self, world: World, name: str, node: Node, begun: World) -> Iterator[Choice]:
        label = label_of(world, begun, name)
        for thread, request in enumerate(node.pending):
            if request is None or request.where == "thread":
                continue
            if request.where == "choice":
                for option in node.offers.get(thread, ()):
                    yield self.answered(begun, name, node, thread, Answer.value(option), f"{label} {option}")
            else:
                answer, after = self.effect(begun, request)
                yield self.answered(after, name, node, thread, answer, threaded(label, thread))

    def effect(self, world: World, request: Request) -> tuple[Answer, World]:
        if request.where == "table":
            answer, table = self.stage.ask_table(world.table, request)
            return answer, world._replace(table=table)
        answer, queue = self.stage.ask_queue(world.queue, world.clock, request)
        return answer, world._replace(queue=self.cut(queue, world.faults))

    def answered(self, world: World, name: str, node: Node, thread: int, answer: Answer, label: str) -> Choice:
        """`name` gets its answer and goes on to its next question, or to its end."""

        def happen() -> tuple[Event, World]:
            child, notes = self.stage.forest.go_on(node, thread, answer, world.clock)
            event = Event(label, name, node.pending[thread], answer, child, notes)
            if child.finished:
                return event, self._gone(world, name, child.result)
            alive = tuple((each, child.number if each == name else number) for each, number in world.alive)
            return event, world._replace(alive=alive)

        return label, happen

    def crashed(self, world: World, name: str, label: str) -> Choice:
        event = Event(label, name, None, None, None, (("crash",),))
        return label, lambda: (event, self._gone(world, name, "crashed"))

    def _gone(self, world: World, name: str, result: Hashable) -> World:
        alive = tuple(pair for pair in world.alive if pair[0] != name)
        results = world.results
        if name in self.scene.actors():
            results = tuple(sorted((*results, (name, result)), key=repr))
        return world._replace(alive=alive, results=results)


def label_of(world: World, begun: World, name: str) -> str:
    """Who, and for a worker that has yet to get its message, which."""
    if begun.serial == world.serial:
        return name
    pairs = zip(world.queue.letters, begun.queue.letters, strict=True)
    return f"{name}<-{next(after.number for before, after in pairs if before != after)}"


def threaded(label: str, thread: int) -> str:
    return label if thread == 0 else f"{label}'"


def parked(request: Request | None) -> bool:
    """True for a thread with nothing under way."""
    return request is PARKED


def aside(label: str) -> Event:
    """An event that belongs to no process."""
    return Event(label, None, None, None, None, ())


def happened(label: str, after: World) -> Choice:
    return label, lambda: (aside(label), after)
