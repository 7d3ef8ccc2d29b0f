"""GET /runs/{run_id}/events: what a run says, as it says it. With a token, or with a ticket."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.caller import Caller
from outlive.clock import Clock, iso
from outlive.errors import InvalidRequest, ReadFailed, RunNotFound, TicketExpired, TooManyRequests
from outlive.follow.sse import KIND, streamed
from outlive.http import Api, answer, cursor_asked, cursor_from, nothing
from outlive.limits import Limits
from outlive.request import MAX_WAIT_S, RunId, check_wait
from outlive.tail import Tail, Window
from outlive.wiring import new_id, settings_of, table_of

settings = settings_of()
api = Api(settings.workspace_claim)
clock = Clock()
table = table_of(settings)
tail = Tail(table, clock, new_id, Limits(table, clock, settings))


@api.get("/runs/<run_id>/events", problems=[InvalidRequest, TooManyRequests, ReadFailed])
def run_events(caller: Caller, run_id: RunId) -> Response[str]:
    """The run's events after a cursor."""
    cursor, field = cursor_asked(api.header("Last-Event-ID"), api.query("after"))
    with cursor_from(field):
        return _answer(tail.held(caller, run_id, cursor, _wait()))


@api.post("/runs/<run_id>/ticket", problems=[ReadFailed])
def open_ticket(caller: Caller, run_id: RunId) -> Response[str]:
    """Make a ticket for the run's events."""
    ticket, until = tail.ticket(caller, run_id)
    return answer({"ticket": ticket, "expires_at": iso(until), "url": f"/tickets/{ticket}/events"}, 201)


@api.get("/tickets/<ticket>/events", problems=[TicketExpired, RunNotFound, InvalidRequest, TooManyRequests, ReadFailed])
def ticket_events(ticket: str) -> Response[str]:
    """The events of the ticket's run after a cursor, without a token."""
    cursor, field = cursor_asked(api.header("Last-Event-ID"), api.query("after"))
    with cursor_from(field):
        return _answer(tail.admitted(ticket, cursor, _wait()))


def _wait() -> float:
    return check_wait(api.query("wait"), MAX_WAIT_S if _wants_a_stream() else 0)


def _wants_a_stream() -> bool:
    return KIND in (api.header("Accept") or "").lower()


def _answer(window: Window | None) -> Response[str]:
    if window is None:
        return nothing()
    if _wants_a_stream():
        return Response(200, KIND, streamed(window.events), headers={"Cache-Control": "no-store"})
    return answer({"events": window.events, "cursor": window.cursor})


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
