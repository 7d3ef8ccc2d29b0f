"""DynamoDB's expression language: conditions, key conditions, updates and projections, compiled once and kept.

What a request fails for before any item is looked at (`checks`) is kept apart from evaluation, because DynamoDB answers a
malformed request with ValidationException even where the item is missing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from proof.dynamodb.values import (
    ORDERED,
    SETS,
    TYPES,
    Attributes,
    Invalid,
    Value,
    add,
    copy,
    copy_attributes,
    frozen,
    kind,
    order,
    text_bytes,
)

Steps: TypeAlias = tuple[str | int, ...]
Values: TypeAlias = Mapping[str, Value]
Operand: TypeAlias = Callable[[Attributes, Values], Value | None]
Test: TypeAlias = Callable[[Attributes, Values], bool]
Check: TypeAlias = Callable[[Values], None]

EXPRESSION_BYTES = 4096
IN_OPERANDS = 100
FUNCTIONS = frozenset({"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"})
COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})
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


@dataclass(slots=True)
class Condition:
    """A condition that an item meets or does not meet."""

    test: Test
    checks: list[Check]
    used: Placeholders


@dataclass(slots=True)
class KeyCondition:
    """`name operator operands`, as a Query's key condition holds one or two of."""

    name: str
    operator: str
    operands: tuple[str, ...]


@dataclass(slots=True)
class Update:
    """An update that can be applied to an item; `paths` is all it writes to."""

    sets: list[tuple[Steps, Operand]]
    removes: list[Steps]
    adds: list[tuple[Steps, str]]
    deletes: list[tuple[Steps, str]]
    checks: list[Check]
    used: Placeholders

    @property
    def paths(self) -> list[Steps]:
        """Every document path written, in no order."""
        return [p for p, _ in self.sets] + self.removes + [p for p, _ in self.adds] + [p for p, _ in self.deletes]


class _Parser:
    """One pass over one expression."""

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
        self.checks.append(lambda values: _defined(self.what, text, values))
        return text

    # -- conditions --

    def condition(self) -> Test:
        test, _ = self.disjunction()
        self.end()
        return test

    def disjunction(self) -> tuple[Test, bool]:
        """A test, and whether it is nothing but a parenthesis (for the check on redundant ones)."""
        test, wrapped = self.conjunction()
        tests = [test]
        while self.word("OR"):
            self.at += 1
            tests.append(self.conjunction()[0])
        if len(tests) == 1:
            return test, wrapped
        return lambda item, values: any(each(item, values) for each in tests), False

    def conjunction(self) -> tuple[Test, bool]:
        test, wrapped = self.negation()
        tests = [test]
        while self.word("AND"):
            self.at += 1
            tests.append(self.negation()[0])
        if len(tests) == 1:
            return test, wrapped
        return lambda item, values: all(each(item, values) for each in tests), False

    def negation(self) -> tuple[Test, bool]:
        if self.word("NOT"):
            self.at += 1
            test, _ = self.negation()
            return lambda item, values: not test(item, values), False
        return self.primary()

    def primary(self) -> tuple[Test, bool]:
        if self.symbol("("):
            self.at += 1
            test, wrapped = self.disjunction()
            if wrapped:
                raise Invalid(f"Invalid {self.what}: The expression has redundant parentheses;")
            self.expect(")")
            return test, True
        sort, text = self.peek()
        called = self.tokens[self.at + 1] == ("symbol", "(") if self.at + 1 < len(self.tokens) else False
        if sort == "name" and called and text != "size" and text.upper() not in ("AND", "OR", "NOT", "IN"):
            return self.function(), False
        return self.comparison(), False

    def function(self) -> Test:
        _, name = self.take()
        if name not in FUNCTIONS:
            raise Invalid(f"Invalid {self.what}: Invalid function name; function: {name}")
        self.expect("(")
        if name in ("attribute_exists", "attribute_not_exists"):
            steps = self.path()
            self.expect(")")
            if name == "attribute_exists":
                return lambda item, values: look(item, steps) is not None
            return lambda item, values: look(item, steps) is None
        if name == "attribute_type":
            steps = self.path()
            self.expect(",")
            tag = self.literal()
            self.expect(")")
            self.checks.append(lambda values: _type_name(self.what, tag, values))

            def of_type(item: Attributes, values: Values) -> bool:
                value = look(item, steps)
                return value is not None and kind(value) == values[tag]["S"]

            return of_type
        if name == "begins_with":
            whole, whole_key = self.operand()
            self.expect(",")
            head, head_key = self.operand()
            self.expect(")")
            self.distinct(name, whole_key, head_key)
            self.require(name, whole_key, ("S", "B"))
            self.require(name, head_key, ("S", "B"))

            def begins(item: Attributes, values: Values) -> bool:
                value, start = whole(item, values), head(item, values)
                if value is None or start is None or kind(value) != kind(start) or kind(value) not in ("S", "B"):
                    return False
                return bool(value[kind(value)].startswith(start[kind(start)]))

            return begins
        whole, whole_key = self.operand()
        self.expect(",")
        part, part_key = self.operand()
        self.expect(")")
        self.distinct(name, whole_key, part_key)

        def contains(item: Attributes, values: Values) -> bool:
            value, wanted = whole(item, values), part(item, values)
            if value is None or wanted is None:
                return False
            tag = kind(value)
            if tag in ("S", "B"):
                return kind(wanted) == tag and wanted[tag] in value[tag]
            if tag in SETS:
                return kind(wanted) == SETS[tag] and wanted[SETS[tag]] in value[tag]
            if tag == "L":
                return any(frozen(each) == frozen(wanted) for each in value["L"])
            return False

        return contains

    def distinct(self, what: str, *keys: object) -> None:
        # Two literals may be the same, and so may two sizes; a path may not meet itself.
        if not isinstance(keys[0], tuple) or keys[0][0] == "size":
            return
        if any(key == keys[0] for key in keys[1:]):
            raise Invalid(
                f"Invalid {self.what}: The first operand must be distinct from the remaining operands for this "
                f"operator or function; operator: {what}"
            )

    def require(self, what: str, key: object, tags: tuple[str, ...]) -> None:
        """Have a literal operand checked for its type with every request; paths have values only at evaluation."""
        if isinstance(key, str):
            self.checks.append(lambda values: _one_of(self.what, what, key, tags, values))

    def operand(self) -> tuple[Operand, object]:
        """An operand, and what identifies it: a literal's placeholder, a path's steps, or ("size", steps)."""
        sort, text = self.peek()
        if self.symbol("("):
            raise NotImplementedError("the table in memory knows no parentheses around an operand of a condition")
        if sort == "value":
            key = self.literal()
            return lambda item, values: values[key], key
        if sort == "name" and text == "size" and self.tokens[self.at + 1 : self.at + 2] == [("symbol", "(")]:
            self.at += 2
            steps = self.path()
            self.expect(")")
            return lambda item, values: size(look(item, steps)), ("size", steps)
        steps = self.path()
        return lambda item, values: look(item, steps), steps

    def comparison(self) -> Test:
        left, left_key = self.operand()
        if self.word("BETWEEN"):
            self.at += 1
            low, low_key = self.operand()
            if not self.word("AND"):
                raise self.syntax()
            self.at += 1
            high, high_key = self.operand()
            self.distinct("BETWEEN", left_key, low_key, high_key)
            for key in (left_key, low_key, high_key):
                self.require("BETWEEN", key, ("S", "N", "B"))
            self.checks.append(lambda values: _bounds(self.what, low_key, high_key, values))
            return lambda item, values: _between(left(item, values), low(item, values), high(item, values))
        if self.word("IN"):
            self.at += 1
            self.expect("(")
            options = [self.operand()[0]]
            while self.symbol(","):
                self.at += 1
                options.append(self.operand()[0])
            self.expect(")")
            if len(options) > IN_OPERANDS:
                raise Invalid(f"Invalid {self.what}: Too many operands for the IN operator")

            def within(item: Attributes, values: Values) -> bool:
                value = left(item, values)
                if value is None:
                    return False
                held = frozen(value)
                return any(each is not None and frozen(each) == held for each in (o(item, values) for o in options))

            return within
        sort, comparator = self.take()
        if sort != "symbol" or comparator not in COMPARATORS:
            self.at -= 1
            raise self.syntax()
        right, right_key = self.operand()
        self.distinct(comparator, left_key, right_key)
        if comparator in ("=", "<>"):
            equal = comparator == "="

            def same(item: Attributes, values: Values) -> bool:
                one, other = left(item, values), right(item, values)
                if one is None or other is None:
                    return not equal
                return (frozen(one) == frozen(other)) is equal

            return same
        for key in (left_key, right_key):
            self.require(comparator, key, ("S", "N", "B"))
        return lambda item, values: _ordered(comparator, left(item, values), right(item, values))

    # -- updates --

    def update(self) -> Update:
        sets: list[tuple[Steps, Operand]] = []
        removes: list[Steps] = []
        adds: list[tuple[Steps, str]] = []
        deletes: list[tuple[Steps, str]] = []
        seen: set[str] = set()
        while self.peek()[0] != "end":
            if not self.word("SET", "REMOVE", "ADD", "DELETE"):
                raise self.syntax()
            section = self.take()[1].upper()
            if section in seen:
                raise Invalid(f'Invalid {self.what}: The "{section}" section can only be used once')
            seen.add(section)
            while True:
                steps = self.path()
                if section == "SET":
                    self.expect("=")
                    sets.append((steps, self.assigned()))
                elif section == "REMOVE":
                    removes.append(steps)
                else:
                    key = self.literal()
                    tags = ("N", *SETS) if section == "ADD" else tuple(SETS)
                    self.require(section, key, tags)
                    (adds if section == "ADD" else deletes).append((steps, key))
                if not self.symbol(","):
                    break
                self.at += 1
        parsed = Update(sets, removes, adds, deletes, self.checks, self.used)
        _disjoint(self.what, parsed.paths)
        return parsed

    def assigned(self) -> Operand:
        first = self.peek()[1]
        left = self.term()
        sort, symbol = self.peek()
        if sort != "symbol" or symbol not in "+-":
            return left
        self.at += 1
        second = self.peek()[1]
        right = self.term()
        for key in (first, second):
            self.require(symbol, key, ("N",))
        sign = 1 if symbol == "+" else -1

        def sum_of(item: Attributes, values: Values) -> Value | None:
            one, other = left(item, values), right(item, values)
            if one is None or other is None:
                return None
            if kind(one) != "N" or kind(other) != "N":
                raise Refused("An operand in the update expression has an incorrect data type")
            return {"N": add(one["N"], other["N"], sign)}

        return sum_of

    def term(self) -> Operand:
        if self.symbol("("):
            self.at += 1
            inner = self.assigned()
            self.expect(")")
            return inner
        sort, text = self.peek()
        if sort == "value":
            key = self.literal()
            return lambda item, values: values[key]
        if sort == "name" and self.tokens[self.at + 1 : self.at + 2] == [("symbol", "(")]:
            self.at += 2
            if text == "if_not_exists":
                steps = self.path()
                self.expect(",")
                otherwise = self.term()
                self.expect(")")

                def value_or_default(item: Attributes, values: Values) -> Value | None:
                    # The service works out the second operand in any case, and fails where it names a missing attribute.
                    fresh = otherwise(item, values)
                    value = look(item, steps)
                    return fresh if fresh is None or value is None else value

                return value_or_default
            if text == "list_append":
                first = self.peek()[1]
                head = self.term()
                self.expect(",")
                second = self.peek()[1]
                tail = self.term()
                self.expect(")")
                for key in (first, second):
                    self.require("list_append", key, ("L",))

                def joined(item: Attributes, values: Values) -> Value | None:
                    one, other = head(item, values), tail(item, values)
                    if one is None or other is None:
                        return None
                    if kind(one) != "L" or kind(other) != "L":
                        raise Refused("An operand in the update expression has an incorrect data type")
                    return {"L": [*one["L"], *other["L"]]}

                return joined
            raise Invalid(f"Invalid {self.what}: Invalid function name; function: {text}")
        steps = self.path()
        return lambda item, values: look(item, steps)

    # -- key conditions --

    def key_conditions(self) -> list[KeyCondition]:
        terms = self.key_terms()
        self.end()
        return terms

    def key_terms(self) -> list[KeyCondition]:
        terms = self.key_term()
        while self.word("AND"):
            self.at += 1
            terms += self.key_term()
        return terms

    def key_term(self) -> list[KeyCondition]:
        if self.symbol("("):
            self.at += 1
            inner = self.key_terms()
            self.expect(")")
            return inner
        sort, text = self.peek()
        if sort == "name" and text == "begins_with":
            self.at += 1
            self.expect("(")
            name = self.key_name()
            self.expect(",")
            key = self.literal()
            self.expect(")")
            return [KeyCondition(name, "begins_with", (key,))]
        name = self.key_name()
        if self.word("BETWEEN"):
            self.at += 1
            low = self.literal()
            if not self.word("AND"):
                raise self.syntax()
            self.at += 1
            high = self.literal()
            self.checks.append(lambda values: _bounds(self.what, low, high, values))
            return [KeyCondition(name, "between", (low, high))]
        sort, comparator = self.take()
        if sort != "symbol" or comparator not in COMPARATORS or comparator == "<>":
            raise Invalid(f"Invalid {self.what}: Invalid operator used in KeyConditionExpression: {comparator}")
        return [KeyCondition(name, comparator, (self.literal(),))]

    def key_name(self) -> str:
        steps = self.path()
        if len(steps) != 1 or not isinstance(steps[0], str):
            raise Invalid(f"Invalid {self.what}: KeyConditionExpressions cannot have conditions on nested attributes")
        return steps[0]

    def projection(self) -> list[Steps]:
        paths = [self.path()]
        while self.symbol(","):
            self.at += 1
            paths.append(self.path())
        self.end()
        _disjoint(self.what, paths)
        return paths


class Refused(Exception):
    """The request is well formed, but this item can't take it; inside a transaction it is a ValidationError reason."""


def look(item: Mapping[str, Value], steps: Steps) -> Value | None:
    """The value at a document path, or None."""
    part = item.get(steps[0])  # type: ignore[arg-type]
    for step in steps[1:]:
        if part is None:
            return None
        if isinstance(step, int):
            held = part.get("L")
            part = held[step] if held is not None and step < len(held) else None
        else:
            held = part.get("M")
            part = held.get(step) if held is not None else None
    return part


def size(value: Value | None) -> Value | None:
    """What `size(path)` yields; None where it has no meaning."""
    if value is None:
        return None
    tag = kind(value)
    if tag == "S":
        # Counted in UTF-16 units, as the service's own strings are.
        return {"N": str(len(value["S"].encode("utf-16-le", "surrogatepass")) // 2)}
    if tag in ("B", "M", "L") or tag in SETS:
        return {"N": str(len(value[tag]))}
    return None


def _defined(what: str, key: str, values: Values) -> None:
    if key not in values:
        raise Invalid(f"Invalid {what}: An expression attribute value used in expression is not defined; {key}")


def _one_of(what: str, operator: str, key: str, tags: tuple[str, ...], values: Values) -> None:
    if key in values and kind(values[key]) not in tags:
        raise Invalid(
            f"Invalid {what}: Incorrect operand type for operator or function; {operator}, {kind(values[key])}"
        )


def _type_name(what: str, key: str, values: Values) -> None:
    if key in values and values[key].get("S") not in TYPES:
        raise Invalid(f"Invalid {what}: Invalid attribute type name found in attribute_type")


def _bounds(what: str, low: object, high: object, values: Values) -> None:
    if not (isinstance(low, str) and isinstance(high, str) and low in values and high in values):
        return
    one, other = values[low], values[high]
    if kind(one) != kind(other):
        raise Invalid(f"Invalid {what}: The BETWEEN operator requires same data type for lower and upper bounds")
    if kind(one) in ORDERED and order(one) > order(other):
        raise Invalid(f"Invalid {what}: The BETWEEN operator requires upper bound to be at least the lower bound")


def _between(value: Value | None, low: Value | None, high: Value | None) -> bool:
    return _ordered(">=", value, low) and _ordered("<=", value, high)


def _ordered(comparator: str, one: Value | None, other: Value | None) -> bool:
    if one is None or other is None or kind(one) != kind(other) or kind(one) not in ORDERED:
        return False
    left, right = order(one), order(other)
    if comparator == "<":
        return bool(left < right)
    if comparator == "<=":
        return bool(left <= right)
    if comparator == ">":
        return bool(left > right)
    return bool(left >= right)


def _disjoint(what: str, paths: list[Steps]) -> None:
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


def apply(update: Update, item: Attributes, values: Values) -> Attributes:
    """The item after the update; `item` stays as it is. Every operand is read from the item as it was. Raises
    `Refused`."""
    new = copy_attributes(item)
    # In order of list indexes, so that elements put beyond a list's end keep their order.
    for steps, operand in sorted(update.sets, key=lambda pair: [x for x in pair[0] if isinstance(x, int)]):
        value = operand(item, values)
        if value is None:
            raise Refused("The provided expression refers to an attribute that does not exist in the item")
        _put(new, steps, copy(value))
    # From the back, so that removing one element of a list does not move the next one.
    for steps in sorted(update.removes, key=lambda s: [x for x in s if isinstance(x, int)], reverse=True):
        _remove(new, steps)
    for steps, key in update.adds:
        _put(new, steps, _added(look(item, steps), values[key]))
    for steps, key in update.deletes:
        left = _deleted(look(item, steps), values[key])
        if left is None:
            _remove(new, steps)
        else:
            _put(new, steps, left)
    return new


def _added(old: Value | None, value: Value) -> Value:
    if old is None:
        return copy(value)
    tag = kind(old)
    if tag != kind(value):
        raise Refused("An operand in the update expression has an incorrect data type")
    if tag == "N":
        return {"N": add(old["N"], value["N"])}
    return {tag: sorted(set(old[tag]) | set(value[tag]))}


def _deleted(old: Value | None, value: Value) -> Value | None:
    if old is None:
        return None
    tag = kind(old)
    if tag != kind(value):
        raise Refused("An operand in the update expression has an incorrect data type")
    left = sorted(set(old[tag]) - set(value[tag]))
    return {tag: left} if left else None


def _holder(item: Attributes, steps: Steps) -> Any:
    """The map or list that holds the last step, or None."""
    if len(steps) == 1:
        return item
    holder = look(item, steps[:-1])
    if holder is None:
        return None
    return holder.get("L") if isinstance(steps[-1], int) else holder.get("M")


def _put(item: Attributes, steps: Steps, value: Value) -> None:
    held = _holder(item, steps)
    if held is None:
        raise Refused("The document path provided in the update expression is invalid for update")
    last = steps[-1]
    if isinstance(last, int) and last >= len(held):
        held.append(value)
    else:
        held[last] = value


def _remove(item: Attributes, steps: Steps) -> None:
    held = _holder(item, steps)
    if held is None:
        raise Refused("The document path provided in the update expression is invalid for update")
    last = steps[-1]
    if isinstance(last, int):
        if last < len(held):
            del held[last]
    else:
        held.pop(last, None)


@lru_cache(maxsize=4096)
def condition(what: str, text: str, names: tuple[tuple[str, str], ...]) -> Condition:
    """A condition or filter expression, compiled. Raises `Invalid`."""
    parser = _Parser(what, text, dict(names))
    test = parser.condition()
    return Condition(test, parser.checks, parser.used)


@lru_cache(maxsize=1024)
def update(text: str, names: tuple[tuple[str, str], ...]) -> Update:
    """An update expression, compiled. Raises `Invalid`."""
    return _Parser("UpdateExpression", text, dict(names)).update()


@lru_cache(maxsize=1024)
def key_condition(
    text: str, names: tuple[tuple[str, str], ...]
) -> tuple[list[KeyCondition], list[Check], Placeholders]:
    """The clauses of a key condition expression. Raises `Invalid`."""
    parser = _Parser("KeyConditionExpression", text, dict(names))
    return parser.key_conditions(), parser.checks, parser.used


@lru_cache(maxsize=256)
def projection(text: str, names: tuple[tuple[str, str], ...]) -> tuple[list[Steps], Placeholders]:
    """The paths of a projection expression. Raises `Invalid`."""
    parser = _Parser("ProjectionExpression", text, dict(names))
    return parser.projection(), parser.used
