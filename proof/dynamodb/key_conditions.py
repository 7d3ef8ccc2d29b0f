"""Key conditions and projections."""

from dataclasses import dataclass

from proof.dynamodb.conditions import COMPARATORS
from proof.dynamodb.documents import Steps
from proof.dynamodb.tokens import Tokens, bounds, disjoint
from proof.dynamodb.values import Invalid


@dataclass(slots=True)
class KeyCondition:
    """`name operator operands`, as a Query's key condition holds one or two of."""

    name: str
    operator: str
    operands: tuple[str, ...]


def key_conditions(tokens: Tokens) -> list[KeyCondition]:
    terms = _key_terms(tokens)
    tokens.end()
    return terms


def _key_terms(tokens: Tokens) -> list[KeyCondition]:
    terms = _key_term(tokens)
    while tokens.word("AND"):
        tokens.take()
        terms += _key_term(tokens)
    return terms


def _key_term(tokens: Tokens) -> list[KeyCondition]:
    if tokens.symbol("("):
        tokens.take()
        inner = _key_terms(tokens)
        tokens.expect(")")
        return inner
    sort, text = tokens.peek()
    if sort == "name" and text == "begins_with":
        tokens.take()
        tokens.expect("(")
        name = _key_name(tokens)
        tokens.expect(",")
        key = tokens.literal()
        tokens.expect(")")
        return [KeyCondition(name, "begins_with", (key,))]
    name = _key_name(tokens)
    if tokens.word("BETWEEN"):
        tokens.take()
        low = tokens.literal()
        if not tokens.word("AND"):
            raise tokens.syntax()
        tokens.take()
        high = tokens.literal()
        tokens.checks.append(lambda values: bounds(tokens.what, low, high, values))
        return [KeyCondition(name, "between", (low, high))]
    sort, comparator = tokens.take()
    if sort != "symbol" or comparator not in COMPARATORS or comparator == "<>":
        raise Invalid(f"Invalid {tokens.what}: Invalid operator used in KeyConditionExpression: {comparator}")
    return [KeyCondition(name, comparator, (tokens.literal(),))]


def _key_name(tokens: Tokens) -> str:
    steps = tokens.path()
    if len(steps) != 1 or not isinstance(steps[0], str):
        raise Invalid(f"Invalid {tokens.what}: KeyConditionExpressions cannot have conditions on nested attributes")
    return steps[0]


def projection(tokens: Tokens) -> list[Steps]:
    paths = [tokens.path()]
    while tokens.symbol(","):
        tokens.take()
        paths.append(tokens.path())
    tokens.end()
    disjoint(tokens.what, paths)
    return paths
