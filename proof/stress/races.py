"""Many at once, on real engines: the operations as they are race each other, round by round, and one wins each time.

    python -m proof.stress.races [--rounds 500] [--seconds 60] [--engine dynamodb_local] [--race "claim × claim"]

Each cell of the table is one race on one engine, run by 32 threads or by 8 processes: 500 rounds or 60 seconds, whichever
comes first. After every round the winners are counted, and the rows must be consistent and hold what the winner wrote.

What this shows, and what not: both engines execute one call after the other. So the guards in the conditions are raced,
in every order the scheduler comes up with, but two calls never meet inside the engine as they can on AWS, where one of
them would be answered with a conflict. Conflicts are injected by the explorer and by the handler tests.
"""

import argparse
import multiprocessing
import os
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from outlive.agent import Ask, Interrupt, Outcome, Usage
from outlive.caller import Caller
from outlive.clock import SECOND, Clock
from outlive.delivery import Delivery
from outlive.errors import Overtaken, RunAlreadyActive
from outlive.follow.passages import Words
from outlive.guards import Facts
from outlive.lifecycle import STOP, SUCCEED
from outlive.log import logger
from outlive.request import StartRequest
from outlive.settings import Settings
from outlive.settle import End, Log, Settler
from outlive.start import Start
from outlive.step import Step
from outlive.stop import Stop
from outlive.store.body import Body, pack
from outlive.store.queue import Queue
from outlive.store.row import Row
from outlive.store.rows import Chat, Record, Run
from outlive.store.table import Table
from outlive.wiring import between, table_of
from outlive.workbench import Workbench
from proof.engines.engines import ENGINES, TABLE, Absent, Client
from proof.stress.consistency import changed_after_its_end, violations

THREADS: Final = 32
PROCESSES: Final = 8
ROUNDS: Final = 500
SECONDS: Final = 60.0
CHAT_ROUNDS: Final = 10
"""Rounds that take place in one chat, one run after the other."""
PATIENCE: Final = 600
WORKSPACE, USER = "acme", "ada"


class NoQueue:
    """Takes every message and delivers none: the racers bring their own."""

    def send_message(self, **request: Any) -> Any: ...
    def change_message_visibility(self, **request: Any) -> Any: ...
    def get_queue_attributes(self, **request: Any) -> Any:
        """Nothing waits."""
        return {"Attributes": dict.fromkeys(request["AttributeNames"], "0")}


@dataclass
class Wired:
    """The operations on one engine; `codes` counts the engine's refusals and errors by code."""

    endpoint: str
    codes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        os.environ |= {
            "AWS_ENDPOINT_URL_DYNAMODB": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        Row._connection = None
        # Every racer has a connection of its own, so that they meet at the engine and not here.
        Row.Meta.max_pool_connections = THREADS + 1  # type: ignore[attr-defined]
        # Who wins is the question here, and not how long a busy machine takes to say so.
        Row.Meta.connect_timeout_seconds = Row.Meta.read_timeout_seconds = 120
        self.settings = Settings(table_name=TABLE, queue_url="none", agent_model="offline")
        self.table: Table = table_of(self.settings)
        self.clock, self.queue = Clock(), Queue(NoQueue(), "none")
        self.client = Row._get_connection().connection.client
        self._real = self.client._make_api_call
        self.client._make_api_call = self._counted
        logger.setLevel("CRITICAL")

    def _counted(self, operation: str, request: dict[str, Any]) -> Any:
        try:
            return self._real(operation, request)
        except ClientError as error:
            reasons: list[Any] = error.response.get("CancellationReasons") or []  # type: ignore[assignment]
            codes = {reason["Code"] for reason in reasons} - {"None"} or {error.response["Error"]["Code"]}
            self.codes.update("refused" if code.startswith("ConditionalCheckFailed") else code for code in codes)
            raise

    # --- the operations ---

    def start(self, chat: str) -> tuple[str | None, str]:
        """The id of the run that was started; None if the chat was busy, and with which run."""
        operation = Start(self.table, self.queue, self.clock, new_id, self.settings, lambda: 1.0)
        request = StartRequest(chat, "hello", 3, {}, None, None, {"prompt": "hello"})
        try:
            return operation.run(Caller(WORKSPACE, USER), request).run.id, ""
        except RunAlreadyActive as busy:
            return None, busy.fields["active_run_id"]

    def stop(self, run_id: str) -> bool:
        """Whether this stop took effect."""
        return Stop(self.table, self.clock, new_id).of_run(Caller(WORKSPACE, USER), run_id).stopped

    def step(self, run_id: str) -> bool:
        """True if this worker called the model."""
        asks = []

        def agent(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
            asks.append(ask)
            return Outcome("final", [{"type": "text", "text": "hello yourself"}], "[]", Usage(1, 1, 1), "stop")

        tools = Workbench(self.table, self.queue, agent, self.clock, self.settings, nullcontext, between)  # type: ignore[arg-type]
        worker = Step(tools, new_id)
        now = self.clock.now()
        worker.run(Delivery(WORKSPACE, run_id, 0, "none", now + 300 * SECOND, now))
        return bool(asks)

    def settle(self, run_id: str, final: bool) -> str | None:
        """The id by which this settler ended the run, None if another one did: a worker's end, or a stop's."""
        run = self.table.run(WORKSPACE, run_id)
        assert run is not None
        own_id = new_id()
        facts = Facts(self.clock.now(), user=USER)
        log = Log.upto(self.table.last_record(run))
        try:
            end = End(SUCCEED if final else STOP, facts, own_id)
            done = Settler(self.table, self.clock).end(run, end, log)
        except Overtaken:
            return None
        return own_id if done.by_me else None

    # --- looking ---

    def answered_run(self, chat: str) -> str:
        """A run whose worker stored its answer and died; its lease is over."""
        run_id, _ = self.start(chat)
        assert run_id is not None
        now = self.clock.now()
        key = Run(Run.key(WORKSPACE, run_id), Run.SK)
        run = self.table.claim(key, 0, new_id(), now - 1, now - 2)
        self.table.record(
            run,
            Record(
                run.chat_pk, Record.sort_key(run.assistant_seq, 0), run_id=run_id, step=0, kind="final",
                packed=pack(Body([{"type": "text", "text": "hello yourself"}])), size=40, usage=Usage(1, 1, 1),
                finish_reason="stop", created_at=now,
            ),
        )  # fmt: skip
        return run_id

    def rows(self, chat: str) -> list[dict[str, Any]]:
        """All rows of the chat and its runs, as the engine has them."""
        pk = Chat.key(WORKSPACE, chat)
        listed: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            page = self.client.query(
                TableName=TABLE, ConsistentRead=True, KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}}, ReturnConsumedCapacity="TOTAL", **more,
            )  # fmt: skip
            listed += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        runs = {item["run_id"]["S"] for item in listed if "run_id" in item}
        for run_id in sorted(runs):
            key = {"pk": {"S": Run.key(WORKSPACE, run_id)}, "sk": {"S": Run.SK}}
            answer = self.client.get_item(TableName=TABLE, Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
            listed += [answer["Item"]] if "Item" in answer else []
        return listed


def new_id() -> str:
    return uuid.uuid4().hex


@dataclass
class Judged:
    """A round: how many won, and what is wrong."""

    winners: int
    wrong: list[str]


class Race(Protocol):
    """One kind of race. `prepare` sets a round up, `contend` is what racer `number` does, `judge` looks at the end."""

    name: str

    def prepare(self, wired: Wired, chat: str) -> str: ...
    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any: ...
    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged: ...
    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None: ...


class StartStart:
    """Everybody starts in one chat whose slot is free."""

    name = "start × start"

    def prepare(self, wired: Wired, chat: str) -> str:
        return ""

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.start(chat)

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        winners = [run_id for run_id, _ in outcomes if run_id]
        held = _chat(rows).get("active_run_id", {}).get("S")
        wrong = [] if winners == [held] else [f"won: {winners}, the slot holds {held}"]
        wrong += [f"{named} was named as the winner" for run_id, named in outcomes if not run_id and named != held]
        return Judged(len(winners), wrong)

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        assert wired.stop(next(run_id for run_id, _ in outcomes if run_id))


class StartStop:
    """Half stop the chat's pending run, half start another: one stop takes effect, and at most one start."""

    name = "start × stop"

    def prepare(self, wired: Wired, chat: str) -> str:
        run_id, _ = wired.start(chat)
        assert run_id is not None
        return run_id

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.start(chat)[0] if number % 2 else wired.stop(prepared)

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        stops, starts = outcomes[::2].count(True), [one for one in outcomes[1::2] if one]
        held = _chat(rows).get("active_run_id", {}).get("S")
        wrong = []
        if _run(rows, prepared)["status"]["S"] != "aborted":
            wrong.append("a stop was answered true, but the run is not aborted")
        if len(starts) > 1 or held != (starts[0] if starts else None):
            wrong.append(f"started: {starts}, the slot holds {held}")
        return Judged(stops, wrong)

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        for started in outcomes[1::2]:
            if started:
                assert wired.stop(started)


class ClaimClaim:
    """The same message is delivered to every racer: one worker calls the model."""

    name = "claim × claim"

    def prepare(self, wired: Wired, chat: str) -> str:
        run_id, _ = wired.start(chat)
        assert run_id is not None
        return run_id

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.step(prepared)

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        run = _run(rows, prepared)
        attempt, status = run["attempt"]["N"], run["status"]["S"]
        fine = (attempt, status) == ("1", "succeeded")
        return Judged(outcomes.count(True), [] if fine else [f"attempt {attempt}, {status}"])

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        """Nothing is left."""


class SettleSettle:
    """A run whose answer is stored: half settle it as its worker would, half as a stop would; one of them ends it."""

    name = "settle × settle"

    def prepare(self, wired: Wired, chat: str) -> str:
        return wired.answered_run(chat)

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.settle(prepared, final=bool(number % 2))

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        winners = [(number, one) for number, one in enumerate(outcomes) if one]
        run = _run(rows, prepared)
        settled_by, status = run["settled_by"]["S"], run["status"]["S"]
        wrong = []
        for number, run_id in winners:
            if (run_id, "succeeded" if number % 2 else "aborted") != (settled_by, status):
                wrong.append(f"racer {number} was answered that it ended the run, which another one ended {status}")
        return Judged(len(winners), wrong)

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        """Nothing is left."""


RACES: Final[dict[str, Race]] = {race.name: race for race in (StartStart(), StartStop(), ClaimClaim(), SettleSettle())}


def _chat(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (chat,) = [row for row in rows if row["sk"]["S"] == Chat.SK]
    return chat


def _run(rows: list[dict[str, Any]], run_id: str) -> dict[str, Any]:
    (run,) = [row for row in rows if row["sk"]["S"] == Run.SK and row["id"]["S"] == run_id]
    return run


# --- racers ---


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


# --- cells ---


@dataclass
class Cell:
    """What came out of one race on one engine by one kind of racers."""

    engine: str
    race: str
    racers: str
    rounds: int = 0
    seconds: float = 0.0
    winners: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    conflicts: int = 0
    wrong: list[str] = field(default_factory=list)


def run_cell(cell: Cell, race: Race, racers: Racers, wired: Wired, rounds: int, seconds: float) -> None:
    """Run rounds until there were enough, or time is up; the cell then says what came out."""
    chat, before = "", list[dict[str, Any]]()
    refused = Counter(racers.codes)
    begun = time.monotonic()
    for number in range(rounds):
        if time.monotonic() - begun > seconds:
            break
        if number % CHAT_ROUNDS == 0:
            chat, before = f"chat-{new_id()}", []
        prepared = race.prepare(wired, chat)
        outcomes = racers.race(race, chat, prepared)
        rows = wired.rows(chat)
        judged = race.judge(rows, prepared, outcomes)
        cell.rounds += 1
        cell.winners[judged.winners] += 1
        wrong = [*judged.wrong, *violations(rows), *changed_after_its_end(before, rows)]
        if judged.winners != 1:
            wrong.append(f"{judged.winners} winners")
        sequence, runs = int(_chat(rows)["sequence"]["N"]), sum(row["sk"]["S"] == Run.SK for row in rows)
        if sequence != 2 * runs:
            wrong.append(f"message sequence {sequence} after {runs} runs")
        cell.wrong += [f"round {number}: {one}" for one in wrong]
        race.tidy(wired, prepared, outcomes)
        before = wired.rows(chat)
    cell.seconds = time.monotonic() - begun
    now = Counter(racers.codes)
    now.subtract(refused)
    cell.refused = now.pop("refused", 0)
    cell.conflicts = sum(now.values())


@contextmanager
def racing(wired: Wired, kind: str) -> Iterator[Racers]:
    """Racers of this kind, ready."""
    racers = Threads(wired, THREADS) if kind == "threads" else Processes(wired.endpoint, PROCESSES)
    try:
        yield racers
    finally:
        racers.close()


LINE: Final = "{:<15} {:<16} {:<12} {:>6} {:>8} {:>9} {:>9} {:>9} {:>10}"


def main(arguments: list[str] | None = None) -> int:
    """Race, and print the table. 0: all in order; 1: something is wrong; 3: no engine is on this machine."""
    parser = argparse.ArgumentParser(prog="races")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at most, for each cell")
    parser.add_argument("--engine", choices=["dynamodb_local", "ministack"], action="append")
    parser.add_argument("--race", choices=list(RACES), action="append")
    parser.add_argument("--by", choices=["threads", "processes"], action="append")
    options = parser.parse_args(arguments)
    cells: list[Cell] = []
    _say(LINE.format("engine", "race", "racers", "rounds", "seconds", "1 winner", "refused", "conflicts", "violations"))
    for engine in options.engine or ["dynamodb_local", "ministack"]:
        with ExitStack() as stack:
            try:
                endpoint = stack.enter_context(ENGINES[engine]())
            except Absent as absent:
                _say(f"{engine:<15} left out: {absent}")
                continue
            assert isinstance(endpoint, Client)
            wired = Wired(endpoint.client.meta.endpoint_url)
            for kind in options.by or ["threads", "processes"]:
                with racing(wired, kind) as racers:
                    for name in options.race or list(RACES):
                        count = THREADS if kind == "threads" else PROCESSES
                        cell = Cell(engine, name, f"{count} {kind}")
                        run_cell(cell, RACES[name], racers, wired, options.rounds, options.seconds)
                        cells.append(cell)
                        _print(cell)
    wrong = [(cell, one) for cell in cells for one in cell.wrong]
    for cell, one in wrong[:40]:
        _say(f"{cell.engine}, {cell.race}, {cell.racers}: {one}")
    if cells:
        rounds = sum(cell.rounds for cell in cells)
        _say(f"\n{rounds} rounds, {len(wrong)} violations.")
        _say("Both engines execute one call after the other: this shows that the guards hold in any order of calls,")
        _say("not how conflicts between calls are taken, which no engine outside AWS produces.")
    return 1 if wrong else 0 if cells else 3


def _print(cell: Cell) -> None:
    once = cell.winners[1]
    _say(
        LINE.format(
            cell.engine,
            cell.race,
            cell.racers,
            cell.rounds,
            f"{cell.seconds:.1f}",
            once,
            cell.refused,
            cell.conflicts,
            len(cell.wrong),
        )
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
