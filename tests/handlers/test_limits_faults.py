"""A user's tokens under faults: a start takes one, whatever becomes of the write that takes it or of the start itself."""

import pytest

from proof.stacks.handlers import Stack
from tests.handlers.fates import FATES, Died, strike

KEY = {"Idempotency-Key": "once"}
TAKE = "UpdateItem BUCKET#starts"


@pytest.fixture
def environment() -> dict[str, str]:
    return {"STARTS_PER_MINUTE": "3"}


def begun(stack: Stack, chat: str) -> str:
    """The id of a run that a client starts by its key, once more if the first request died or was not answered."""
    for _ in range(2):
        try:
            answer = stack.begin(chat, headers=KEY)
        except Died:
            continue
        if answer.status == 202:
            return str(answer.body["run"]["id"])
        assert answer.status == 503
    raise AssertionError(answer)


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_start_takes_one_token_whatever_becomes_of_the_write_that_takes_it(
    stack: Stack, fate: str, taken: int
) -> None:
    """[88] Of a full bucket, of one in between, and the last token."""
    for number in range(taken):
        assert stack.begin(f"before-{number}").status == 202
    if taken == 1:
        # The first write finds a bucket that is not full, and the second one takes the token.
        stack.faults.first(TAKE, lambda: strike(stack, fate, TAKE))
    else:
        strike(stack, fate, TAKE)
    begun(stack, "chat-1")
    left = [stack.begin(f"after-{number}").status for number in range(3)]
    assert left == [202] * (2 - taken) + [429] * (taken + 1)


@pytest.mark.parametrize("fate", FATES)
def test_a_start_that_is_repeated_by_its_key_takes_one_token_whatever_became_of_its_transaction(
    stack: Stack, fate: str
) -> None:
    """[88] Also if nothing was stored and the token was taken all the same."""
    strike(stack, fate, "TransactWriteItems")
    begun(stack, "chat-1")
    assert [stack.begin(f"after-{number}").status for number in range(3)] == [202, 202, 429]


def test_a_start_that_stored_nothing_takes_no_second_token_when_it_is_repeated(stack: Stack) -> None:
    """[88] The table took the token and none of the start's tries; the client got 503."""
    for number in range(2):
        stack.begin(f"before-{number}")
    stack.faults.refuse("TransactWriteItems", times=6)
    assert stack.begin("chat-1", headers=KEY).status == 503
    assert stack.begin("chat-1", headers=KEY).status == 202
    assert stack.begin("chat-2").status == 429


def test_a_table_that_fails_before_the_token_is_taken_is_no_way_around_it(stack: Stack) -> None:
    """[87] The start is tried again, and takes its token then."""
    answers = []
    for number in range(4):
        stack.faults.refuse("GetItem CHAT")
        answers.append(stack.begin(f"chat-{number}").status)
    assert answers == [202, 202, 202, 429]
