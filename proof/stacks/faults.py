"""What happens to the calls of a handler's client, and to its clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError


@dataclass
class Faults:
    """What happens to the next calls of a client, the table's or the bucket's, below our code and above the wire."""

    client: Any
    planned: list[tuple[str, str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        real = self.client._make_api_call

        def call(operation: str, request: dict[str, Any]) -> Any:
            self.calls.append(operation)
            self.requests.append(request)
            for index, (planned, kind, detail) in enumerate(self.planned):
                if planned in (operation, f"{operation} {_sk(request)}"):
                    del self.planned[index]
                    return self._act(kind, detail, lambda: real(operation, request), operation)
            return real(operation, request)

        self.client._make_api_call = call

    def _act(self, kind: str, detail: Any, call: Callable[[], Any], operation: str) -> Any:
        if kind == "blank":
            return {}
        if kind == "lose":
            call()
            raise ReadTimeoutError(endpoint_url="http://table")
        if kind == "twice":
            call()
            return call()
        if kind == "then":
            answer = call()
            detail()
            return answer
        if kind == "first":
            detail()
            return call()
        if kind == "conflict":
            reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "None"}, {"Code": "None"}]
            error = {"Error": {"Code": "TransactionCanceledException", "Message": "?"}, "CancellationReasons": reasons}
            raise ClientError(error, operation)  # type: ignore[arg-type]
        raise ClientError({"Error": {"Code": detail, "Message": "?"}}, operation)

    @property
    def counted(self) -> list[str]:
        """The calls but those that store live text: a slow machine makes some of them."""
        calls = zip(self.calls, self.requests, strict=True)
        return [call for call, request in calls if not is_piece(request)]

    def forget(self) -> None:
        """Count from here."""
        self.calls.clear()
        self.requests.clear()

    def lose(self, operation: str) -> None:
        """The next `operation` takes effect, but no answer comes."""
        self.planned.append((operation, "lose", None))

    def twice(self, operation: str) -> None:
        """The next `operation` takes effect, its answer is lost, and the client itself tries again."""
        self.planned.append((operation, "twice", None))

    def refuse(self, operation: str, code: str = "ThrottlingException", times: int = 1) -> None:
        """The next `operation` fails with `code` and does nothing."""
        self.planned += [(operation, "refuse", code)] * times

    def conflict(self, times: int = 1) -> None:
        """The next transaction meets another one."""
        self.planned += [("TransactWriteItems", "conflict", None)] * times

    def blank(self, sk: str) -> None:
        """The next read of an item with this sort key answers that there is none."""
        self.planned.append(("GetItem " + sk, "blank", None))

    def then(self, operation: str, do: Callable[[], Any]) -> None:
        """Right after the next `operation`, `do` happens."""
        self.planned.append((operation, "then", do))

    def first(self, operation: str, do: Callable[[], Any]) -> None:
        """Right before the next `operation`, `do` happens."""
        self.planned.append((operation, "first", do))


def _sk(request: dict[str, Any]) -> str:
    """The sort key of the item that this call names; empty if it names none."""
    key = request.get("Key")
    return str(key["sk"]["S"]) if isinstance(key, dict) else ""


def is_piece(request: dict[str, Any]) -> bool:
    """True if this call stores a piece of live text."""
    return str(request.get("Item", {}).get("sk", {}).get("S", "")).startswith("LIVE#")


class Hands:
    """A clock whose hands can be moved."""

    def __init__(self) -> None:
        self.ahead = 0

    def forward(self, seconds: float) -> None:
        """Let time pass for our code (not for the queue)."""
        self.ahead += int(seconds * 1000)
