"""The calls that every engine must answer alike. Each case starts on an empty table.

A call's label names it within its case, for the list of known deviations and for the report of a failure."""

from proof.engines.calls import Case
from proof.engines.condition_cases import conditions, refusals
from proof.engines.key_cases import keys, reads, sizes
from proof.engines.query_cases import queries
from proof.engines.transaction_cases import transactions
from proof.engines.update_cases import updates


def cases() -> list[Case]:
    """All of them but those that are built with PynamoDB."""
    makers = (conditions, updates, refusals, keys, sizes, queries, reads, transactions)
    return [case for make in makers for case in make()]
