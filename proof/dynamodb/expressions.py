"""DynamoDB's expression language: conditions, key conditions, updates and projections, compiled once and kept."""

from dataclasses import dataclass
from functools import lru_cache

from proof.dynamodb import conditions, key_conditions, updates
from proof.dynamodb.documents import Steps
from proof.dynamodb.key_conditions import KeyCondition
from proof.dynamodb.tokens import Check, Placeholders, Test, Tokens
from proof.dynamodb.updates import Update


@dataclass(slots=True)
class Condition:
    """A condition that an item meets or does not meet."""

    test: Test
    checks: list[Check]
    used: Placeholders


@lru_cache(maxsize=4096)
def condition(what: str, text: str, names: tuple[tuple[str, str], ...]) -> Condition:
    """A condition or filter expression, compiled. Raises `Invalid`."""
    tokens = Tokens(what, text, dict(names))
    test = conditions.condition(tokens)
    return Condition(test, tokens.checks, tokens.used)


@lru_cache(maxsize=1024)
def update(text: str, names: tuple[tuple[str, str], ...]) -> Update:
    """An update expression, compiled. Raises `Invalid`."""
    return updates.update(Tokens("UpdateExpression", text, dict(names)))


@lru_cache(maxsize=1024)
def key_condition(
    text: str, names: tuple[tuple[str, str], ...]
) -> tuple[list[KeyCondition], list[Check], Placeholders]:
    """The clauses of a key condition expression. Raises `Invalid`."""
    tokens = Tokens("KeyConditionExpression", text, dict(names))
    return key_conditions.key_conditions(tokens), tokens.checks, tokens.used


@lru_cache(maxsize=256)
def projection(text: str, names: tuple[tuple[str, str], ...]) -> tuple[list[Steps], Placeholders]:
    """The paths of a projection expression. Raises `Invalid`."""
    tokens = Tokens("ProjectionExpression", text, dict(names))
    return key_conditions.projection(tokens), tokens.used
