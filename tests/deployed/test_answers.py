"""Runs that wait for a person, on the deployed stack: answered over HTTP, with workers killed and messages lost."""

from pathlib import Path

from proof.stacks.deployed import Stack, until

from .own_agent import with_agent
from .runs import LOOK_EVERY, begin, ended, once, outcome
from .test_crashes import LEASE, delivery, lose_all_messages, own_stack

PAY = '''
import asyncio
from pathlib import Path
from typing import Any

from pydantic_ai import RunContext


async def pay(ctx: RunContext[Any], amount: int, ledger: str) -> str:
    """Pay. The first attempt never gets further than the ledger."""
    with Path(ledger).open("a") as book:
        book.write(f"{ctx.deps.idempotency_key(ctx.tool_call_id)} {amount}\\n")
    if ctx.deps.attempt == 1:
        await asyncio.Event().wait()
    return f"paid {amount}"


agent = Agent(deps_type=StepDeps, tools=[Tool(pay, timeout=600, requires_approval=True)])
'''


def asks(own: Stack, ledger: Path) -> dict:
    """A run that waits for the approval of a payment, as it waits."""
    call = ["pay", {"amount": 5, "ledger": str(ledger)}]
    run = begin(own, {"text": "I pay. ", "tools": [call]}, {"text": "Paid."})
    return once(own, run, lambda run: run["status"] == "waiting")["run"]


def approve(own: Stack, run: dict, **more: object) -> dict:
    """The run after its call was approved."""
    (call,) = run["asked"]["open"]
    answer = own.call(
        "POST", f"/runs/{run['id']}/answers", {"answers": {call["tool_call_id"]: {"approved": True, **more}}}
    )
    assert answer.status == 200, answer
    return answer.body["run"]


def test_an_approved_call_outlives_its_worker_and_its_message(tmp_path):
    """[20] [72] [73] A tool whose worker is killed runs again, with the arguments that were approved and the same
    idempotency key; a resumed run whose message is lost is sent on by the sweep."""
    with own_stack(**LEASE) as own:
        with_agent(own, PAY)
        killed_inside_the_approved_tool(own, tmp_path / "ledger")
        lost_after_the_answer(own, tmp_path / "other ledger")


def killed_inside_the_approved_tool(own: Stack, ledger: Path) -> None:
    run = asks(own, ledger)
    assert not ledger.exists()
    assert approve(own, run, input={"amount": 4, "ledger": str(ledger)})["status"] == "running"
    until(ledger.exists, every=LOOK_EVERY)
    assert own.kill_workers()
    done = ended(own, run)
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    first, second = ledger.read_text().splitlines()
    assert first == second
    assert first.endswith(" 4")
    (part,) = [part for part in done["message"]["parts"] if "toolCallId" in part]
    assert (part["output"], part["input"]["amount"], part["approval"]["approved"]) == ("paid 4", 4, True)
    assert (done["message"]["content"], done["run"]["usage"]["requests"]) == ("I pay. Paid.", 2)


def lost_after_the_answer(own: Stack, ledger: Path) -> None:
    run = asks(own, ledger)
    delivery(own, on=False)
    assert approve(own, run)["status"] == "running"
    lose_all_messages(own)
    until(lambda: own.sweep() and own.queued(), every=LOOK_EVERY)
    delivery(own, on=True)
    until(ledger.exists, every=LOOK_EVERY)
    own.kill_workers()
    assert outcome(ended(own, run)["run"]) == ("succeeded", "stop", None)
