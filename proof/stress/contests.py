"""The races: how a round is set up, what each racer does, and who may win."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from outlive.store.rows import Chat, Run
from proof.stress.raced import Wired


@dataclass
class Judged:
    """A round: how many won, and what is wrong."""

    winners: int
    wrong: list[str]


class Race(Protocol):
    """One kind of race. `prepare` sets a round up, `contend` is what racer `number` does, `judge` looks at the end."""

    name: str

    def prepare(self, wired: Wired, chat: str) -> str: ...
    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any: ...
    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged: ...
    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None: ...


class StartStart:
    """Everybody starts in one chat whose slot is free."""

    name = "start × start"

    def prepare(self, wired: Wired, chat: str) -> str:
        return ""

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.start(chat)

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        winners = [run_id for run_id, _ in outcomes if run_id]
        held = chat_of(rows).get("active_run_id", {}).get("S")
        wrong = [] if winners == [held] else [f"won: {winners}, the slot holds {held}"]
        wrong += [f"{named} was named as the winner" for run_id, named in outcomes if not run_id and named != held]
        return Judged(len(winners), wrong)

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        assert wired.stop(next(run_id for run_id, _ in outcomes if run_id))


class StartStop:
    """Half stop the chat's pending run, half start another: one stop takes effect, and at most one start."""

    name = "start × stop"

    def prepare(self, wired: Wired, chat: str) -> str:
        run_id, _ = wired.start(chat)
        assert run_id is not None
        return run_id

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.start(chat)[0] if number % 2 else wired.stop(prepared)

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        stops, starts = outcomes[::2].count(True), [one for one in outcomes[1::2] if one]
        held = chat_of(rows).get("active_run_id", {}).get("S")
        wrong = []
        if run_of(rows, prepared)["status"]["S"] != "aborted":
            wrong.append("a stop was answered true, but the run is not aborted")
        if len(starts) > 1 or held != (starts[0] if starts else None):
            wrong.append(f"started: {starts}, the slot holds {held}")
        return Judged(stops, wrong)

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        for started in outcomes[1::2]:
            if started:
                assert wired.stop(started)


class ClaimClaim:
    """The same message is delivered to every racer: one worker calls the model."""

    name = "claim × claim"

    def prepare(self, wired: Wired, chat: str) -> str:
        run_id, _ = wired.start(chat)
        assert run_id is not None
        return run_id

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.step(prepared)

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        run = run_of(rows, prepared)
        attempt, status = run["attempt"]["N"], run["status"]["S"]
        fine = (attempt, status) == ("1", "succeeded")
        return Judged(outcomes.count(True), [] if fine else [f"attempt {attempt}, {status}"])

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        """Nothing is left."""


class SettleSettle:
    """A run whose answer is stored: half settle it as its worker would, half as a stop would; one of them ends it."""

    name = "settle × settle"

    def prepare(self, wired: Wired, chat: str) -> str:
        return wired.answered_run(chat)

    def contend(self, wired: Wired, chat: str, prepared: str, number: int) -> Any:
        return wired.settle(prepared, final=bool(number % 2))

    def judge(self, rows: list[dict[str, Any]], prepared: str, outcomes: list[Any]) -> Judged:
        winners = [(number, one) for number, one in enumerate(outcomes) if one]
        run = run_of(rows, prepared)
        settled_by, status = run["settled_by"]["S"], run["status"]["S"]
        wrong = []
        for number, run_id in winners:
            if (run_id, "succeeded" if number % 2 else "aborted") != (settled_by, status):
                wrong.append(f"racer {number} was answered that it ended the run, which another one ended {status}")
        return Judged(len(winners), wrong)

    def tidy(self, wired: Wired, prepared: str, outcomes: list[Any]) -> None:
        """Nothing is left."""


RACES: Final[dict[str, Race]] = {race.name: race for race in (StartStart(), StartStop(), ClaimClaim(), SettleSettle())}


def chat_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (chat,) = [row for row in rows if row["sk"]["S"] == Chat.SK]
    return chat


def run_of(rows: list[dict[str, Any]], run_id: str) -> dict[str, Any]:
    (run,) = [row for row in rows if row["sk"]["S"] == Run.SK and row["id"]["S"] == run_id]
    return run
