"""What can become of a write: its process dies before or after it, its answer is lost, it comes twice, it is refused."""

from typing import NoReturn

from proof.stacks.handlers import Stack


class Died(BaseException):
    """The process is gone. No code of ours catches this."""


FATES = ("dies before", "dies after", "lost", "twice", "throttled")


def strike(stack: Stack, fate: str, operation: str) -> None:
    """Have this happen to the next `operation` of the table's client."""
    if fate == "dies before":
        stack.faults.first(operation, die)
    elif fate == "dies after":
        stack.faults.then(operation, die)
    else:
        {"lost": stack.faults.lose, "twice": stack.faults.twice, "throttled": stack.faults.refuse}[fate](operation)


def die() -> NoReturn:
    """End the process."""
    raise Died
