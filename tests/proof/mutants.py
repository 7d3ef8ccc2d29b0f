"""The mutants: one guard taken away, or one pair of writes reordered, at a time; and where the proof notices.

The lifecycle's mutants are made from its own table, so a guard added there is among them at once. All others are edits of
the source as it stands; `test_mutants.py` holds that every one still applies.

A mutant names the explorations that have to notice it, `scene kind` each (`none` is: no fault). One that has none named
is tried on every scene. `survives` says why nothing can notice: then the explorations named are those that would.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

LIFECYCLE = "shared/outlive/lifecycle.py"
TABLE = "shared/outlive/table.py"
STEP = "shared/outlive/step.py"
START = "shared/outlive/start.py"
STOP = "shared/outlive/stop.py"
SETTLE = "shared/outlive/settle.py"
SWEEP = "shared/outlive/sweep.py"
OVERDUE = "shared/outlive/overdue.py"
READ = "shared/outlive/read.py"
UNREADABLE = "shared/outlive/unreadable.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change for the worse."""

    name: str
    meaning: str
    path: str
    edits: tuple[tuple[str, ...], ...]
    """What stands there, once, and what stands there then; in another file if a third names it."""
    noticed: tuple[str, ...] = ()
    survives: str = ""

    def texts(self, tree: Path) -> dict[str, str]:
        """The files as they are changed. Raises ValueError if what is to be changed is not there, or more than once."""
        changed: dict[str, str] = {}
        for before, after, *elsewhere in self.edits:
            path = elsewhere[0] if elsewhere else self.path
            text = changed.get(path) or (tree / path).read_text()
            if text.count(before) != 1:
                raise ValueError(f"{self.name}: found {text.count(before)} times in {path}: {before!r}")
            changed[path] = text.replace(before, after)
        return changed


def mutants(tree: Path) -> list[Mutant]:
    """All of them, for the source in `tree`."""
    made = [*of_lifecycle(tree), *WRITTEN]
    return [replace(each, noticed=NOTICED.get(each.name, ()), survives=SURVIVES.get(each.name, "")) for each in made]


# -- made from the lifecycle's table --


def of_lifecycle(tree: Path) -> Iterator[Mutant]:
    """For each move: without each of its guards, and from any status."""
    text = (tree / LIFECYCLE).read_text()
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = text.encode()

    def source(node: ast.expr) -> str:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return data[
            starts[node.lineno - 1] + node.col_offset : starts[node.end_lineno - 1] + node.end_col_offset
        ].decode()

    for node in ast.parse(text).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if not isinstance(node.value.func, ast.Name) or node.value.func.id != "Move":
            continue
        name, _, sources, _, guards, _ = node.value.args
        assert isinstance(name, ast.Constant)
        assert isinstance(guards, ast.Tuple)
        whole = source(node.value)
        head, tail = whole[: whole.index(source(guards))], whole[whole.index(source(guards)) :]
        for guard in guards.elts:
            assert isinstance(guard, ast.Attribute)
            left = [source(each) for each in guards.elts if each is not guard]
            kept = f"({', '.join(left)}{',' if len(left) == 1 else ''})"
            label = f"{name.value} without {guard.attr}"
            yield _of_move(label, "the guard is gone", whole, head + tail.replace(source(guards), kept, 1))
        if source(sources) != "NOTHING":
            label = f"{name.value} from any status"
            anyhow = head.replace(f" {source(sources)},", " frozenset(Status),", 1)
            yield _of_move(label, "its sources are gone", whole, anyhow + tail)


def _of_move(label: str, meaning: str, before: str, after: str) -> Mutant:
    return Mutant(label, meaning, LIFECYCLE, ((before, after),))


# -- written by hand --

WRITTEN = (
    # start: the transaction's clauses
    Mutant("start into a taken slot", "the chat's slot is not looked at", TABLE,
           (("(Chat.sequence == chat.sequence) & free", "(Chat.sequence == chat.sequence)"),
            ("Chat.owner.does_not_exist() & free", "Chat.owner.does_not_exist()"))),
    Mutant("start whatever the owner", "a chat that was read may be somebody else's by now", TABLE,
           (("(Chat.owner == run.owner) & (Chat.sequence", "(Chat.sequence"),)),
    Mutant("start a chat that is there", "a chat that was not there when read may be there by now", TABLE,
           (("as_read = Chat.owner.does_not_exist() & free", "as_read = free"),)),
    Mutant("start whatever the sequence", "another run may have come and gone since the chat was read", TABLE,
           (("(Chat.owner == run.owner) & (Chat.sequence == chat.sequence) & free", "(Chat.owner == run.owner) & free"),)),
    Mutant("start over a run", "the run's id may be taken", TABLE,
           (('"run": self._putting(run, new),', '"run": self._putting(run, Row.pk.exists() | new),'),)),
    Mutant("start over a prompt", "the prompt's place may be taken", TABLE,
           (('"question": self._putting(question, new),', '"question": self._putting(question, Row.pk.exists() | new),'),)),
    Mutant("start over an answer", "the answer's place may be taken", TABLE,
           (('"answer": self._putting(answer, new),', '"answer": self._putting(answer, Row.pk.exists() | new),'),)),
    # start: orders and what it knows again
    Mutant("start torn apart", "four writes instead of one transaction", TABLE,
           (("        self._transact(written)\n", """        self._transact({"chat": self._updating(slot, actions, as_read)})
        self._transact({"run": self._putting(run, new)})
        self._transact({"question": self._putting(question, new), "answer": self._putting(answer, new)})
"""),)),
    Mutant("start over an active holder", "whether the slot's run has ended is not looked at", TABLE,
           (("        if holder is not None:\n            held_by", "        if False:\n            held_by"),)),
    Mutant("start over any slot", "whose slot is taken is not looked at", TABLE,
           (("free |= Chat.active_run_id == holder", "free |= Chat.active_run_id.exists()"),)),
    Mutant("start sends first", "the message goes out before the run is stored", START,
           (("        self.table.start(chat, run, request.prompt, asking.at, holder)\n        self._send(run)\n",
             "        self._send(run)\n        self.table.start(chat, run, request.prompt, asking.at, holder)\n"),)),
    Mutant("start never sends", "only a sweep sends", START,
           (("        self._send(run)\n        return Started(run)\n", "        return Started(run)\n"),)),
    Mutant("start forgets its own write", "a start whose answer was lost does not look for its run", START,
           (("if again or (request.idempotency_key", "if (request.idempotency_key"),)),
    Mutant("start forgets at the end", "nor after the last try", START,
           (("        if found is None:\n            raise failure\n", "        if True:\n            raise failure\n"),)),
    Mutant("start ignores the key when busy", "the busy check comes before the replay", START,
           (("(request.idempotency_key and (holder or not self._may_start))",
             "(request.idempotency_key and not self._may_start)"),)),
    Mutant("start takes a foreign chat's run", "the owner is not looked at before", START,
           (("if chat is not None and chat.owner != asking.user:", "if False and chat is not None:"),)),
    Mutant("start makes room too soon", "a start ends a run that is rightly at work", START,
           (("        if due is None:\n            raise _busy_with(active.id)\n", "        if due is None:\n            return\n"),)),
    # claim, heartbeat, release: what they write
    Mutant("claim keeps the attempts", "a step begins with the attempts of the one before", TABLE,
           (("            Run.attempt.set(1),\n", "            Run.attempt.add(1),\n"),)),
    Mutant("claim without a lease", "nobody can see that a step is held", TABLE,
           ((("            Run.lease_until.set(lease_until),\n            Run.progress_at.set(now),\n"
             "            Run.updated_at.set(now),\n            Run.started_at"),
             "            Run.progress_at.set(now),\n            Run.updated_at.set(now),\n            Run.started_at"),)),
    Mutant("release keeps the lease", "a released run looks held", TABLE,
           (("            Run.lease_id.remove(),\n            Run.lease_until.remove(),\n            Run.resend_after",
             "            Run.resend_after"),)),
    Mutant("one lease id for all", "every worker holds by the same lease id", STEP,
           (("self._claim(delivery, step, self.new_id())", "self._claim(delivery, step, delivery.run_id)"),)),
    Mutant("claim forgets its own write", "a worker whose answer was lost takes its own lease for a stranger's", STEP,
           (("if found is None or found.lease_id != lease_id:", "if True:"),)),
    # record
    Mutant("record over a record", "the slot is not looked at: the last record wins", TABLE,
           (("put = self._putting(record, Row.pk.does_not_exist())",
             "put = self._putting(record, Row.pk.exists() | Row.pk.does_not_exist())"),)),
    Mutant("record refused, own kept", "whose record is refused goes on with its own", STEP,
           (('            record = record_of(refused.items["record"] or {})\n', "            del refused\n"),)),
    Mutant("send before record", "the next message goes out before the record is stored", STEP,
           (("        try:\n            persistently(lambda: self.by.table.record(",
             ('        if kind == "step":\n            self.by.queue.send(self.run, record.step + 1)\n'
             "        try:\n            persistently(lambda: self.by.table.record(")),)),
    Mutant("settle before record", "the run ends before its final record is stored", STEP,
           (("        try:\n            persistently(lambda: self.by.table.record(",
             ('        if kind == "final":\n            self._settle(SUCCEED, Log.upto(record))\n'
             "        try:\n            persistently(lambda: self.by.table.record(")),)),
    Mutant("record never sends", "only a sweep sends the next step", STEP,
           (("                self.by.queue.send(self.run, due)\n", "                pass\n"),)),
    Mutant("record ignored on return", "a step that is recorded is asked again", STEP,
           (("        if len(records) > n:\n            return self._carry_on(records[n])\n",
             "        if len(records) > n:\n            records = records[:n]\n"),)),
    Mutant("goes on without the message", "a worker does steps its message does not stand for", STEP,
           (("self.by.covers(self.delivery, due) and time_left", "time_left"),)),
    # the message
    Mutant("acknowledged under a foreign lease", "a message that comes while somebody holds the run is done with", STEP,
           (("        except GivenBack as back:\n            hide(self.queue, delivery, back.seconds)\n",
             "        except GivenBack:\n            return DONE\n"),)),
    Mutant("acknowledged when put off", "a message is done with though the store did not take it", STEP,
           (("                hide(self.queue, delivery, CLOSE_BY)\n        except Exception",
             "                hide(self.queue, delivery, CLOSE_BY)\n            return DONE\n        except Exception"),)),
    Mutant("message of a claimed step dropped", "a message that comes back for the claimed step is done with", STEP,
           (("        if not self.covers(delivery, run.claimed_step):\n            return False\n",
             "        if True:\n            return False\n"),)),
    # stop and step
    Mutant("no look before asking", "the stop is not read once more before money is spent", STEP,
           (("        return current.stop_requested_at is not None\n", "        return False\n"),)),
    Mutant("asks though overtaken", "whoever lost its lease asks all the same", STEP,
           (("        if current is None or current.lease_id != self.run.lease_id:\n            raise Overtaken",
             "        if current is None:\n            raise Overtaken"),)),
    Mutant("partial forgotten", "what was streamed before a stop is dropped", STEP,
           (("error, self.partial = outcome.error, self._partial(outcome)", "error, self.partial = outcome.error, None"),)),
    Mutant("heartbeat after the end", "a refused heartbeat is taken for a good one", STEP,
           (("        except Refused as refused:\n            self._hear(run_met(refused))\n            return\n",
             "        except Refused:\n            return\n"),)),
    Mutant("stop answered, not written", "under a live lease a stop says true and writes nothing", STOP,
           (("                run, requested = self._request(run, user, stop_id)\n", "                requested = True\n"),)),
    Mutant("stop forgets its own write", "a stop whose answer was lost says false", STOP,
           (("return Stopped(stop_id in (run.settled_by, run.stop_requested_by), run)", "return Stopped(False, run)"),)),
    Mutant("stop claims others' ends", "a stop that came too late says true", STOP,
           (("return Stopped(stop_id in (run.settled_by, run.stop_requested_by), run)", "return Stopped(True, run)"),)),
    Mutant("stop follows the chat", "a stop by chat looks again and hits the next run", STOP,
           ((("                    run = persistently(lambda: self.table.run(workspace_id, run_id), self.clock)\n"
             "                else:\n                    run = settled.run\n                    if settled.mine:\n"
             "                        return Stopped(True, run)\n"),
             ("                    run = persistently(lambda: self.table.run(workspace_id, run_id), self.clock)\n"
             "                else:\n                    run = settled.run\n                    if settled.mine:\n"
             "                        return Stopped(True, run)\n"
             "                chat = self.table.chat(workspace_id, run.chat_id) if run else None\n"
             "                if chat is not None and chat.active_run_id is not None:\n"
             "                    run = self.table.run(workspace_id, chat.active_run_id)\n")),)),
    Mutant("stop without its mark", "a stop that ends the run does not say that it was a stop", TABLE,
           (("            ended.append(Run.stop_requested_at.set(Run.stop_requested_at | now))\n", ""),)),
    # two at once, where one alone is covered by the other
    Mutant("stop whoever asks", "the owner is looked at neither before nor in the write", STOP,
           (("            if run is None or run.owner != user:\n", "            if run is None:\n"),
            ("(Guard.NO_STOP, Guard.OWNER, Guard.LIVE_LEASE)", "(Guard.NO_STOP, Guard.LIVE_LEASE)", LIFECYCLE),
            ("(Guard.OWNER, Guard.NO_LIVE_LEASE)", "(Guard.NO_LIVE_LEASE,)", LIFECYCLE))),
    Mutant("start whatever was read", "neither slot nor sequence are looked at", TABLE,
           (("(Chat.sequence == chat.sequence) & free", "Row.pk.exists()"),
            ("Chat.owner.does_not_exist() & free", "Chat.owner.does_not_exist() | Row.pk.exists()"),
            ('"question": self._putting(question, new),', '"question": self._putting(question, Row.pk.exists() | new),'),
            ('"answer": self._putting(answer, new),', '"answer": self._putting(answer, Row.pk.exists() | new),'))),
    Mutant("abort_never_started of claimed runs", "neither status nor claim are looked at", LIFECYCLE,
           (("PENDING, Status.ABORTED, (Guard.NO_STOP, Guard.NEVER_CLAIMED)", "ACTIVE, Status.ABORTED, (Guard.NO_STOP,)"),)),
    # settle
    Mutant("settle torn apart", "run, slot, message and seal are four writes", TABLE,
           (('            actions["seal"] = self._putting(ending.seal, Row.pk.does_not_exist())\n        self._transact(actions)\n',
             ('            actions["seal"] = self._putting(ending.seal, Row.pk.does_not_exist())\n'
             '        for name, action in actions.items():\n            self._transact({name: action})\n')),)),
    Mutant("settle, seal apart", "the log is sealed after the run has ended", TABLE,
           (('            actions["seal"] = self._putting(ending.seal, Row.pk.does_not_exist())\n        self._transact(actions)\n',
             ('            seal = self._putting(ending.seal, Row.pk.does_not_exist())\n            self._transact(actions)\n'
             '            self._transact({"seal": seal})\n        else:\n            self._transact(actions)\n')),)),
    Mutant("settle without a seal", "the log of an ended run stays open", TABLE,
           (("        if ending.seal is not None:\n", "        if False and ending.seal is not None:\n"),)),
    Mutant("seal over a record", "the log's slot is not looked at", TABLE,
           (('actions["seal"] = self._putting(ending.seal, Row.pk.does_not_exist())',
             'actions["seal"] = self._putting(ending.seal, Row.pk.exists() | Row.pk.does_not_exist())'),)),
    Mutant("settle frees any slot", "whose slot it is is not looked at", TABLE,
           (("self._updating(chat, freed, Chat.active_run_id == run.id)", "self._updating(chat, freed, Row.pk.exists())"),)),
    Mutant("settle keeps the slot", "the chat stays busy with an ended run", TABLE,
           (("[Chat.active_run_id.remove(), Chat.updated_at.set(now)]", "[Chat.updated_at.set(now)]"),)),
    Mutant("settle, message left open", "the message goes on streaming", TABLE,
           (("            Message.status.set(MESSAGE_STATUS[move.to]),\n", ""),)),
    Mutant("settle keeps the lease", "an ended run looks held", TABLE,
           (("(Run.active_shard, Run.lease_id, Run.lease_until, Run.resend_after)", "(Run.active_shard, Run.resend_after)"),)),
    Mutant("settle stays in the index", "the sweep goes on seeing an ended run", TABLE,
           (("(Run.active_shard, Run.lease_id, Run.lease_until, Run.resend_after)", "(Run.lease_id, Run.lease_until, Run.resend_after)"),)),
    Mutant("settle over a final record", "an end that finds a final record in the log still gives up", SETTLE,
           (('        if found.kind == "final" and self.move in GIVEN_UP:\n', "        if False:\n"),)),
    Mutant("settle twice over", "the second settler says that it was the one", SETTLE,
           (("        if current.status in TERMINAL:\n            return Settled(current, mine=current.settled_by == self.settled_by)\n        false",
             "        if current.status in TERMINAL:\n            return Settled(current, mine=True)\n        false"),)),
    Mutant("settle forgets its own write", "a settler whose answer was lost says that it was not the one", SETTLE,
           (("        if current.status in TERMINAL:\n            return Settled(current, mine=current.settled_by == self.settled_by)\n        false",
             "        if current.status in TERMINAL:\n            return Settled(current, mine=False)\n        false"),)),
    Mutant("settle gives up at a stop", "an end refused by a stop does not become the stop's", SETTLE,
           (("        if Guard.NO_STOP not in false or self.move not in STOPPED_INSTEAD:\n", "        if True:\n"),)),
    # sweep
    Mutant("resend before it may", "the sweep sends, then keeps others from sending", SWEEP,
           (("        try:\n            self.table.resend(",
             "        self.queue.send(run, max(run.claimed_step, 0))\n        try:\n            self.table.resend("),
            ("        self.queue.send(run, max(run.claimed_step, 0))\n        again_after", "        again_after"))),
    Mutant("resend counted first", "a message that could not be sent is counted all the same", SWEEP,
           (("        # If this fails, or we die right here, nothing is counted, and the next sweep sends.\n",
             "        self.table.count_resend(run, now + PENDING_RESENDS[0], now)\n"),)),
    Mutant("resend never counted", "a message that was sent is not counted", SWEEP,
           (("            self.table.count_resend(run, again_after, now)\n", "            pass\n"),)),
    Mutant("resend without end", "the limit of resends is not looked at", SWEEP,
           (("if run.resends >= self.settings.sweep_resend_limit:", "if run.resends >= 99:"),)),
    Mutant("resend of a refused count", "a sweep that another was before sends all the same", SWEEP,
           (("            if current is None or current.resent_by != sweep_id:\n                return False\n",
             "            if current is None:\n                return False\n"),)),
    Mutant("sweep under a live lease", "the sweep looks at no lease", SWEEP,
           (("if run.status not in ACTIVE or lease_is_live(run, now):", "if run.status not in ACTIVE:"),)),
    Mutant("sweep never resends", "a lost message is lost for good", SWEEP,
           (("        elif self._resend(run, sweep_id, now):\n", "        elif False:\n"),)),
    Mutant("sweep forgets final records", "a final record nobody settled is given up", OVERDUE,
           (('    if last is not None and last.kind == "final":\n', "    if False:\n"),)),
    Mutant("sweep forgets stops", "a stopped run whose worker died is left to grow stale", OVERDUE,
           (('    if stopped:\n        return Overdue(ABORT_LEFT, Facts(now), "stopped")\n', ""),)),
    Mutant("sweep forgets stale runs", "nobody ends a run that makes no progress", OVERDUE,
           (("    if HOLDS[Guard.NO_PROGRESS](run, stale):\n", "    if False:\n"),)),
    Mutant("sweep forgets unclaimed runs", "nobody ends a run no worker ever took", OVERDUE,
           (("    if HOLDS[Guard.NEVER_CLAIMED](run, never):\n", "    if False:\n"),)),
    Mutant("damaged run ended under a live lease", "a worker's run is given up while it is at work", UNREADABLE,
           (('    if "lease_until" in sound and', "    if False and"),)),
    Mutant("damaged run ended over a final record", "the work was done, and the run is given up", UNREADABLE,
           (('last.kind == "final" and not damaged', 'last.kind == "?" and not damaged'),)),
    Mutant("sweep leaves damaged runs", "nobody ends a run whose row is damaged", SWEEP,
           (("                settled = end_unreadable(found, self.table, self.clock, sweep_id)\n", "                settled = None\n"),)),
    Mutant("lease for ever", "a lease that is over counts as live", LIFECYCLE,
           (("    return run.lease_until is not None and run.lease_until > now\n", "    return run.lease_until is not None\n"),)),
)  # fmt: skip


LEASE_GOES = "settle takes the lease away with the end, so the guard that asks for one refuses every ended run"
SEALED = (
    "who ended the run has sealed its log, so the second seal finds its slot taken and the whole transaction is refused"
)
STAYS = "the move is only made where a stop was seen, and a stop is never taken back"

SURVIVES: dict[str, str] = {
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
    "resend without NO_STOP": "the sweep ends a stopped run before it would send; a stop that lands after its look ends the run "
    "itself, or finds a lease that is live by then",
    "abort_never_started without NO_STOP": "a stop of a run nobody claimed ends it in the same write",
    "abort_never_started without NEVER_CLAIMED": "a claim makes the run running, and this end is only one of pending runs",
    "request_stop without OWNER": "the run was read before and its owner looked at; a run's owner never changes",
    "stop without OWNER": "the run was read before and its owner looked at; a run's owner never changes",
    "start whatever the owner": "the chat was read before and its owner looked at; a chat's owner never changes",
    "start into a taken slot": "whoever took the slot since the chat was read has moved its sequence, which refuses this too",
    "start over any slot": "whoever took the slot since the chat was read has moved its sequence, which refuses this too",
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
    "resend without NO_STOP": ("sweep-stop none", "sweep-frozen none", "sweep-stopped none"),
    "resend without NO_LIVE_LEASE": ("sweep-frozen none",),
    "resend without RESEND_DUE": ("two-sweeps-left none",),
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
    "abort_stale without NO_STOP": ("sweep-frozen none", "start-on-stale none"),
    "abort_stale without NO_LIVE_LEASE": ("sweep-by-hand none",),
    "abort_stale without NO_PROGRESS": ("sweep-late-message none",),
    "abort_stale from any status": ("sweep-frozen none", "sweep-late-message none", "start-on-frozen none"),
    "abort_never_started without NO_STOP": ("forgotten none",),
    "abort_never_started without NEVER_CLAIMED": ("forgotten none", "forgotten message"),
    "abort_never_started from any status": ("forgotten none", "forgotten message"),
    "abort_unreadable without AS_READ": ("damaged none",),
    "abort_unreadable from any status": ("damaged-left none",),
    "damaged run ended under a live lease": ("damaged none",),
    "damaged run ended over a final record": ("damaged none",),
    "sweep leaves damaged runs": ("damaged-left crash",),
    "start into a taken slot": ("two-starts none",),
    "start over an active holder": ("misread-holder blank",),
    "start over any slot": ("start-on-final none", "two-starts-later none"),
    "start whatever the owner": ("two-owners none",),
    "start a chat that is there": ("two-owners none",),
    "start whatever the sequence": ("two-starts-later none",),
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
    "acknowledged when put off": ("transient-stop refused 2",),
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
    "resend never counted": ("two-sweeps-left none",),
    "resend without end": ("resent-twice none",),
    "resend of a refused count": ("two-sweeps-left none",),
    "sweep under a live lease": ("sweep-frozen none",),
    "sweep never resends": ("two-sweeps-left none",),
    "sweep forgets final records": ("start-stop none",),
    "sweep forgets stops": ("sweep-stopped none",),
    "sweep forgets stale runs": ("start-stop none",),
    "sweep forgets unclaimed runs": ("two-starts none",),
    "lease for ever": ("start-stop none",),
    "stop whoever asks": ("foreigners none",),
    "start whatever was read": ("two-starts none",),
    "abort_never_started of claimed runs": ("forgotten message",),
}
"""Where each is looked for: the explorations have to notice it, or those that say it survives have to miss it."""
