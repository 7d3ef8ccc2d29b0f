"""In every story of a run, and read in every way, a reader ends up with its message, exactly.

The real operation over the real table code, on a table in memory. Workers say something, die, are overtaken and write on
late, records are adopted, stores refuse and lose answers, runs are stopped and settled, also between the reads of one
window and while a query is under way.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from outlive import tail
from outlive.ai_sdk.chunks import Encoder
from outlive.asked import Asked, AskedCall, closed, is_open
from outlive.caller import Caller
from outlive.clock import Clock
from outlive.errors import CursorRefused, RunNotFound, StoreBusy
from outlive.follow import passages
from outlive.follow.events import Event
from outlive.follow.live import LiveLog
from outlive.follow.passages import BEGINNING, Call, Words
from outlive.follow.reader_state import AT_THE_START, ReaderState, cursor_of, reader_state_of
from outlive.store.body import Body, pack
from outlive.store.row import Row
from outlive.store.rows import Record, Run
from outlive.store.short_lived import Live
from outlive.store.table import Table
from outlive.tail import Tail
from outlive.text import clean
from outlive.usage import Usage
from outlive.views import folded
from proof.dynamodb.memory_table import MemoryTable
from tests.handlers.chunks import Client
from tests.handlers.event_reader import EventReader, content_parts

NOW = 1_780_000_000_000
WHO = (Caller("acme", "ada"), "run-1")


class Hands(Clock):
    """A clock that the test moves, directly or by sleeping."""

    def __init__(self) -> None:
        self.at = NOW
        self.slept: list[float] = []

    def now(self) -> int:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += int(seconds * 1000)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Text is cut early, so that a run that can be read here has what a long one has."""
    patch = pytest.MonkeyPatch()
    patch.setattr(passages, "LONGEST", 5)
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    patch.setattr(Row, "_connection", None)
    patch.setattr(Row.Meta, "table_name", "runs")
    patch.setattr(tail, "PAGE_BYTES", tail.PAGE_BYTES)
    yield
    patch.undo()


class Wire:
    """Stands where botocore's client stands."""

    _request_signer = None

    def __init__(self, memory: MemoryTable) -> None:
        self.memory = memory

    def _make_api_call(self, operation: str, request: dict[str, Any]) -> Any:
        return self.memory.call(operation, {k: v for k, v in request.items() if k != "ReturnConsumedCapacity"})


class World:
    """One run, its workers and its table. What is asked of it and makes no sense now is passed over."""

    def __init__(self, page: int = 5_000_000) -> None:
        tail.PAGE_BYTES = page
        self.memory, self.clock = MemoryTable("runs"), Hands()
        connection = Row._get_connection()
        connection.connection._client = Wire(self.memory)
        self.table = Table(connection)
        self.run = Run(
            Run.key("acme", "run-1"), Run.SK, id="run-1", workspace_id="acme", chat_id="chat", owner="ada", trigger="user",
            status="pending", user_seq=1, assistant_seq=2, budget={"max_steps": 20}, metadata={}, claimed_step=-1,
            attempt=0, resends=0, step_count=0, created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        self.held = False
        self.recorded: list[list[dict[str, Any]]] = []
        self.kinds: list[str] = []
        self.said: list[Words | Call] = []
        self.by_hand = False
        self.spoken: dict[int, list[list[Words | Call]]] = {}
        self.ghosts: list[tuple[int, LiveLog, list[Words | Call]]] = []
        self.log: LiveLog | None = None
        self.failures: list[str] = []
        self.answered: list[dict[str, Any]] = []
        """The parts of the calls that were asked about and have no result yet."""
        self.save()

    def save(self) -> None:
        self.run.updated_at = self.clock.at
        self.memory.call("PutItem", {"TableName": "runs", "Item": self.run.serialize()})

    @property
    def ended(self) -> bool:
        return self.run.status in ("succeeded", "failed", "aborted")

    @property
    def final(self) -> bool:
        return self.kinds[-1:] == ["final"]

    def put(self, piece: Live) -> None:
        failure = self.failures.pop(0) if self.failures else ""
        if failure != "refused":
            self.table.put_live_piece(piece)
        if failure:
            raise StoreBusy(failure)

    # --- what happens

    def do(self, what: str, *how: Any) -> None:
        if not self.ended:
            getattr(self, what)(*how)

    def claim(self) -> None:
        """The next step if this one is recorded, else this one once more, after its worker was lost."""
        if self.final or self.run.status == "waiting":
            return
        self.lose()
        if len(self.recorded) > self.run.claimed_step:
            self.run.claimed_step, self.run.attempt = len(self.recorded), 1
        else:
            self.run.attempt += 1
        self.run.status = "running"
        self.spoken.setdefault(self.run.claimed_step, []).append([])
        self.said = self.spoken[self.run.claimed_step][-1]
        self.log, self.held = LiveLog(Run.of(self.run.serialize()), self.put, self.clock), True
        self.save()

    def lose(self) -> None:
        """The worker is overtaken, or dies; either way it may still write for a while."""
        if self.held and self.log:
            self.ghosts.append((self.run.claimed_step, self.log, self.said))
        self.held = False

    def say(self, said: Words | Call) -> None:
        if self.held and self.log and len(self.recorded) == self.run.claimed_step and not self.answered:
            self.said.append(numbered(said, len(self.said)))
            self.log.show(self.said[-1])

    def speak(self, said: list[Words | Call], failures: list[str]) -> None:
        """Say this bit by bit, each a piece of its own, unless the store fails too often."""
        for one in said:
            self.say(one)
            self.wait(1100, failures)
            failures = []

    def again(self, said: list[Words | Call]) -> None:
        """Another worker takes the step over, and streams the same text again, or another one."""
        before = self.said
        self.claim()
        for one in said or before:
            self.say(one)
        self.wait(1100, [])

    def wait(self, ms: int, failures: list[str]) -> None:
        self.failures = failures
        self.clock.at += ms
        for log in [self.log, *(log for _, log, _ in self.ghosts)]:
            if log:
                log.tick()
        self.failures = []

    def record(self, more: list[Words | Call], kind: str, of: int) -> None:
        """The step's record: this worker's, or of one that was overtaken, which was first."""
        if self.held and self.answered:
            self.carry_out(["done"])
        elif self.held and len(self.recorded) == self.run.claimed_step:
            mine = [self.said, *(said for step, _, said in self.ghosts if step == self.run.claimed_step)]
            said = mine[of % len(mine)]
            self._put_record([*said, *(numbered(one, number) for number, one in enumerate(more, len(said)))], kind)
            self.log = None

    def ask(self, kinds: list[str]) -> None:
        """The step ends with calls of these kinds, which are asked about; `done` has its result at once."""
        if not self.held:
            self.claim()
        if not self.held or self.answered or len(self.recorded) != self.run.claimed_step:
            return
        said = [*self.said, *(Call(f"asked_{len(self.recorded)}_{n}", "pay", {"n": n}) for n in range(len(kinds)))]
        parts = parts_of(said, "output-available")
        for part, kind in zip(parts[-len(kinds) :], kinds, strict=True):
            if kind != "done":
                del part["output"]
                part.update(self._opened(part, kind))
        self._wait(parts)

    def _opened(self, part: dict[str, Any], kind: str) -> dict[str, Any]:
        if kind == "question":
            return {"state": "input-available"}
        approval_id = f"{len(self.recorded)}:{part['toolCallId']}"
        return {"state": "approval-requested", "approval": {"id": approval_id}}

    def _wait(self, parts: list[dict[str, Any]]) -> None:
        """Record these parts; the run waits if one of them is open."""
        self.answered = [dict(part) for part in parts if is_open(part)]
        step = len(self.recorded)
        self._put_parts(parts, "asked" if self.answered else "step")
        if self.answered:
            self.held, self.log, self.run.status = False, None, "waiting"
            calls = [AskedCall(part["toolCallId"], "question", "pay") for part in self.answered]
            self.run.asked = Asked(step, NOW, tuple(calls))
            self.save()

    def answer(self, count: int) -> None:
        """So many of the open calls are answered; with the last one the run goes on."""
        if self.run.status == "waiting":
            left = self.run.asked.open[count:]
            self.run.asked = Asked(self.run.asked.step, NOW, left) if left else None
            self.run.status = "waiting" if left else "running"
            self.save()

    def carry_out(self, outcomes: list[str]) -> None:
        """The step that runs the answered calls: each has a result, or is asked about once more."""
        self.answer(len(self.answered))
        if not self.held:
            self.claim()
        if not self.held or not self.answered or len(self.recorded) != self.run.claimed_step:
            return
        parts = []
        for n, part in enumerate(self.answered):
            outcome = outcomes[n % len(outcomes)]
            approval = {"approval": {**part["approval"], "approved": outcome != "denied"}} if "approval" in part else {}
            bare = {name: value for name, value in part.items() if name != "approval"}
            if "approval" in part and outcome in ("other", "again", "question"):
                bare["input"] = {"other": n}
            if outcome in ("again", "question") and "approval" in part:
                parts.append(bare | self._opened(part, outcome))
            elif outcome == "denied" and approval:
                parts.append(bare | approval | {"state": "output-denied"})
            elif outcome == "failed":
                parts.append(bare | approval | {"state": "output-error", "errorText": "Failed."})
            else:
                parts.append(bare | approval | {"state": "output-available", "output": n})
        self._wait(parts)

    def _put_record(self, said: list[Words | Call], kind: str) -> None:
        self._put_parts(clean(parts_of(said, "output-error" if kind == "partial" else "output-available")), kind)

    def _put_parts(self, parts: list[dict[str, Any]], kind: str) -> None:
        row = Record(
            self.run.chat_pk, Record.sort_key(2, len(self.recorded)), run_id="run-1", step=len(self.recorded), kind=kind,
            packed=pack(Body(parts)), size=0, usage=Usage(len(self.recorded), 1, 1), created_at=self.clock.at,
        )  # fmt: skip
        self.memory.call("PutItem", {"TableName": "runs", "Item": row.serialize()})
        self.recorded.append(parts)
        self.kinds.append(kind)

    def stop(self) -> None:
        if self.run.stop_requested_at is None:
            self.run.stop_requested_at = self.clock.at
            self.save()

    def settle(self, how: str, seal: str) -> None:
        """End the run: over its final record, or with a seal, which has the streamed text or nothing."""
        if not self.final:
            if self.answered:
                self._put_parts([closed(part) for part in self.answered], "partial")
            elif len(self.recorded) == self.run.claimed_step and seal == "partial" and self.held:
                self._put_record(self.said, "partial")
            else:
                self._put_record([], "end")
            how = "aborted" if how == "succeeded" else how
        self.run.status, self.run.finished_at, self.held = how, self.clock.at, False
        self.run.usage, self.run.step_count = Usage(9, 9, 9), len(self.recorded)
        self.run.asked = None
        self.save()

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The run's message. How a call was approved is in the message alone: a reader learns what came of it."""
        parts = content_parts(folded(part for parts in self.recorded for part in parts))
        return [undecided(part) if part.get("state", "").startswith("output-") else part for part in parts]


def undecided(part: dict[str, Any]) -> dict[str, Any]:
    """The part without its approval."""
    return {name: value for name, value in part.items() if name != "approval"}


def spelled(parts: list[dict[str, Any]]) -> str:
    """All of the parts but results, as one text: what begins alike is spelled alike."""
    found = ""
    for part in content_parts(parts):
        found += f"<{part['type']}>" + part.get(
            "text", msgspec.json.encode([part.get("toolCallId"), part.get("input")]).decode()
        )
    return found


def numbered(said: Words | Call, number: int) -> Words | Call:
    """Ids of calls differ within a step; when it is done again, it asks for the same under the same id, or not."""
    return Call(f"{said.id}-{number}", said.name, said.input) if isinstance(said, Call) else said


def parts_of(said: list[Words | Call], state: str) -> list[dict[str, Any]]:
    """The streamed passages as UI parts, with a result for each call. An agent streams no half of a surrogate pair."""
    parts: list[dict[str, Any]] = []
    for one in said:
        if isinstance(one, Call):
            out = {"output": one.input} if state == "output-available" else {"errorText": "Interrupted."}
            parts.append({"type": f"tool-{one.name}", "toolCallId": one.id, "state": state, "input": one.input, **out})
        elif parts and parts[-1]["type"] == one.kind:
            parts[-1]["text"] += clean(one.text)
        else:
            parts.append({"type": one.kind, "text": clean(one.text)})
    return [{"type": "step-start"}, *parts] if parts else []


class Window:
    """The table as one request meets it: things happen before each of its reads, and while its query is under way."""

    def __init__(self, world: World, happen: list[Any], seen: list[bool]) -> None:
        self.world, self.happen, self.seen, self.reads = world, happen, seen, 0

    def _now(self) -> None:
        self.reads += 1
        if self.happen:
            self.world.do(*self.happen.pop(0))

    def reload(self, key: Run) -> Run | None:
        self._now()
        return self.world.table.reload(key)

    def live(self, key: Run, *place: int) -> tuple[list[Live], Run | None]:
        self._now()
        before, _ = self.world.table.live(key, *place)
        self._now()
        self.reads -= 1
        after, run = self.world.table.live(key, *place)
        # A query is no snapshot: of what came while it was under way it may have found any.
        there = {piece.sk for piece in before}
        chance = iter([*self.seen, *[True] * len(after)])
        return [piece for piece in after if piece.sk in there or next(chance)], run

    def records(self, run: Run, from_step: int) -> list[Record]:
        self._now()
        return self.world.table.records(run, from_step)


class Following:
    """A reader and where it stands."""

    def __init__(self, world: World) -> None:
        self.world, self.shown = world, EventReader()
        self.cursor: str | None = None
        self.events: list[dict[str, Any]] = []
        self.over = False

    def read(self, happen: list[Any], seen: list[bool]) -> None:
        """One window; what comes of it is applied."""
        asked = Window(self.world, happen, seen)
        got = Tail(asked, self.world.clock, str).after(*WHO, self.cursor, 0)
        # One more where a step has just asked, or its calls were just answered.
        assert asked.reads <= (3 if self.cursor else 4)
        self.over = got is None
        if got is not None:
            events = [msgspec.json.decode(msgspec.json.encode(event)) for event in got.events]
            self.shown.take(events)
            self.events += events
            assert got.cursor == (events[-1]["id"] if events else self.cursor)
            self.cursor = got.cursor
            self.look_over()
        run = self.world.run
        if run.status == "waiting" and run.asked.step in self.shown.finished:
            assert self.shown.finished[run.asked.step].get("waits") is True

    def look_over(self) -> None:
        """The events of the step under way are the beginning of the attempt that they name, or its record."""
        step = self.shown.open
        if step is not None and not self.world.by_hand:
            attempt = self.shown.attempt
            said = [] if attempt is None else [clean(parts_of(self.world.spoken[step][attempt - 1], ""))]
            said += self.world.recorded[step : step + 1]
            shown = spelled(self.shown.steps[step])
            assert any(spelled(one).startswith(shown) for one in said), (shown, said)

    def to_the_end(self) -> None:
        for _ in range(10_000):
            if self.over:
                return
            self.read([], [])
        raise AssertionError("it does not end")


TEXT = st.text(st.sampled_from('ab \n"\\é😀\0\ud83d\ude00\u2028'), min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text("ab\0", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)
SAID: st.SearchStrategy[Words | Call] = st.one_of(
    st.builds(Words, st.sampled_from(["text", "text", "reasoning"]), TEXT),
    st.builds(Call, st.sampled_from(["call_1", "call_2"]), st.sampled_from(["clock", "wait"]), JSON),
)
FAILURES = st.lists(st.sampled_from(["refused", "lost", ""]), max_size=2)
SPEAK = st.tuples(st.just("speak"), st.lists(SAID, min_size=1, max_size=3), FAILURES)
RECORD = st.tuples(
    st.just("record"), st.lists(SAID, max_size=2), st.sampled_from(["step", "step", "final"]), st.integers(0, 2)
)
ASK = st.tuples(st.just("ask"), st.lists(st.sampled_from(["approval", "question", "done"]), min_size=1, max_size=3))
ANSWER = st.tuples(st.just("answer"), st.integers(1, 3))
CARRY_OUT = st.tuples(
    st.just("carry_out"),
    st.lists(st.sampled_from(["done", "other", "denied", "failed", "again", "question"]), min_size=1, max_size=3),
)
AGAIN = st.tuples(st.just("again"), st.lists(SAID, max_size=3))
OTHER = st.one_of(
    st.builds(lambda said: ("say", said), SAID),
    st.tuples(st.just("wait"), st.sampled_from([100, 600, 1100, 9000]), FAILURES),
    st.sampled_from([("claim",), ("lose",), ("stop",)]),
    st.tuples(
        st.just("settle"), st.sampled_from(["succeeded", "failed", "aborted"]), st.sampled_from(["partial", "end"])
    ),
)
# Drawn by a number, so that what makes a story comes often and an end seldom.
OFTEN = [
    *[SPEAK] * 10,
    *[AGAIN] * 3,
    *[RECORD] * 2,
    *[st.just(("claim",))] * 4,
    *[ASK, ANSWER, CARRY_OUT] * 2,
    OTHER,
    OTHER,
]
HAPPENS = st.sampled_from(OFTEN).flatmap(lambda strategy: strategy)
READS = st.tuples(
    st.just("read"), st.integers(0, 2), st.lists(HAPPENS, max_size=3), st.lists(st.booleans(), max_size=3)
)
STORY = st.lists(st.integers(0, 1).flatmap(lambda n: READS if n else HAPPENS), max_size=40)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=STORY,
    page=st.sampled_from([1, 400, 1500, 5_000_000]),
    where=st.integers(0, 10_000),
)
@example(
    # A run that waits and goes on before the reader has received the step that asked.
    steps=[("read", 0, [], []), ("speak", [Words("text", "a")], []), ("ask", ["approval"]),
           ("read", 0, [("speak", [Words("text", "a")], [])], []), ("read", 0, [("answer", 1)], [])],
    page=1,
    where=0,
)  # fmt: skip
def test_every_reader_ends_with_the_message_in_every_story(steps: list[Any], page: int, where: int) -> None:
    """None lost, none twice: three readers at a cadence of their own, one that comes late, one that begins in the middle."""
    world = World(page)
    readers = [Following(world) for _ in range(3)]
    world.do("claim")
    for name, *how in steps:
        if name == "read":
            reader, happen, seen = how
            readers[reader].read(list(happen), seen)
        else:
            world.do(name, *how)
    if not world.ended:
        world.settle("succeeded", "partial")
    late = Following(world)
    for reader in (late, *readers):
        reader.to_the_end()
        assert reader.shown.parts == world.parts
        assert reader.shown.settled
        assert reader.shown.run == late.shown.run
        assert [one["kind"] for one in reader.shown.finished.values()] == [k for k in world.kinds if k != "end"]
    assert late.shown.voided == []
    events = readers[0].events
    middle, at = Following(world), where % len(events)
    middle.shown.take(events[: at + 1])
    middle.cursor = events[at]["id"]
    middle.to_the_end()
    assert middle.shown.parts == world.parts
    assert chat_parts(late.events, 0) == world.parts
    assert chat_parts(late.events, where % len(late.events)) == world.parts


def chat_parts(events: list[dict[str, Any]], cut: int) -> list[dict[str, Any]]:
    """The parts that a chat client makes of the events, the encoder being another one from the cut on."""
    client, encoder = Client(), Encoder()
    for number, event in enumerate(events):
        if number == cut and number > 0:
            encoder = Encoder.at(reader_state_of(events[number - 1]["id"], "acme", "run-1"))
        for chunk in encoder.chunks(msgspec.convert(event, Event)):
            if client.ended is not None and chunk["type"] not in ("abort", "error", "message-metadata"):
                # The stream ended because the run waited; the next one goes on with the same message.
                client.ended = None
            client.take(chunk)
    return [
        undecided(part) if part.get("state", "").startswith("output-") else part for part in content_parts(client.parts)
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=st.lists(SAID | st.integers(0, 1500), max_size=20), page=st.sampled_from([1, 400, 5_000_000]))
def test_a_reader_sees_what_the_worker_has_streamed(said: list[Any], page: int) -> None:
    """Live, before there is any record: after a second or two it is all there."""
    world = World(page)
    world.do("claim")
    reader = Following(world)
    for one in said:
        world.do("wait", one, []) if isinstance(one, int) else world.do("say", one)
        reader.read([], [])
    for _ in range(3):
        world.do("wait", 2000, [])
    before = None
    while before != reader.cursor:
        before = reader.cursor
        reader.read([], [])
    shown = [{**part, "state": "input-available"} if "state" in part else part for part in reader.shown.parts]
    wanted = clean(content_parts(parts_of(world.said, "output-available")))
    for part in wanted:
        if "state" in part:
            del part["output"]
            part["state"] = "input-available"
    assert shown == wanted


# --- waiting


def test_a_step_that_asks_while_it_is_read_is_shown_as_waiting():
    """The record is read after the run: news that the run's row did not have yet must not be lost."""
    world = World()
    world.do("claim")
    reader = Following(world)
    reader.read([], [])
    reader.read([("wait", 0, []), ("wait", 0, []), ("ask", ["approval"])], [])
    reader.read([], [])
    assert reader.shown.finished[0]["waits"] is True


def begun(*, by_hand: bool = False) -> World:
    """A run at its first step; with `by_hand` the test puts its pieces into the table."""
    world = World()
    world.by_hand = by_hand
    world.do("claim")
    return world


def test_a_reader_who_waits_hears_as_soon_as_there_is_something():
    world = begun()
    first = Tail(world.table, world.clock, str).after(*WHO, None, 20)
    assert first is not None
    assert world.clock.slept == []
    world.do("say", Words("text", "Hello"))
    # Nobody writes it down yet: what is said is due after a second.
    real = world.clock.sleep

    def sleep(seconds: float) -> None:
        real(seconds)
        if len(world.clock.slept) == 4:
            world.do("wait", 0, [])

    world.clock.sleep = sleep  # type: ignore[method-assign]
    second = Tail(world.table, world.clock, str).after(*WHO, first.cursor, 20)
    assert second is not None
    assert [type(event).__name__ for event in second.events] == ["TextEvent"]
    assert world.clock.slept == [0.5] * 4


def test_a_reader_who_waits_in_vain_gets_nothing_and_the_same_cursor():
    world = begun()
    table = Tail(world.table, world.clock, str)
    first = table.after(*WHO, None, 0)
    assert first is not None
    window = table.after(*WHO, first.cursor, 3.2)
    assert window == tail.Window([], first.cursor)
    assert sum(world.clock.slept) == pytest.approx(3.2)


def test_a_reader_of_a_run_that_is_over_waits_for_nothing():
    world = begun()
    world.do("settle", "failed", "end")
    table = Tail(world.table, world.clock, str)
    first = table.after(*WHO, None, 20)
    assert first is not None
    assert table.after(*WHO, first.cursor, 20) is None
    assert world.clock.slept == []


def test_a_reader_who_loses_access_while_waiting_receives_nothing():
    """The owner is looked at each time."""
    world = begun()
    table = Tail(world.table, world.clock, str)
    first = table.after(*WHO, None, 0)
    assert first is not None

    def sleep(seconds: float) -> None:
        world.run.owner = "eve"
        world.save()

    world.clock.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(RunNotFound):
        table.after(*WHO, first.cursor, 20)


# --- what is stored


def test_a_piece_that_can_not_be_read_is_passed_over_until_the_record_comes():
    """One warning; no later piece is shown, because that would leave a gap."""
    world = begun(by_hand=True)
    for number, said in enumerate(['[{"kind":"text","text":"a"}]', "{", '[{"kind":"text","text":"c"}]']):
        piece = Live(world.run.pk, Live.sort_key(0, 1, number), passages=said, created_at=NOW)
        world.table.put_live_piece(piece)
    reader = Following(world)
    reader.read([], [])
    assert reader.shown.parts == [{"type": "text", "text": "a"}]
    world.said = [Words("text", "abc")]
    world.do("settle", "aborted", "partial")
    reader.to_the_end()
    assert reader.shown.parts == [{"type": "text", "text": "abc"}]
    assert reader.shown.voided == []


def test_a_reader_waits_for_what_is_missing_in_between():
    """Neither a query nor a page of it is a snapshot: a later write may be visible earlier, and is not shown yet."""
    world = begun(by_hand=True)
    for number in (0, 2, 1):
        said = f'[{{"kind":"text","text":"{number}"}}]'
        world.table.put_live_piece(Live(world.run.pk, Live.sort_key(0, 1, number), passages=said, created_at=NOW))
        reader = Following(world)
        reader.read([], [])
        assert reader.shown.parts == [{"type": "text", "text": "012" if number == 1 else "0"}]
    first, second, third = begun(), begun(), begun()
    for missing, told in ((first, ["a"]), (second, []), (third, ["a", "b", "c"])):
        for text in "abc":
            missing.do("say", Words("text", text))
            missing.do("record", [], "step", 0)
            missing.do("claim")
        gone = {first: 1, second: 0}.get(missing)
        if gone is not None:
            key = {"pk": {"S": "acme#chat"}, "sk": {"S": Record.sort_key(2, gone)}}
            missing.memory.call("DeleteItem", {"TableName": "runs", "Key": key})
        Row._get_connection().connection._client = Wire(missing.memory)
        reader = Following(missing)
        reader.read([], [])
        assert [part["text"] for part in reader.shown.parts] == told


def test_a_step_without_any_record_is_discarded_when_the_run_has_ended():
    """Even where the seal of the log is gone."""
    world = begun()
    world.do("speak", [Words("text", "a")], [])
    reader = Following(world)
    reader.read([], [])
    assert reader.shown.parts == [{"type": "text", "text": "a"}]
    world.do("settle", "aborted", "end")
    world.memory.call(
        "DeleteItem", {"TableName": "runs", "Key": {"pk": {"S": "acme#chat"}, "sk": {"S": Record.sort_key(2, 0)}}}
    )
    reader.to_the_end()
    assert reader.shown.parts == []


def test_an_empty_piece_is_no_gap():
    world = begun(by_hand=True)
    for number, said in enumerate(["[]", '[{"kind":"text","text":"b"}]']):
        world.table.put_live_piece(Live(world.run.pk, Live.sort_key(0, 1, number), passages=said, created_at=NOW))
    reader = Following(world)
    reader.read([], [])
    assert reader.shown.parts == [{"type": "text", "text": "b"}]


def test_a_record_that_was_deleted_leaves_the_others(small):
    """Retention deletes in no order; a run that has ended is shown as far as its rows exist."""
    world = begun()
    for text in "abc":
        world.do("say", Words("text", text))
        world.do("record", [], "step", 0)
        world.do("claim")
    world.do("settle", "aborted", "end")
    world.memory.call(
        "DeleteItem", {"TableName": "runs", "Key": {"pk": {"S": "acme#chat"}, "sk": {"S": Record.sort_key(2, 1)}}}
    )
    reader = Following(world)
    reader.to_the_end()
    assert [part["text"] for part in reader.shown.parts] == ["a", "c"]


def test_other_parts_are_events_as_they_are():
    """A file, a source, a dynamic tool, one that the model's provider ran: nothing of a message is left out."""
    world = begun()
    parts = [
        {"type": "step-start"},
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="},
        {"type": "text", "text": "See.", "state": "done"},
        {
            "type": "tool-search",
            "toolCallId": "1",
            "state": "output-available",
            "input": {},
            "output": 1,
            "providerExecuted": True,
        },
        {
            "type": "dynamic-tool",
            "toolName": "x",
            "toolCallId": "2",
            "state": "output-error",
            "input": {},
            "errorText": "no",
        },
        {"type": "tool-open", "toolCallId": "3", "state": "input-available", "input": {}},
    ]
    told = list(passages.passages(parts))
    assert told == [
        passages.Other(parts[1]),
        passages.Words("text", "See."),
        passages.Call("1", "search", {}, True),
        passages.Call("2", "x", {}),
        passages.Call("3", "open", {}),
        passages.Result("1", "search", "output-available", {"output": 1}),
        passages.Result("2", "x", "output-error", {"error_text": "no"}),
    ]
    world._put_record([], "final")
    row = Record(
        world.run.chat_pk, Record.sort_key(2, 0), run_id="run-1", step=0, kind="final", packed=pack(Body(parts)), size=0,
        created_at=NOW,
    )  # fmt: skip
    world.memory.call("PutItem", {"TableName": "runs", "Item": row.serialize()})
    window = Tail(world.table, world.clock, str).after(*WHO, None, 0)
    assert window is not None
    events = msgspec.to_builtins(window.events)
    assert [event["type"] for event in events] == [
        "run", "step", "part", "text", "tool-call", "tool-call", "tool-call", "tool-result", "tool-result", "step",
    ]  # fmt: skip
    assert events[2]["part"] == parts[1]
    assert [event.get("provider_executed") for event in events[4:7]] == [True, None, None]


# --- cursors


@given(
    st.builds(
        ReaderState, st.integers(0, 999_999), st.booleans(), st.integers(0, 999_999), st.integers(0, 999_999), st.integers(0, 10**8),
        st.builds(
            passages.Position, st.integers(0, 10**8), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1),
            st.sampled_from(["", "text", "reasoning"]),
        ),
        st.sampled_from(["pending", "running", "succeeded"]), st.booleans(), st.booleans(),
    )
)  # fmt: skip
def test_a_cursor_brings_a_place_back_and_for_its_own_run_alone(place: ReaderState) -> None:
    cursor = cursor_of(place, "acme", "run-1")
    assert reader_state_of(cursor, "acme", "run-1") == place
    assert len(cursor) < 256
    for scope in (("acme", "run-2"), ("other", "run-1"), ("acmerun-1",)):
        with pytest.raises(CursorRefused):
            reader_state_of(cursor, *scope)


def test_no_cursor_is_the_beginning():
    assert reader_state_of(None, "acme", "run-1") is AT_THE_START


@given(st.lists(SAID, max_size=6), st.data())
def test_a_position_does_not_depend_on_how_text_is_cut(said: list[Words | Call], data: Any) -> None:
    """So text that came in other pieces, or in one, is known again; and what differs in anything is not."""
    found = list(passages.passages(clean(parts_of(said, "output-available"))))
    length = sum(map(passages.weight, found))
    cut = data.draw(st.integers(0, length))
    position, rest = passages.split(found, cut)
    assert position.length == cut
    assert passages.rest_after(found, position) == rest
    whole = BEGINNING
    for passage in found:
        whole = whole.after(passage)
    on = position
    for passage in passages.in_bits(rest):
        on = on.after(passage)
    assert on == whole
    ends_in_text = found and isinstance(found[-1], passages.Words) and cut == length
    if ends_in_text:
        kind = "text" if found[-1].kind == "reasoning" else "reasoning"
        assert passages.rest_after([*found[:-1], found[-1]._replace(kind=kind)], position) is None
    if found and cut == length:
        changed = [*found[:-1], passages.Other({"type": "x"})]
        assert passages.rest_after(changed, position) is None


def test_a_position_knows_words_of_another_kind():
    """The same text as reasoning is not the same passage."""
    mixed, plainly = BEGINNING, BEGINNING.after(passages.Words("text", "abc"))
    for kind, text in (("text", "a"), ("reasoning", "b"), ("text", "c")):
        mixed = mixed.after(passages.Words(kind, text))  # type: ignore[arg-type]
    assert (mixed.length, mixed.last) == (plainly.length, plainly.last)
    assert mixed != plainly
