"""Answering the calls that a run waits for, and watching a run that waits: with both clients and with the command."""

import json

import httpx
import pytest

from outlive_client import AnsweredOtherwise, MessageFold, NotWaiting, ToolApprovalEvent, message_of
from outlive_client.calls import WAITING_SECONDS, WINDOW_SECONDS

from .fake_api import FakeApi, body_of, network_fault, numbered, problem, problem_fault, run_body

UNTIL = "2026-11-28T09:10:00.000Z"
PAY = {"tool_call_id": "t1", "kind": "approval", "tool_name": "pay", "input": {"amount": 5}, "metadata": None}
WHICH = {"tool_call_id": "t2", "kind": "question", "tool_name": "ask_user", "input": {"question": "Which?"}}
WHICH |= {"metadata": {"question": "Which?"}}


def waiting_run(*calls):
    return run_body(status="waiting", step_count=1, asked={"step": 0, "until": UNTIL, "open": list(calls)})


def call_event(call):
    return {"type": "tool-call", "step": 0} | {name: call[name] for name in ("tool_call_id", "tool_name", "input")}


def result_event(call, **result):
    return {"type": "tool-result", "step": 1} | {name: call[name] for name in ("tool_call_id", "tool_name")} | result


ASKED = [
    {"type": "run", "run": waiting_run(PAY, WHICH)},
    {"type": "step", "step": 0, "state": "started", "attempt": 1},
    {"type": "text", "step": 0, "text": "Let me pay."},
    call_event(PAY),
    call_event(WHICH),
    {"type": "tool-approval", "step": 0, "tool_call_id": "t1", "tool_name": "pay", "approval_id": "a1"},
    {"type": "step", "step": 0, "state": "finished", "kind": "asked", "waits": True},
]
REST = [
    {"type": "run", "run": run_body()},
    {"type": "step", "step": 1, "state": "started", "attempt": None},
    result_event(PAY, state="output-available", output="paid"),
    result_event(WHICH, state="output-available", output="blue"),
    {"type": "step", "step": 1, "state": "finished", "kind": "step"},
    {"type": "step", "step": 2, "state": "started", "attempt": None},
    {"type": "text", "step": 2, "text": "Paid."},
    {"type": "step", "step": 2, "state": "finished", "kind": "final"},
    {"type": "settled", "run": run_body(status="succeeded", step_count=3, finished_at="2026-11-21T09:12:00.000Z")},
]


class WaitingApi(FakeApi):
    """A run that waits for `PAY` and `WHICH`. With the last answer it goes on and ends."""

    def __init__(self):
        super().__init__(numbered(*ASKED))
        self.open = {"t1": PAY, "t2": WHICH}
        self.given = {}

    def answer(self, request):
        if request.url.path.endswith("/answers"):
            return self.take(body_of(request)["answers"])
        if request.url.path.endswith("/r1"):
            return httpx.Response(200, json={"run": self.run, "message": None})
        return super().answer(request)

    @property
    def run(self):
        return waiting_run(*self.open.values()) if self.open else run_body()

    def take(self, answers):
        for call_id, decision in answers.items():
            if self.given.setdefault(call_id, decision) != decision:
                who = {"tool_call_id": call_id, "answered_by": "bob", "answered_at": "2026-11-21T09:11:00.000Z"}
                return problem(409, "answered_otherwise", **who)
            self.open.pop(call_id, None)
        if not self.open:
            self.events = numbered(*ASKED, *REST)
        return httpx.Response(200, json={"run": self.run})

    @property
    def waits(self):
        """The `wait` of each request for events."""
        return [request.url.params["wait"] for request in self.requests if request.url.path.endswith("/events")]


# ------------------------------------------------------------------ the clients


def test_a_waiting_run_says_what_it_asks(make_client):
    run = make_client(WaitingApi())("run", "r1").run
    assert (run.status, run.waits, run.ended) == ("waiting", True, False)
    assert [(call.tool_call_id, call.kind, call.input) for call in run.asked.open] == [
        ("t1", "approval", {"amount": 5}), ("t2", "question", {"question": "Which?"}),
    ]  # fmt: skip
    assert (run.asked.step, run.asked.until.year) == (0, 2026)
    assert make_client(FakeApi())("run", "r1").run.asked is None


def test_answers_are_sent_as_they_are_given(make_client):
    api = WaitingApi()
    answers = {"t1": {"approved": True, "input": {"amount": 4}}, "t2": {"output": ["blue", None]}}
    run = make_client(api)("answer", "r1", answers).run
    assert (run.status, run.waits) == ("running", False)
    (request,) = api.requests
    assert (request.method, request.url.path, body_of(request)) == (
        "POST", "/base/runs/r1/answers", {"answers": answers},
    )  # fmt: skip
    make_client(api)("answer", "r1", answers, step=3)
    assert body_of(api.requests[-1])["step"] == 3


@pytest.mark.parametrize("fault", [problem_fault(503, "answer_failed"), network_fault(httpx.ReadTimeout)])
def test_an_answer_whose_reply_is_lost_is_sent_again(make_client, fault):
    """[74] The same answer changes nothing, so the call succeeds."""
    api = WaitingApi()

    def answered_with_a_lost_reply(request):
        api.answer(request)
        return fault(request)

    api.faults = [answered_with_a_lost_reply]
    assert make_client(api)("answer", "r1", {"t1": {"approved": False}}).run.waits
    assert len(api.requests) == 2


def test_a_call_that_was_answered_otherwise_says_by_whom_and_when(make_client):
    api = WaitingApi()
    api.given["t1"] = {"approved": False}
    with pytest.raises(AnsweredOtherwise) as refused:
        make_client(api)("answer", "r1", {"t1": {"approved": True}})
    error = refused.value
    assert (error.tool_call_id, error.answered_by, error.answered_at[:10]) == ("t1", "bob", "2026-11-21")
    api.faults = [problem_fault(409, "not_waiting", run_status="aborted")]
    with pytest.raises(NotWaiting) as refused:
        make_client(api)("answer", "r1", {"t1": {"approved": True}})
    assert refused.value.run_status == "aborted"


def test_watching_goes_on_while_a_run_waits_and_asks_rarely(make_client):
    """Windows return at once, ten seconds apart, until the run is answered."""
    api = WaitingApi()
    client = make_client(api)
    looks = 0

    def answered_at_the_fourth_look(request):
        nonlocal looks
        looks += request.url.path.endswith("/events")
        if looks == 4:
            api.take({"t1": {"approved": True}, "t2": {"output": "blue"}})
        return api(request)

    client = make_client(answered_at_the_fourth_look)
    events = client("watch", "r1")
    assert [event.id for event in events] == [event["id"] for event in numbered(*ASKED, *REST) if "id" in event and event["type"] != "weather"]  # fmt: skip
    assert any(isinstance(event, ToolApprovalEvent) for event in events)
    assert client.pauses == [WAITING_SECONDS] * 2
    assert api.waits == [f"{WINDOW_SECONDS:g}", "0", "0", "0"]


def test_watching_can_end_when_the_run_waits(make_client):
    """From the start, and from an event after which there is none."""
    api = WaitingApi()
    events = make_client(api)("watch", "r1", until_waiting=True)
    assert (events[-1].kind, events[-1].waits) == ("asked", True)
    assert make_client(api)("watch", "r1", events[-1].id, until_waiting=True) == []
    assert api.waits == ["0", "0"]
    api.take({"t1": {"approved": True}, "t2": {"output": "blue"}})
    rest = make_client(api)("watch", "r1", events[-1].id, until_waiting=True)
    assert [event.id for event in (*events, *rest)] == [event.id for event in make_client(api)("watch", "r1")]


def test_watching_ends_also_if_the_status_comes_after_the_step(make_client):
    """The step's record can be seen a moment before the run's status."""
    api = WaitingApi()
    seen_early = [{"type": "run", "run": run_body()}, *ASKED[1:-1], {**ASKED[-1], "waits": False}, ASKED[0]]
    api.events, api.window_size = numbered(*seen_early), len(seen_early)
    events = make_client(api)("watch", "r1", until_waiting=True)
    assert events[-1].run.status == "waiting"


def test_results_of_calls_of_an_earlier_step_make_the_message(make_client):
    """[77] The step that ran them adds no part of its own."""
    api = WaitingApi()
    message = message_of(make_client(api)("watch", "r1", until_waiting=True))
    assert message.status == "streaming"
    states = [part["state"] for part in message.parts if "toolCallId" in part]
    assert states == ["approval-requested", "input-available"]
    api.take({"t1": {"approved": True}, "t2": {"output": "blue"}})
    message = message_of(make_client(api)("watch", "r1"))
    assert [(part["type"], part.get("output")) for part in message.parts] == [
        ("step-start", None), ("text", None), ("tool-pay", "paid"), ("tool-ask_user", "blue"),
        ("step-start", None), ("text", None),
    ]  # fmt: skip


def test_a_denied_call_has_no_result(make_client):
    api = WaitingApi()
    denied = [result_event(PAY, state="output-denied") if one.get("output") == "paid" else one for one in REST]
    api.events = numbered(*ASKED, *denied)
    message = message_of(make_client(api)("watch", "r1"))
    assert [part for part in message.parts if part.get("toolCallId") == "t1"] == [
        {"type": "tool-pay", "toolCallId": "t1", "state": "output-denied", "input": {"amount": 5}, "approval": {"id": "a1"}}
    ]  # fmt: skip


def test_a_call_has_the_arguments_that_were_approved_and_can_be_asked_about_again(make_client):
    """[77] The tool of an approved call can ask for another approval, or a question."""
    again = {
        "type": "tool-approval",
        "step": 1,
        "tool_call_id": "t1",
        "tool_name": "pay",
        "approval_id": "a2",
        "input": {"amount": 4},
    }
    api = FakeApi(numbered(*ASKED, *REST[:2], again))
    fold = MessageFold()
    events = make_client(api)("watch", "r1", until_waiting=True)
    for event in (*events, *make_client(api)("events", "r1", events[-1].id).events):
        fold.apply(event)
    pay, _ = [part for part in fold.message.parts if "toolCallId" in part]
    assert (pay["state"], pay["input"], pay["approval"]) == ("approval-requested", {"amount": 4}, {"id": "a2"})
    api.events = numbered(*ASKED, *REST[:2], result_event(PAY, state="input-available", input=None))
    for event in make_client(api)("events", "r1", events[-1].id).events:
        fold.apply(event)
    pay, _ = [part for part in fold.message.parts if "toolCallId" in part]
    assert (pay["state"], pay["input"], "output" in pay) == ("input-available", None, False)


# ------------------------------------------------------------------ the command

WAITS_FOR = [
    f"run r1 waits for answers, until {UNTIL}:",
    '  approval  t1  → pay {"amount": 5}',
    '  question  t2  → ask_user {"question": "Which?"}',
    "  answer:   outlive answer r1",
]


def test_a_watch_ends_when_the_run_waits_and_says_for_what(command):
    api = WaitingApi()
    last = api.events[-1]["id"]
    done = command(api, "watch", "r1")
    assert done.code == 9
    assert done.out.splitlines()[-3:] == [
        '→ pay {"amount": 5}', '→ ask_user {"question": "Which?"}', "? pay needs an approval",
    ]  # fmt: skip
    rest = f"  then watch the rest: outlive watch r1 --after {last}"
    assert done.err.splitlines() == ["run r1 in chat c1: waiting", *WAITS_FOR, rest]
    again = command(api, "watch", "r1", "--after", last, "--json")
    assert (again.code, again.out, again.err.splitlines()) == (9, "", [*WAITS_FOR, rest])


def test_a_watch_of_a_run_that_is_answered_meanwhile_goes_on(command):
    api = WaitingApi()
    read = api.answer

    def answered_first(request):
        if request.url.path.endswith("/r1"):
            api.take({"t1": {"approved": True}, "t2": {"output": "blue"}})
        return read(request)

    api.answer = answered_first
    done = command(api, "watch", "r1")
    assert (done.code, done.out.splitlines()[-1]) == (0, "Paid.")


def test_a_watch_with_wait_goes_on_while_the_run_waits(command):
    api = WaitingApi()
    looks = []
    window = api.window

    def answered_at_the_third_look(after):
        looks.append(after)
        if len(looks) == 3:
            api.take({"t1": {"approved": True}, "t2": {"output": "blue"}})
        return window(after)

    api.window = answered_at_the_third_look
    done = command(api, "watch", "r1", "--wait")
    assert done.code == 0
    assert done.err.splitlines()[1:5] == WAITS_FOR
    assert done.out.splitlines()[-3:] == ["← ask_user blue", "", "Paid."]


def test_lists_and_show_say_what_a_run_waits_for(command):
    listed = waiting_run(*({**call, "input": None} for call in (PAY, WHICH)))
    done = command(lambda _: httpx.Response(200, json={"runs": [listed], "cursor": None}), "ls", "c1")
    assert done.out.splitlines()[1].split("\t") == [
        "r1", "waiting", "1", "2026-11-21T09:10:00.000Z", "", "pay (approval), ask_user (question)",
    ]  # fmt: skip
    shown = command(WaitingApi(), "show", "r1")
    assert (shown.code, shown.out.splitlines()[1]) == (0, "waiting, 1 step so far")
    assert shown.err.splitlines() == WAITS_FOR


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (["--approve", "t1"], {"t1": {"approved": True}}),
        (["--approve", "t1", "--input", '{"amount": 4}'], {"t1": {"approved": True, "input": {"amount": 4}}}),
        (["--deny", "t1"], {"t1": {"approved": False}}),
        (["--deny", "t1", "--reason", "No."], {"t1": {"approved": False, "reason": "No."}}),
        (["--output", "t2", "the blue one"], {"t2": {"output": "the blue one"}}),
        (["--output", "t2", '{"a": [1, null]}'], {"t2": {"output": {"a": [1, None]}}}),
        (["--output", "t2", "NaN"], {"t2": {"output": "NaN"}}),
        (["--error", "t2", "gone"], {"t2": {"error_text": "gone"}}),
        (["--approve", "t1", "--output", "t2", "-1"], {"t1": {"approved": True}, "t2": {"output": -1}}),
    ],
)
def test_options_become_answers(command, options, sent):
    """What is left open is named; with the last answer the run goes on."""
    api = WaitingApi()
    done = command(api, "answer", "r1", *options)
    assert (done.code, body_of(api.requests[0])) == (0, {"answers": sent})
    if len(sent) == 2:
        assert (done.out, done.err) == ("run r1 goes on: outlive watch r1\n", "")
    else:
        assert (done.out, len(done.err.splitlines())) == ("", 3)
    shown = command(WaitingApi(), "answer", "r1", *options, "--json")
    assert (shown.lines[0]["run"]["status"], shown.err) == ("running" if len(sent) == 2 else "waiting", "")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--json"],
        ["--reason", "x"],
        ["--approve", "t1", "--reason", "x"],
        ["--input", "{}"],
        ["--deny", "t1", "--input", "{}"],
        ["--approve", "t1", "--approve", "t2", "--input", "{}"],
        ["--approve", "t1", "--input", "[1]"],
        ["--approve", "t1", "--input", "{"],
        ["--approve", "t1", "--deny", "t1"],
        ["--output", "t2"],
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused_and_nothing_is_sent(command, options):
    """Without options it asks on a terminal, and here is none."""
    api = WaitingApi()
    done = command(api, "answer", "r1", *options)
    assert (done.code, done.out, api.requests) == (2, "", [])
    assert len(done.err.splitlines()) == 1


def test_the_step_that_asked_can_be_named(command):
    """[91] A tool may ask about the same call more than once."""
    api = WaitingApi()
    assert command(api, "answer", "r1", "--approve", "t1", "--step", "0").code == 0
    assert body_of(api.requests[0]) == {"answers": {"t1": {"approved": True}}, "step": 0}


def test_refused_answers_have_their_exit_codes(command):
    api = WaitingApi()
    api.given["t1"] = {"approved": False}
    done = command(api, "answer", "r1", "--approve", "t1")
    assert (done.code, done.out) == (5, "")
    assert done.err == "outlive: bob answered call t1 otherwise at 2026-11-21T09:11:00.000Z; the first answer counts\n"
    api.faults = [problem_fault(409, "not_waiting", run_status="aborted")]
    done = command(api, "answer", "r1", "--approve", "t1")
    assert (done.code, done.err) == (4, "outlive: the run takes no answer to this call: it is aborted\n")


def test_the_json_of_a_waiting_run_is_what_the_api_sends(command):
    shown = json.loads(command(WaitingApi(), "show", "r1", "--json").out)
    assert shown["run"]["asked"] == {"step": 0, "until": UNTIL, "open": [PAY, WHICH]}
