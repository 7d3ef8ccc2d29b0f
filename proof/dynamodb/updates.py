"""Update expressions."""

from dataclasses import dataclass

from proof.dynamodb.documents import Refused, Steps, look, put, remove
from proof.dynamodb.tokens import Check, Operand, Placeholders, Tokens, Values, disjoint
from proof.dynamodb.values import SETS, Attributes, Invalid, Value, add, copy, copy_attributes, kind


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


def update(tokens: Tokens) -> Update:
    sets: list[tuple[Steps, Operand]] = []
    removes: list[Steps] = []
    adds: list[tuple[Steps, str]] = []
    deletes: list[tuple[Steps, str]] = []
    seen: set[str] = set()
    while tokens.peek()[0] != "end":
        if not tokens.word("SET", "REMOVE", "ADD", "DELETE"):
            raise tokens.syntax()
        section = tokens.take()[1].upper()
        if section in seen:
            raise Invalid(f'Invalid {tokens.what}: The "{section}" section can only be used once')
        seen.add(section)
        while True:
            steps = tokens.path()
            if section == "SET":
                tokens.expect("=")
                sets.append((steps, _assigned(tokens)))
            elif section == "REMOVE":
                removes.append(steps)
            else:
                key = tokens.literal()
                tags = ("N", *SETS) if section == "ADD" else tuple(SETS)
                tokens.require(section, key, tags)
                (adds if section == "ADD" else deletes).append((steps, key))
            if not tokens.symbol(","):
                break
            tokens.take()
    parsed = Update(sets, removes, adds, deletes, tokens.checks, tokens.used)
    disjoint(tokens.what, parsed.paths)
    return parsed


def _assigned(tokens: Tokens) -> Operand:
    first = tokens.peek()[1]
    left = _term(tokens)
    sort, symbol = tokens.peek()
    if sort != "symbol" or symbol not in "+-":
        return left
    tokens.take()
    second = tokens.peek()[1]
    right = _term(tokens)
    for key in (first, second):
        tokens.require(symbol, key, ("N",))
    sign = 1 if symbol == "+" else -1

    def sum_of(item: Attributes, values: Values) -> Value | None:
        one, other = left(item, values), right(item, values)
        if one is None or other is None:
            return None
        if kind(one) != "N" or kind(other) != "N":
            raise Refused("An operand in the update expression has an incorrect data type")
        return {"N": add(one["N"], other["N"], sign)}

    return sum_of


def _term(tokens: Tokens) -> Operand:
    if tokens.symbol("("):
        tokens.take()
        inner = _assigned(tokens)
        tokens.expect(")")
        return inner
    sort, text = tokens.peek()
    if sort == "value":
        key = tokens.literal()
        return lambda item, values: values[key]
    if sort == "name" and tokens.opens():
        tokens.at += 2
        if text == "if_not_exists":
            steps = tokens.path()
            tokens.expect(",")
            otherwise = _term(tokens)
            tokens.expect(")")

            def value_or_default(item: Attributes, values: Values) -> Value | None:
                # The service works out the second operand in any case, and fails where it names a missing attribute.
                fresh = otherwise(item, values)
                value = look(item, steps)
                return fresh if fresh is None or value is None else value

            return value_or_default
        if text == "list_append":
            first = tokens.peek()[1]
            head = _term(tokens)
            tokens.expect(",")
            second = tokens.peek()[1]
            tail = _term(tokens)
            tokens.expect(")")
            for key in (first, second):
                tokens.require("list_append", key, ("L",))

            def joined(item: Attributes, values: Values) -> Value | None:
                one, other = head(item, values), tail(item, values)
                if one is None or other is None:
                    return None
                if kind(one) != "L" or kind(other) != "L":
                    raise Refused("An operand in the update expression has an incorrect data type")
                return {"L": [*one["L"], *other["L"]]}

            return joined
        raise Invalid(f"Invalid {tokens.what}: Invalid function name; function: {text}")
    steps = tokens.path()
    return lambda item, values: look(item, steps)


def apply(update: Update, item: Attributes, values: Values) -> Attributes:
    """The item after the update; `item` stays as it is. Every operand is read from the item as it was. Raises
    `Refused`."""
    new = copy_attributes(item)
    # In order of list indexes, so that elements put beyond a list's end keep their order.
    for steps, operand in sorted(update.sets, key=lambda pair: [x for x in pair[0] if isinstance(x, int)]):
        value = operand(item, values)
        if value is None:
            raise Refused("The provided expression refers to an attribute that does not exist in the item")
        put(new, steps, copy(value))
    # From the back, so that removing one element of a list does not move the next one.
    for steps in sorted(update.removes, key=lambda s: [x for x in s if isinstance(x, int)], reverse=True):
        remove(new, steps)
    for steps, key in update.adds:
        put(new, steps, _added(look(item, steps), values[key]))
    for steps, key in update.deletes:
        left = _deleted(look(item, steps), values[key])
        if left is None:
            remove(new, steps)
        else:
            put(new, steps, left)
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
