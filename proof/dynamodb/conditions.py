"""Condition and filter expressions."""

from proof.dynamodb.documents import look, size
from proof.dynamodb.tokens import Operand, Test, Tokens, Values, bounds
from proof.dynamodb.values import ORDERED, SETS, TYPES, Attributes, Invalid, Value, frozen, kind, order

IN_OPERANDS = 100
FUNCTIONS = frozenset({"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"})
COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})


def condition(tokens: Tokens) -> Test:
    test, _ = _disjunction(tokens)
    tokens.end()
    return test


def _disjunction(tokens: Tokens) -> tuple[Test, bool]:
    """A test, and whether it is nothing but a parenthesis (for the check on redundant ones)."""
    test, wrapped = _conjunction(tokens)
    tests = [test]
    while tokens.word("OR"):
        tokens.take()
        tests.append(_conjunction(tokens)[0])
    if len(tests) == 1:
        return test, wrapped
    return lambda item, values: any(each(item, values) for each in tests), False


def _conjunction(tokens: Tokens) -> tuple[Test, bool]:
    test, wrapped = _negation(tokens)
    tests = [test]
    while tokens.word("AND"):
        tokens.take()
        tests.append(_negation(tokens)[0])
    if len(tests) == 1:
        return test, wrapped
    return lambda item, values: all(each(item, values) for each in tests), False


def _negation(tokens: Tokens) -> tuple[Test, bool]:
    if tokens.word("NOT"):
        tokens.take()
        test, _ = _negation(tokens)
        return lambda item, values: not test(item, values), False
    return _primary(tokens)


def _primary(tokens: Tokens) -> tuple[Test, bool]:
    if tokens.symbol("("):
        tokens.take()
        test, wrapped = _disjunction(tokens)
        if wrapped:
            raise Invalid(f"Invalid {tokens.what}: The expression has redundant parentheses;")
        tokens.expect(")")
        return test, True
    sort, text = tokens.peek()
    called = tokens.opens()
    if sort == "name" and called and text != "size" and text.upper() not in ("AND", "OR", "NOT", "IN"):
        return _function(tokens), False
    return _comparison(tokens), False


def _function(tokens: Tokens) -> Test:
    _, name = tokens.take()
    if name not in FUNCTIONS:
        raise Invalid(f"Invalid {tokens.what}: Invalid function name; function: {name}")
    tokens.expect("(")
    if name in ("attribute_exists", "attribute_not_exists"):
        steps = tokens.path()
        tokens.expect(")")
        if name == "attribute_exists":
            return lambda item, values: look(item, steps) is not None
        return lambda item, values: look(item, steps) is None
    if name == "attribute_type":
        steps = tokens.path()
        tokens.expect(",")
        tag = tokens.literal()
        tokens.expect(")")
        tokens.checks.append(lambda values: _type_name(tokens.what, tag, values))

        def of_type(item: Attributes, values: Values) -> bool:
            value = look(item, steps)
            return value is not None and kind(value) == values[tag]["S"]

        return of_type
    if name == "begins_with":
        whole, whole_key = _operand(tokens)
        tokens.expect(",")
        head, head_key = _operand(tokens)
        tokens.expect(")")
        _distinct(tokens, name, whole_key, head_key)
        tokens.require(name, whole_key, ("S", "B"))
        tokens.require(name, head_key, ("S", "B"))

        def begins(item: Attributes, values: Values) -> bool:
            value, start = whole(item, values), head(item, values)
            if value is None or start is None or kind(value) != kind(start) or kind(value) not in ("S", "B"):
                return False
            return bool(value[kind(value)].startswith(start[kind(start)]))

        return begins
    whole, whole_key = _operand(tokens)
    tokens.expect(",")
    part, part_key = _operand(tokens)
    tokens.expect(")")
    _distinct(tokens, name, whole_key, part_key)

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


def _distinct(tokens: Tokens, what: str, *keys: object) -> None:
    # Two literals may be the same, and so may two sizes; a path may not meet ittokens.
    if not isinstance(keys[0], tuple) or keys[0][0] == "size":
        return
    if any(key == keys[0] for key in keys[1:]):
        raise Invalid(
            f"Invalid {tokens.what}: The first operand must be distinct from the remaining operands for this "
            f"operator or function; operator: {what}"
        )


def _operand(tokens: Tokens) -> tuple[Operand, object]:
    """An operand, and what identifies it: a literal's placeholder, a path's steps, or ("size", steps)."""
    sort, text = tokens.peek()
    if tokens.symbol("("):
        raise NotImplementedError("the table in memory knows no parentheses around an operand of a condition")
    if sort == "value":
        key = tokens.literal()
        return lambda item, values: values[key], key
    if sort == "name" and text == "size" and tokens.opens():
        tokens.at += 2
        steps = tokens.path()
        tokens.expect(")")
        return lambda item, values: size(look(item, steps)), ("size", steps)
    steps = tokens.path()
    return lambda item, values: look(item, steps), steps


def _comparison(tokens: Tokens) -> Test:
    left, left_key = _operand(tokens)
    if tokens.word("BETWEEN"):
        tokens.take()
        low, low_key = _operand(tokens)
        if not tokens.word("AND"):
            raise tokens.syntax()
        tokens.take()
        high, high_key = _operand(tokens)
        _distinct(tokens, "BETWEEN", left_key, low_key, high_key)
        for key in (left_key, low_key, high_key):
            tokens.require("BETWEEN", key, ("S", "N", "B"))
        tokens.checks.append(lambda values: bounds(tokens.what, low_key, high_key, values))
        return lambda item, values: _between(left(item, values), low(item, values), high(item, values))
    if tokens.word("IN"):
        tokens.take()
        tokens.expect("(")
        options = [_operand(tokens)[0]]
        while tokens.symbol(","):
            tokens.take()
            options.append(_operand(tokens)[0])
        tokens.expect(")")
        if len(options) > IN_OPERANDS:
            raise Invalid(f"Invalid {tokens.what}: Too many operands for the IN operator")

        def within(item: Attributes, values: Values) -> bool:
            value = left(item, values)
            if value is None:
                return False
            held = frozen(value)
            return any(each is not None and frozen(each) == held for each in (o(item, values) for o in options))

        return within
    sort, comparator = tokens.take()
    if sort != "symbol" or comparator not in COMPARATORS:
        tokens.at -= 1
        raise tokens.syntax()
    right, right_key = _operand(tokens)
    _distinct(tokens, comparator, left_key, right_key)
    if comparator in ("=", "<>"):
        equal = comparator == "="

        def same(item: Attributes, values: Values) -> bool:
            one, other = left(item, values), right(item, values)
            if one is None or other is None:
                return not equal
            return (frozen(one) == frozen(other)) is equal

        return same
    for key in (left_key, right_key):
        tokens.require(comparator, key, ("S", "N", "B"))
    return lambda item, values: _ordered(comparator, left(item, values), right(item, values))


def _type_name(what: str, key: str, values: Values) -> None:
    if key in values and values[key].get("S") not in TYPES:
        raise Invalid(f"Invalid {what}: Invalid attribute type name found in attribute_type")


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
