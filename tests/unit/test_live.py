"""What a step says, on its way to its readers: in order, never much later, and never in the run's way."""

import json
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from outlive.agent import Interrupt
from outlive.clock import Clock
from outlive.errors import StoreBusy
from outlive.follow.live import MAX_INPUT_BYTES, PIECE_BYTES, WRITE_GAP_MS, LiveLog
from outlive.follow.passages import Call, Words
from outlive.store.rows import Run
from outlive.store.short_lived import Live
from outlive.watch import Watch, in_threads


@dataclass
class Hands(Clock):
    """A clock that stands until it is moved."""

    at: int = 1_780_000_000_000

    def now(self) -> int:
        return self.at


@dataclass
class Store:
    """Takes pieces, and fails by plan: `lost` takes the piece and fails all the same."""

    clock: Hands
    fails: list[str] = field(default_factory=list)
    puts: list[tuple[int, Live]] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)

    def put(self, piece: Live) -> None:
        self.puts.append((self.clock.at, piece))
        failure = self.fails.pop(0) if self.fails else ""
        if failure != "refused":
            assert self.held.get(piece.sk, piece.passages) == piece.passages, "a piece was changed"
            self.held[piece.sk] = piece.passages
        if failure:
            raise StoreBusy("no answer")

    @property
    def text(self) -> str:
        return "".join(one.get("text", "|") for sk in sorted(self.held) for one in json.loads(self.held[sk]))


RUN = Run("acme#run-1", Run.SK, id="run-1", claimed_step=3, attempt=2)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def store(clock: Hands) -> Store:
    return Store(clock)


@pytest.fixture
def log(store: Store, clock: Hands) -> LiveLog:
    return LiveLog(RUN, store.put, clock)


def run_on(log: LiveLog, clock: Hands, seconds: float) -> None:
    """Tick as the thread would, for so long."""
    end = clock.at + int(seconds * 1000)
    while clock.at < end:
        clock.at += max(1, min(int(log.tick() * 1000), end - clock.at))
    log.tick()


def test_text_is_written_once_it_has_waited_a_second(log, store, clock):
    log.show(Words("text", "Hello"))
    run_on(log, clock, 0.99)
    assert store.puts == []
    run_on(log, clock, 0.01)
    ((at, piece),) = store.puts
    assert (piece.pk, piece.sk, json.loads(piece.passages)) == (
        "acme#run-1",
        "LIVE#000003#000002#000000",
        [{"kind": "text", "text": "Hello"}],
    )
    assert piece.created_at == at
    assert piece.expires_at == at // 1000 + 24 * 3600


def test_a_kilobyte_is_written_at_once(log, store, clock):
    log.show(Words("text", "x" * (PIECE_BYTES - 1)))
    log.tick()
    assert store.puts == []
    log.show(Words("text", "é"))
    log.tick()
    assert len(store.puts) == 1


def test_there_are_two_writes_a_second_at_most_however_much_is_streamed(log, store, clock):
    start = clock.at
    for _ in range(100):
        log.show(Words("text", "x" * 3000))
        run_on(log, clock, 0.1)
    times = [at for at, _ in store.puts]
    assert min(b - a for a, b in pairwise(times)) >= WRITE_GAP_MS
    assert len(times) <= 2 * (clock.at - start) / 1000 + 1
    run_on(log, clock, 2)
    assert store.text == "x" * 300_000


def test_writes_are_linear_in_the_text(log, store, clock):
    """A slow trickle over a minute is a write a second, not one a word."""
    for _ in range(600):
        log.show(Words("text", "word "))
        run_on(log, clock, 0.1)
    assert len(store.puts) <= 60


def test_nothing_is_written_when_nothing_is_streamed(log, store, clock):
    log.show(Words("text", ""))
    run_on(log, clock, 60)
    assert store.puts == []


def test_words_of_a_kind_are_joined_and_the_order_is_kept(log, store, clock):
    for said in (
        Words("reasoning", "a"),
        Words("reasoning", "b"),
        Words("text", "c"),
        Call("1", "clock", {"z": 1}),
        Words("text", "d"),
    ):
        log.show(said)
    run_on(log, clock, 2)
    assert json.loads(store.puts[0][1].passages) == [
        {"kind": "reasoning", "text": "ab"},
        {"kind": "text", "text": "c"},
        {"kind": "tool-call", "id": "1", "name": "clock", "input": {"z": 1}},
        {"kind": "text", "text": "d"},
    ]


def test_a_burst_becomes_pieces_that_an_item_can_hold(log, store, clock):
    text = "é\n" * 500_000
    log.show(Words("text", text))
    run_on(log, clock, 20)
    assert store.text == text
    assert max(len(piece.passages.encode()) for _, piece in store.puts) < 390_000


@pytest.mark.parametrize("failure", ["refused", "lost"])
def test_a_piece_whose_write_failed_is_written_again_as_it_was_before_any_other(log, store, clock, failure, caplog):
    """A gap or a change would show text that the model never produced."""
    store.fails = [failure] * 3
    log.show(Words("text", "one "))
    run_on(log, clock, 1)
    log.show(Words("text", "two"))
    run_on(log, clock, 60)
    assert [piece.sk[-6:] for _, piece in store.puts] == ["000000"] * 4 + ["000001"]
    assert store.text == "one two"


def test_writes_to_a_failing_store_back_off_and_are_logged_once(log, store, clock, capsys):
    store.fails = ["refused"] * 1000
    log.show(Words("text", "one"))
    run_on(log, clock, 60)
    assert len(store.puts) < 12
    times = [at for at, _ in store.puts]
    assert times[-1] - times[-2] >= 8000


@pytest.mark.parametrize("given", [{"text": "x" * MAX_INPUT_BYTES}, {1: object()}])
def test_a_call_that_is_not_worth_showing_early_ends_the_log(log, store, clock, given):
    """What comes after it would be out of order; the record brings it all."""
    log.show(Words("text", "one"))
    log.show(Call("1", "clock", given))
    log.show(Words("text", "two"))
    run_on(log, clock, 5)
    assert store.text == "one"


def test_text_that_can_not_be_stored_is_mended(log, store, clock):
    log.show(Words("text", "a\0b\ud800"))
    run_on(log, clock, 2)
    assert store.text == "a\ufffdb\ufffd"


class Settings:
    lease_seconds, stop_poll_seconds = 3, 0.01


def test_a_store_that_hangs_for_readers_keeps_no_heartbeat_waiting(clock, caplog):
    """The live log has a thread of its own, and the lease is kept until that has ended."""
    # The table is asked whether a stop was requested; nobody did.
    hanging, released = threading.Event(), threading.Event()
    beats: list[str] = []

    class Table:
        def reload(self, run: Run) -> Run:
            beats.append("look")
            return run

    def hang(_: Live) -> None:
        hanging.set()
        released.wait(600)

    real = Clock()
    log = LiveLog(RUN, hang, real)
    delivery: Any = type("Delivery", (), {"deadline": real.now() + 60_000})
    run = Run("acme#run-1", Run.SK, id="run-1", claimed_step=3, attempt=2)
    watch = Watch(Table(), None, real, Settings, run, delivery, Interrupt(), log)
    with in_threads(watch):
        log.show(Words("text", "x" * 2000))
        assert hanging.wait(180)
        before = len(beats)
        while len(beats) < before + 5:
            threading.Event().wait(0.01)
        released.set()
    assert [thread.name for thread in threading.enumerate() if thread.name in ("watch", "live")] == []
