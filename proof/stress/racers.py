"""Racers that start at the same moment: threads on one client, or processes with a client each."""

import multiprocessing
import threading
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol

from proof.stress.contests import RACES, Race
from proof.stress.raced import Wired

PATIENCE: Final = 600


class Racers(Protocol):
    """Those who start at the same moment; `race` returns what each got, in order of their numbers."""

    def race(self, race: Race, chat: str, prepared: str) -> list[Any]: ...

    @property
    def codes(self) -> Counter[str]: ...


class Threads:
    """Racers in this process, on one client."""

    def __init__(self, wired: Wired, count: int) -> None:
        self._wired = wired
        self._line = threading.Barrier(count + 1, timeout=PATIENCE)
        self._task: tuple[Race, str, str] | None = None
        self._results: list[Any] = [None] * count
        for number in range(count):
            threading.Thread(target=self._racer, args=(number,), daemon=True).start()

    def race(self, race: Race, chat: str, prepared: str) -> list[Any]:
        self._task = race, chat, prepared
        self._line.wait()
        self._line.wait()
        for one in self._results:
            if isinstance(one, Exception):
                raise one
        return list(self._results)

    @property
    def codes(self) -> Counter[str]:
        return self._wired.codes

    def close(self) -> None:
        self._task = None
        self._line.wait()

    def _racer(self, number: int) -> None:
        while True:
            self._line.wait()
            if self._task is None:
                return
            race, chat, prepared = self._task
            try:
                self._results[number] = race.contend(self._wired, chat, prepared, number)
            except Exception as error:
                self._results[number] = error
            self._line.wait()


class Processes:
    """Racers in processes of their own, each with its own client."""

    def __init__(self, endpoint: str, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        line = context.Barrier(count, timeout=PATIENCE)
        self.codes: Counter[str] = Counter()
        self._ends: list[Connection] = []
        self._processes = []
        for number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_racer, args=(endpoint, number, line, theirs), daemon=True)
            process.start()
            theirs.close()
            self._ends.append(ours)
            self._processes.append(process)
        for end in self._ends:
            end.recv()

    def race(self, race: Race, chat: str, prepared: str) -> list[Any]:
        for end in self._ends:
            end.send((race.name, chat, prepared))
        results = []
        for end in self._ends:
            outcome, outcomes = end.recv()
            self.codes.update(outcomes)
            results.append(outcome)
        for one in results:
            if isinstance(one, Exception):
                raise one
        return results

    def close(self) -> None:
        for end in self._ends:
            end.send(None)
        for process in self._processes:
            process.join(PATIENCE)
            process.kill()


def _racer(endpoint: str, number: int, line: Any, end: Connection) -> None:
    wired = Wired(endpoint)
    end.send("ready")
    while (task := end.recv()) is not None:
        name, chat, prepared = task
        wired.codes.clear()
        line.wait()
        outcome: Any
        try:
            outcome = RACES[name].contend(wired, chat, prepared, number)
        except Exception as error:
            outcome = RuntimeError(f"{type(error).__name__}: {error}")
        end.send((outcome, dict(wired.codes)))
