"""Brings a scene to where it begins."""

from collections.abc import Callable

from proof.explorer.explorer import replay
from proof.explorer.play import Play
from proof.explorer.world import World
from proof.scenes.outside import TABLE

WATCHED = ("look", "beat", "deadline")


class Director:
    """Brings a scene to where it begins, move by move."""

    def __init__(self, play: Play, world: World) -> None:
        self.play = play
        self.world = world

    def move(self, *labels: str) -> None:
        """Make these choices."""
        self.world, broken = replay(self.play, self.world, list(labels), lambda *_: None)
        assert not broken, broken

    def run(self, *names: str) -> None:
        """Have these processes begin and go on to their end, one after the other."""
        for name in names:
            self._until(name, lambda world, name=name: self._ended(world, name))  # type: ignore[misc]

    def until(self, name: str, operation: str) -> None:
        """Have the process go on until it is about to ask for this operation."""
        self._until(name, lambda world: self._about(world, name, operation))

    def deliver(self) -> str:
        """Hand the oldest visible message to a new worker and have it make its first call; returns its name."""
        name = f"w{self.world.serial + 1}"
        letter = min(each for each in self.world.queue.letters if each.visible_at <= self.world.clock)
        self.move(f"{name}<-{letter.number}")
        return name

    def work(self) -> str:
        """Hand the oldest visible message to a new worker and have it do all of its work."""
        name = self.deliver()
        self.run(name)
        return name

    def passes(self, milliseconds: int) -> None:
        """Let time pass."""
        self.world = self.world._replace(clock=self.world.clock + milliseconds)

    def damage(self, name: str, text: str) -> None:
        """Write over a text attribute of the one run there is, past every rule."""
        stage = self.play.stage
        (row,) = [row for (_, sk), row in stage.tables[self.world.table].items() if sk == "RUN"]
        stage.table.state = stage.table.state._replace(rows=stage.tables[self.world.table], tokens={})
        stage.table.call("PutItem", {"TableName": TABLE, "Item": {**row.attributes, name: {"S": text}}})
        self.world = self.world._replace(table=stage.number())

    def _ended(self, world: World, name: str) -> bool:
        return name not in world.todo and name not in dict(world.alive)

    def _about(self, world: World, name: str, operation: str) -> bool:
        number = dict(world.alive).get(name)
        if number is None:
            return False
        request = self.play.stage.forest.nodes[number].pending[0]
        return request is not None and request.operation == operation

    def _until(self, name: str, done: Callable[[World], bool]) -> None:
        for _ in range(60):
            if done(self.world):
                return
            offered = [label for label, _ in self.play.choices(self.world) if label.split()[0].split("<")[0] == name]
            self.move(next(label for label in offered if "!" not in label and label.split()[-1] not in WATCHED))
        raise AssertionError(f"{name} never got there")
