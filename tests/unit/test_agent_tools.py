"""The tools the agent starts with."""

import asyncio
import math
import re
import struct
from datetime import datetime, timedelta

import pytest
from pydantic_ai import ModelRetry, ToolFailed
from pydantic_ai.models.test import TestModel

from agents.assistant import agent
from agents.tools import LARGEST_RESULT_BITS, LONGEST_EXPRESSION, LONGEST_WAIT, calculate, clock, draw_chart, wait
from outlive.agents import StepDeps


def test_the_agent_has_four_tools_and_two_for_which_a_person_is_asked() -> None:
    model = TestModel(call_tools=[])
    asyncio.run(agent.run("Hello", model=model, deps=StepDeps("acme", "chat-1", "run-1", 0, 1)))
    assert model.last_model_request_parameters is not None
    tools = {tool.name: tool for tool in model.last_model_request_parameters.function_tools}
    assert set(tools) == {"clock", "calculate", "wait", "draw_chart", "announce", "ask_user"}
    assert {name for name, tool in tools.items() if tool.kind == "unapproved"} == {"announce"}
    assert tools["wait"].parameters_json_schema["properties"]["seconds"]["maximum"] == LONGEST_WAIT
    assert tools["calculate"].parameters_json_schema["properties"]["expression"]["maxLength"] == LONGEST_EXPRESSION
    assert all(tool.description and tool.timeout for tool in tools.values())


@pytest.mark.parametrize("values", [[1, 2, 3], [0.0], [0, 1e9] * 24])
def test_a_chart_is_a_png_of_a_bounded_size(values: list[float]) -> None:
    drawn = draw_chart(values)
    assert drawn.media_type == "image/png"
    assert drawn.data.startswith(b"\x89PNG")
    assert struct.unpack(">II", drawn.data[16:24]) == (480 // len(values) * len(values), 240)
    assert len(drawn.data) < 10_000


def test_the_clock_tells_the_time_in_utc_or_in_a_time_zone() -> None:
    assert datetime.fromisoformat(clock()).utcoffset() == timedelta(0)
    assert datetime.fromisoformat(clock("Asia/Kolkata")).utcoffset() == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "", "a\0b", "x" * 5000, "Europe"])
def test_the_clock_asks_for_another_zone_where_there_is_none(zone: str) -> None:
    with pytest.raises(ModelRetry, match="is not an IANA time zone"):
        clock(zone)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("6 * 7", 42),
        (" (12.5 + 3) * 4 ** 2", 248.0),
        ("7 // 2 - -1 % 3", 1),
        ("2 ** 100", 2**100),
        ("2 ** -1", 0.5),
        ("2.5 ** 2", 6.25),
        ("1 / 4", 0.25),
        ("round(sqrt(2), 3)", 1.414),
        ("max(1, 2, 3) + min(4, 5) + abs(-6) + ceil(0.1) + floor(0.9)", 14),
        ("pi", math.pi),
        ("0 ** 0", 1),
        ("1e3", 1000.0),
    ],
)
def test_an_expression_is_worked_out(expression: str, value: float) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "2 ** 1e9",
        "10 ** 400 * 10 ** 400",
        "1 / 0",
        "1 % 0",
        "1e308 * 10",
        "(-8) ** 0.5",
        "0 ** -1",
        "-2 ** 99999",
        "(2 ** 1000) ** (2 ** 1000)",
        "1e300 ** 2",
        "ceil(1e308) * ceil(1e308)",
        "10 ** 308 / 10 ** -10",
        "round(1, -25000000)",
        "round(1, -(10 ** 300))",
        "round(1.5, 10 ** 300)",
        "min(1, max(2, round(3, -9999999)))",
        "2 ** -99999",
        "(10 ** 300) ** 0.9 ** -9",
        "0.5 ** (10 ** 309)",
        "max(1, 1e308 * 10)",
        "round(1, 1e9)",
    ],
)
def test_a_result_that_is_too_large_or_none_is_refused_at_once(expression: str) -> None:
    """Before it is worked out: some of these would keep the interpreter's lock for minutes."""
    with pytest.raises(ToolFailed, match="That has no result"):
        calculate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "two plus two",
        "__import__('os')",
        "(1).__class__",
        "open('x')",
        "[1, 2]",
        "x",
        "1 if 2 else 3",
        "lambda: 1",
        "True + 1",
        "'a' * 9",
        "round(1, ndigits=2)",
        "abs()",
        "sqrt(-1)",
        "1j",
        "1 << 2",
        "f'{1}'",
        "(1",
        "1\x00",
        "-" * 499 + "(",
        "max(*[1, 2])",
        "round(2.5, 1.5)",
        "round(1, 1.5)",
        "round(1, -2, 1)",
        "pow(9, 9999999)",
        "1 << 99999999",
        "1 >> -1",
        "2 @ 2",
        "(" * 500,
        "(" * 199 + "1" + ")" * 199 + " 1",
        "max(" * 99 + "1" + ")" * 99,
        "not " * 120 + "1",
        "f'{" * 100,
        "\ud800",
    ],
)
def test_anything_but_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ModelRetry, match="not an expression that this tool can work out"):
        calculate(expression)


def test_no_result_has_more_digits_than_the_bound() -> None:
    assert isinstance(calculate(f"2 ** {LARGEST_RESULT_BITS - 1}"), int)
    with pytest.raises(ToolFailed):
        calculate(f"2 ** {LARGEST_RESULT_BITS} + 1")


def test_a_wait_says_how_long_it_was() -> None:
    assert re.fullmatch("Waited 0.01 seconds.", asyncio.run(wait(0.01)))
