"""For any order of actions of users, workers, sweeps and the clock, the handlers answer as the plain model of the promises
does.

Hypothesis makes up the story and, if an answer differs, shortens it. A few hundred short stories in the ordinary test run;
STORIES=20000 tells more and longer ones.
"""

import json
import os
import sys
from collections import Counter
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from outlive.agent import AgentError, Ask, Interrupt, Outcome, Usage
from outlive.asked import INTERRUPTED, AskedCall
from outlive.follow.passages import Words
from proof.sqs.memory_queue import Letter
from proof.stories.contract import Contract
from proof.stories.in_process import BEGIN, Worker, World
from proof.stories.plain import Expected, Holding, How, Record, Rules, Run
from proof.stories.shown import answer_shown, history, question_shown, shown
from proof.stories.workers import go_on, take, watch
from proof.stress.consistency import changed_after_its_end, violations

STORIES: Final = int(os.environ.get("STORIES", "0"))
RULES: Final = Rules()
SETTINGS: Final = {
    "LEASE_SECONDS": str(RULES.lease),
    "STALE_SECONDS": str(RULES.stale),
    "PENDING_SECONDS": str(RULES.pending),
    "SWEEP_RESEND_LIMIT": str(RULES.resends),
    "MAX_STEPS": str(RULES.max_steps),
    "STEP_ATTEMPTS": str(RULES.attempts),
    "STOP_POLL_SECONDS": str(RULES.poll),
    "ANSWER_SECONDS": str(RULES.answer),
    # No story has so many messages that they are a line.
    "MAXIMUM_CONCURRENCY": "1000",
}

# A workspace may hold any character: this one is as close to another one's keys as it gets.
workspaces = st.sampled_from(["acme", "acme", "acme", "acme#garden"])
users = st.sampled_from(["ada", "ada", "ada", "bob"])
chats = st.sampled_from(["garden", "garden", "kitchen"])
prompts = st.sampled_from(["hello", "and now?"])
budgets = st.sampled_from([None, 1, 2])
keys = st.sampled_from([None, "key-1", "key-2"])
hows: st.SearchStrategy[How] = st.sampled_from(["answers", "calls a tool", "asks", "stumbles", "is refused", "raises"])


class Story(RuleBasedStateMachine):
    """Two workspaces, two users, two chats, and everything that can happen to them."""

    runs = Bundle("runs")
    workers = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(SETTINGS)
        self.contract = Contract(Rules(), BEGIN)
        self.items: list[Any] = []
        self.by_id: dict[str, Run] = {}

    # --- clients ---

    @initialize(target=runs)
    def ada_has_started_a_run(self) -> Any:
        return self.start("acme", "ada", "garden", "hello", None, None, False)

    @rule(
        target=runs, workspace=workspaces, user=users, chat=chats, prompt=prompts, max_steps=budgets, key=keys,
        answer_lost=st.booleans(),
    )  # fmt: skip
    def start(
        self,
        workspace: str,
        user: str,
        chat: str,
        prompt: str,
        max_steps: int | None,
        key: str | None,
        answer_lost: bool,
    ) -> Any:
        body: dict[str, Any] = {"prompt": prompt}
        if max_steps is not None:
            body["budget"] = {"max_steps": max_steps}
        headers = {"Idempotency-Key": key} if key else {}
        expected = self.contract.start(workspace, user, chat, key, body)
        self.world.loses_an_answer = answer_lost
        got = self._call("POST", f"/chats/{chat}/runs", workspace, user, body, headers=headers)
        self._same_answer(got, expected)
        if expected.status != 202:
            return self._none()
        assert got.headers["location"] == f"/runs/{got.body['run']['id']}"
        assert got.headers.get("idempotency-replayed") == ("true" if expected.replayed else None)
        return self._none() if expected.replayed else expected.run

    @rule(run=runs, by=st.sampled_from(["run", "chat"]), answer_lost=st.booleans())
    def stop(self, run: Run, by: str, answer_lost: bool) -> None:
        workspace, user = run.chat.workspace, run.chat.user
        if by == "run":
            expected, path = self.contract.stop_run(workspace, user, run), f"/runs/{run.id}/stop"
        else:
            expected, path = self.contract.stop_chat(workspace, user, run.chat.id), f"/chats/{run.chat.id}/stop"
        self.world.loses_an_answer = answer_lost
        self._same_answer(self._call("POST", path, workspace, user), expected)

    @rule(run=runs, approved=st.sampled_from([True, True, False]), which=st.integers(0, 2), answer_lost=st.booleans())
    def answer(self, run: Run, approved: bool, which: int, answer_lost: bool) -> None:
        """Of the newest question, or of an older one once more; also where nothing was asked."""
        steps = [step for step, record in enumerate(run.log) if record.kind == "asked"] or [0]
        call_id = f"ask-{steps[-1 - which % len(steps)]}"
        workspace, user = run.chat.workspace, run.chat.user
        expected = self.contract.answer(workspace, user, run, call_id, approved)
        self.world.loses_an_answer = answer_lost
        body = {"answers": {call_id: {"approved": approved}}}
        self._same_answer(self._call("POST", f"/runs/{run.id}/answers", workspace, user, body), expected)

    @rule(run=runs, workspace=workspaces, user=users)
    def stranger_looks_and_stops(self, run: Run, workspace: str, user: str) -> None:
        """For every user but its owner, a run and its chat do not exist."""
        if (workspace, user) == (run.chat.workspace, run.chat.user):
            return
        got = self._call("POST", f"/runs/{run.id}/stop", workspace, user)
        self._same_answer(got, self.contract.stop_run(workspace, user, run))
        assert self._call("GET", f"/runs/{run.id}", workspace, user).status == 404
        body = {"answers": {"ask-0": {"approved": True}}}
        assert self._call("POST", f"/runs/{run.id}/answers", workspace, user, body).status == 404
        other = self.contract.chats.get((workspace, run.chat.id))
        if other is None or other.user != user:
            assert self._call("GET", f"/chats/{run.chat.id}/run", workspace, user).body == {
                "run": None,
                "message": None,
            }
            for name in ("messages", "runs"):
                listed = self._call("GET", f"/chats/{run.chat.id}/{name}", workspace, user)
                assert listed.body == {name: [], "cursor": None}

    @rule(run=runs, limit=st.integers(1, 4))
    def read_page_by_page(self, run: Run, limit: int) -> None:
        chat = run.chat
        messages = [seen for each in chat.runs for seen in (question_shown(each), answer_shown(each))]
        got = [
            _plain(one)
            for one in self._pages(f"/chats/{chat.id}/messages", "messages", chat.workspace, chat.user, limit)
        ]
        assert [_without_question_id(one) for one in got] == messages
        assert len({one["id"] for one in got}) == len(got)
        listed = self._pages(f"/chats/{chat.id}/runs", "runs", chat.workspace, chat.user, limit)
        assert [_settled_part(_plain(one)) for one in listed] == [
            _settled_part(shown(each)) for each in chat.runs[::-1]
        ]

    @rule()
    def switch_new_runs_off_or_on(self) -> None:
        self.contract.rules.enabled = enabled = not self.contract.rules.enabled
        start = self.world.start.start
        # The settings are read at a cold start, which this stands for.
        object.__setattr__(start, "settings", type(start.settings)(**{**vars(start.settings), "runs_enabled": enabled}))

    # --- workers ---

    @precondition(lambda self: self.world.queue.visible())
    @rule(target=workers, answer_lost=st.booleans())
    def the_queue_delivers(self, answer_lost: bool) -> Any:
        return self._deliver(self.world.queue.visible()[0], answer_lost)

    @rule(target=workers, run=runs, answer_lost=st.booleans())
    def the_queue_delivers_a_message_of(self, run: Run, answer_lost: bool) -> Any:
        letters = self.world.letters(run.id)
        return self._deliver(letters[-1], answer_lost) if letters else self._none()

    @rule(run=runs, how=hows)
    def a_step_is_done_at_once(self, run: Run, how: How) -> None:
        letters = self.world.letters(run.id)
        worker = self._deliver(letters[-1], False) if letters else None
        if isinstance(worker, tuple):
            self._go_on(worker, how)

    @rule(run=runs, which=st.integers(0, 3))
    def an_old_message_comes_again(self, run: Run, which: int) -> None:
        letters = self._letters_ever(run)
        self.world.queue.again(letters[-1 - which % len(letters)].number)

    @rule(run=runs)
    def a_message_gets_lost(self, run: Run) -> None:
        numbers = {letter.number for letter in self.world.queue.state.letters}
        for letter in self._letters_ever(run):
            if letter.number in numbers:
                self.world.queue.lose(letter.number)
                return

    @rule(worker=workers)
    def a_worker_watches(self, worker: tuple[Worker, Holding]) -> None:
        who, holding = worker
        if not who.pending:
            return
        assert who.watch is not None
        assert who.interrupt is not None
        watch(self.contract, holding)
        who.watch.tick()
        assert who.interrupt.reason == holding.reason

    @rule(worker=consumes(workers), how=hows, answer_lost=st.booleans())
    def the_model(self, worker: tuple[Worker, Holding], how: How, answer_lost: bool) -> None:
        self._go_on(worker, how, answer_lost=answer_lost)

    @rule(worker=consumes(workers), how=st.sampled_from(["answers", "calls a tool"]))
    def the_worker_dies_once_its_step_is_stored(self, worker: tuple[Worker, Holding], how: How) -> None:
        self._go_on(worker, how, dies=True)

    @rule(worker=consumes(workers))
    def the_worker_dies(self, worker: tuple[Worker, Holding]) -> None:
        worker[0].kill()

    # --- time and schedule ---

    @rule(seconds=st.sampled_from([1, 10, 20, 31, 60, 300, 600, 1800, 3600]))
    def time_passes(self, seconds: float) -> None:
        self.contract.now += int(seconds * 1000)
        self.world.now = self.contract.now

    @rule()
    def sweep(self) -> None:
        expected = self.contract.sweep()
        assert self.world.sweep_now() == expected
        self._same_runs()
        self._always()

    # --- what always holds ---

    def _always(self) -> None:
        items = self.world.table.items()
        assert violations(items) == []
        assert changed_after_its_end(self.items, items) == []
        self.items = items
        # Exactly the steps that are due were sent.
        assert Counter(self.world.sent()) == Counter((run.id, step) for run, step in self.contract.sent)

    def teardown(self) -> None:
        """After any story, sweeps and the queue alone end every run, and its message is what was stored."""
        try:
            for worker in self.world.workers:
                worker.kill()
            if sys.exc_info()[0] is not None:
                return
            for _ in range(20):
                if all(run.ended for run in self.contract.runs):
                    break
                self.time_passes(600)
                self.sweep()
                while letters := self.world.queue.visible():
                    worker = self._deliver(letters[0], False)
                    if isinstance(worker, tuple):
                        self._go_on(worker, "answers")
            assert all(run.ended for run in self.contract.runs)
            self._same_runs()
            for chat in self.contract.chats.values():
                self.read_page_by_page(chat.runs[-1], 100)
        finally:
            self.world.close()

    # --- how it is done ---

    def _none(self) -> Any:
        """Nothing for the bundle."""
        return multiple()

    def _call(self, method: str, path: str, workspace: str, user: str, body: Any = None, **how: Any) -> Any:
        got = self.world.call(method, path, body, workspace=workspace, user=user, **how)
        self.world.loses_an_answer = False
        return got

    def _deliver(self, letter: Letter, answer_lost: bool) -> Any:
        message = json.loads(letter.body)
        run = self.by_id[message["run_id"]]
        expected = take(self.contract, run, message["step"])
        self.world.loses_an_answer = answer_lost
        worker = self.world.deliver(letter)
        self.world.loses_an_answer = False
        self._same_run(run)
        if isinstance(expected, str):
            assert worker.pending is None
            assert worker.acknowledged is (expected == "acknowledged")
            if expected == "given back":
                # It comes again right after the lease it waits for.
                assert 1000 <= self._visible_at(letter) - run.lease_until < 2000
            self._always()
            return self._none()
        ask = worker.pending
        assert ask is not None, "the model was not asked"
        assert (ask.run_id, ask.step, ask.attempt) == (run.id, expected.step, expected.attempt)
        assert ask.text_only is run.is_last(expected.step)
        decided = {call: approved for call, (step, approved) in run.answers.items() if step == expected.step - 1}
        assert {call: decision.approved for call, decision in ask.decisions.items()} == decided
        assert {call.tool_call_id for call in ask.asked} == set(decided)
        assert [(turn.role, turn.text, turn.messages) for turn in ask.history] == history(run)
        assert 1000 <= self._visible_at(letter) - run.lease_until < 2000
        self._always()
        return worker, expected

    def _go_on(
        self, worker: tuple[Worker, Holding], how: How, *, dies: bool = False, answer_lost: bool = False
    ) -> None:
        who, holding = worker
        if not who.pending:
            return
        run = holding.run
        text = f"{run.chat.id} {run.id}, step {holding.step}, attempt {holding.attempt}. "
        interrupted = holding.reason is not None
        if how == "asks" and who.pending.text_only:
            how = "answers"
        resumed = who.pending.asked[0].tool_call_id if who.pending.asked else None
        record = _record(text, how, holding.step, resumed, interrupted=interrupted)
        expected = go_on(self.contract, holding, how, record, f"{how} {text}", dies=dies and not interrupted)
        if dies and expected == "dead":
            self.world.dies_after = "PutItem"
        # A release whose answer is lost is not tried again: the lease runs out.
        self.world.loses_an_answer = answer_lost and how in ("answers", "calls a tool") and not interrupted
        self.world.reply(who, lambda ask, say, interrupt: _outcome(text, how, ask, say, interrupt))
        self.world.loses_an_answer, self.world.dies_after = False, None
        self._same_run(run)
        assert who.acknowledged is {"acknowledged": True, "given back": False, "dead": None}[expected]
        self._always()

    def _letters_ever(self, run: Run) -> list[Letter]:
        state = self.world.queue.state
        return [one for one in sorted((*state.letters, *state.gone)) if json.loads(one.body)["run_id"] == run.id]

    def _visible_at(self, letter: Letter) -> int:
        (now,) = (each for each in self.world.queue.state.letters if each.number == letter.number)
        return now.visible_at

    def _same_answer(self, got: Any, expected: Expected) -> None:
        assert got.status == expected.status, got
        if expected.code is not None:
            assert got.body["code"] == expected.code
            assert got.body.get("active_run_id") == (expected.active.id if expected.active else None)
            self._always()
            return
        run = expected.run
        if run is not None and not run.id:
            run.id, run.assistant_message_id = got.body["run"]["id"], got.body["run"]["assistant_message_id"]
            assert run.id not in self.by_id
            self.by_id[run.id] = run
        assert got.body.get("stopped") == expected.stopped
        assert (got.body["run"] and _plain(got.body["run"])) == (run and shown(run))
        if run is not None:
            self._same_run(run)
        self._always()

    def _same_runs(self) -> None:
        for run in self.contract.runs:
            self._same_run(run)

    def _same_run(self, run: Run) -> None:
        who = run.chat.workspace, run.chat.user
        got = self._call("GET", f"/runs/{run.id}", *who)
        assert got.status == 200
        assert _plain(got.body["run"]) == shown(run)
        assert _plain(got.body["message"]) == answer_shown(run)
        if run.error:
            assert run.error[1] in got.body["run"]["error"]["message"]
        if run is run.chat.runs[-1]:
            assert self._call("GET", f"/chats/{run.chat.id}/run", *who).body == got.body

    def _pages(self, path: str, name: str, workspace: str, user: str, limit: int) -> list[Any]:
        listed: list[Any] = []
        query = {"limit": str(limit)}
        while True:
            got = self._call("GET", path, workspace, user, query=query)
            assert got.status == 200
            assert len(got.body[name]) <= limit
            listed += got.body[name]
            if got.body["cursor"] is None:
                return listed
            query["cursor"] = got.body["cursor"]


def _parts(text: str, how: How, step: int, resumed: str | None, *, interrupted: bool) -> list[dict[str, Any]]:
    """What a step shows; `resumed` is the answered call that it runs."""
    if resumed is not None:
        ran = how in ("answers", "calls a tool", "asks") and not interrupted
        outcome = (
            {"state": "output-available", "output": text}
            if ran
            else {"state": "output-error", "errorText": INTERRUPTED}
        )
        return [{"type": "tool-pay", "toolCallId": resumed, "input": {}, **outcome}]
    parts: list[dict[str, Any]] = [{"type": "step-start"}, {"type": "text", "text": text}]
    if how == "asks" and not interrupted:
        parts.append({"type": "tool-pay", "toolCallId": f"ask-{step}", "input": {}, "state": "approval-requested"})
    if how == "calls a tool" and not interrupted:
        call = {"toolCallId": "call", "state": "output-available", "input": {}, "output": text}
        parts.append({"type": "tool-clock", **call})
    return parts


def _record(text: str, how: How, step: int, resumed: str | None, *, interrupted: bool) -> Record:
    """The record that the model expects of a step; the model decides its kind."""
    broken = how == "raises" and not interrupted
    parts = _parts(text, how, step, resumed, interrupted=interrupted)
    return Record("step", parts, None if broken else json.dumps([text]), 0 if broken or resumed is not None else 1)


def _outcome(text: str, how: How, ask: Ask, say: Any, interrupt: Interrupt) -> Outcome:
    """The outcome of a step: the model's answer, or an interruption."""
    resumed = ask.asked[0].tool_call_id if ask.asked else None
    if resumed is None:
        say(Words("text", text))
    interrupted = interrupt.reason is not None
    parts = _parts(text, how, ask.step, resumed, interrupted=interrupted)
    shared: Any = (parts, json.dumps([text]), Usage() if resumed is not None else Usage(7, 3, 1))
    if interrupted:
        return Outcome("partial", *shared)
    if how == "raises":
        raise RuntimeError(f"{how} {text}")
    if how in ("stumbles", "is refused"):
        kind: Any = ("transient", "unavailable") if how == "stumbles" else ("permanent", "refused")
        return Outcome("partial", *shared, error=AgentError(*kind, f"{how} {text}"))
    if resumed is not None:
        return Outcome("step", *shared)
    if how == "asks":
        return Outcome("asked", *shared, asked=(AskedCall(f"ask-{ask.step}", "approval", "pay", {}),))
    return Outcome("final" if how == "answers" else "step", *shared)


def _plain(seen: dict[str, Any]) -> dict[str, Any]:
    """A run or message as it was read, without `updated_at`; of an error, its code."""
    plain = {name: value for name, value in seen.items() if name != "updated_at"}
    plain["metadata"] = dict(plain["metadata"])
    for place in (plain, plain["metadata"]):
        if place.get("error"):
            place["error"] = place["error"]["code"]
    return plain


def _without_question_id(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "id" or message["role"] == "assistant"}


def _settled_part(run: dict[str, Any]) -> dict[str, Any]:
    """A listed run: its steps and usage are as of the last claim or settle."""
    active = run["finished_at"] is None
    if run["asked"] is not None:
        # Lists leave the arguments out.
        calls = [{name: value for name, value in call.items() if name != "input"} for call in run["asked"]["open"]]
        run = {**run, "asked": {**run["asked"], "open": calls}}
    return {name: value for name, value in run.items() if not (active and name in ("usage", "step_count"))}


def test_handlers_answer_as_the_contract_does() -> None:
    """Random users, workspaces, chats, starts, stops, deliveries, deaths, sweeps and clock moves: no answer differs."""
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=STORIES or 80,
            stateful_step_count=60 if STORIES else 30,
            deadline=None,
            derandomize=not STORIES,
            print_blob=True,
            phases=[phase for phase in Phase if phase is not Phase.explain],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
