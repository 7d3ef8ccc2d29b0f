"""The tokens of an expression, and what all kinds of expression are made of: names, paths and literals.

What a request fails for before any item is looked at (`checks`) is kept apart from evaluation, because DynamoDB answers a
malformed request with ValidationException even where the item is missing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from proof.dynamodb.documents import Steps
from proof.dynamodb.values import ORDERED, Attributes, Invalid, Value, kind, order, text_bytes

Values: TypeAlias = Mapping[str, Value]
Operand: TypeAlias = Callable[[Attributes, Values], Value | None]
Test: TypeAlias = Callable[[Attributes, Values], bool]
Check: TypeAlias = Callable[[Values], None]


EXPRESSION_BYTES = 4096
# As the DynamoDB developer guide lists them; none may stand bare in an expression.
RESERVED = frozenset((Path(__file__).parent / "reserved_words.txt").read_text(encoding="ascii").split())
_TOKEN = re.compile(
    r"\s*(?:(#?[A-Za-z_][A-Za-z0-9_]*|#[A-Za-z0-9_]+)|(:[A-Za-z0-9_]+)|\[(\d+)\]|(<>|<=|>=|[=<>(),.+\-]))"
)


@dataclass(slots=True)
class Placeholders:
    """Which of a request's `#names` and `:values` its expressions use; DynamoDB refuses idle ones."""

    names: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)


class Tokens:
    """One expression, read from its beginning to its end."""

    def __init__(self, what: str, text: str, names: Mapping[str, str]) -> None:
        if not text or text.isspace():
            raise Invalid(f"Invalid {what}: The expression can not be empty;")
        if text_bytes(text) > EXPRESSION_BYTES:
            raise Invalid(f"Invalid {what}: Expression size has exceeded the maximum allowed size")
        self.what = what
        self.names = names
        self.used = Placeholders()
        self.checks: list[Check] = []
        self.tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise Invalid(f"Invalid {what}: Syntax error; token: {text[at]!r}")
            name, value, index, symbol = match.groups()
            if name is not None:
                self.tokens.append(("name", name))
            elif value is not None:
                self.tokens.append(("value", value))
            elif index is not None:
                self.tokens.append(("index", index))
            else:
                self.tokens.append(("symbol", symbol))
            at = match.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "<EOF>")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def syntax(self) -> Invalid:
        return Invalid(f"Invalid {self.what}: Syntax error; token: {self.peek()[1]!r}")

    def word(self, *words: str) -> bool:
        """Whether the next token is one of these keywords; case does not matter."""
        sort, text = self.peek()
        return sort == "name" and text.upper() in words

    def symbol(self, text: str) -> bool:
        return self.peek() == ("symbol", text)

    def expect(self, text: str) -> None:
        if not self.symbol(text):
            raise self.syntax()
        self.at += 1

    def end(self) -> None:
        if self.peek()[0] != "end":
            raise self.syntax()

    def path(self) -> Steps:
        steps: list[str | int] = [self.name()]
        while True:
            sort, text = self.peek()
            if sort == "index":
                self.at += 1
                steps.append(int(text))
            elif self.symbol("."):
                self.at += 1
                steps.append(self.name())
            else:
                return tuple(steps)

    def name(self) -> str:
        sort, text = self.peek()
        if sort != "name":
            raise self.syntax()
        self.at += 1
        if not text.startswith("#"):
            if text.lower() in RESERVED:
                raise Invalid(f"Invalid {self.what}: Attribute name is a reserved keyword; reserved keyword: {text}")
            return text
        if text not in self.names:
            raise Invalid(f"Invalid {self.what}: An expression attribute name used in the document path is not defined")
        self.used.names.add(text)
        return self.names[text]

    def literal(self) -> str:
        sort, text = self.peek()
        if sort != "value":
            raise self.syntax()
        self.at += 1
        self.used.values.add(text)
        self.checks.append(lambda values: defined(self.what, text, values))
        return text

    def opens(self) -> bool:
        """Whether the token after the next one is an opening parenthesis."""
        return self.tokens[self.at + 1 : self.at + 2] == [("symbol", "(")]

    def require(self, what: str, key: object, tags: tuple[str, ...]) -> None:
        """Have a literal operand checked for its type with every request; paths have values only at evaluation."""
        if isinstance(key, str):
            self.checks.append(lambda values: one_of(self.what, what, key, tags, values))


def defined(what: str, key: str, values: Values) -> None:
    if key not in values:
        raise Invalid(f"Invalid {what}: An expression attribute value used in expression is not defined; {key}")


def one_of(what: str, operator: str, key: str, tags: tuple[str, ...], values: Values) -> None:
    if key in values and kind(values[key]) not in tags:
        raise Invalid(
            f"Invalid {what}: Incorrect operand type for operator or function; {operator}, {kind(values[key])}"
        )


def bounds(what: str, low: object, high: object, values: Values) -> None:
    if not (isinstance(low, str) and isinstance(high, str) and low in values and high in values):
        return
    one, other = values[low], values[high]
    if kind(one) != kind(other):
        raise Invalid(f"Invalid {what}: The BETWEEN operator requires same data type for lower and upper bounds")
    if kind(one) in ORDERED and order(one) > order(other):
        raise Invalid(f"Invalid {what}: The BETWEEN operator requires upper bound to be at least the lower bound")


def disjoint(what: str, paths: list[Steps]) -> None:
    for at, one in enumerate(paths):
        for other in paths[at + 1 :]:
            shared = min(len(one), len(other))
            if one[:shared] == other[:shared]:
                raise Invalid(f"Invalid {what}: Two document paths overlap with each other;")
            for left, right in zip(one, other, strict=False):
                if left != right:
                    if isinstance(left, int) is not isinstance(right, int):
                        raise Invalid(f"Invalid {what}: Two document paths conflict with each other;")
                    break
