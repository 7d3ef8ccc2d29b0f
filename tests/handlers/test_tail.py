"""Following a run: all of its events in order, each once, for the owner and for holders of a ticket."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest

from outlive.agent import Ask, Interrupt, Outcome, Usage
from outlive.follow.passages import Call, Words
from outlive.store.short_lived import Live
from outlive.watch import Watch
from proof.stacks.handlers import Answer, Stack
from tests.handlers.event_reader import EventReader, content_parts, events_of_stream

TOOL: list[list[Any]] = [["clock", {}]]


def look(stack: Stack, run_id: str, after: str | None = None, **how: Any) -> Answer:
    """One window of the run's events."""
    return stack.call("GET", f"/runs/{run_id}/events", query={"after": after} if after else None, **how)


def follow(stack: Stack, run_id: str, reader: EventReader, cursor: str | None = None) -> str | None:
    """Let the reader read until there is nothing new; returns its cursor, None once the run is over."""
    while True:
        answer = look(stack, run_id, cursor)
        if answer.status == 204:
            assert reader.settled
            return None
        assert answer.status == 200, answer
        reader.take(answer.body["events"])
        if not answer.body["events"]:
            assert answer.body["cursor"] == cursor
            return cursor
        cursor = answer.body["cursor"]
        assert cursor == answer.body["events"][-1]["id"]


def say(stack: Stack, run_id: str, number: int, text: str, step: int = 0, attempt: int = 1) -> None:
    """A live piece, as a worker writes it."""
    live = Live(
        f"{stack.workspace}#{run_id}", Live.sort_key(step, attempt, number), created_at=1_780_000_000_000,
        passages=f'[{{"kind":"text","text":"{text}"}}]',
    )  # fmt: skip
    stack.dynamodb.put_item(TableName="outlive", Item=live.serialize())


def test_the_events_of_a_run_make_its_message(stack: Stack) -> None:
    """[64] A reader from the start receives each step, text, call and result once, and then the end."""
    run = stack.script("chat-1", {"text": "a ", "tools": TOOL}, {"text": "b"}).body["run"]
    reader = EventReader()
    cursor = follow(stack, run["id"], reader)
    assert reader.run is not None
    assert reader.run["status"] == "pending"
    while (message := stack.take()) is not None:
        stack.deliver(message)
        cursor = follow(stack, run["id"], reader, cursor)
    assert cursor is None
    shown = stack.call("GET", f"/runs/{run['id']}").body
    assert reader.parts == content_parts(shown["message"]["parts"])
    assert reader.run == shown["run"]
    assert [event["kind"] for event in reader.finished.values()] == ["step", "final"]
    again = EventReader()
    assert follow(stack, run["id"], again) is None
    assert (again.parts, again.run) == (reader.parts, reader.run)


def test_the_same_comes_as_a_stream(stack: Stack) -> None:
    """With `Accept: text/event-stream`: `id`, `event` and `data` of each, and when to come back."""
    run = stack.script("chat-1", {"text": "a ", "tools": TOOL}, {"text": "b"}).body["run"]
    stack.work()
    answer = look(stack, run["id"], headers={"Accept": "text/event-stream"})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    events, retry = events_of_stream(answer.body)
    assert retry == 1000
    assert events == look(stack, run["id"]).body["events"]


def test_a_stream_goes_on_after_the_last_event_a_browser_got(stack: Stack) -> None:
    """[64] `Last-Event-ID` takes precedence over `after`: an EventSource requests the same address again."""
    run = stack.begin().body["run"]
    stack.work()
    events = look(stack, run["id"]).body["events"]
    stream = {"Accept": "text/event-stream", "Last-Event-ID": events[3]["id"]}
    answer = look(stack, run["id"], events[0]["id"], headers=stream)
    assert events_of_stream(answer.body)[0] == events[4:]


def test_a_stream_ends_with_a_204_after_the_last_event(stack: Stack) -> None:
    """[64] A browser makes no further request after that."""
    run = stack.begin().body["run"]
    stack.work()
    last = look(stack, run["id"]).body["cursor"]
    for headers in ({}, {"Accept": "text/event-stream"}):
        answer = look(stack, run["id"], last, headers=headers)
        assert (answer.status, answer.body or "") == (204, "")


def test_every_cursor_is_a_place_to_go_on_from(stack: Stack) -> None:
    """[64] After any event, the reader receives exactly the events that followed it."""
    run = stack.script("chat-1", {"reasoning": "hm", "text": "a ", "tools": TOOL * 2}, {"text": "b"}).body["run"]
    stack.work()
    events = look(stack, run["id"]).body["events"]
    assert [event["type"] for event in events[:4]] == ["run", "step", "text", "text"]
    for index, event in enumerate(events[:-1]):
        assert look(stack, run["id"], event["id"]).body["events"] == events[index + 1 :]


def test_live_text_goes_on_in_the_record_where_it_left_off(stack: Stack) -> None:
    """[64] Text that was delivered live is not delivered again."""
    run, reader = stack.begin().body["run"], EventReader()

    def answer(*_: Any) -> Outcome:
        nonlocal cursor
        cursor = follow(stack, run["id"], reader, cursor)
        for number, text in enumerate(["Once ", "upon "]):
            say(stack, run["id"], number, text)
            cursor = follow(stack, run["id"], reader, cursor)
        assert reader.parts == [{"type": "text", "text": "Once upon "}]
        return Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "Once upon a time."}], None, Usage())

    cursor: str | None = None
    stack.answer_with(answer)
    stack.work()
    assert follow(stack, run["id"], reader, cursor) is None
    assert reader.parts == [{"type": "text", "text": "Once upon a time."}]
    assert reader.voided == []


def test_another_attempt_begins_the_step_anew(stack: Stack) -> None:
    """[22] [65] The text of a dead worker is void, and the text of the next attempt is delivered once."""
    run, reader = stack.begin().body["run"], EventReader()

    def die(*_: Any) -> Outcome:
        say(stack, run["id"], 0, "Once upon")
        raise SystemExit

    stack.answer_with(die, Outcome("final", [{"type": "text", "text": "Twice."}], None, Usage()))
    message = stack.take()
    assert message is not None
    with pytest.raises(SystemExit):
        stack.deliver(message)
    cursor = follow(stack, run["id"], reader)
    assert reader.parts == [{"type": "text", "text": "Once upon"}]
    stack.clock.forward(60)
    assert stack.deliver(stack.message(run["id"], 0))
    assert follow(stack, run["id"], reader, cursor) is None
    assert reader.parts == [{"type": "text", "text": "Twice."}]
    assert reader.voided == [0]


def test_a_step_the_run_ended_without_is_discarded(stack: Stack) -> None:
    """A worker died in mid-text, and then the run was stopped: nothing of that step is in the message."""
    run, reader = stack.begin().body["run"], EventReader()

    def die(*_: Any) -> Outcome:
        say(stack, run["id"], 0, "Once upon")
        raise SystemExit

    stack.answer_with(die)
    message = stack.take()
    assert message is not None
    with pytest.raises(SystemExit):
        stack.deliver(message)
    cursor = follow(stack, run["id"], reader)
    stack.clock.forward(60)
    assert stack.call("POST", f"/runs/{run['id']}/stop").body["stopped"] is True
    assert follow(stack, run["id"], reader, cursor) is None
    assert reader.parts == []
    assert reader.run is not None
    assert reader.run["status"] == "aborted"


def test_no_other_user_may_follow(stack: Stack) -> None:
    """[48] [49] To another user or workspace the run does not exist, with any cursor."""
    run = stack.begin().body["run"]
    stack.work()
    cursor = look(stack, run["id"]).body["cursor"]
    for who in ({"user": "eve"}, {"workspace": "other"}):
        answer = look(stack, run["id"], **who)
        assert (answer.status, answer.body["code"]) == (404, "run_not_found")
        answer = look(stack, run["id"], cursor, **who)
        assert answer.status == (404 if "user" in who else 422)
        assert run["id"] not in str(answer.body)
    assert look(stack, "none").status == 404
    assert look(stack, "no run#id").status == 404


@pytest.mark.parametrize("cursor", ["", "x", "é", "A" * 5000, "MC4w", "=", "0"])
def test_a_cursor_that_is_none_is_refused(stack: Stack, cursor: str) -> None:
    """[66] The error names the field that the cursor came in."""
    run = stack.begin().body["run"]
    answer = stack.call("GET", f"/runs/{run['id']}/events", query={"after": cursor})
    assert (answer.status, answer.body.get("field")) == (422, "after")
    if cursor:
        answer = look(stack, run["id"], headers={"Last-Event-ID": cursor})
        assert (answer.status, answer.body["field"]) == (422, "Last-Event-ID")


def test_a_cursor_of_another_run_is_refused(stack: Stack) -> None:
    """[66] Even if the other run is in the same chat."""
    one = stack.begin().body["run"]
    stack.work()
    other = stack.begin().body["run"]
    answer = look(stack, other["id"], look(stack, one["id"]).body["cursor"])
    assert (answer.status, answer.body["field"]) == (422, "after")


@pytest.mark.parametrize("wait", ["-1", "21", "20.1", "x", "1e1", "", "١"])
def test_a_wait_out_of_bounds_is_refused(stack: Stack, wait: str) -> None:
    """[66] `wait` is 0 to 20 seconds."""
    run = stack.begin().body["run"]
    answer = stack.call("GET", f"/runs/{run['id']}/events", query={"wait": wait})
    assert (answer.status, answer.body["field"]) == (422, "wait")


def ticket_for(stack: Stack, run_id: str) -> dict[str, Any]:
    """The answer to a request for a ticket."""
    answer = stack.call("POST", f"/runs/{run_id}/ticket")
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.body
    return made


def test_a_ticket_opens_the_events_of_its_run_without_a_token(stack: Stack) -> None:
    """[67] As often as the reader asks, and from any cursor."""
    run = stack.begin().body["run"]
    stack.work()
    made = ticket_for(stack, run["id"])
    assert made["url"] == f"/tickets/{made['ticket']}/events"
    followed = look(stack, run["id"]).body
    assert stack.call("GET", made["url"]).body == followed
    assert stack.call("GET", made["url"]).body == followed
    some = followed["events"][2]["id"]
    assert stack.call("GET", made["url"], query={"after": some}).body["events"] == followed["events"][3:]
    assert stack.call("GET", made["url"], headers={"Last-Event-ID": followed["cursor"]}).status == 204


def test_a_ticket_is_over_after_five_minutes(stack: Stack) -> None:
    """[67] Whether or not DynamoDB has deleted its row."""
    run = stack.begin().body["run"]
    made = ticket_for(stack, run["id"])
    stack.clock.forward(298)
    assert stack.call("GET", made["url"]).status == 200
    stack.clock.forward(3)
    answer = stack.call("GET", made["url"])
    assert (answer.status, answer.body["code"]) == (401, "ticket_expired")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_ticket_is_stored_as_a_hash_and_expires(stack: Stack) -> None:
    """[67] The table's content is not enough to use a ticket."""
    run = stack.begin().body["run"]
    made = ticket_for(stack, run["id"])
    (row,) = [item for item in stack.items() if item["sk"]["S"].startswith("TICKET#")]
    assert made["ticket"] not in str(row)
    assert int(row["expires_at"]["N"]) > 0
    assert row["pk"]["S"] == f"acme#{run['id']}"


def test_a_run_event_has_the_usage_so_far(stack: Stack) -> None:
    """Also where none of its records is new to the reader; an active run's usage is its last record's."""
    run = stack.begin().body["run"]
    seen: list[tuple[list[dict[str, Any]], dict[str, Any]]] = []

    def stopped_meanwhile(ask: Ask, say: Callable[[Words | Call], None], interrupt: Interrupt) -> Outcome:
        cursor = look(stack, run["id"]).body["cursor"]
        stack.call("POST", f"/runs/{run['id']}/stop")
        seen.append((look(stack, run["id"], cursor).body["events"], stack.run_of(run["id"])))
        return Outcome("final", [{"type": "step-start"}, {"type": "text", "text": "b"}], None, Usage(1, 1, 1), "stop")

    step_outcome = Outcome("step", [{"type": "step-start"}, {"type": "text", "text": "a"}], None, Usage(100, 50, 1))
    stack.answer_with(step_outcome, stopped_meanwhile)
    stack.work()
    ((events, shown),) = seen
    assert shown["usage"]["requests"] == 1
    assert [(event["type"], event.get("run")) for event in events] == [("run", shown)]


@pytest.mark.parametrize("fault", ["refused", "lost", "twice"])
def test_a_ticket_that_could_not_be_written_or_whose_answer_is_lost_harms_nothing(stack: Stack, fault: str) -> None:
    """[10] The caller is asked to try again, the run is unchanged, and the ticket that was left behind expires by itself."""
    run = stack.begin().body["run"]
    before = stack.items()
    match fault:
        case "refused":
            stack.faults.refuse("PutItem", "InternalServerError")
        case "lost":
            stack.faults.lose("PutItem")
        case _:
            stack.faults.twice("PutItem")
    answer = stack.call("POST", f"/runs/{run['id']}/ticket")
    assert (answer.status, answer.body.get("code")) == ((201, None) if fault == "twice" else (503, "read_failed"))
    left = [item for item in stack.items() if item not in before]
    assert [item["sk"]["S"][:7] for item in left] == ([] if fault == "refused" else ["TICKET#"])
    assert all("expires_at" in item for item in left)
    assert [item for item in stack.items() if item not in left] == before
    again = ticket_for(stack, run["id"])
    assert stack.call("GET", again["url"]).body == look(stack, run["id"]).body


@pytest.mark.parametrize("who", [{"user": "eve"}, {"workspace": "other"}])
def test_no_other_user_gets_a_ticket(stack: Stack, who: dict[str, str]) -> None:
    """[49] And nothing is written."""
    run = stack.begin().body["run"]
    before = stack.items()
    answer = stack.call("POST", f"/runs/{run['id']}/ticket", **who)
    assert (answer.status, answer.body["code"]) == (404, "run_not_found")
    assert stack.call("POST", "/runs/no run#/ticket").status == 404
    assert stack.items() == before


def packed(*step_outcome: object) -> str:
    """What a ticket with this in it would look like."""
    return base64.urlsafe_b64encode(json.dumps(step_outcome).encode()).decode().rstrip("=")


HOSTILE = {
    "empty": " ",
    "short": "x",
    "no base64": "é✂" * 10,
    "huge": "A" * 100_000,
    "no JSON": "AAAA",
    "too few": packed("acme", "run"),
    "numbers": packed(1, 2, 3),
    "a foreign key": packed("acme#chat-1", "CHAT", "x"),
    "a key in a run": packed("acme", "run#RUN", "x"),
    "a long workspace": packed("w" * 1000, "run", "x"),
    "no workspace": packed("", "run", "x"),
    "half a pair": packed("\ud800", "run", "x"),
    "a NUL": packed("a\0", "run", "x"),
    "a path": "../../runs",
    "a JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
}


@pytest.mark.parametrize("ticket", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_ticket_is_refused_without_details(stack: Stack, ticket: str) -> None:
    """[67] 401 for any content, and the answer repeats none of it."""
    stack.begin()
    answer = stack.call("GET", f"/tickets/{quote(ticket, safe='')}/events")
    assert (answer.status, answer.body["code"]) == (401, "ticket_expired")
    assert set(answer.body) == {"type", "title", "status", "detail", "code"}
    assert answer.body["detail"] == "ask for another one"


def test_a_guessed_or_changed_ticket_is_none(stack: Stack) -> None:
    """[67] Neither another secret, nor another run with the same secret."""
    own, other = stack.begin("one").body["run"], stack.begin("two").body["run"]
    made = ticket_for(stack, own["id"])["ticket"]
    workspace, _, secret = json.loads(base64.urlsafe_b64decode(made + "=="))
    for changed in (packed(workspace, own["id"], "0" * 32), packed(workspace, other["id"], secret), made + "A"):
        assert stack.call("GET", f"/tickets/{changed}/events").status == 401


def live_log_of(stack: Stack) -> list[Any]:
    """The live log that each step from now on gets."""
    logs: list[Any] = []

    @contextmanager
    def watching(watch: Watch) -> Iterator[None]:
        logs.append(watch.live)
        yield

    stack.equip(watching=watching)
    return logs


@pytest.mark.parametrize(
    ("environment", "there"), [({}, True), ({"LIVE_TEXT": "false"}, False), ({"LIVE_TEXT": ""}, True)]
)
def test_live_text_can_be_left_out(stack: Stack, there: bool) -> None:
    """[68] The reader still receives the run, step by step."""
    logs = live_log_of(stack)
    run = stack.script("chat-1", {"text": "a ", "tools": TOOL}, {"text": "b"}).body["run"]
    stack.work()
    assert [log is not None for log in logs] == [there, there]
    reader = EventReader()
    assert follow(stack, run["id"], reader) is None
    assert [part.get("text", "") for part in reader.parts] == ["a ", "", "b"]


def test_pieces_expire_and_no_model_is_sent_any(stack: Stack) -> None:
    """[68] Live text is kept for a day; the history consists of records alone."""
    run = stack.begin().body["run"]
    begun = int(time.time())

    def answer(ask: Any, tell: Any, interrupt: Any) -> Outcome:
        tell(Words("text", "y" * 2000))
        while not [item for item in stack.items() if item["sk"]["S"].startswith("LIVE#")]:
            threading.Event().wait(0.01)
        return Outcome("final", [{"type": "text", "text": "y" * 2000}], None, Usage())

    asked = stack.answer_with(answer)
    stack.work()
    (piece,) = [item for item in stack.items() if item["sk"]["S"].startswith("LIVE#")]
    assert piece["pk"]["S"] == f"acme#{run['id']}"
    assert begun + 86_400 <= int(piece["expires_at"]["N"]) <= time.time() + 86_401
    stack.begin(prompt="again")
    stack.work()
    assert [turn.text for turn in asked[1].history] == ["hello", "y" * 2000, "again"]
