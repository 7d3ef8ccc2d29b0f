"""The mutants: one guard taken away, or one pair of writes reordered, at a time; and where the proof notices.

The lifecycle's mutants are made from its own table, so a guard added there is among them at once. All others are edits of
a definition by what stands in it (`edit.py`); `test_mutants.py` holds that every one still applies.

A mutant names the explorations that have to notice it, `scene kind` each (`none` is: no fault). One that has none named
is tried on every scene. `survives` says why nothing can notice: then the explorations named are those that would.
The module is long because it is one list, with the verdicts beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from outlive import lifecycle
from outlive.lifecycle import Move
from proof.mutants.edit import Edit, edited

LIFECYCLE = "shared/outlive/lifecycle.py"
GUARDS = "shared/outlive/guards.py"
TABLE = "shared/outlive/store/table.py"
MOVES = "shared/outlive/store/moves.py"
STEP = "shared/outlive/step.py"
CLAIMED = "shared/outlive/claimed_step.py"
STEP_END = "shared/outlive/step_end.py"
WATCH = "shared/outlive/watch.py"
START = "shared/outlive/start.py"
BUSY_CHAT = "shared/outlive/busy_chat.py"
STOP = "shared/outlive/stop.py"
ACCESS = "shared/outlive/access.py"
SETTLE = "shared/outlive/settle.py"
SWEEP = "shared/outlive/sweep.py"
WAITING = "shared/outlive/store/waiting.py"
ANSWER = "shared/outlive/answer.py"
OVERDUE = "shared/outlive/overdue.py"
UNREADABLE = "shared/outlive/unreadable.py"

ANYWAY = "Row.pk.exists() | Row.pk.does_not_exist()"
"""A condition that always holds."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change for the worse."""

    name: str
    meaning: str
    edits: tuple[Edit, ...]
    noticed: tuple[str, ...] = ()
    survives: str = ""

    def texts(self, tree: Path) -> dict[str, str]:
        """The changed files by their path. Raises DoesNotApply."""
        changed: dict[str, str] = {}
        for edit in self.edits:
            changed[edit.path] = edited(changed.get(edit.path) or (tree / edit.path).read_text(), edit)
        return changed


def mutants() -> list[Mutant]:
    """All of them."""
    listed = [*of_lifecycle(), *WRITTEN]
    return [replace(each, noticed=NOTICED.get(each.name, ()), survives=SURVIVES.get(each.name, "")) for each in listed]


def of_lifecycle() -> Iterator[Mutant]:
    """For each move: without each of its guards, and from any status."""
    for name, move in vars(lifecycle).items():
        if isinstance(move, Move):
            for guard in move.guards:
                gone = Edit(LIFECYCLE, name, f"Guard.{guard.name}")
                yield Mutant(f"{move.name} without {guard.name}", "the guard is gone", (gone,))
            if move.sources:
                anyhow = Edit(LIFECYCLE, name, "Move(A, B, C, D, E, F)", "Move(A, B, frozenset(Status), D, E, F)")
                yield Mutant(f"{move.name} from any status", "its sources are gone", (anyhow,))


def _start_over(*places: str) -> Edit:
    """These items of a start's transaction are put without their condition."""
    items = ("run", "question", "answer")
    before, after = (
        ", ".join(f"{item!r}: self._putting({item[0].upper()}, {ANYWAY if item in over else 'N'})" for item in items)
        for over in ((), places)
    )
    return Edit(TABLE, "Table.start", f"{{'chat': C, {before}}}", f"{{'chat': C, {after}}}")


RIGHTLY = "A != Status.WAITING or not B"
PUT_RECORD = "persistently(partial(self.tools.table.record, self.run, R), C)"
SEND_NEXT = "self.tools.queue.send(self.run, R.step + 1) if R.kind == 'step' else None"
SETTLE_FINAL = "self.end.succeed(R) if R.kind == 'final' else None"

WRITTEN = (
    # start: the transaction's clauses
    Mutant("start into a taken slot", "the chat's slot is not looked at",
           (Edit(TABLE, "Table.start", "A & (Chat.sequence == B) & C", "A & (Chat.sequence == B)"),
            Edit(TABLE, "Table.start", "Chat.owner.does_not_exist() & A", "Chat.owner.does_not_exist()"))),
    Mutant("start without the owner", "a chat that was read may be another owner's by now",
           (Edit(TABLE, "Table.start", "(Chat.owner == A) & B", "B"),)),
    Mutant("start a chat that is there", "a chat that was not there when read may be there by now",
           (Edit(TABLE, "Table.start", "Chat.owner.does_not_exist() & A", "A"),)),
    Mutant("start without the sequence", "another run may have come and gone since the chat was read",
           (Edit(TABLE, "Table.start", "A & (Chat.sequence == B)", "A"),)),
    Mutant("start over a run", "the run's id may be taken", (_start_over("run"),)),
    Mutant("start over a prompt", "the prompt's place may be taken", (_start_over("question"),)),
    Mutant("start over an answer", "the answer's place may be taken", (_start_over("answer"),)),
    # start: orders and what it recognises
    Mutant("start torn apart", "four writes instead of one transaction",
           (Edit(TABLE, "Table.start", "self._transact(A)", "[self._transact({N: B}) for N, B in A.items()]"),)),
    Mutant("start over an active holder", "whether the slot's run has ended is not looked at",
           (Edit(TABLE, "Table.start", "W['holder'] = self._checking(R, E)"),)),
    Mutant("start over any slot", "whose slot is taken is not looked at",
           (Edit(TABLE, "Table.start", "F |= Chat.active_run_id == R", "F |= Chat.active_run_id.exists()"),)),
    Mutant("start sends first", "the message goes out before the run is stored",
           (Edit(START, "Start._try", "self.table.start(...)\nself._send(A)", "self._send(A)\nself.table.start(...)"),)),
    Mutant("start never sends", "only a sweep sends", (Edit(START, "Start._try", "self._send(A)"),)),
    Mutant("start forgets its own write", "a start whose answer was lost does not look for its run",
           (Edit(START, "Start._try", "again or A", "A"),)),
    Mutant("start forgets at the end", "nor after the last try",
           (Edit(START, "Start._start", "if A is None: raise B", "raise B"),)),
    Mutant("start ignores the key when busy", "the busy check comes before the replay",
           (Edit(START, "Start._try", "A and (B or C or D)", "A and (C or D)"),)),
    Mutant("start takes a foreign chat's run", "the owner is not looked at before",
           (Edit(ACCESS, "own_chat", "A is not None and A.owner != B", "False"),)),
    Mutant("start makes room too soon", "a start ends a run that is rightly at work",
           (Edit(BUSY_CHAT, "make_room", f"if {RIGHTLY}: raise _busy_with(C)", f"if {RIGHTLY}: return None"),)),
    # claim, heartbeat, release: what they write
    Mutant("claim keeps the attempts", "a step begins with the attempts of the one before",
           (Edit(MOVES, "Moves.claim", "Run.attempt.set(1)", "Run.attempt.add(1)"),)),
    Mutant("claim without a lease", "no other worker can see that a step is held",
           (Edit(MOVES, "Moves.claim", "Run.lease_until.set(A)"),)),
    Mutant("release keeps the lease", "a released run looks held",
           (Edit(MOVES, "Moves.release", "Run.lease_id.remove()"), Edit(MOVES, "Moves.release", "Run.lease_until.remove()"))),
    Mutant("release for a busy provider uncounted", "a wait for the provider uses up the attempts",
           (Edit(MOVES, "Moves.release", "Run.retries.add(1)"),)),
    Mutant("patience begins anew", "with every release the step's wait for the provider begins again",
           (Edit(MOVES, "Moves.release", "Run.retrying_since | now", "now"),)),
    Mutant("one lease id for all", "every worker holds by the same lease id",
           (Edit(STEP, "Step.run", "self._claim(A, B, self.new_id())", "self._claim(A, B, A.run_id)"),)),
    Mutant("claim forgets its own write", "a worker whose answer was lost takes its own lease for another worker's",
           (Edit(STEP, "Step._claim", "A is not None and A.lease_id == B", "False"),)),
    # record
    Mutant("record over a record", "the slot is not looked at: the last record wins",
           (Edit(MOVES, "Moves.record", "Row.pk.does_not_exist()", ANYWAY),)),
    Mutant("record refused, own kept", "a worker whose record is refused goes on with its own",
           (Edit(CLAIMED, "ClaimedStep._record", "refused.record or A", "A"),)),
    Mutant("send before record", "the next message goes out before the record is stored",
           (Edit(CLAIMED, "ClaimedStep._record", PUT_RECORD, f"({SEND_NEXT}, {PUT_RECORD})"),)),
    Mutant("settle before record", "the run ends before its final record is stored",
           (Edit(CLAIMED, "ClaimedStep._record", PUT_RECORD, f"({SETTLE_FINAL}, {PUT_RECORD})"),)),
    Mutant("record never sends", "only a sweep sends the next step",
           (Edit(CLAIMED, "ClaimedStep.send_next", "self.tools.queue.send(...)"),)),
    Mutant("record ignored on return", "the model is called again for a step that is recorded",
           (Edit(CLAIMED, "ClaimedStep._decide", "return self._after_record(R[N])", "R = R[:N]"),)),
    Mutant("goes on without the message", "a worker does steps its message does not stand for",
           (Edit(STEP, "Step._goes_on", "self._covers(A, B) and C", "C"),)),
    # the message
    Mutant("acknowledged under a foreign lease", "a message that comes while another worker holds the run is done with",
           (Edit(STEP, "Step.run", "hide(self.tools.queue, A, B.seconds)", "return Answer.ACKNOWLEDGE"),)),
    Mutant("acknowledged when put off", "a message is done with though the store did not take it",
           (Edit(STEP, "Step.run", "if R is None: hide(Q, D, S)\nreturn Answer.GIVE_BACK", "return Answer.ACKNOWLEDGE"),)),
    Mutant("message of a claimed step dropped", "a message that comes back for the claimed step is done with",
           (Edit(STEP, "Step._may_reclaim", "not self._covers(A, B)", "True"),)),
    # stop and step
    Mutant("no look before asking", "the stop is not read once more before money is spent",
           (Edit(STEP_END, "StepEnd.stop_requested", "A.stop_requested_at is not None", "False"),)),
    Mutant("asks though overtaken", "a worker that lost its lease asks all the same",
           (Edit(STEP_END, "StepEnd.stop_requested", "A is None or A.lease_id != B", "A is None"),)),
    Mutant("partial forgotten", "what was streamed before a stop is dropped",
           (Edit(CLAIMED, "ClaimedStep._broken_off", "partial_of(...)", "None"),)),
    Mutant("heartbeat after the end", "a refused heartbeat is taken for a good one",
           (Edit(WATCH, "Watch.heartbeat", "self._hear(R.run)"),)),
    Mutant("stop answered, not written", "under a live lease a stop says true and writes nothing",
           (Edit(STOP, "Stop._stop", "A, R = self._request(...)", "R = True"),)),
    Mutant("stop forgets its own write", "a stop whose answer was lost says false",
           (Edit(STOP, "Stop._stop", "Stopped(A in (B, C), R)", "Stopped(False, R)"),)),
    Mutant("stop claims others' ends", "a stop that came too late says true",
           (Edit(STOP, "Stop._stop", "Stopped(A in (B, C), R)", "Stopped(True, R)"),)),
    Mutant("stop follows the chat", "a stop by chat looks again and hits the next run",
           (Edit(STOP, "Stop._stop", "if S.by_me: return A",
                 "if S.by_me:\n    return A\nchat = self.table.chat(caller.workspace_id, run.chat_id) if run else None\n"
                 "if chat is not None and chat.active_run_id is not None:\n"
                 "    run = self.table.run(caller.workspace_id, chat.active_run_id)"),)),
    Mutant("stop without its mark", "a stop that ends the run does not say that it was a stop",
           (Edit(TABLE, "Table.settle", "A.append(Run.stop_requested_at.set(B))"),)),
    # two at once, where one alone is covered by the other
    Mutant("stop of any user", "the owner is looked at neither before nor in the write",
           (Edit(ACCESS, "own_run", "A is None or not is_own(A, B)", "A is None"),
            Edit(LIFECYCLE, "REQUEST_STOP", "Guard.OWNER"), Edit(LIFECYCLE, "STOP", "Guard.OWNER"))),
    Mutant("start without slot and sequence", "neither slot nor sequence are looked at",
           (Edit(TABLE, "Table.start", "A & (Chat.sequence == B) & C", "A"),
            Edit(TABLE, "Table.start", "Chat.owner.does_not_exist() & A", "Row.pk.exists() | Row.pk.does_not_exist()"),
            _start_over("question", "answer"))),
    Mutant("abort_never_started of claimed runs", "neither status nor claim are looked at",
           (Edit(LIFECYCLE, "ABORT_NEVER_STARTED", "PENDING", "ACTIVE"),
            Edit(LIFECYCLE, "ABORT_NEVER_STARTED", "Guard.NEVER_CLAIMED"))),
    # settle
    Mutant("settle torn apart", "run, slot, message and seal are four writes",
           (Edit(TABLE, "Table.settle", "self._transact(A)", "[self._transact({N: B}) for N, B in A.items()]"),)),
    Mutant("settle, seal apart", "the log is sealed after the run has ended",
           (Edit(TABLE, "Table.settle", "self._transact(A)",
                 "[self._transact({N: B for N, B in A.items() if (N == 'seal') is S}) for S in ((False, True) if 'seal' in A else (False,))]"),)),
    Mutant("settle without a seal", "the log of an ended run stays open",
           (Edit(TABLE, "Table.settle", "if A.seal is not None: ...", "if False: ..."),)),
    Mutant("seal over a record", "the log's slot is not looked at",
           (Edit(TABLE, "Table.settle", "self._putting(A.seal, B)", f"self._putting(A.seal, {ANYWAY})"),)),
    Mutant("settle frees any slot", "whose slot it is is not looked at",
           (Edit(TABLE, "Table.settle", "self._updating(A, B, Chat.active_run_id == C)", "self._updating(A, B, Row.pk.exists())"),)),
    Mutant("settle keeps the slot", "the chat stays busy with an ended run",
           (Edit(TABLE, "Table.settle", "Chat.active_run_id.remove()"),)),
    Mutant("settle, message left open", "the message goes on streaming",
           (Edit(TABLE, "Table.settle", "Message.status.set(A)"),)),
    Mutant("settle keeps the lease", "an ended run looks held",
           (Edit(TABLE, "GONE_AT_THE_END", "'lease_id'"), Edit(TABLE, "GONE_AT_THE_END", "'lease_until'"))),
    Mutant("settle stays in the index", "the sweep goes on seeing an ended run",
           (Edit(TABLE, "GONE_AT_THE_END", "'active_shard'"),)),
    Mutant("settle keeps the question", "an ended run looks as if it waited",
           (Edit(TABLE, "GONE_AT_THE_END", "'asked'"),)),
    Mutant("settle stays due", "the sweep goes on seeing an ended run as due",
           (Edit(TABLE, "GONE_AT_THE_END", "'due_shard'"),)),
    Mutant("settle leaves calls open", "the calls that nobody answered stay open in the transcript",
           (Edit(SETTLE, "_Settling._ending", "P or _closing(L)", "P"),)),
    Mutant("settle over a final record", "an end that finds a final record in the log still gives up",
           (Edit(SETTLE, "_Settling._update_slot", "A.kind == RecordKind.FINAL and B", "False"),)),
    Mutant("settle twice over", "the second settler says that it was the one",
           (Edit(SETTLE, "_Settling._update_run", "self._ended(A)", "Settled(A, by_me=True)"),)),
    Mutant("settle forgets its own write", "a settler whose answer was lost says that it was not the one",
           (Edit(SETTLE, "_Settling._update_run", "self._ended(A)", "Settled(A, by_me=False)"),)),
    Mutant("settle gives up at a stop", "an end refused by a stop does not become the stop's",
           (Edit(SETTLE, "_Settling._update_run", "Guard.NO_STOP not in A or B", "True"),)),
    # sweep
    Mutant("resend before it may", "the sweep sends, then keeps others from sending",
           (Edit(SWEEP, "Sweep._resend", "self.queue.send(A, B)"),
            Edit(SWEEP, "Sweep._resend", "self.table.resend(A, B, C, D)",
                 "(self.queue.send(A, max(A.claimed_step, 0)), self.table.resend(A, B, C, D))"))),
    Mutant("resend counted first", "a message that could not be sent is counted all the same",
           (Edit(SWEEP, "Sweep._resend", "self.queue.send(A, B)",
                 "(self.table.count_resend(A, now), self.queue.send(A, B))"),)),
    Mutant("resend never counted", "a message that was sent is not counted",
           (Edit(SWEEP, "Sweep._resend", "self.table.count_resend(...)"),)),
    Mutant("resend without end", "the limit of resends is not looked at",
           (Edit(SWEEP, "Sweep._resend", "A.resends >= B", "A.resends >= 99"),)),
    Mutant("resend of a refused count", "a sweep that another was before sends all the same",
           (Edit(SWEEP, "Sweep._resend", "A is None or B", "A is None"),)),
    Mutant("sweep under a live lease", "the sweep looks at no lease",
           (Edit(SWEEP, "Sweep._deal_with", "A or lease_is_live(B, C)", "A"),)),
    Mutant("sweep never resends", "a lost message is lost for good",
           (Edit(SWEEP, "Sweep._deal_with", "self._resend(...)", "False"),)),
    Mutant("sweep forgets final records", "a final record that no worker settled is given up",
           (Edit(OVERDUE, "overdue", "A is not None and A.kind == RecordKind.FINAL", "False"),)),
    Mutant("sweep forgets stops", "a stopped run whose worker died is left to grow stale",
           (Edit(OVERDUE, "overdue", "if A: return Overdue(ABORT_LEFT, B, C)"),)),
    Mutant("sweep forgets stale runs", "a run that makes no progress is never ended",
           (Edit(OVERDUE, "overdue", "(ABORT_STALE, A)", "(ABORT_NEVER_STARTED, A)"),)),
    Mutant("sweep forgets unclaimed runs", "a run that no worker ever claimed is never ended",
           (Edit(OVERDUE, "overdue", "(ABORT_NEVER_STARTED, A)", "(ABORT_STALE, A)"),)),
    Mutant("lease for ever", "a lease that is over counts as live",
           (Edit(GUARDS, "lease_is_live", "A is not None and B", "A is not None"),)),
    Mutant("sweep forgets unanswered runs", "a run that nobody answers is never ended",
           (Edit(OVERDUE, "overdue", "_unanswered(A, B)", "None"),)),
    Mutant("sweep sees no due runs", "the index of due rows is not read",
           (Edit(SWEEP, "Sweep._sweep_shard", "self.table.due_runs(...)", "()"),)),
    Mutant("sweep sends for waiting runs", "a run that waits is taken for one whose message was lost",
           (Edit(SWEEP, "Sweep._deal_with", "A.status in ACTIVE and B", "B"),)),
    # a run that waits: asked
    Mutant("ask torn apart", "the run waits first, and then its record is stored",
           (Edit(WAITING, "Waiting.ask", "self._transact(A)", "[self._transact({N: B}) for N, B in A.items()]"),)),
    Mutant("ask over a record", "the slot is not looked at: the last record wins",
           (Edit(WAITING, "Waiting.ask", "self._putting(A, B)", f"self._putting(A, {ANYWAY})"),)),
    Mutant("ask keeps the lease", "a waiting run looks held",
           (Edit(WAITING, "Waiting.ask", "Run.lease_id"), Edit(WAITING, "Waiting.ask", "Run.lease_until"))),
    Mutant("ask stays in the index", "the sweep goes on reading a run that waits",
           (Edit(WAITING, "Waiting.ask", "Run.active_shard"),)),
    Mutant("ask is never due", "nothing ends a run that nobody answers",
           (Edit(WAITING, "Waiting.ask", "Run.due_shard.set(A)"),)),
    Mutant("ask refused, own question kept", "a worker whose question is refused by another's record lets go of the run",
           (Edit(CLAIMED, "ClaimedStep._wait_for_answers", "return self._adopt(A)", "return None"),)),
    Mutant("ask deaf to a stop", "a stop that came before the question is not heard",
           (Edit(CLAIMED, "ClaimedStep._wait_for_answers", "A is None and self.end.was_asked_to_stop(B)", "False"),)),
    Mutant("calls run by an old history", "a worker runs answered calls by what it read before they were answered",
           (Edit(CLAIMED, "ClaimedStep._adopt", "A.kind != RecordKind.ASKED", "True"),)),
    Mutant("a question found is a question answered", "an overtaken worker goes on from a question that was just asked",
           (Edit(CLAIMED, "ClaimedStep._after_record", "self.end.stop_requested()"),)),
    # a run that waits: answered
    Mutant("answer torn apart", "the run goes on first, and then the answers are stored",
           (Edit(WAITING, "Waiting.answer", "self._transact(A)", "[self._transact({N: B}) for N, B in A.items()]"),)),
    Mutant("answer over an answer", "the slot is not looked at: the last answer wins",
           (Edit(WAITING, "Waiting.answer", "self._putting(A, B)", f"self._putting(A, {ANYWAY})"),)),
    Mutant("resume stays out of the index", "the sweep does not see a run that goes on",
           (Edit(WAITING, "Waiting.answer", "Run.active_shard.set(A)"),)),
    Mutant("resume stays due", "a run that goes on keeps the deadline of its question",
           (Edit(WAITING, "Waiting.answer", "Run.due_shard"), Edit(WAITING, "Waiting.answer", "Run.due_at"))),
    Mutant("resume without progress", "a run that goes on looks as old as its question",
           (Edit(WAITING, "Waiting.answer", "Run.progress_at.set(A)"),)),
    Mutant("resume sends first", "the next message goes out before the answers are stored",
           (Edit(ANSWER, "Answers._try", "A = persistently(B, self.clock)",
                 "self.queue.send(run, run.asked.step + 1)\nA = persistently(B, self.clock)"),)),
    Mutant("resume never sends", "only a sweep sends the next step",
           (Edit(ANSWER, "Answers._try", "self._send_next(A, R.asked.step)"),)),
    Mutant("answers repeated send any step", "a repeated answer sends the step after the claimed one, recorded or not",
           (Edit(ANSWER, "Answers._send_next", "A.status != Status.RUNNING or B", "A.status != Status.RUNNING or A.lease_id is not None"),
            Edit(ANSWER, "Answers._send_next", "self.queue.send(A, S + 1)", "self.queue.send(A, A.claimed_step + 1)"))),
    Mutant("answers repeated send nothing", "an answer that is repeated after its sender died leaves the run to a sweep",
           (Edit(ANSWER, "Answers._try", "if not N:\n    self._send_next(R, S)\n    return R", "if not N: return R"),)),
    Mutant("answer of any step", "an answer without a step is one of whatever waits now",
           (Edit(ANSWER, "Answers._try", "_check_asked_once(A, B)"),)),
    Mutant("answer of what waits by now", "a request whose write was refused answers what a later step asks",
           (Edit(ANSWER, "Answers.run", "S, O = (run.asked.step, {C.tool_call_id for C in run.asked.open})", "O = set(decisions)"),)),
    Mutant("any answer is the first", "a decision that came too late is said to stand",
           (Edit(ANSWER, "Answers._check_earlier", "A.decision != B", "False"),)),
    Mutant("anybody answers", "whose run it is is not looked at",
           (Edit(ACCESS, "run_to_answer", "A is not None and B.approves and C", "A is not None"),)),
    Mutant("typed message refused", "a message in place of a decision is taken for a second start",
           (Edit(BUSY_CHAT, "make_room", RIGHTLY, "True"),)),
    Mutant("start makes room by itself", "any start ends a run that waits",
           (Edit(BUSY_CHAT, "make_room", RIGHTLY, "A != Status.WAITING"),)),
    # damaged rows
    Mutant("damaged run ended under a live lease", "a worker's run is given up while it is at work",
           (Edit(UNREADABLE, "end_unreadable", "'lease_until' in A and B", "False"),)),
    Mutant("damaged run ended over a final record", "the work was done, and the run is given up",
           (Edit(UNREADABLE, "end_unreadable", "A is not None and A.kind == RecordKind.FINAL and B and C", "False"),)),
    Mutant("sweep leaves damaged runs", "a run whose row is damaged is never ended",
           (Edit(SWEEP, "Sweep._see", "end_unreadable(...)", "None"),)),
)  # fmt: skip


LEASE_GOES = "settle takes the lease away with the end, so the guard that asks for one refuses every ended run"
SEALED = (
    "who ended the run has sealed its log, so the second seal finds its slot taken and the whole transaction is refused"
)
STAYS = "the move is only made where a stop was seen, and a stop is never taken back"

ENDS_AT_ONCE = "a stop of a run that waits ends it in the same write, and no run begins to wait over a stop"
ONLY_WAITING = "what it asked is part of the condition, and only a run that waits has that"

SURVIVES: dict[str, str] = {
    "ask from any status": LEASE_GOES,
    "answer without NO_STOP": ENDS_AT_ONCE,
    "resume without NO_STOP": ENDS_AT_ONCE,
    "hand_over without NO_STOP": ENDS_AT_ONCE,
    "abort_unanswered without NO_STOP": ENDS_AT_ONCE,
    "answer from any status": ONLY_WAITING,
    "resume from any status": ONLY_WAITING,
    "resume without ASKED_AS_READ": "whoever answered the last open call meanwhile has filled its slot, which refuses this too",
    "hand_over without OWNER": "the chat was read before and its owner looked at; a run's owner is its chat's",
    "abort_unanswered from any status": "only a run that waits is due",
    "answer over an answer": "what is open is part of the condition, and a call that was answered is not",
    "resume without progress": "a run is given up only once its message was sent again as often as it may be, and that count "
    "begins anew",
    "sweep sends for waiting runs": "`resend` is a move of active runs only",
    "ask refused, own question kept": "whoever stored the record sends the next message, or a sweep does",
    "heartbeat from any status": LEASE_GOES,
    "release from any status": LEASE_GOES,
    "request_stop from any status": LEASE_GOES,
    "fail from any status": LEASE_GOES,
    "abort_held from any status": LEASE_GOES,
    "abort_held without STOP_REQUESTED": STAYS,
    "abort_unclaimed without STOP_REQUESTED": STAYS,
    "abort_answered without STOP_REQUESTED": STAYS,
    "abort_left without STOP_REQUESTED": STAYS,
    "abort_unclaimed without NEXT_STEP": "the step was seen to be the next one under a stop, and nothing is claimed after a stop",
    "abort_unclaimed from any status": SEALED,
    "abort_stale from any status": SEALED,
    "abort_never_started from any status": SEALED,
    "abort_unreadable from any status": SEALED,
    "resend without NO_LIVE_LEASE": "NOT_IN_LINE asks that the lease was over when the sweep began",
    "calls run by an old history": "whoever goes on from a question looks once more whether the run is still held",
    "abort_never_started without NO_STOP": "a stop of an unclaimed run ends it in the same write",
    "request_stop without OWNER": "the run was read before and its owner looked at; a run's owner never changes",
    "stop without OWNER": "the run was read before and its owner looked at; a run's owner never changes",
    "start without the owner": "the chat was read before and its owner looked at; a chat's owner never changes",
    "start into a taken slot": "a start that took the slot since the chat was read has moved the sequence, which refuses this too",
    "start over any slot": "a start that took the slot since the chat was read has moved the sequence, which refuses this too",
    "settle forgets its own write": "a stop looks once more who settled the run, and a sweep only counts by it",
    "sweep under a live lease": "`overdue` and the guards of `resend` look at the lease as well",
    "start over a prompt": "the chat's sequence is part of the condition and says that the place is free",
    "start over an answer": "the chat's sequence is part of the condition and says that the place is free",
    "settle frees any slot": "a run that is still active holds its chat's slot: they only move together",
}
"""Why nothing can notice these: something else refuses the same write. The scenes named beside them would."""

NOTICED: dict[str, tuple[str, ...]] = {
    "claim without NO_STOP": ("steps-stop none",),
    "claim without NEXT_STEP": ("two-workers none",),
    "claim from any status": ("forgotten message",),
    "reclaim without NO_STOP": ("overtaken-stop none",),
    "reclaim without SAME_STEP": ("late-reclaim none",),
    "reclaim without ATTEMPT_AS_READ": ("sweep-late-message late",),
    "reclaim without NO_LIVE_LEASE": ("overtaken none",),
    "reclaim from any status": ("overtaken none",),
    "heartbeat without MY_LEASE": ("two-workers time 2",),
    "heartbeat without LEASE_GROWS": ("watched late",),
    "heartbeat from any status": ("watched none", "overtaken none"),
    "release without NO_STOP": ("out-of-time none",),
    "release without MY_LEASE": ("overtaken-fails none",),
    "release from any status": ("transient-stop none", "overtaken-fails none"),
    "resend without NO_STOP": ("sweep-frozen none",),
    "resend without NO_LIVE_LEASE": ("sweep-frozen none",),
    "resend without NOT_IN_LINE": ("two-sweeps-left none", "in-line-resend none"),
    "resend without RESENT_BY_AS_READ": ("two-sweeps-slow none",),
    "resend without RESENDS_AS_READ": ("two-sweeps-slow none",),
    "count_resend without SAME_STEP": ("never-sent none",),
    "count_resend without RESENDS_AS_READ": ("two-sweeps-slow late",),
    "count_resend from any status": ("two-sweeps-left none",),
    "resend from any status": ("sweep-frozen none",),
    "request_stop without NO_STOP": ("two-stops-held none",),
    "request_stop without OWNER": ("foreigners none", "foreigners lost"),
    "request_stop without LIVE_LEASE": ("transient-stop none",),
    "request_stop from any status": ("two-stops none", "settle-stop none", "stop-next none"),
    "stop without OWNER": ("foreigners none", "foreigners lost"),
    "stop without NO_LIVE_LEASE": ("start-stop none",),
    "stop from any status": ("start-stop none",),
    "succeed without NO_STOP": ("start-stop none",),
    "succeed from any status": ("settle-sweep none",),
    "fail without NO_STOP": ("permanent-stop none",),
    "fail without MY_LEASE": ("overtaken-fails none",),
    "fail from any status": ("permanent-stop none", "overtaken-fails none"),
    "abort_held without STOP_REQUESTED": ("permanent-stop none", "transient-stop none", "settle-stop none"),
    "abort_held without MY_LEASE": ("overtaken-fails none",),
    "abort_held from any status": ("permanent-stop none", "overtaken-fails none"),
    "abort_unclaimed without STOP_REQUESTED": ("steps-stop none", "two-workers-stop none"),
    "abort_unclaimed without NEXT_STEP": ("steps-stop none", "two-workers-stop none"),
    "abort_unclaimed from any status": ("steps-stop none", "two-workers-stop none"),
    "abort_answered without STOP_REQUESTED": ("settle-stop none", "settle-sweep none"),
    "abort_answered from any status": ("settle-stop none", "settle-sweep none"),
    "abort_left without STOP_REQUESTED": ("sweep-stop none", "sweep-frozen none"),
    "abort_left without NO_LIVE_LEASE": ("sweep-stopped none",),
    "abort_left from any status": ("sweep-stop none", "sweep-frozen none"),
    "abort_stale without NO_STOP": ("sweep-given-up none", "start-on-stale none"),
    "abort_stale without NO_LIVE_LEASE": ("sweep-by-hand none",),
    "abort_stale without NO_PROGRESS": ("one-start-no-resends none",),
    "abort_stale without NOT_IN_LINE": ("start-in-line-step none",),
    "abort_stale without RESENT_IN_VAIN": ("sweep-after-outage none",),
    "abort_stale from any status": ("sweep-given-up none", "sweep-late-message none", "start-on-frozen none"),
    "abort_never_started without NO_STOP": ("forgotten none",),
    "abort_never_started without NEVER_CLAIMED": ("start-stop none",),
    "abort_never_started without NOT_IN_LINE": ("start-in-line none",),
    "abort_never_started without RESENT_IN_VAIN": ("sweep-after-hour none",),
    "abort_never_started from any status": ("forgotten none", "forgotten message"),
    "abort_unreadable without AS_READ": ("damaged none",),
    "abort_unreadable from any status": ("damaged-left none",),
    "damaged run ended under a live lease": ("damaged none",),
    "damaged run ended over a final record": ("damaged none",),
    "sweep leaves damaged runs": ("damaged-left crash",),
    "ask without NO_STOP": ("ask-stop none",),
    "ask without MY_LEASE": ("ask-overtaken none",),
    "ask from any status": ("ask-overtaken none", "ask-stop none"),
    "answer without NO_STOP": ("answer-stop none", "two-halves none"),
    "answer without ASKED_AS_READ": ("two-halves none",),
    "answer from any status": ("two-halves none", "answer-stop none"),
    "resume without NO_STOP": ("answer-stop none",),
    "resume without ASKED_AS_READ": ("half-and-all none", "two-halves none"),
    "resume from any status": ("answer-stop none", "answer-deadline none"),
    "hand_over without NO_STOP": ("typed-stop none",),
    "hand_over without OWNER": ("typed-answer none",),
    "hand_over from any status": ("typed-answer none", "typed-stop none"),
    "abort_unanswered without NO_STOP": ("answer-sweep none", "answer-deadline none"),
    "abort_unanswered without DUE": ("asked-again none",),
    "abort_unanswered from any status": ("answer-sweep none", "answer-deadline none"),
    "settle keeps the question": ("ask-answer none",),
    "settle stays due": ("ask-answer none",),
    "settle leaves calls open": ("ask-answer none",),
    "sweep forgets unanswered runs": ("ask-answer none",),
    "sweep sees no due runs": ("ask-answer none",),
    "sweep sends for waiting runs": ("answer-deadline none",),
    "ask torn apart": ("ask-answer none",),
    "ask over a record": ("ask-overtaken none",),
    "ask keeps the lease": ("ask-answer none",),
    "ask stays in the index": ("ask-answer none",),
    "ask is never due": ("ask-answer none",),
    "ask refused, own question kept": ("ask-overtaken none",),
    "ask deaf to a stop": ("ask-stop none",),
    "calls run by an old history": ("ask-overtaken-two-in-one none",),
    "a question found is a question answered": ("ask-overtaken crash",),
    "answer torn apart": ("two-halves none",),
    "answer over an answer": ("two-decisions none", "two-halves none"),
    "resume stays out of the index": ("answer-stop none",),
    "resume stays due": ("answer-stop none",),
    "resume without progress": ("answer-sweep none",),
    "resume sends first": ("answer-stop none",),
    "resume never sends": ("two-halves none",),
    "answer of any step": ("answered-twice none",),
    "answer of what waits by now": ("answered-twice lost",),
    "answers repeated send any step": ("answer-again none",),
    "answers repeated send nothing": ("resumed-unsent none",),
    "any answer is the first": ("two-decisions none",),
    "anybody answers": ("foreign-answers none",),
    "typed message refused": ("typed-answer none",),
    "start makes room by itself": ("foreign-answers none",),
    "start into a taken slot": ("two-starts none",),
    "start over an active holder": ("misread-holder blank",),
    "start over any slot": ("start-on-final none", "two-starts-later none"),
    "start without the owner": ("two-owners none",),
    "start a chat that is there": ("two-owners none",),
    "start without the sequence": ("two-starts-later none",),
    "start over a run": ("one-key-later none",),
    "start over a prompt": ("two-starts-later none", "two-starts none"),
    "start over an answer": ("two-starts-later none", "two-starts none"),
    "start torn apart": ("two-starts none",),
    "start sends first": ("two-starts none",),
    "start never sends": ("start-stop none",),
    "start forgets its own write": ("two-starts lost",),
    "start forgets at the end": ("one-start lost+refused 6",),
    "start ignores the key when busy": ("one-key none",),
    "start takes a foreign chat's run": ("foreigners none",),
    "start makes room too soon": ("start-on-final none", "two-starts none"),
    "claim keeps the attempts": ("steps-stop none",),
    "claim without a lease": ("two-workers none",),
    "release keeps the lease": ("transient-stop none",),
    "release for a busy provider uncounted": ("busy-provider none",),
    "patience begins anew": ("busy-provider none",),
    "one lease id for all": ("start-stop none",),
    "claim forgets its own write": ("claim-stop lost",),
    "record over a record": ("overtaken none",),
    "record refused, own kept": ("overtaken-otherwise none",),
    "send before record": ("two-workers none",),
    "settle before record": ("start-stop none",),
    "record never sends": ("two-workers none",),
    "record ignored on return": ("dead-before-send time",),
    "goes on without the message": ("two-in-one none", "two-workers none"),
    "acknowledged under a foreign lease": ("two-workers crash",),
    "acknowledged when put off": ("overtaken none",),
    "message of a claimed step dropped": ("two-workers crash",),
    "no look before asking": ("claim-stop none", "start-stop none"),
    "asks though overtaken": ("overtaken none",),
    "partial forgotten": ("overtaken-stop none",),
    "heartbeat after the end": ("overtaken none",),
    "stop answered, not written": ("start-stop none",),
    "stop forgets its own write": ("claim-stop lost",),
    "stop claims others' ends": ("settle-stop none",),
    "stop follows the chat": ("stop-start-on-final none",),
    "stop without its mark": ("start-stop none",),
    "settle torn apart": ("start-stop none",),
    "settle, seal apart": ("start-stop none",),
    "settle without a seal": ("start-stop none",),
    "seal over a record": ("overtaken-stop none",),
    "settle frees any slot": ("stop-next none", "start-on-final none"),
    "settle keeps the slot": ("start-stop none",),
    "settle, message left open": ("start-stop none",),
    "settle keeps the lease": ("start-stop none",),
    "settle stays in the index": ("start-stop none",),
    "settle over a final record": ("sweep-frozen none", "start-on-frozen none"),
    "settle twice over": ("two-stops none", "settle-stop none"),
    "settle forgets its own write": ("claim-stop lost",),
    "settle gives up at a stop": ("permanent-stop none", "settle-stop none"),
    "resend before it may": ("two-sweeps-left none",),
    "resend counted first": ("two-sweeps-left none",),
    "resend never counted": ("start-stop none",),
    "resend without end": ("start-stop none",),
    "resend of a refused count": ("two-sweeps-left none",),
    "sweep under a live lease": ("sweep-frozen none",),
    "sweep never resends": ("start-stop none",),
    "sweep forgets final records": ("start-stop none",),
    "sweep forgets stops": ("start-stop none",),
    "sweep forgets stale runs": ("start-stop none",),
    "sweep forgets unclaimed runs": ("two-starts none",),
    "lease for ever": ("start-stop none",),
    "stop of any user": ("foreigners none",),
    "start without slot and sequence": ("two-starts none",),
    "abort_never_started of claimed runs": ("start-stop none",),
}
"""Where each is looked for: the explorations have to notice it, or those that say it survives have to miss it."""
