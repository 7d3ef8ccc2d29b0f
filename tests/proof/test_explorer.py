"""The explorer finds a broken promise, reports it as a short script, and passes correct code."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from proof.dynamodb.memory_table import MemoryTable
from proof.explorer.calls import Answer, Request
from proof.explorer.explorer import explore, replay, walk
from proof.explorer.forest import Forest, Nondeterministic
from proof.explorer.play import Play
from proof.explorer.processes import Killed, Process, running
from proof.explorer.world import Event, Stage, World
from proof.sqs.memory_queue import Letter

KEY = {"pk": {"S": "counter"}, "sk": {"S": "n"}}


def ask(operation: str, **request: Any) -> Any:
    return running().ask(Request.of("table", operation, {"TableName": "runs", **request}))


def read() -> int:
    item = ask("GetItem", Key=KEY, ConsistentRead=True).get("Item")
    return int(item["n"]["N"]) if item else 0


def check_then_act() -> Hashable:
    """Add one without a condition: a concurrent addition is lost."""
    ask("PutItem", Item={**KEY, "n": {"N": str(read() + 1)}})
    return True


def conditional() -> Hashable:
    """Add one if the number is still the one that was read; else read again."""
    for _ in range(5):
        before = read()
        try:
            ask(
                "PutItem",
                Item={**KEY, "n": {"N": str(before + 1)}},
                ConditionExpression="attribute_not_exists(n) OR n = :n",
                ExpressionAttributeValues={":n": {"N": str(before)}},
            )
        except ClientError:
            continue
        return True
    return False


def retrying() -> Hashable:
    """As `conditional`, and repeats a call without an answer: it counts twice if only the answer was lost."""
    for _ in range(3):
        try:
            return conditional()
        except Exception:
            continue
    return False


@dataclass
class Counting:
    """Processes that each add one to a counter. A process with a positive answer has added exactly once."""

    add: Callable[[], Hashable]
    names: tuple[str, ...] = ("a", "b")
    stage: Stage = field(default_factory=lambda: Stage(MemoryTable("runs"), Forest(())))

    name = "counting"
    visibility = 30
    workers = 1
    jumps = ()
    passing = ()

    def actors(self) -> tuple[str, ...]:
        return self.names

    def twin(self, actor: str) -> str | None:
        return None

    def program(self, actor: str) -> Callable[[], Hashable]:
        return self.add

    def worker(self, name: str, letter: Letter) -> Callable[[], Hashable]:
        raise AssertionError

    def watch(self, before: World, event: Event, after: World) -> tuple[Hashable, list[str]]:
        return before.ghost, []

    def matters(self, world: World, passing: int) -> bool:
        return False

    def finish(self, world: World) -> list[str]:
        row = self.stage.tables[world.table].get(("counter", "n"))
        count = 0 if row is None else int(row.attributes["n"]["N"])
        answered = sum(result is True for _, result in world.results)
        crashed = sum(result == "crashed" for _, result in world.results)
        return (
            [] if answered <= count <= answered + crashed else [f"{answered} were answered, the counter says {count}"]
        )


def played(scene: Counting, *kinds: str, faults: int = 0, merging: bool = True) -> tuple[Play, World]:
    if not merging:
        scene.stage.forest = Forest(None)
    play = Play(scene.stage, scene, frozenset(kinds))
    return play, play.opening(scene.stage.number(), faults, None, 0)


def test_check_then_act_is_caught_with_the_shortest_script() -> None:
    report = explore(*played(Counting(check_then_act)))
    assert report.failure is not None
    assert sorted(report.failure.labels) == ["a", "a", "b", "b"]
    assert report.failure.labels[:2] in (["a", "b"], ["b", "a"])


@pytest.mark.parametrize("kind", ["crash", "refused"])
def test_a_conditional_write_passes_every_order_and_fault(kind: str) -> None:
    report = explore(*played(Counting(conditional, ("a", "b", "c"))))
    assert report.failure is None
    assert report.complete
    assert report.ends
    faulty = explore(*played(Counting(retrying), kind, faults=2))
    assert faulty.failure is None
    assert faulty.states > 20


def test_a_retry_that_does_not_know_its_own_write_is_caught() -> None:
    report = explore(*played(Counting(retrying), "lost", faults=1))
    assert report.failure is not None
    assert any("!lost" in label or "!retried" in label for label in report.failure.labels)


def test_a_failing_script_replays_to_the_same_failure() -> None:
    report = explore(*played(Counting(check_then_act)))
    assert report.failure is not None
    labels: list[str] = []
    play, world = played(Counting(check_then_act))
    _, broken = replay(play, world, report.failure.labels, lambda before, event, after: labels.append(event.label))
    assert broken == report.failure.problems
    assert labels == report.failure.labels


def test_walks_of_one_seed_are_one_walk() -> None:
    failures = [walk(*played(Counting(check_then_act)), seed).failure for seed in (*range(20), *range(20))]
    assert failures[:20] == failures[20:]
    assert any(failures)


def test_merging_what_stands_alike_changes_no_verdict() -> None:
    for add, faults in ((conditional, 0), (retrying, 1), (check_then_act, 0)):
        merged = explore(*played(Counting(add), "lost", faults=faults))
        apart = explore(*played(Counting(add), "lost", faults=faults, merging=False))
        assert (merged.failure is None) is (apart.failure is None)
        assert merged.states <= apart.states


def test_a_crashed_process_reaches_nothing_any_more() -> None:
    seen: list[str] = []

    def program() -> Hashable:
        try:
            read()
        except Exception:
            seen.append("caught")
        finally:
            try:
                check_then_act()
            except Killed:
                seen.append("refused")
        return None

    process = Process("a", program, 0)
    process.kill()
    assert seen == ["refused"]


def test_a_process_that_asks_something_else_the_second_time_is_not_trusted() -> None:
    moods = iter(range(10))

    def program() -> Hashable:
        ask("GetItem", Key={"pk": {"S": str(next(moods))}, "sk": {"S": "n"}})
        return read()

    forest = Forest(None)
    node = forest.begin("a", "a", program, 0).node
    forest.close()
    request = node.pending[0]
    assert request is not None
    with pytest.raises(Nondeterministic):
        forest.go_on(node, 0, Answer.value({}), 0)
