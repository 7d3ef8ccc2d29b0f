"""Tools to start from: `clock`, `calculate`, `wait`, `draw_chart`, and two for which a person is asked: `announce`, `ask_user`.

A tool is a function with types and a docstring: both reach the model. What it raises decides what happens: `ModelRetry`
tells the model to call again in another way, `ToolFailed` tells it that this is hopeless, any other exception is a bug
and ends the run as `tool_failed`.

What a tool costs must be bounded by its arguments before it begins, for they come from a model and so from a prompt. One
call into C that keeps the interpreter's lock (a huge power, `re` on a pattern that backtracks, `json.loads` of hundreds
of megabytes) stops the whole process: no timeout of the tool, no heartbeat and no stop can run until it returns. Then the
lease runs out, another worker begins the step again, and this process ends with its function's time.
"""

import ast
import asyncio
import math
import operator
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field
from pydantic_ai import BinaryContent, CallDeferred, ModelRetry, ToolFailed

LONGEST_WAIT = 120
LONGEST_EXPRESSION = 500
LARGEST_RESULT_BITS = 1024
LONGEST_ANNOUNCEMENT = 2000
LONGEST_QUESTION = 2000
MOST_BARS = 48
BAR, PAPER = bytes((20, 100, 85)), bytes((245, 245, 240))


def clock(time_zone: str | None = None) -> str:
    """Tell the current date and time.

    Args:
        time_zone: An IANA name such as "Europe/Lisbon". Without one the answer is in UTC.
    """
    if time_zone is None:
        return datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ModelRetry(f"{time_zone[:80]!r} is not an IANA time zone; try one like 'Europe/Lisbon'.") from error
    return datetime.now(zone).isoformat(timespec="milliseconds")


def calculate(expression: Annotated[str, Field(max_length=LONGEST_EXPRESSION)]) -> int | float:
    """Work out an arithmetic expression exactly.

    Args:
        expression: Numbers, parentheses, + - * / // % **, and abs, ceil, floor, round, sqrt, min, max, pi, e. For
            example "(12.5 + 3) * 4 ** 2".
    """
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except (ArithmeticError, OverflowError, _TooLarge) as error:
        raise ToolFailed(f"That has no result: {error}.") from error
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ModelRetry(f"That is not an expression that this tool can work out: {error}.") from error


async def wait(seconds: Annotated[float, Field(ge=0, le=LONGEST_WAIT)]) -> str:
    """Wait before going on.

    Args:
        seconds: How long, in seconds.
    """
    await asyncio.sleep(seconds)
    return f"Waited {seconds:g} seconds."


def draw_chart(
    values: Annotated[list[Annotated[float, Field(ge=0, le=1e9)]], Field(min_length=1, max_length=MOST_BARS)],
) -> BinaryContent:
    """Draw a bar chart, which the user sees as a picture.

    Args:
        values: The heights of the bars, from left to right.
    """
    width, height, highest = 480 // len(values), 240, max(values) or 1
    tops = [height - round(value / highest * height) for value in values]
    rows = b"".join(
        b"\0" + b"".join((BAR * (width - 2) if row >= top else PAPER * (width - 2)) + PAPER * 2 for top in tops)
        for row in range(height)
    )
    head = struct.pack(">IIBBBBB", width * len(values), height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    picture = b"".join(struct.pack(">I", len(data)) + kind + data + _checksum(kind + data) for kind, data in chunks)
    return BinaryContent(b"\x89PNG\r\n\x1a\n" + picture, media_type="image/png")


def announce(text: Annotated[str, Field(max_length=LONGEST_ANNOUNCEMENT)]) -> str:
    """Announce something to everybody. A person has to approve it first.

    An example that has no effect. Put a tool that needs an approval in its place.

    Args:
        text: What to announce.
    """
    return f"Announced: {text}"


def ask_user(question: Annotated[str, Field(max_length=LONGEST_QUESTION)]) -> str:
    """Ask the user a question and wait for the answer, which is the result.

    Args:
        question: What to ask.
    """
    raise CallDeferred(metadata={"question": question}, kind="question")


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


class _TooLarge(Exception):
    """the numbers get too large"""

    def __str__(self) -> str:
        return str(self.__doc__)


# What an operator or a function costs is bounded before it is called: one call into C can't be interrupted, and while it
# lasts no other thread of the process runs. The operands are bounded already, so only powers of ten and more need care.


def _power(base: float, exponent: float) -> float:
    # 9 ** 9 ** 9 would take hours.
    if isinstance(base, int) and abs(exponent) * (base.bit_length() - 1) > LARGEST_RESULT_BITS:
        raise _TooLarge
    result = base**exponent
    if isinstance(result, complex):
        raise ArithmeticError("the root of a negative number")
    return float(result) if isinstance(result, float) else int(result)


def _round(number: float, *digits: int) -> float:
    # Of a whole number and negative digits Python works out 10 ** -digits.
    if digits and abs(digits[0]) > LARGEST_RESULT_BITS:
        raise _TooLarge
    return round(number, *digits)


OPERATORS: dict[type[ast.operator | ast.unaryop], Callable[..., int | float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
FUNCTIONS: dict[str, Callable[..., int | float]] = {
    "abs": abs,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": _round,
    "sqrt": math.sqrt,
    "min": min,
    "max": max,
}
CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e}


def _value(node: ast.expr) -> int | float:
    result: int | float
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            result = number
        case ast.Name(id=name) if name in CONSTANTS:
            result = CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            result = OPERATORS[type(op)](_value(operand))
        case ast.BinOp(op=binary, left=left, right=right) if type(binary) in OPERATORS:
            result = OPERATORS[type(binary)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            result = FUNCTIONS[name](*[_value(argument) for argument in arguments])
        case _:
            raise ValueError(f"{ast.unparse(node)[:80]!r} is not allowed")
    if isinstance(result, int) and result.bit_length() > LARGEST_RESULT_BITS:
        raise _TooLarge
    if isinstance(result, float) and not math.isfinite(result):
        raise _TooLarge
    return result
