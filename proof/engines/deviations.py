"""Where an engine departs from what AWS documents, call by call. Every case was run on each engine.

None of these calls is one our code makes: the requests of `table.py` are cases of their own, and those hold everywhere.
"""

_BOTH_MISSING = "two missing attributes count as equal here, and a comparison that lacks an operand is false on AWS"
_NOT_A_TEXT = "refuses as malformed what on AWS is only false: an operand of another type, or a text that is a value"
_LENGTHS = "dies of size() where the attribute is missing or a number, and counts a text's letters for its bytes"
_TYPES = "dies of comparing two types, which on AWS is false"
_NOT_NOT = "dies of a doubled NOT"
_NULL = "a missing attribute counts as one that is NULL"
_BYTES = "begins_with is false for bytes"
_MISSING_SOURCE = (
    "looks at no second operand of if_not_exists where the first is there; AWS refuses one that is missing"
)
_ARITHMETIC = "takes a sum of a text and a number, or a list appended to a text, for one of the two; AWS refuses"
_INSIDE_NOTHING = "takes a path into what is not there, or not a map, and makes an item or a map of it"
_INDEXES = "removes several elements of a list one after the other, each by the positions the one before left"
_NESTED = "does not know if_not_exists inside if_not_exists"
_APPEND = "dies of list_append to a list that is missing"

_BY_CASE: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    ("dynamodb_local", "reserved words"): {
        "takes CONVERT and SIZE as names, which AWS lists as reserved": ("convert", "size"),
    },
    ("dynamodb_local", "pages of a megabyte"): {
        "a page holds the row that takes it past the megabyte, too; ours ends before it. Our code counts no rows of a page": (
            "wide rows",
            "wide rows, backwards",
            "projected",
        ),
    },
    ("ministack", "conditions, item there"): {
        _BOTH_MISSING: ("4 gone <> gone2 None", "5 gone = gone2 None"),
        _NOT_A_TEXT: (
            "18 begins_with(n, :a) {':a': {'S': '1'}}",
            "29 begins_with(:a, s) {':a': {'S': 'hé'}}",
            "33 contains(:a, n) {':a': {'L': [{'N': '12'}]}}",
        ),
    },
    ("ministack", "conditions, item missing"): {
        _BOTH_MISSING: ("4 gone <> gone2 None", "5 gone = gone2 None"),
        _NOT_A_TEXT: (
            "29 begins_with(:a, s) {':a': {'S': 'hé'}}",
            "33 contains(:a, n) {':a': {'L': [{'N': '12'}]}}",
        ),
    },
    ("ministack", "updates, item there"): {
        _MISSING_SOURCE: ("13 SET g = if_not_exists(n, h) None",),
        _INDEXES: ("25 REMOVE l[0], l[2] None",),
        _ARITHMETIC: ("35 SET n = s + :a {':a': {'N': '1'}}", "38 SET l = list_append(s, l) None"),
    },
    ("ministack", "updates, item missing"): {
        _INSIDE_NOTHING: ("24 REMOVE m.gone None", "25 REMOVE l[0], l[2] None", "26 REMOVE l[9] None"),
    },
    ("ministack", "updates in a transaction, item there"): {
        _MISSING_SOURCE: ("13 SET g = if_not_exists(n, h) None",),
        _INDEXES: ("25 REMOVE l[0], l[2] None",),
        _ARITHMETIC: ("35 SET n = s + :a {':a': {'N': '1'}}", "38 SET l = list_append(s, l) None"),
        _INSIDE_NOTHING: ("40 SET s.q = :a {':a': {'N': '1'}}",),
    },
    ("ministack", "updates in a transaction, item missing"): {
        _INSIDE_NOTHING: ("24 REMOVE m.gone None", "25 REMOVE l[0], l[2] None", "26 REMOVE l[9] None"),
    },
    ("moto", "conditions, item there"): {
        _BOTH_MISSING: ("4 gone <> gone2 None", "5 gone = gone2 None"),
        _LENGTHS: (
            "9 size(gone) < :a {':a': {'N': '1'}}",
            "48 size(s) = :a {':a': {'N': '7'}}",
            "49 size(n) = :a {':a': {'N': '2'}}",
        ),
        _TYPES: ("16 s < :a {':a': {'N': '1'}}",),
        _BYTES: ("27 begins_with(b, :a) {':a': {'B': b'ab'}}",),
        _NOT_NOT: ("55 NOT NOT n = :a {':a': {'N': '12'}}",),
    },
    ("moto", "conditions, item missing"): {
        _BOTH_MISSING: ("4 gone <> gone2 None", "5 gone = gone2 None"),
        _LENGTHS: (
            "9 size(gone) < :a {':a': {'N': '1'}}",
            "48 size(s) = :a {':a': {'N': '7'}}",
            "49 size(n) = :a {':a': {'N': '2'}}",
            "50 size(b) = :a AND size(l) = :a {':a': {'N': '3'}}",
            "51 size(m) = :a {':a': {'N': '1'}}",
            "52 size(s) < size(m) None",
        ),
        _NULL: ("24 nl = :a {':a': {'NULL': True}}",),
        _NOT_NOT: ("55 NOT NOT n = :a {':a': {'N': '12'}}",),
    },
    ("moto", "updates, item there"): {
        _MISSING_SOURCE: ("13 SET g = if_not_exists(n, h) None",),
        _NESTED: ("14 SET g = if_not_exists(g, if_not_exists(h, n)) None",),
        _INSIDE_NOTHING: ("40 SET s.q = :a {':a': {'N': '1'}}",),
    },
    ("moto", "updates, item missing"): {_APPEND: ("16 SET l = list_append(:a, l) {':a': {'L': [{'N': '4'}]}}",)},
    ("moto", "updates in a transaction, item there"): {
        _MISSING_SOURCE: ("13 SET g = if_not_exists(n, h) None",),
        _NESTED: ("14 SET g = if_not_exists(g, if_not_exists(h, n)) None",),
        _INSIDE_NOTHING: ("40 SET s.q = :a {':a': {'N': '1'}}",),
    },
    ("moto", "updates in a transaction, item missing"): {
        _APPEND: ("16 SET l = list_append(:a, l) {':a': {'L': [{'N': '4'}]}}",),
    },
    ("moto", "return values"): {"dies of an update without an expression": ("no expression at all",)},
    ("moto", "queries"): {"a page that ends with the last row has no LastEvaluatedKey": ("limit exact",)},
    ("moto", "client tokens"): {
        "a token makes no transaction idempotent": (
            "again",
            "other words, same token",
            "refused",
            "refused again",
        ),
    },
}

DEVIATIONS: dict[tuple[str, str, str], str] = {
    (engine, case, label): reason
    for (engine, case), answers in _BY_CASE.items()
    for reason, labels in answers.items()
    for label in labels
}
"""Why, by engine, case and the label of one call."""
