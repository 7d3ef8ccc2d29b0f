"""What a run used up: sums of tokens, and of costs as far as they are known."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic_ai.usage import RunUsage

from engine.step_result import StepResult
from outlive.usage import Usage


def test_a_step_counts_what_the_provider_cached_and_what_it_cost() -> None:
    """[83] A cost that is not known is null, and not nothing."""
    result = StepResult(text_only=False)
    spent = RunUsage(requests=1, input_tokens=9510, output_tokens=7, cache_read_tokens=9000, cache_write_tokens=500)
    result.run = cast(Any, SimpleNamespace(usage=spent))
    assert result.usage == Usage(9510, 7, 1, 9000, 500, None)
    spent.cost = Decimal("0.0047100000001")
    assert result.usage.cost_usd == 0.00471


@pytest.mark.parametrize(
    ("one", "other", "cost"),
    [
        (Usage(), Usage(), None),
        (Usage(), Usage(requests=1, cost_usd=0.1), 0.1),
        (Usage(requests=1, cost_usd=0.1), Usage(), 0.1),
        (Usage(requests=1, cost_usd=0.1), Usage(requests=1, cost_usd=0.2), 0.3),
        (Usage(requests=1, cost_usd=0.1), Usage(requests=1), None),
        (Usage(requests=1), Usage(requests=1, cost_usd=0.1), None),
    ],
)
def test_a_total_is_known_only_if_all_of_it_is(one: Usage, other: Usage, cost: float | None) -> None:
    """[83] A step that asks no model changes no total."""
    assert (one + other).cost_usd == cost
