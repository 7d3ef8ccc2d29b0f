"""The mutants that are written down: edits of a definition by what stands in it, see `edit.py`."""

from proof.mutants.edit import Edit
from proof.mutants.mutant import Mutant

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
