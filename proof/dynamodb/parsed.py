"""One action's expressions with their placeholders: checked, and every placeholder accounted for."""

from collections.abc import Mapping
from typing import Any

from proof.dynamodb import expressions
from proof.dynamodb.documents import Steps
from proof.dynamodb.expressions import Condition
from proof.dynamodb.key_conditions import KeyCondition
from proof.dynamodb.tokens import Check, Placeholders
from proof.dynamodb.updates import Update
from proof.dynamodb.values import Attributes, Invalid, legal_attributes


class Parsed:
    """One action's expressions with their placeholders: checked, and every placeholder accounted for."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        names = request.get("ExpressionAttributeNames")
        values = request.get("ExpressionAttributeValues")
        self.expressions = any(
            request.get(each) is not None
            for each in (
                "ConditionExpression",
                "UpdateExpression",
                "KeyConditionExpression",
                "FilterExpression",
                "ProjectionExpression",
            )
        )
        if names is not None and not self.expressions:
            raise Invalid("ExpressionAttributeNames can only be specified when using expressions")
        if values is not None and not self.expressions:
            raise Invalid("ExpressionAttributeValues can only be specified when using expressions")
        if names is not None and not names:
            raise Invalid("ExpressionAttributeNames must not be empty")
        if values is not None and not values:
            raise Invalid("ExpressionAttributeValues must not be empty")
        self.names: tuple[tuple[str, str], ...] = tuple((names or {}).items())
        self.values: Attributes = legal_attributes(values or {})
        self.used = Placeholders()
        self.request = request

    def condition(self, name: str = "ConditionExpression") -> Condition | None:
        text = self.request.get(name)
        if text is None:
            return None
        parsed = expressions.condition(name, text, self.names)
        self._take(parsed.used, parsed.checks)
        return parsed

    def update(self) -> Update | None:
        text = self.request.get("UpdateExpression")
        if text is None:
            return None
        parsed = expressions.update(text, self.names)
        self._take(parsed.used, parsed.checks)
        return parsed

    def key_condition(self) -> list[KeyCondition]:
        text = self.request.get("KeyConditionExpression")
        if text is None:
            raise Invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified")
        parsed, checks, used = expressions.key_condition(text, self.names)
        self._take(used, checks)
        return parsed

    def projection(self) -> list[Steps] | None:
        text = self.request.get("ProjectionExpression")
        if text is None:
            return None
        parsed, used = expressions.projection(text, self.names)
        self._take(used, [])
        return parsed

    def _take(self, used: Placeholders, checks: list[Check]) -> None:
        for check in checks:
            check(self.values)
        self.used.names |= used.names
        self.used.values |= used.values

    def all_used(self) -> None:
        """Raise `Invalid` where a placeholder is given that no expression uses."""
        if idle := {name for name, _ in self.names} - self.used.names:
            raise Invalid(f"Value provided in ExpressionAttributeNames unused in expressions: keys: {sorted(idle)}")
        if idle := set(self.values) - self.used.values:
            raise Invalid(f"Value provided in ExpressionAttributeValues unused in expressions: keys: {sorted(idle)}")
