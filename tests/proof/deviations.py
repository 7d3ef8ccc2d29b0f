"""Where an engine departs from what AWS documents: (engine, case, label) for one call, (engine, case) for a whole case."""

DEVIATIONS: dict[tuple[str, str, str], str] = {}

_GRAMMAR = (
    "its own reading of conditions: missing attributes in comparisons, size() of numbers and texts, NOT NOT, begins_with on "
    "bytes, comparisons across types"
)
_UPDATES = (
    "its own reading of updates: paths into missing maps and overlapping paths are taken, or refused in another way"
)

LEFT_OUT: dict[tuple[str, str], str] = {
    ("dynamodb_local", "reserved words"): "takes some words as names that AWS reserves, such as CONVERT",
    ("dynamodb_local", "pages of a megabyte"): "ends a page by another count of its bytes than AWS documents",
    ("moto", "conditions, item there"): _GRAMMAR,
    ("moto", "conditions, item missing"): _GRAMMAR,
    ("moto", "updates, item there"): _UPDATES,
    ("moto", "updates, item missing"): _UPDATES,
    ("moto", "updates in a transaction, item there"): _UPDATES,
    ("moto", "updates in a transaction, item missing"): _UPDATES,
    ("moto", "return values"): "UPDATED_OLD and UPDATED_NEW hold more than what was updated",
    ("moto", "queries"): "a page that ends with the last row has no LastEvaluatedKey",
    ("moto", "client tokens"): "a token makes no transaction idempotent",
    ("ministack", "conditions, item there"): _GRAMMAR,
    ("ministack", "conditions, item missing"): _GRAMMAR,
    ("ministack", "updates, item there"): _UPDATES,
    ("ministack", "updates, item missing"): _UPDATES,
    ("ministack", "updates in a transaction, item there"): _UPDATES,
    ("ministack", "updates in a transaction, item missing"): _UPDATES,
}
"""Cases in which an engine differs in some call. None of these calls is one our code makes: the
requests of `table.py` are cases of their own, and those hold on every engine."""
