"""The logs that the tests before this file left behind."""

import json

from proof.stacks.deployed import until

from .runs import LOOK_EVERY, begin, complaints, ended, seen, stop

SECRET = "a secret of hers"


def moves(stack, run):
    """The moves of a run, as the functions logged them, in the order of their time."""
    lines = [json.loads(line) for line in stack.logged() if line.startswith("{") and run["id"] in line]
    return [(line["move"], line["from"], line["to"]) for line in sorted(lines, key=lambda line: line["timestamp"])]


def test_each_move_is_one_log_line_without_any_content(stack):
    run = begin(stack, {"text": SECRET, "tools": [["calculate", {"expression": "1 + 1"}]]}, {"text": "b"})
    ended(stack, run)
    stop(stack, run)
    seen(stack, run)
    # A function's lines are there when it is over, which is after what it wrote can be read.
    until(lambda: [move for move, *_ in moves(stack, run)], lambda made: "succeed" in made, every=LOOK_EVERY)
    assert moves(stack, run) == [
        ("start", "none", "pending"),
        ("claim", "pending", "running"),
        ("record", "running", "running"),
        ("claim", "running", "running"),
        ("record", "running", "running"),
        ("succeed", "running", "succeeded"),
    ]
    assert SECRET not in stack.log + "".join(stack.logged())


PER_LINE = 26
"""Bytes that CloudWatch counts for each line besides its own."""


def test_a_run_of_ten_steps_logs_less_than_8_kb(stack):
    """Of lines of ours; docs/cost.md has what that costs."""
    run = begin(stack, *[{"text": "a", "tools": [["clock", {}]]}] * 9, {"text": "b"}, chat="c" * 36)
    ended(stack, run)
    until(lambda: [move for move, *_ in moves(stack, run)], lambda made: "succeed" in made, every=LOOK_EVERY)
    lines = [line for line in stack.logged() if line.startswith("{") and run["id"] in line]
    assert len(lines) == 22
    assert sum(len(line.encode()) + PER_LINE for line in lines) < 8_000


def test_nothing_to_worry_about_and_no_token_was_logged(stack):
    """No request and no message led to an error line, a stack trace or a token in the log."""
    assert complaints(stack) == []
