"""A scene as it is written down: who acts, with which agent, and how things stand when it begins."""

from collections.abc import Callable
from dataclasses import dataclass, field

from outlive.settings import Settings
from proof.scenes.actors import SETTINGS, Cast
from proof.scenes.agents import Script
from proof.scenes.director import Director
from proof.scenes.outside import watched
from proof.scenes.roles import Program, Role
from proof.scenes.terms import LEASE_JUMP
from proof.sqs.memory_queue import Letter


@dataclass
class Scene:
    """One scene, playable."""

    name: str
    about: str
    roles: dict[str, Role]
    script: Script
    before: Callable[[Director], None] = lambda director: None
    earlier: dict[str, Role] = field(default_factory=dict)
    """Processes that only `before` makes act."""
    workers: int = 2
    jumps: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ("crash", "lost", "late", "refused", "message", "time")
    visibility: int = 150
    passing: tuple[int, ...] = (LEASE_JUMP,)
    """How much time may pass at once, unseen, where that is the fault."""
    ticks: int = 1
    """How often a watch may look or beat in one step."""
    commands: tuple[str, ...] = ("look", "beat")
    succeeds: bool = True
    """Whether, without a stop, the work is done even if something goes wrong once."""

    prompt: bool = True
    """Whether runs end without a sweep as long as no message is lost."""
    troubled: bool = False
    """Whether the agent itself may fail, so that a step is repeated without any fault."""
    skewed: bool = False
    """Whether no two clocks agree."""
    settings: Settings = SETTINGS

    def __post_init__(self) -> None:
        self._cast: Cast | None = None
        self._twins: dict[str, str] = {}
        names = list(self.roles)
        for number, name in enumerate(names):
            alike = [each for each in names[:number] if self.roles[each].same == self.roles[name].same]
            if alike and not self.skewed:
                self._twins[name] = alike[-1]

    @property
    def cast(self) -> Cast:
        """The operations, put together when they are first needed."""
        if self._cast is None:
            watching = watched(self.ticks, self.commands)
            self._cast = Cast(self.script, watching, settings=self.settings, skewed=self.skewed)
        return self._cast

    def role(self, actor: str) -> Role | None:
        """What the process is; None for a worker."""
        return self.roles.get(actor) or self.earlier.get(actor)

    def actors(self) -> tuple[str, ...]:
        return tuple(self.earlier) + tuple(self.roles)

    def twin(self, actor: str) -> str | None:
        return self._twins.get(actor)

    def program(self, actor: str) -> Program:
        return {**self.earlier, **self.roles}[actor].does(self.cast)

    def worker(self, name: str, letter: Letter) -> Program:
        return self.cast.work(letter)
