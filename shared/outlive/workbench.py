"""The parts that a worker uses, put together once per cold start."""

from collections.abc import Callable
from dataclasses import dataclass

from outlive.agent import Agent, AgentError
from outlive.clock import Clock
from outlive.settings import Settings
from outlive.settle import Settler
from outlive.store.bucket import Bucket
from outlive.store.queue import Queue
from outlive.store.table import Table
from outlive.watch import Watching
from outlive.worker import exhausted


@dataclass(frozen=True, slots=True)
class Workbench:
    """The parts that a worker uses."""

    table: Table
    queue: Queue
    agent: Agent
    clock: Clock
    settings: Settings
    watching: Watching
    between: Callable[[float, float], float]
    """A random number between two, which spreads the pauses of many runs."""
    bucket: Bucket | None = None
    """The bucket with the files of chats."""
    exhausted: Callable[[BaseException | AgentError], bool] = exhausted
    """Returns whether an error shows that this process is exhausted. The worker's own one also records it."""

    @property
    def settler(self) -> Settler:
        """Ends runs."""
        return Settler(self.table, self.queue, self.clock, self.settings)
