"""Where an engine departs from what AWS documents, call by call: (engine, case, label) and the reason."""

DEVIATIONS: dict[tuple[str, str, str], str] = {}
