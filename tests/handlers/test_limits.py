"""How often a user may start runs and hold reads."""

from typing import Any

import pytest

from outlive.agent import Outcome, Usage
from proof.stacks.handlers import Stack

FINAL = Outcome("final", [{"type": "text", "text": "done"}], "[]", Usage(1, 1, 1), "stop")


@pytest.fixture
def environment() -> dict[str, str]:
    return {"STARTS_PER_MINUTE": "3", "HELD_READS_PER_MINUTE": "2"}


def test_a_user_starts_so_many_runs_in_a_minute_and_then_one_at_a_time(stack: Stack) -> None:
    """[87] The fourth start is refused and leaves nothing behind; `Retry-After` says when one is possible."""
    assert [stack.begin(f"chat-{number}").status for number in range(3)] == [202] * 3
    before = stack.items()
    refused = stack.begin("chat-4")
    assert (refused.status, refused.body["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert stack.items() == before
    stack.clock.forward(int(refused.headers["retry-after"]))
    assert stack.begin("chat-4").status == 202
    assert stack.begin("chat-5").status == 429
    stack.clock.forward(60)
    assert [stack.begin(f"late-{number}").status for number in range(4)] == [202, 202, 202, 429]


def test_each_user_has_tokens_of_his_own(stack: Stack) -> None:
    """[87] Neither another user of the workspace nor another workspace uses them up."""
    for number in range(4):
        stack.begin(f"chat-{number}")
    assert stack.begin("bobs", user="bob").status == 202
    assert stack.begin("elsewhere", workspace="other").status == 202


def test_a_replay_is_answered_without_a_token(stack: Stack) -> None:
    """[87] [51] Also when there is none left, while the run is active and after it has ended."""
    key = {"Idempotency-Key": "once"}
    run_id = stack.begin("chat-0", headers=key).body["run"]["id"]
    for number in range(1, 4):
        stack.begin(f"chat-{number}")
    for _ in range(3):
        again = stack.begin("chat-0", headers=key)
        assert (again.status, again.body["run"]["id"]) == (202, run_id)
    stack.answer_with(FINAL)
    stack.work()
    assert stack.begin("chat-0", headers=key).body["run"]["status"] == "succeeded"
    assert stack.begin("chat-0").status == 429


def test_a_start_that_is_refused_anyway_takes_no_token(stack: Stack) -> None:
    """[87] A busy chat answers 409 as before."""
    stack.begin("busy")
    assert [stack.begin("busy").status for _ in range(5)] == [409] * 5
    assert [stack.begin(f"chat-{number}").status for number in range(3)] == [202, 202, 429]


def test_a_token_costs_one_write_where_the_bucket_is_full_or_empty(stack: Stack) -> None:
    """[87] [63] And two in between."""
    counts: list[int] = []
    for number in range(5):
        stack.faults.forget()
        stack.begin(f"chat-{number}")
        counts.append(stack.faults.calls.count("UpdateItem"))
    assert counts == [1, 2, 2, 1, 1]


@pytest.mark.parametrize("path", ["/runs/{run}/events", "/api/chat/chat-1/stream"])
def test_reads_that_wait_are_limited_and_others_are_not(stack: Stack, path: str) -> None:
    """[87] A read that is answered at once holds nothing."""
    run_id = stack.begin().body["run"]["id"]
    read = lambda wait: stack.call("GET", path.format(run=run_id), query={"wait": wait})  # noqa: E731
    assert [read("0.1").status for _ in range(3)] == [200, 200, 429]
    assert read("0").status == 200


def test_a_ticket_uses_its_owners_tokens(stack: Stack) -> None:
    """[87] A ticket is no way around them."""
    run_id = stack.begin().body["run"]["id"]
    url = stack.call("POST", f"/runs/{run_id}/ticket").body["url"]
    answers = [stack.call("GET", url, query={"wait": "0.1"}).status for _ in range(3)]
    assert answers == [200, 200, 429]


def test_no_user_is_limited_without_a_setting(stack: Stack) -> None:
    """[87] Both settings are 0 by default, and then there are no buckets."""
    fields: dict[str, Any] = dict.fromkeys(("starts_per_minute", "held_reads_per_minute"), 0)
    defaults = {name: getattr(type(stack.start.settings), name) for name in fields}
    assert defaults == fields
