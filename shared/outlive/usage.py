"""How much a run may use up, and has used up."""

from dataclasses import dataclass
from typing import TypedDict

DIGITS = 9
"""Decimals of a cost: a billionth of a dollar is less than any token costs."""


class Budget(TypedDict):
    """How much a run may use up."""

    max_steps: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and model requests: of one step in an `Outcome`, a running total of the run everywhere else."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    cache_read_tokens: int = 0
    """The input tokens that were read from the provider's prompt cache."""
    cache_write_tokens: int = 0
    """The input tokens that were written to the cache."""
    cost_usd: float | None = None
    """What the requests cost by the provider's list prices; None if the price of one of them is not known."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.requests + other.requests,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            _sum(self, other),
        )


def _sum(one: Usage, other: Usage) -> float | None:
    """The cost of both; a usage without requests has none."""
    costs = [usage.cost_usd for usage in (one, other) if usage.requests]
    priced = [cost for cost in costs if cost is not None]
    return round(sum(priced), DIGITS) if priced and len(priced) == len(costs) else None
