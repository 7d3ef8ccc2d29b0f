"""What a worker of the plain model does with a message, in its step and at its end."""

from typing import Literal

from outlive.asked import closed
from proof.stories.contract import Contract
from proof.stories.plain import SECOND, Holding, How, Record, Run


def take(contract: Contract, run: Run, step: int) -> Holding | Literal["acknowledged", "given back"]:
    """A message is delivered: who then waits for the model, or what became of the message."""
    if run.ended or run.waits or not run.claimed <= step <= run.claimed + 1:
        return "acknowledged"
    if step == run.claimed and run.held(contract.now):
        return "given back"
    if run.stop_requested_at is not None:
        run.end(contract.now, "aborted")
        return "acknowledged"
    if step == run.claimed:
        run.attempt += 1
    else:
        run.claimed, run.attempt, run.resends, run.last_error = step, 1, 0, ""
    run.status, run.resend_after, run.progress_at = "running", 0, contract.now
    run.started_at = contract.now if run.started_at is None else run.started_at
    deadline = contract.now + contract.rules.invocation * SECOND
    holding = Holding(run, step, run.attempt, deadline, beat_at=_next_beat(contract), look_at=_next_look(contract))
    run.holder, run.lease_until = holding, _lease_end(contract, holding)
    if len(run.log) > step:
        _follow(contract, run, step)
        return "acknowledged"
    if run.attempt > contract.rules.attempts:
        run.end(contract.now, "failed", ("step_attempts", run.last_error))
        return "acknowledged"
    return holding


def watch(contract: Contract, holding: Holding) -> None:
    """What a worker does beside the model, when it is due: heartbeat, else a look at the stop."""
    run = holding.run
    holds = run.holder is holding
    if contract.now < min(holding.beat_at, holding.look_at):
        return
    if contract.now >= holding.beat_at:
        holding.beat_at = _next_beat(contract)
        if holds:
            run.progress_at, run.lease_until = contract.now, _lease_end(contract, holding)
    holding.look_at = _next_look(contract)
    if holding.reason is None:
        holding.reason = "overtaken" if not holds else "stop" if run.stop_requested_at is not None else None


def go_on(
    contract: Contract, holding: Holding, how: How, record: Record, error: str, *, dies: bool = False
) -> Literal["acknowledged", "given back", "dead"]:
    """The model has answered, or the worker was interrupted: what became of the message.

    `record` is what the step has to show by then, `error` its own text. `dies` right after the record is stored.
    """
    run = holding.run
    if holding.step:
        record.requests += run.log[holding.step - 1].requests
    if holding.reason is not None:
        how = "raises"
    if how == "asks" and run.log[holding.step - 1 : holding.step] and run.log[holding.step - 1].kind == "asked":
        how = "calls a tool"
    if how == "asks":
        return _ask(contract, holding, record)
    if how in ("answers", "calls a tool"):
        return _record(contract, holding, how, record, dies=dies)
    if run.ended and (holding.reason == "stop" or how != "stumbles" or holding.attempt >= contract.rules.attempts):
        return "given back" if holding.reason == "overtaken" else "acknowledged"
    if holding.reason == "overtaken" or run.ended or run.holder is not holding:
        return "given back"
    record.kind = "partial"
    partial = record if len(run.log) == holding.step else None
    if holding.reason == "stop" or run.stop_requested_at is not None:
        run.end(contract.now, "aborted", partial=partial)
    elif how == "stumbles" and holding.attempt < contract.rules.attempts:
        pause = min(2 ** (holding.attempt - 1), contract.rules.lease - 1)
        run.holder, run.last_error = None, error
        run.resend_after = contract.now + (pause + 5) * SECOND
        return "given back"
    elif run.log and run.log[-1].kind == "final":
        run.end(contract.now, "succeeded")
    else:
        code = {"stumbles": "step_attempts", "is refused": "refused", "raises": "step_failed"}[how]
        run.end(contract.now, "failed", (code, error), partial=partial)
    return "acknowledged"


def _record(
    contract: Contract, holding: Holding, how: How, record: Record, *, dies: bool
) -> Literal["acknowledged", "dead"]:
    run = holding.run
    if len(run.log) == holding.step and not run.ended:
        last = run.is_last(holding.step)
        record.kind = "final" if last or (how == "answers" and not run.resumed) else "step"
        record.finish_reason = None if record.kind == "step" else "max_steps" if last else "stop"
        run.log.append(record)
        if dies:
            return "dead"
    if len(run.log) > holding.step and run.log[holding.step].kind != "asked":
        _follow(contract, run, holding.step)
    return "acknowledged"


def _ask(contract: Contract, holding: Holding, record: Record) -> Literal["acknowledged", "given back"]:
    run = holding.run
    if run.ended or len(run.log) > holding.step:
        if not run.ended and run.log[holding.step].kind != "asked":
            _follow(contract, run, holding.step)
        return "acknowledged"
    if run.holder is not holding:
        return "given back"
    if run.stop_requested_at is not None:
        record.kind, record.parts = "partial", [closed(part) for part in record.parts]
        run.end(contract.now, "aborted", partial=record)
        return "acknowledged"
    record.kind = "asked"
    run.log.append(record)
    run.status, run.holder, run.due_at = "waiting", None, contract.now + contract.rules.answer * SECOND
    return "acknowledged"


def _follow(contract: Contract, run: Run, step: int) -> None:
    """What comes after a stored record."""
    kind = run.log[step].kind
    if kind in ("step", "asked"):
        contract.sent.append((run, step + 1))
    elif kind == "final" and not run.ended:
        run.end(contract.now, "aborted" if run.stop_requested_at is not None else "succeeded")


def _lease_end(contract: Contract, holding: Holding) -> int:
    return min(contract.now + contract.rules.lease * SECOND, holding.deadline)


def _next_beat(contract: Contract) -> int:
    return contract.now + contract.rules.lease * SECOND // 3


def _next_look(contract: Contract) -> int:
    return contract.now + contract.rules.poll * SECOND
