"""The answer of each call when it succeeds, with its description."""

from dataclasses import dataclass

import msgspec

from docs.generator import template
from docs.generator.calls import Call, calls_of
from docs.generator.template import Drift
from outlive.file import DownloadView, FileView, UploadView
from outlive.follow.events import Event
from outlive.views import MessageView, Moment, QueuedView, RunView


class Accepted(msgspec.Struct):
    """The run, as it is now."""

    run: RunView


class Shown(msgspec.Struct):
    """A run and its assistant message. Both null: there is none. Message null: it was deleted."""

    run: RunView | None
    message: MessageView | None


class Stopped(msgspec.Struct):
    """Whether this stop took effect, and the run."""

    stopped: bool
    run: RunView | None


class Messages(msgspec.Struct):
    """A page of the transcript, and where the next one begins; null at the end."""

    messages: list[MessageView]
    cursor: str | None


class Runs(msgspec.Struct):
    """A page of runs, and where the next one begins; null at the end."""

    runs: list[RunView]
    cursor: str | None


class Queue(msgspec.Struct):
    """The runs that wait for the chat's slot, the next one first."""

    queue: list[QueuedView]


class Events(msgspec.Struct):
    """The new events, and the cursor after them: the `after` of the next call."""

    events: list[Event]
    cursor: str


class TicketMade(msgspec.Struct):
    """The ticket, when it expires, and the path that it opens."""

    ticket: str
    expires_at: Moment
    url: str


class Upload(msgspec.Struct):
    """The file's id and path, and the request that stores it."""

    file: FileView
    upload: UploadView


class Download(msgspec.Struct):
    """The file, and where its content is."""

    file: FileView
    download: DownloadView


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a call when it succeeds, with its description."""

    status: int
    body: type[msgspec.Struct] | None
    """None: a stream of chunks."""
    about: str
    headers: tuple[str, ...] = ()
    over: str = ""
    """What a 204 means; empty if there is none."""
    elsewhere: str = ""
    """What a 302 means; empty if there is none."""


OVER = "The run has ended, and the reader has received all of its events."

ANSWERS = {
    "start_run": Answer(
        202,
        Accepted,
        "The run is stored and goes on by itself; the client may disconnect. A chat has at most one active run; "
        "while there is one, `on_busy` says what becomes of a start: `reject` refuses it with the active run's id, "
        "`enqueue` and `steer` store it `queued`, `supersede` ends the active run in the same write.\n\n"
        "Send an `Idempotency-Key`, and a request may be repeated if its answer was lost: the same request with the same key is "
        "answered with the same run, also while it is active. Such an answer carries `Idempotency-Replayed: true`.",
        ("Location", "Idempotency-Replayed"),
    ),
    "latest_run": Answer(
        200,
        Shown,
        "Active or ended. Both are null for a chat that never had a run, and for one that is not yours. The read is consistent: it "
        "sees every start and every end that was answered before. While the run is active, the message has every stored step.",
    ),
    "one_run": Answer(200, Shown, "The same as for a chat, by the id of the run."),
    "answer_calls": Answer(
        200,
        Accepted,
        "Each call is answered once: the first decision counts, and the same decision again changes nothing. Answer calls "
        "one by one or together; the request takes effect as a whole or not at all. With the last open call the run goes "
        "on: `status` is `running`. What may be sent depends on the call's `kind` in the run's `asked`: `approval` takes "
        "`approved`, with other arguments as `input` or with a `reason`; `question` and `external` take the `output` or "
        "an `error_text`. 409 `answered_otherwise` names who decided, and when.",
    ),
    "upload_file": Answer(
        201,
        Upload,
        "Nothing is stored yet: PUT the content to `upload.url`, with exactly the headers in `upload.headers`. The address is good "
        "for one file of this type and size. If the answer to the PUT was lost, send it again; 412 says that it was stored. A start "
        "then names the file by its id. An upload that no start names is deleted after a day.\n\n"
        "The chat is yours or new. Types and the largest size are the deployment's `FileTypes` and `MaxFileMb`.",
        ("Location",),
    ),
    "download_file": Answer(
        200,
        Download,
        "With `Accept: application/json` this answer; otherwise 302 and the same body, with the content's address as `Location`. That "
        "address is good for five minutes and needs no token. Only PNG, JPEG, GIF and WebP are given out as what they are; every other "
        "file is a download of unnamed bytes. A file is there for the owner of its chat alone.",
        elsewhere="The content is at this address for five minutes.",
    ),
    "stop_chat": Answer(
        200,
        Stopped,
        "Stops the run that is active in the chat now and those that are queued behind it, and no later one. "
        "`stopped: true`: the run ends `aborted`, and its message keeps the text so far. `stopped: false`: nothing was "
        "active and nothing was written.",
    ),
    "stop_run": Answer(
        200,
        Stopped,
        "The same as for a chat, by the id of the run. A run that has ended stays as it is: `stopped: false`, with the "
        "run. So is one that is unknown or not yours, without it.",
    ),
    "list_messages": Answer(
        200,
        Messages,
        "A page ends early, with a cursor, before it exceeds 4.6 MB, which is what one answer can carry. A chat that is unknown or not yours is empty.",
    ),
    "chat_queue": Answer(
        200,
        Queue,
        "At most 10. A queued run has no messages yet: its prompt is here, and becomes a message once the run has the "
        "slot. A chat that is unknown or not yours is empty.",
    ),
    "list_runs": Answer(
        200, Runs, "The list may lag a moment behind; each run in it is current. A chat that is not yours is empty."
    ),
    "run_events": Answer(
        200,
        Events,
        "All events of the run in order, each once, live text included. Ask again with the `cursor` of the answer, and stop at a "
        "204. Applied one by one, the events make the run's message. A `step` event with state `started` voids what was shown of "
        "that step before, because a step begins again if its worker died.\n\n"
        "With `Accept: text/event-stream` the same comes as server-sent events, each with the cursor as its id: a "
        "window that ends after what is new, or after `wait` seconds. A browser's EventSource reconnects by itself "
        "and continues after the last event it received; a 204 ends it.",
        over=OVER,
    ),
    "open_ticket": Answer(
        201,
        TicketMade,
        "Only for a browser's EventSource, which can send no token in a header: a token in an address would end up in logs. A "
        "ticket gives access to the events of this one run, any number of times, until it expires.",
    ),
    "ticket_events": Answer(
        200,
        Events,
        "The same as the events of the run, for the holder of a ticket, without a token.",
        over=OVER,
    ),
    "send_message": Answer(
        200,
        None,
        "What the AI SDK's `useChat` sends. Only the last message is read, and it must be a user's text; the rest of "
        "the chat is read from the store. Its id is the idempotency key, so sending it again after a lost answer "
        "makes no second run. The answer is a UI message stream as for the chat's stream.",
        ("Location", "Idempotency-Replayed"),
    ),
    "chat_stream": Answer(
        200,
        None,
        "The active run as a UI message stream of the AI SDK, from its start, with the id of the stored message. A "
        "window that ends before the run does has no `finish`; a client continues with the last `id` "
        "of the stream as `after`, and stops at a 204. A client that does so sends `wait` and is answered as soon as there "
        "is something new; without `wait` a window goes on for up to 20 seconds or until the run ends. A `data-void` chunk, "
        "which ends its window, voids what was shown since the last `start-step`.",
        over="No run is active, or the reader has received all of it.",
    ),
}


def calls() -> list[Call]:
    """Every route of the template with its function. Raises Drift if the two don't fit."""
    routes = template.routes(template.read())
    handlers = {(call.method, call.path): call for name in sorted(set(routes.values())) for call in calls_of(name)}
    for route in handlers.keys() ^ routes.keys():
        where = "template.yaml" if route in handlers else "functions/"
        raise Drift(f"{' '.join(route)} is missing in {where}")
    for call in handlers.values():
        if call.function != routes[call.method, call.path]:
            raise Drift(f"{call.method} {call.path} leads to another function in template.yaml")
        if call.name not in ANSWERS:
            raise Drift(f"docs/generator/answers.py has no answer of {call.name}")
    return [handlers[route] for route in routes]
