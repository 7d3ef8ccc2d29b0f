from .cases import Case


def pynamodb_cases() -> list[Case]:
    return []
