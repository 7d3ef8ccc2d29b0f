"""One step of a run: claim, read the history, ask once, record, send the next.

A message says which step is due. Whatever dies, comes twice or comes late, these hold: only the claim of the step that
follows the claimed one, or of the claimed one while nobody holds it, lets a worker ask; the first record of a step
counts and everybody else adopts it; nothing is added to a run that has ended.

    die before the claim         the message comes back: nothing happened
    die while asking             the lease runs out, the message comes back with it: reclaim, ask again
    die after the record         the message comes back: reclaim, find the record, send on, ask nobody
    die after the send           the message comes back, finds a later claim: acknowledged
    overtaken                    heartbeat, release and settle are refused; a record counts only if it is the first

With `STEPS_PER_MESSAGE` above 1 a message stands for that many steps, its own and those after it: its worker claims the
next one itself while time allows, and sends nothing. Dies that worker, the message comes back all the same and goes on
from the step that is claimed by then.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

import msgspec

from outlive.agent import Agent, AgentError, Ask, Interrupt, Outcome, Piece, Said, Turn
from outlive.clock import SECOND, Clock
from outlive.errors import Overtaken, Refused, StoreBroken, StoreError, StoreUnreadable
from outlive.follow.live import LiveLog
from outlive.lifecycle import (
    ABORT_HELD,
    ABORT_LEFT,
    ABORT_UNCLAIMED,
    CLAIM,
    FAIL,
    RECLAIM,
    SUCCEED,
    TERMINAL,
    Facts,
    FinishReason,
    Move,
    lease_is_live,
    only_stop_refuses,
)
from outlive.log import cause, logger, unexpected
from outlive.loops import goes_in_circles
from outlive.settings import Settings
from outlive.settle import Log, Partial, error_of, settle
from outlive.store.queue import Queue
from outlive.store.retry import persistently
from outlive.store.rows import Body, Message, Record, Run, pack, record_of
from outlive.store.table import Table, run_met
from outlive.text import clean, is_deeper
from outlive.worker import EXHAUSTED, exhausted

MAX_PACKED = 390_000
"""Bytes a record's body may take: an item holds 400 KB, the rest of it well under 10."""
MAX_PARTS = 4_000_000
"""Bytes the parts of one message may take as JSON: less than a page holds, so that every message can be read."""
MAX_DEPTH = 200
"""Levels of nesting of a step's parts: every reader's JSON takes that, many take no more than a few hundred."""
HISTORY_BYTES = 32_000_000
"""Bytes of text and messages that a step hands its agent of the chat: more than a model reads, and as objects of the
agent's library still a fraction of the function's memory.
"""
MARGIN = 5 * SECOND
"""How long before the platform would kill it a step lets go by itself: time for a settle and its retries."""
CLOSE_BY = 1.0
"""Seconds a message comes back after the lease it waits for, so that it does not come in vain."""
GRACE = 5.0
"""Seconds a message given back may be late before a sweep may send another."""
NO_ANSWER = "the worker did not answer: it died, or a tool kept it from answering"
"""All that is known of an attempt that ended with its lease."""
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Delivery:
    """A queue message as it was delivered, and when this invocation began and the platform ends it (ms)."""

    workspace_id: str
    run_id: str
    step: int
    receipt: str
    deadline: int
    began: int

    def half_is_left(self, now: int) -> bool:
        """True while another step has at least half of what the first one had."""
        return self.deadline - now >= (self.deadline - self.began) // 2


DONE, NOT_DONE = True, False
"""What becomes of a message: acknowledged, or hidden until it is due again."""


@dataclass(slots=True)
class Watch:
    """What a worker does beside its agent: keep the lease, hear the stop, mind the time; and let readers hear the agent.

    `tick` does whatever is due and says when to come back; a thread runs it in production, a proof drives it by hand.
    """

    table: Table
    queue: Queue
    clock: Clock
    settings: Settings
    run: Run
    delivery: Delivery
    interrupt: Interrupt
    live: LiveLog | None = None
    """Ticks by itself, so that no heartbeat waits for a reader's sake."""
    beat_at: int = field(init=False)
    look_at: int = field(init=False)

    def __post_init__(self) -> None:
        now = self.clock.now()
        self.beat_at, self.look_at = self._next_beat(now), self._next_look(now)

    def tick(self) -> float:
        """Do what is due; returns the seconds until the next is."""
        now = self.clock.now()
        try:
            if now >= self.beat_at:
                # A heartbeat brings the run back, so it looks as well.
                self.beat_at, self.look_at = self._next_beat(now), self._next_look(now)
                self.heartbeat(now)
            elif now >= self.look_at:
                self.look_at = self._next_look(now)
                self.look()
        except Exception as error:
            # The lease stands a while longer, and the next tick is near.
            logger.warning("watch_failed", run=self.run.id, cause=cause(error))
        return max(0.0, (min(self.beat_at, self.look_at) - self.clock.now()) / SECOND)

    @property
    def seconds_left(self) -> float:
        """Until the step has to let go."""
        return max(0.0, (self.delivery.deadline - MARGIN - self.clock.now()) / SECOND)

    def out_of_time(self) -> None:
        """End the step now. Apart from `tick`, for a store that hangs must not keep it from being heard."""
        self.interrupt.set("deadline")

    def _next_beat(self, now: int) -> int:
        return now + self.settings.lease_seconds * SECOND // 3

    def _next_look(self, now: int) -> int:
        return now + int(self.settings.stop_poll_seconds * SECOND)

    def heartbeat(self, now: int) -> None:
        """Extend the lease and keep the message away as long, or learn that the step is no longer ours."""
        assert self.run.lease_id is not None
        until = lease_end(now, self.settings, self.delivery)
        try:
            run = self.table.heartbeat(self.run, self.run.lease_id, until, now)
        except Refused as refused:
            self._hear(run_met(refused))
            return
        self._hear(run)
        hide(self.queue, self.delivery, (until - now) / SECOND + CLOSE_BY)

    def look(self) -> None:
        """Read whether a stop was requested."""
        self._hear(self.table.again(self.run))

    def _hear(self, run: Run | None) -> None:
        """Break the agent off if `run`, as it stands now, is another worker's, has ended, or is to be stopped."""
        if run is None or run.lease_id != self.run.lease_id:
            self.interrupt.set("overtaken")
        elif run.stop_requested_at is not None:
            self.interrupt.set("stop")


Watching = Callable[[Watch], AbstractContextManager[None]]
"""Runs a watch while its block runs, and has ended with it."""


def lease_end(now: int, settings: Settings, delivery: Delivery) -> int:
    """When a lease taken now ends: never after its worker does."""
    return min(now + settings.lease_seconds * SECOND, delivery.deadline)


def hide(queue: Queue, delivery: Delivery, seconds: float) -> None:
    """Have the delivered message come back in `seconds` unless it is acknowledged.

    Should that fail, it comes back when the queue's own visibility timeout is over, or a sweep sends another.
    """
    try:
        queue.hide(delivery.receipt, seconds)
    except Exception as error:
        logger.warning("hide_failed", run=delivery.run_id, step=delivery.step, cause=cause(error))


@dataclass(frozen=True, slots=True)
class Step:
    """Does steps, one delivery at a time."""

    table: Table
    queue: Queue
    agent: Agent
    clock: Clock
    new_id: Callable[[], str]
    settings: Settings
    watching: Watching
    exhausted: Callable[[BaseException | AgentError], bool] = exhausted
    """Whether an error shows that this process is exhausted; a worker remembers that it was asked."""

    def run(self, delivery: Delivery) -> bool:
        """Do the step that `delivery` says is due, as far as it still is.

        True if the message is done with and to be acknowledged, False if it was given back.
        """
        run: Run | None = None
        known: _Said | None = None
        step = delivery.step
        try:
            while True:
                run = None
                run = self._claim(delivery, step, self.new_id())
                if run is None:
                    return DONE
                # Of a step that was claimed before, there may be a record that is not known here.
                held = _Held(self, delivery, run, known if run.attempt == 1 else None)
                known = held.go()
                if known is None:
                    return DONE
                step = run.claimed_step + 1
        except GivenBack as back:
            hide(self.queue, delivery, back.seconds)
        except StoreUnreadable as error:
            # The sweep ends a run whose row is damaged; until then each delivery would meet the same.
            logger.error("step_broken", run=delivery.run_id, step=step, cause=cause(error))
            return DONE
        except (Overtaken, StoreError) as error:
            logger.warning("step_put_off", run=delivery.run_id, step=step, cause=cause(error))
            self.exhausted(error)
            if run is None:
                hide(self.queue, delivery, CLOSE_BY)
        except Exception as error:
            if not self.exhausted(error):
                unexpected("step_broken", error, run=delivery.run_id, step=step)
                return self._left_to_the_sweep(run, error)
            # The run is as it was, or claimed until the lease is over; the message comes back accordingly.
            logger.warning("step_put_off", run=delivery.run_id, step=step, cause=cause(error))
            if run is None:
                hide(self.queue, delivery, CLOSE_BY)
        return NOT_DONE

    def _left_to_the_sweep(self, run: Run | None, error: Exception) -> bool:
        """Whether a message is done with though its step raised: another delivery of it would end the same way.

        It would for a run that can't be read, and for one that can't be failed once its attempts are used up. What an
        operator can put right (`StoreBroken`) is not counted before the claim: the message comes back with the lease.
        """
        if run is None:
            return not isinstance(error, StoreBroken)
        return run.attempt > self.settings.step_attempts

    def covers(self, delivery: Delivery, step: int) -> bool:
        """Whether `step` is one of those the delivered message stands for."""
        return delivery.step <= step < delivery.step + self.settings.steps_per_message

    def _claim(self, delivery: Delivery, step: int, lease_id: str) -> Run | None:
        """The run, held by this worker; None if there is nothing left to do. Raises GivenBack if it is held already."""
        key = Run(Run.key(delivery.workspace_id, delivery.run_id), Run.SK)
        take = partial(self.table.claim, key, step, lease_id)
        # Before the claim: a worker that dies right after it must not keep the message for the queue's own minutes.
        now = self.clock.now()
        hide(self.queue, delivery, (lease_end(now, self.settings, delivery) - now) / SECOND + CLOSE_BY)
        for _ in range(ROUNDS):
            now = self.clock.now()
            until = lease_end(now, self.settings, delivery)
            try:
                run = persistently(partial(take, until, now), self.clock)
            except Refused as refused:
                found = run_met(refused)
                if found is None or found.lease_id != lease_id:
                    if not self._may_reclaim(found, delivery, step, now):
                        return None
                    assert found is not None
                    step, take = found.claimed_step, partial(self.table.reclaim, found, lease_id)
                    continue
                run = found
            return run
        raise GivenBack(CLOSE_BY)

    def _may_reclaim(self, run: Run | None, delivery: Delivery, step: int, now: int) -> bool:
        """Whether `step` could not be claimed but the claimed one may be reclaimed; if not, there is nothing left to do.

        A run that only a stop kept from going on is ended here. Raises GivenBack while somebody holds it.
        """
        if run is None or run.claimed_step < step - 1:
            logger.warning("message_unknown", run=delivery.run_id, step=step)
            return False
        if run.status in TERMINAL:
            return False
        facts = Facts(now, step=step)
        if only_stop_refuses(CLAIM, run, facts):
            self._end_stopped(run, ABORT_UNCLAIMED, facts)
            return False
        if not self.covers(delivery, run.claimed_step):
            return False
        if lease_is_live(run, now):
            assert run.lease_until is not None
            raise GivenBack((run.lease_until - now) / SECOND + CLOSE_BY)
        facts = Facts(now, step=run.claimed_step, attempt=run.attempt)
        if only_stop_refuses(RECLAIM, run, facts):
            self._end_stopped(run, ABORT_LEFT, facts)
            return False
        return True

    def _end_stopped(self, run: Run, move: Move, facts: Facts) -> None:
        log = Log.upto(self.table.last_record(run))
        settle(run, move, facts, log, table=self.table, clock=self.clock, settled_by=self.new_id())


class GivenBack(Exception):
    """The message is not done with: it comes again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _TooLarge(Exception):
    """A step that can't be stored; `code` says whether it or its run is too large."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _numbered(header: Message, newest_first: list[Record]) -> list[Record]:
    """The records of this header, from the first one on without a gap."""
    rows = [row for row in reversed(newest_first) if row.sk.startswith(header.sk)]
    return [row for step, row in enumerate(rows) if row.step == step]


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said before a step: the chat's turns, oldest first, and the run's own records among them."""

    turns: tuple[Turn, ...]
    records: tuple[Record, ...]
    prompted: bool
    """False if the run's own prompt is gone."""

    def and_then(self, record: Record) -> "_Said":
        """The same with the run's next record."""
        turn = Turn("assistant", record.body.text, record.body.messages)
        return _Said((*self.turns, turn), (*self.records, record), self.prompted)


@dataclass(slots=True)
class _Held:
    """A step while its worker holds the run."""

    by: Step
    delivery: Delivery
    run: Run
    said: _Said | None = None
    """All there was to read before this step, if this worker has it in hand."""
    log: Log = field(default_factory=Log)
    size: int = 0
    """Bytes the parts recorded so far take as JSON."""
    streamed: list[Piece] = field(default_factory=list)
    partial: Partial | None = None
    """What there is of this step, should the run end with it."""
    goes_on: bool = False
    """True once the step is recorded and the next is this worker's as well: no message was sent for it."""

    def go(self) -> _Said | None:
        """Take the step to its end. Returns what the next one needs to know if that is this worker's, else None.

        Raises GivenBack or Overtaken, or StoreError.
        """
        try:
            self._step()
        except (Overtaken, GivenBack):
            raise
        except StoreError as error:
            self.by.exhausted(error)
            self._let_go(AgentError("transient", "store_unavailable", str(error)), self._pause())
        except Exception as error:
            if self.by.exhausted(error):
                self._let_go(AgentError("transient", EXHAUSTED, cause(error)), self._pause())
                return None
            unexpected("step_failed", error, run=self.run.id, step=self.run.claimed_step)
            self.partial = self.partial or self._said_so_far()
            self._fail("step_failed", cause(error))
        return self.said if self.goes_on else None

    def _step(self) -> None:
        n, limit, last_error = self.run.claimed_step, self.by.settings.step_attempts, self.run.last_error
        # The run alone decides this, so that no damage to anything else has a step tried oftener.
        if self.run.attempt > limit or (last_error and last_error["kind"] == "permanent"):
            return self._give_up(last_error)
        if self.said is None:
            self.said = persistently(self._history, self.by.clock)
        records = self.said.records
        if len(records) > n:
            return self._carry_on(records[n])
        if len(records) < n or not self.said.prompted:
            return self._fail("history_incomplete", "what was said before can't be found any more")
        self.log = Log.upto(records[-1] if records else None)
        self.size = sum(record.size for record in records)
        if goes_in_circles(records):
            return self._fail("loop_detected", "the same calls gave the same results again and again")
        if self._stop_requested():
            return self._abort()
        interrupt = Interrupt()
        outcome = self._ask(self.said.turns, interrupt)
        if outcome.kind == "partial":
            return self._broken_off(outcome, interrupt)
        return self._record(outcome)

    def _give_up(self, last_error: dict[str, str] | None) -> None:
        """Fail the run by its last error, unless the step is recorded after all."""
        last = persistently(lambda: self.by.table.last_record(self.run), self.by.clock)
        self.log = Log.upto(last)
        if last is not None and last.step == self.run.claimed_step:
            return self._carry_on(last)
        if last_error and last_error["kind"] == "permanent":
            return self._fail(last_error["code"], last_error["message"])
        return self._fail_attempts(last_error)

    def _history(self) -> _Said:
        """What was said in the chat, oldest first, and this run's own records.

        It is read backwards. Of the runs before this one the newest are in it, each whole, as many as fit into
        `HISTORY_BYTES` together with this run, which is always in it. Retention deletes in no order, so records count
        only with their header and from the first one on.
        """
        turns: list[Turn] = []  # newest first, as all that is collected here
        turns_of_run: list[Turn] = []
        rows: list[Record] = []
        own: list[Record] | None = None
        prompted, run_id, size = False, "", 0
        for row in self.by.table.transcript(self.run.chat_pk, backwards=True):
            if isinstance(row, Record):
                rows.append(row)
                continue
            records, rows = _numbered(row, rows), []
            if own is None:
                own = records if row.sk == Message.sort_key(self.run.assistant_seq) else []
            if row.run_id != run_id:
                turns += turns_of_run
                turns_of_run, run_id = [], row.run_id
            more = [Turn("assistant", one.body.text, one.body.messages) for one in reversed(records) if one.counts]
            if row.role == "user":
                more.append(Turn("user", row.text or ""))
                prompted = prompted or run_id == self.run.id
            turns_of_run += more
            size += sum(turn.size for turn in more)
            if size > HISTORY_BYTES and run_id != self.run.id:
                logger.info("history_bounded", run=self.run.id, step=self.run.claimed_step, turns=len(turns))
                turns_of_run = []
                break
        return _Said(tuple(reversed(turns + turns_of_run)), tuple(own or ()), prompted)

    def _stop_requested(self) -> bool:
        """Look once more right before money is spent."""
        current = persistently(lambda: self.by.table.again(self.run), self.by.clock)
        if current is None or current.lease_id != self.run.lease_id:
            raise Overtaken(self.run.id)
        return current.stop_requested_at is not None

    def _ask(self, history: tuple[Turn, ...], interrupt: Interrupt) -> Outcome:
        by, run = self.by, self.run
        live = LiveLog(run, by.table.say, by.clock) if by.settings.live_text else None
        watch = Watch(by.table, by.queue, by.clock, by.settings, run, self.delivery, interrupt, live)
        ask = Ask(
            workspace_id=run.workspace_id,
            chat_id=run.chat_id,
            run_id=run.id,
            step=self.run.claimed_step,
            attempt=run.attempt,
            history=history,
            text_only=self._is_last,
            seconds=watch.seconds_left,
            agent=run.agent,
            user=run.owner,
            metadata=run.metadata or {},
            claims=run.claims or {},
        )

        def say(said: Said) -> None:
            if isinstance(said, Piece):
                self.streamed.append(said)
            if live is not None:
                live.say(said)

        with by.watching(watch):
            return by.agent(ask, say, interrupt)

    @property
    def _is_last(self) -> bool:
        return self.run.claimed_step >= self.run.max_steps - 1

    def _broken_off(self, outcome: Outcome, interrupt: Interrupt) -> None:
        error, self.partial = outcome.error, self._partial(outcome)
        if error is not None:
            self.by.exhausted(error)
        if error is not None and error.kind == "permanent":
            return self._fail(error.code, error.message)
        if error is None:
            if interrupt.reason == "stop":
                return self._abort()
            if interrupt.reason == "overtaken":
                raise Overtaken(self.run.id)
            if interrupt.reason is None:
                return self._fail("agent_failed", "the agent broke off without saying why")
            error = AgentError("transient", "out_of_time", "the step did not end within the function's time")
        if self.run.attempt >= self.by.settings.step_attempts:
            return self._fail_attempts({"code": error.code, "message": error.message})
        return self._let_go(error, self._pause(error.retry_after))

    def _pause(self, wish: float | None = None) -> float:
        """Seconds until another attempt: twice as long each time, or as long as wished, and shorter than a lease."""
        return min(max(2.0 ** (self.run.attempt - 1), wish or 0.0), self.by.settings.lease_seconds - 1.0)

    def _record(self, outcome: Outcome) -> None:
        try:
            packed, size = self._packed(outcome)
        except _TooLarge as large:
            return self._fail(large.code, str(large))
        kind, finish_reason = "final" if self._is_last else outcome.kind, None
        if kind == "final":
            finish_reason = FinishReason.MAX_STEPS if self._is_last else outcome.finish_reason or FinishReason.STOP
        record = Record(
            self.run.chat_pk,
            Record.sort_key(self.run.assistant_seq, self.run.claimed_step),
            run_id=self.run.id,
            step=self.run.claimed_step,
            kind=kind,
            packed=packed,
            size=size,
            usage=self.log.usage + outcome.usage,
            finish_reason=finish_reason,
            recorded_by=self.run.lease_id,
            created_at=self.by.clock.now(),
        )
        try:
            persistently(lambda: self.by.table.record(self.run, record), self.by.clock)
        except Refused as refused:
            record = record_of(refused.items["record"] or {})
        return self._carry_on(record)

    def _carry_on(self, record: Record) -> None:
        """Do what follows from the step's record, whoever put it."""
        if record.kind == "final":
            self._settle(SUCCEED, Log.upto(record))
        elif record.kind == "step":
            due = record.step + 1
            time_left = self.delivery.half_is_left(self.by.clock.now())
            self.goes_on = self.said is not None and self.by.covers(self.delivery, due) and time_left
            if not self.goes_on:
                self.by.queue.send(self.run, due)
            elif self.said is not None and len(self.said.records) == record.step:
                self.said = self.said.and_then(record)

    def _abort(self) -> None:
        self._settle(ABORT_HELD, self.log)

    def _fail_attempts(self, last_error: dict[str, str] | None) -> None:
        last = f"{last_error['code']}: {last_error['message']}" if last_error else NO_ANSWER
        self._fail("step_attempts", f"step {self.run.claimed_step} broke off again and again; last: {last}")

    def _fail(self, code: str, message: str) -> None:
        try:
            self._settle(FAIL, self.log, error=error_of(code, message))
        except StoreError:
            # Whoever comes next fails the run by what is kept here, and asks no model again.
            self._let_go(AgentError("permanent", code, message), CLOSE_BY)
        except Overtaken:
            raise
        except Exception as error:
            if self.partial is None:
                raise
            # What was streamed can't be stored; the run ends without it.
            logger.warning("partial_unusable", run=self.run.id, step=self.run.claimed_step, cause=type(error).__name__)
            self.partial = None
            self._fail(code, message)

    def _settle(self, move: Move, log: Log, *, error: dict[str, str] | None = None) -> None:
        assert self.run.lease_id is not None
        facts = Facts(self.by.clock.now(), lease_id=self.run.lease_id)
        settle(
            self.run, move, facts, log, table=self.by.table, clock=self.by.clock, settled_by=self.run.lease_id,
            error=error, partial=self.partial,
        )  # fmt: skip

    def _let_go(self, error: AgentError, pause: float) -> None:
        """Give run and message back for `pause` seconds; a stop that came meanwhile is settled right here.

        Raises GivenBack, or Overtaken.
        """
        assert self.run.lease_id is not None
        kept = {**error_of(error.code, error.message), "kind": error.kind}
        now = self.by.clock.now()
        back_at = now + int((pause + GRACE) * SECOND)
        try:
            self.by.table.release(self.run, self.run.lease_id, kept, back_at, now)
        except Refused as refused:
            run = run_met(refused)
            if run is not None and run.lease_id == self.run.lease_id and run.stop_requested_at is not None:
                return self._abort()
            if run is None or run.lease_id is not None or run.last_error != kept:
                raise Overtaken(self.run.id) from None
        raise GivenBack(pause)

    def _partial(self, outcome: Outcome) -> Partial | None:
        """What there is of a broken-off step, as far as it can be stored whole; nothing is cut."""
        if not any(part["type"] != "step-start" for part in outcome.parts):
            return None
        try:
            packed, size = self._packed(outcome)
        except _TooLarge as large:
            logger.warning("partial_too_large", run=self.run.id, step=self.run.claimed_step, cause=str(large))
            return None
        return Partial(self.run.claimed_step, packed, size, outcome.usage)

    def _packed(self, outcome: Outcome) -> tuple[bytes, int]:
        """The outcome as it is stored, and how many bytes its parts take as JSON. Raises _TooLarge; nothing is cut."""
        if is_deeper(outcome.parts, MAX_DEPTH):
            raise _TooLarge("step_too_large", f"the step's parts are nested deeper than {MAX_DEPTH} levels")
        parts = clean(outcome.parts)
        size = len(msgspec.json.encode(parts))
        if self.size + size > MAX_PARTS:
            raise _TooLarge("run_too_large", f"the answer would pass {MAX_PARTS:,} bytes")
        if len(outcome.messages or "") > 2 * MAX_PARTS:
            raise _TooLarge("step_too_large", f"the step's messages would pass {2 * MAX_PARTS:,} characters")
        packed = pack(Body(parts, outcome.messages))
        if len(packed) > MAX_PACKED:
            raise _TooLarge("step_too_large", f"the step takes {len(packed):,} bytes, stored are {MAX_PACKED:,}")
        return packed, size

    def _said_so_far(self) -> Partial | None:
        """What an agent that raised had streamed until then, as text."""
        parts: list[dict[str, str]] = [{"type": "step-start"}]
        for kind, pieces in groupby(self.streamed, key=lambda piece: piece.kind):
            parts.append({"type": kind, "text": "".join(piece.text for piece in pieces)})
        return self._partial(Outcome("partial", parts, None))
