"""What a run costs: every call counted, every unit worked out from the real items, and prices put on them.

`python -m bench.cost` writes the tables of docs/cost.md; nothing in them depends on the machine.
`--against-dynamodb-local` makes the same calls on Amazon's own DynamoDB Local as well, and says where it bills otherwise.
"""

import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from bench.following import SPOKEN, Followed, followed
from bench.one_process import TABLE, OneProcess
from bench.pages import put, say, table
from proof.costs.units import BILLED, Units, bill
from proof.dynamodb.memory_table import MemoryTable
from proof.engines.engines import Engine, dynamodb_local
from proof.sqs.memory_queue import MemoryQueue

RUNS = (1, 10, 50)
"""How many steps the runs have that are counted."""
PER_MESSAGE = (1, 5, 20)
"""Values of `STEPS_PER_MESSAGE` that are counted."""
CHAT = "0f8fad5b-d9cb-469f-a165-70867728950e"
"""As long as ids are that others make; workspace and user are made as long."""
WATCHED_EVERY = 2.0
PER = 1000
MILLION = 1_000_000


class Biller(Protocol):
    """Another engine that bills the same calls."""

    def bill(self, operation: str, request: dict[str, Any]) -> Units:
        """Make the call; what it is billed."""

    def clear(self) -> None:
        """Begin with an empty table again."""


@dataclass
class Meter:
    """Counts calls and units by phase, and makes them on the table in memory."""

    table: MemoryTable
    queue: MemoryQueue
    phase: str = ""
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    units: dict[str, Units] = field(default_factory=dict)
    other: "Biller | None" = None
    differences: list[str] = field(default_factory=list)

    def dynamodb(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """A call of the table."""
        answer, units = bill(self.table, operation, request)
        self._count(operation, units)
        if self.other is not None:
            theirs = self.other.bill(operation, request)
            if theirs != units:
                self.differences.append(f"{self.phase} {operation}: {units} here, {theirs} there")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sqs(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """A call of the queue."""
        self._count(operation, Units())
        return self.queue.call(operation, request)

    def _count(self, operation: str, units: Units) -> None:
        # The settle is the last step's, and has a line of its own.
        settles = operation == "TransactWriteItems" and self.phase != "start"
        phase = "settle" if settles else self.phase
        self.calls.setdefault(phase, Counter())[operation] += 1
        self.units[phase] = self.units.get(phase, Units()) + units


@dataclass(frozen=True, slots=True)
class Counted:
    """A run, counted: by phase, and what a look at it costs after it has ended and on average while it goes on."""

    steps: int
    calls: dict[str, Counter[str]]
    units: dict[str, Units]
    looks: tuple[Units, ...]
    """One look after each step."""
    first: Units
    """What the first step takes."""
    last: Units
    """What the last step takes, without the settle."""
    weights: dict[str, int]
    recorded: int
    """Bytes all its records take."""
    messages: int
    """Messages its steps came in, each an invocation."""

    @property
    def total(self) -> Units:
        """All units of the run."""
        return sum(self.units.values(), Units())

    @property
    def queue_requests(self) -> int:
        """Ours, and the two of the mapping that fetches and deletes each message."""
        ours = sum(calls[name] for calls in self.calls.values() for name in ("SendMessage", "ChangeMessageVisibility"))
        return ours + 2 * self.messages


def counted(app: OneProcess, meter: Meter, steps: int) -> Counted:
    """A fresh chat's first run of `steps` steps."""
    meter.calls, meter.units = {}, {}
    meter.table.state = MemoryTable(TABLE).state
    if meter.other is not None:
        meter.other.clear()
    meter.phase = "start"
    run = app.begin(CHAT, f"run{steps}", steps)
    looks: list[Units] = []
    each: list[Units] = []
    for number in range(steps):
        before = meter.units.get("steps", Units())
        meter.phase = "steps"
        assert app.take()
        after = meter.units["steps"]
        each.append(Units(after.read - before.read, after.write - before.write))
        meter.phase = "look"
        seen = app.look(run["id"])
        looks.append(meter.units.pop("look"))
        meter.calls.pop("look")
        assert seen["run"]["step_count"] == number + 1, seen["run"]
    assert seen["run"]["status"] == "succeeded", seen["run"]
    rows = {row.attributes["sk"]["S"]: row.weight for row in meter.table.state.rows.values()}
    records = [weight for sort_key, weight in rows.items() if "#STEP#" in sort_key]
    weights = {sort_key: weight for sort_key, weight in rows.items() if "#STEP#" not in sort_key}
    weights["record"] = max(records)
    return Counted(steps, meter.calls, meter.units, tuple(looks), each[0], each[-1], weights, sum(records), steps)


def counted_in_few(app: OneProcess, meter: Meter, run: Counted, per_message: int) -> Counted:
    """The same run with so many steps per message. What is read of it in between is not looked at."""
    meter.calls, meter.units = {}, {}
    meter.table.state = MemoryTable(TABLE).state
    meter.phase = "start"
    app.begin(CHAT, f"run{run.steps}", run.steps)
    meter.phase = "steps"
    with app.steps_per_message(per_message):
        messages = app.work()
    return replace(run, calls=meter.calls, units=meter.units, messages=messages)


def prices() -> dict[str, dict[str, float]]:
    """The price file."""
    with (Path(__file__).parent / "prices.toml").open("rb") as file:
        return tomllib.load(file)


def dollars(run: Counted) -> dict[str, float]:
    """US dollars for 1,000 such runs, by what they are paid for."""
    price = prices()
    storage, assumed = price["dynamodb"], price["assumed"]
    total = run.total
    light = assumed["light_seconds"] * assumed["light_gb"] * price["lambda"]["gb_second"]
    step = assumed["step_own_seconds"] * assumed["step_gb"] * price["lambda"]["gb_second"]
    return {
        "DynamoDB writes": PER * total.write * storage["million_write_units"] / MILLION,
        "DynamoDB reads": PER * total.read * storage["million_read_units"] / MILLION,
        "SQS": PER * run.queue_requests * price["sqs"]["million_requests"] / MILLION,
        "HTTP API": PER * price["http_api"]["million_requests"] / MILLION,
        "Lambda requests": PER * (1 + run.messages) * price["lambda"]["million_requests"] / MILLION,
        "Lambda time, our own": PER * (light + run.steps * step),
    }


def model_time(run: Counted) -> float:
    """US dollars for the time 1,000 such runs hold a function while their model answers."""
    price = prices()
    assumed = price["assumed"]
    return PER * run.steps * assumed["model_seconds"] * assumed["step_gb"] * price["lambda"]["gb_second"]


def compared(run: Counted) -> dict[str, float]:
    """US dollars for 1,000 such runs by others: their own charges, and the function calls they make."""
    price = prices()
    request = price["lambda"]["million_requests"] / MILLION
    own = price["assumed"]["step_own_seconds"] * price["assumed"]["step_gb"] * price["lambda"]["gb_second"]
    transitions = 2 * run.steps + 2
    machine = price["step_functions_standard"]["million_transitions"] / MILLION
    durable = price["durable_functions"]
    operations, written = 1 + run.steps, run.recorded / 1e9
    return {
        "Step Functions Standard": PER * (transitions * machine + run.steps * (request + own)),
        "Lambda durable functions": PER
        * (
            operations * durable["million_operations"] / MILLION
            + written * durable["gb_written"]
            + request
            + run.steps * own
        ),
    }


def watching(run: Counted) -> tuple[int, float]:
    """How often a client that looks every 2 s looks at such a run, and US dollars for 1,000 runs so watched."""
    price = prices()
    assumed = price["assumed"]
    per_step = (assumed["model_seconds"] + assumed["step_own_seconds"]) / WATCHED_EVERY
    reads = looks = 0.0
    for units in run.looks:
        looks += per_step
        reads += per_step * units.read
    each = (
        price["http_api"]["million_requests"] / MILLION
        + price["lambda"]["million_requests"] / MILLION
        + assumed["light_seconds"] * assumed["light_gb"] * price["lambda"]["gb_second"]
    )
    return round(looks), PER * (looks * each + reads * price["dynamodb"]["million_read_units"] / MILLION)


def live(step: Followed) -> float:
    """US dollars for saying 1,000 such steps live."""
    return PER * step.written.write * prices()["dynamodb"]["million_write_units"] / MILLION


def reader(step: Followed, held: float) -> float:
    """US dollars for the readers of 1,000 such steps, one each, whose requests hold a function for so many seconds."""
    price = prices()
    request = (price["http_api"]["million_requests"] + price["lambda"]["million_requests"]) / MILLION
    time = held * price["assumed"]["light_gb"] * price["lambda"]["gb_second"]
    reads = step.read.read * price["dynamodb"]["million_read_units"] / MILLION
    return PER * (step.windows * request + time + reads)


def following() -> str:
    """The table of what live text and its readers cost."""
    steps = [followed(*spoken) for spoken in SPOKEN]
    consoles = [followed(*spoken, console=True) for spoken in SPOKEN]
    warm = prices()["assumed"]["light_seconds"]
    rows: list[list[object]] = [
        ["pieces written", *(step.pieces for step in steps)],
        ["write units", *(f"{step.written.write:g}" for step in steps)],
        ["USD for 1,000 such steps", *(f"{live(step):.4f}" for step in steps)],
        ["a reader's requests, each of which waits", *(step.windows for step in steps)],
        ["read units", *(f"{step.read.read:g}" for step in steps)],
        ["USD for 1,000 such steps", *(f"{reader(step, step.seconds):.4f}" for step in steps)],
        ["the console's requests, none of which waits", *(step.windows for step in consoles)],
        ["read units", *(f"{step.read.read:g}" for step in consoles)],
        ["USD for 1,000 such steps", *(f"{reader(step, step.windows * warm):.4f}" for step in consoles)],
        ["read units of a look that finds nothing new", *(f"{step.idle.read:g}" for step in steps)],
    ]
    heads = [f"{step.characters:,} characters in {step.seconds:g} s" for step in steps]
    return table(["a step that says", *heads], rows)


def standing() -> list[tuple[str, str, float]]:
    """What a month costs in which nobody starts a run: what, how much of it, US dollars."""
    price = prices()
    minutes = 30 * 24 * 60
    sweeps = (
        minutes * 8 * 0.5 * price["dynamodb"]["million_read_units"] / MILLION
        + minutes * price["lambda"]["million_requests"] / MILLION
        + minutes * 8 * price["assumed"]["light_seconds"] * price["assumed"]["light_gb"] * price["lambda"]["gb_second"]
    )
    # Five long polls of 20 s each at a time, whether anything comes or not.
    polls = 5 * 30 * 24 * 3600 // 20
    return [
        ("the sweep", f"{minutes:,} invocations, {minutes * 8:,} index queries", sweeps),
        ("the mapping's empty receives", f"{polls:,} requests", polls * price["sqs"]["million_requests"] / MILLION),
    ]


def all_counted(other: Biller | None = None) -> tuple[list[Counted], list[list[Counted]], list[str]]:
    """The runs, each of them again with so many steps per message, and where another engine bills otherwise."""
    ticks = count()
    queue = MemoryQueue(lambda: next(ticks))
    meter = Meter(MemoryTable(TABLE), queue, other=other)
    app = OneProcess(meter.dynamodb, queue, meter.sqs, long_ids=True)
    app.hush()
    runs = [counted(app, meter, steps) for steps in RUNS]
    meter.other = None
    in_few = [runs if per == 1 else [counted_in_few(app, meter, run, per) for run in runs] for per in PER_MESSAGE]
    return runs, in_few, meter.differences


def calls_table(run: Counted) -> str:
    """The calls of a run by phase."""
    names = [
        "GetItem",
        "Query",
        "UpdateItem",
        "PutItem",
        "TransactWriteItems",
        "SendMessage",
        "ChangeMessageVisibility",
    ]
    rows = []
    for phase in ("start", "steps", "settle"):
        units = run.units[phase]
        label = f"{run.steps} steps" if phase == "steps" and run.steps > 1 else "1 step" if phase == "steps" else phase
        rows.append([label, *(run.calls[phase][name] or "" for name in names), f"{units.write:g}", f"{units.read:g}"])
    return table(["phase", *(f"`{name}`" for name in names), "write units", "read units"], rows)


def write_page(runs: list[Counted], in_few: list[list[Counted]]) -> None:
    """Write the tables of docs/cost.md."""
    per_run = [dollars(run) for run in runs]
    watched = [watching(run) for run in runs]
    others = [compared(run) for run in runs]
    heads = [f"{run.steps} step{'s' if run.steps > 1 else ''}" for run in runs]
    put(
        "cost.md",
        "calls",
        "\n\n".join(f"A run of {head}:\n\n{calls_table(run)}" for head, run in zip(heads, runs, strict=True)),
    )
    weights = runs[1].weights
    put("cost.md", "items", table(["item", "bytes"], [
        ["run, once it has ended", weights["RUN"]],
        ["chat", weights["CHAT"]],
        ["user message (a prompt of 200 characters)", weights["MSG#000000000001"]],
        ["assistant message, the header", weights["MSG#000000000002"]],
        ["record of a step (600 characters of text, a call, 1,000 characters of result)", weights["record"]],
    ]))  # fmt: skip
    rows = [[name, *(f"{run[name]:.4f}" for run in per_run)] for name in per_run[0]]
    rows.append(["**all of it**", *(f"**{sum(run.values()):.4f}**" for run in per_run)])
    rows.append(["besides: Lambda time while the model answers", *(f"{model_time(run):.4f}" for run in runs)])
    put("cost.md", "dollars", table(["USD per 1,000 runs", *heads], rows))
    rows = [["Outlive, all of the above", *(f"{sum(run.values()):.4f}" for run in per_run)]]
    rows += [[name, *(f"{other[name]:.4f}" for other in others)] for name in others[0]]
    rows += [
        [f"{name}, in Outlives", *(f"{o[name] / sum(p.values()):.1f} ×" for o, p in zip(others, per_run, strict=True))]
        for name in others[0]
    ]
    put("cost.md", "others", table(["USD per 1,000 runs", *heads], rows))
    rows = []
    for per, few in zip(PER_MESSAGE, in_few, strict=True):
        costs = [sum(dollars(run).values()) for run in few]
        shares = [cost / sum(one.values()) for cost, one in zip(costs, per_run, strict=True)]
        messages = [f"{run.messages} message{'s' if run.messages > 1 else ''}" for run in few]
        told = zip(messages, costs, shares, strict=True)
        rows.append([per, *(f"{count}, {cost:.4f}, {share:.0%}" for count, cost, share in told)])
    put("cost.md", "per message", table(["`StepsPerMessage`", *heads], rows))
    rows = [
        ["looks", *(str(looks) for looks, _ in watched)],
        ["read units of the last look", *(f"{run.looks[-1].read:g}" for run in runs)],
        ["USD for 1,000 runs", *(f"{cost:.4f}" for _, cost in watched)],
    ]
    put("cost.md", "watching", table(["a reader that looks every 2 s", *heads], rows))
    put("cost.md", "following", following())
    put("cost.md", "standing", table(
        ["in a month", "", "USD"], [[what, how, f"{cost:.2f}"] for what, how, cost in standing()], left=2
    ))  # fmt: skip


@dataclass
class _DynamoDbLocal:
    engine: Engine

    def bill(self, operation: str, request: dict[str, Any]) -> Units:
        answer = self.engine.call(operation, {**request, "ReturnConsumedCapacity": "INDEXES"})
        found = answer["ConsumedCapacity"]
        used = sum(each["CapacityUnits"] for each in (found if isinstance(found, list) else [found]))
        return Units(read=used) if operation in ("GetItem", "BatchGetItem", "Query") else Units(write=used)

    def clear(self) -> None:
        self.engine.clear()


def against_dynamodb_local() -> None:
    """Say where DynamoDB Local bills the same calls otherwise."""
    with dynamodb_local() as engine:
        runs, _, differences = all_counted(_DynamoDbLocal(engine))
    calls = sum(counter[name] for run in runs for counter in run.calls.values() for name in counter if name in BILLED)
    say(f"{calls} calls and the looks between them; billed otherwise: {len(differences)}")
    for difference in differences:
        say(difference)


def report() -> None:
    """Count, and write the page."""
    runs, in_few, _ = all_counted()
    write_page(runs, in_few)


if __name__ == "__main__":
    if sys.argv[1:] == ["--against-dynamodb-local"]:
        against_dynamodb_local()
    else:
        report()
