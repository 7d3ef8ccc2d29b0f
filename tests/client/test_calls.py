"""What the client does with a call: keys, tries, errors, and what it keeps to itself."""

import inspect
import json
import logging
import pickle
import traceback
from pathlib import Path

import httpx
import pytest

import outlive_client
from outlive_client import (
    AsyncOutlive,
    BadAnswer,
    Outlive,
    Problem,
    RunAlreadyActive,
    Stopped,
    Unauthorized,
    Unreachable,
    intake,
)
from outlive_client.errors import PROBLEMS

from .fake_api import BASE, TOKEN, FakeApi, body_of, breaks, problem, refused, run_body, says
from .test_watch import STORY

ROOT = Path(__file__).parents[2]
HTML = "<html><body>Bad gateway</body></html>"

PASSING = {
    "no connection": breaks(httpx.ConnectError),
    "lost answer": breaks(httpx.ReadTimeout),
    "half an answer": breaks(httpx.RemoteProtocolError),
    "html 502": says(502, HTML),
    "gateway 503": says(503, '{"message": "Service Unavailable"}'),
    "throttled": says(429, '{"message": "Too Many Requests"}'),
    "html 200": says(200, HTML),
    "broken json": says(200, '{"run": {"id": "r1", "chat'),
    "json of something else": says(200, '[{"hello": "world"}]'),
    "not utf-8": says(200, b'{"run": "\xff\xfe"}'),
    "nested without end": says(200, "[" * 100_000),
    "empty": says(200, ""),
}


def test_start_sends_what_it_is_given_and_nothing_else(shell):
    api = FakeApi()
    started = shell(api)("start", "c1", "Hi", max_steps=3, metadata={"page": [1]}, key="my key")
    assert body_of(api.requests[0]) == {"prompt": "Hi", "budget": {"max_steps": 3}, "metadata": {"page": [1]}}
    assert (api.requests[0].method, str(api.requests[0].url)) == ("POST", f"{BASE}/chats/c1/runs")
    assert (started.run.id, started.run.status, started.replayed, started.key) == ("r1", "running", False, "my key")
    shell(api)("start", "c1", "Hi")
    assert body_of(api.requests[1]) == {"prompt": "Hi"}


@pytest.mark.parametrize("misdeed", PASSING.values(), ids=PASSING)
def test_start_whose_answer_is_lost_is_sent_again_with_its_own_key(shell, misdeed):
    """However the first answer gets lost, there is one run, and the caller has it."""
    api = FakeApi()

    def accepted_but_unheard(request):
        api.answer(request)
        return misdeed(request)

    api.misdeeds = [accepted_but_unheard]
    client = shell(api)
    started = client("start", "c1", "Hi")
    assert len(api.starts) == 1
    assert (started.run.id, started.replayed, [started.key]) == ("r1", True, list(api.starts))
    assert len(client.pauses) == 1


def test_two_starts_have_keys_of_their_own(shell):
    api = FakeApi()
    client = shell(api)
    assert client("start", "c1", "Hi").key != client("start", "c1", "Hi").key
    assert len(api.starts) == 2


@pytest.mark.parametrize(
    ("call", "code"),
    [("start", "start_failed"), ("stop_run", "stop_failed"), ("latest", "read_failed"), ("run", "read_failed")],
)
def test_what_may_pass_is_tried_again_and_then_given_up(shell, call, code):
    api = FakeApi()
    api.misdeeds = [refused(503, code)] * 2
    arguments = ("c1", "Hi") if call == "start" else ("c1",)
    client = shell(api)
    client(call, *arguments)
    assert len(api.requests) == 3
    api.misdeeds = [refused(503, code)] * 9
    with pytest.raises(PROBLEMS[code]):
        client(call, *arguments)
    assert len(api.requests) == 3 + 4


@pytest.mark.parametrize("code", ["model_not_configured", "runs_disabled", "invalid_request", "internal_error"])
def test_what_will_not_pass_is_asked_once(shell, code):
    api = FakeApi()
    api.misdeeds = [refused(503, code)]
    with pytest.raises(PROBLEMS[code]):
        shell(api)("start", "c1", "Hi")
    assert len(api.requests) == 1


def test_pauses_grow_and_heed_the_server_within_reason(shell):
    api = FakeApi()
    api.misdeeds = [breaks(httpx.ConnectError), breaks(httpx.ConnectError), breaks(httpx.ConnectError)]
    client = shell(api)
    client("run", "r1")
    assert 0 < client.pauses[0] < client.pauses[2] <= 5
    api.misdeeds = [says(503, "", **{"Retry-After": "2"}), says(503, "", **{"Retry-After": "86400"})]
    client("run", "r1")
    assert client.pauses[3] >= 2
    assert client.pauses[4] == 5


def test_every_code_of_the_api_has_its_error(shell):
    """A code added to the API is missing here until the client has a class for it."""
    said = (ROOT / "docs" / "openapi.json").read_text()
    codes = {
        code
        for path in json.loads(said)["paths"].values()
        for call in path.values()
        if isinstance(call, dict)
        for answer in call["responses"].values()
        for code in _codes(answer)
    }
    assert {"run_already_active", "stop_failed"} <= codes
    assert codes <= set(PROBLEMS)
    for code, kind in PROBLEMS.items():
        api = FakeApi()
        api.misdeeds = [refused(418, code, more="x")] * 4
        with pytest.raises(kind) as caught:
            shell(api)("run", "r1")
        assert (type(caught.value), caught.value.status, caught.value.code, caught.value.detail) == (
            kind,
            418,
            code,
            "D",
        )
        assert caught.value.fields == {"more": "x"}
        assert kind.__name__ in outlive_client.__all__


def _codes(answer):
    content = answer.get("content", {}).get("application/problem+json", {})
    return content.get("schema", {}).get("properties", {}).get("code", {}).get("enum", [])


def test_busy_chat_names_its_run(shell):
    api = FakeApi()
    api.misdeeds = [refused(409, "run_already_active", active_run_id="r9")]
    with pytest.raises(RunAlreadyActive) as caught:
        shell(api)("start", "c1", "Hi")
    assert caught.value.active_run_id == "r9"


def test_codes_of_tomorrow_are_problems_too(shell):
    api = FakeApi()
    api.misdeeds = [refused(409, "chat_is_asleep", until="noon")]
    with pytest.raises(Problem) as caught:
        shell(api)("start", "c1", "Hi")
    assert (caught.value.code, caught.value.fields) == ("chat_is_asleep", {"until": "noon"})


def test_the_gateways_own_refusals_are_told_apart(shell):
    api = FakeApi()
    api.misdeeds = [says(401, '{"message": "Unauthorized"}')]
    with pytest.raises(Unauthorized):
        shell(api)("run", "r1")
    api.misdeeds = [says(404, '{"message": "Not Found"}')]
    with pytest.raises(BadAnswer, match="404"):
        shell(api)("run", "r1")
    api.misdeeds = [says(302, "", Location="http://elsewhere.test/")]
    with pytest.raises(BadAnswer, match="302"):
        shell(api)("run", "r1")
    assert {request.url.host for request in api.requests} == {"api.test"}


@pytest.mark.parametrize("misdeed", PASSING.values(), ids=PASSING)
def test_calls_that_never_get_through_end_in_one_of_two_errors(shell, misdeed):
    api = FakeApi()
    api.misdeeds = [misdeed] * 9
    with pytest.raises((Unreachable, BadAnswer)):
        shell(api)("run", "r1")
    assert len(api.requests) == 4


class Drip(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in bits without end, each well within the time a read may take. `clock` goes on with each."""

    def __init__(self, clock, bit):
        self.clock, self.bit = clock, bit

    def __iter__(self):
        while True:
            self.clock.now += 1
            yield self.bit

    async def __aiter__(self):
        for bit in self:
            yield bit


class Time:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize("bit", [b" ", b" " * 5_000_000], ids=["slow", "large"])
def test_answers_without_end_are_given_up(shell, monkeypatch, bit):
    """Neither a drip nor a flood keeps a caller for ever, or fills its memory."""
    clock = Time()
    monkeypatch.setattr(intake, "time", clock)
    with pytest.raises(Unreachable):
        shell(lambda request: httpx.Response(200, stream=Drip(clock, bit)))("run", "r1")
    assert clock.now <= 4 * (30 + 1)


def test_latest_of_a_chat_without_runs_is_nothing(shell):
    assert shell(FakeApi())("latest", "none").run is None
    assert shell(FakeApi())("latest", "c1").run.id == "r1"


def test_lists_are_taken_page_by_page_to_their_end(shell):
    pages = {None: (["a", "b"], "p2"), "p2": ([], "p3"), "p3": (["c"], None)}
    asked = []

    def api(request):
        cursor = request.url.params.get("cursor")
        asked.append(cursor)
        ids, after = pages[cursor]
        return httpx.Response(200, json={"runs": [run_body(id=one) for one in ids], "cursor": after})

    assert [run.id for run in shell(api)("runs", "c1")] == ["a", "b", "c"]
    assert asked == [None, "p2", "p3"]


def test_lists_end_at_their_limit_and_ask_for_no_more(shell):
    asked = []

    def api(request):
        asked.append(request.url.params["limit"])
        return httpx.Response(200, json={"runs": [run_body()] * 60, "cursor": f"p{len(asked)}"})

    client = shell(api)
    assert len(client("runs", "c1", limit=130)) == 130
    assert asked == ["100", "70", "10"]
    assert client("runs", "c1", limit=0) == []


def test_lists_that_lead_in_a_circle_end(shell):
    with pytest.raises(BadAnswer):
        shell(lambda request: httpx.Response(200, json={"messages": [], "cursor": "again"}))("messages", "c1")


def test_runs_are_read_with_their_times(shell):
    run = shell(FakeApi())("run", "r1").run
    assert run.created_at.isoformat() == "2026-11-21T09:10:00+00:00"
    assert (run.ended, run.usage.requests, run.budget.max_steps) == (False, 0, 20)


# ------------------------------------------------------------------ tokens and addresses


def test_token_may_be_a_function_and_is_asked_again_once_it_has_expired(shell):
    given = []

    def token():
        given.append(f"token-{len(given)}")
        return given[-1]

    def api(request):
        if request.headers["authorization"] != "Bearer token-1":
            return httpx.Response(401, json={"message": "Unauthorized"})
        return httpx.Response(200, json={"run": run_body(), "message": None})

    assert shell(api, token)("run", "r1").run.id == "r1"
    assert given == ["token-0", "token-1"]


def test_token_that_stays_wrong_is_not_tried_again(shell):
    api = FakeApi()
    api.misdeeds = [says(401, '{"message": "Unauthorized"}')] * 2
    with pytest.raises(Unauthorized):
        shell(api, lambda: TOKEN)("run", "r1")
    assert len(api.requests) == 1


def test_token_may_be_an_async_function():
    import asyncio

    async def token():
        return TOKEN

    async def call():
        async with AsyncOutlive(BASE, token, transport=httpx.MockTransport(FakeApi())) as client:
            return await client.run("r1")

    assert asyncio.run(call()).run.id == "r1"


def test_token_is_shown_nowhere(shell, caplog):
    """Not by the client itself, not in errors and what lies behind them, not in logs of any level."""
    caplog.set_level(1)
    logging.getLogger("httpcore").setLevel(1)
    said = []
    for misdeed in [*PASSING.values(), refused(401, "unauthorized"), refused(503, "start_failed")]:
        api = FakeApi()
        api.misdeeds = [misdeed] * 9
        client = shell(api)
        said.append(repr(client.client))
        try:
            client("start", "c1", "Hi")
        except outlive_client.OutliveError as error:
            said += [repr(error), "".join(traceback.format_exception(error))]
    assert len(said) > 20
    assert TOKEN not in "".join(said) + caplog.text


@pytest.mark.parametrize("token", ["", " ", "two words", "new\nline", "t\u00f6ken", "nul\0"])
def test_token_that_no_header_may_hold_is_refused_unseen(shell, token):
    api = FakeApi()
    with pytest.raises(ValueError, match="token") as caught:
        shell(api, token)("run", "r1")
    assert not token.strip() or token not in str(caught.value)
    assert api.requests == []


def test_token_may_come_with_the_newline_of_its_file(shell):
    assert shell(FakeApi(), f"{TOKEN}\n")("run", "r1").run.id == "r1"


@pytest.mark.parametrize("base", ["", "api.test", "ftp://api.test", "http://", "http://[", "http://a.test/?x=1"])
def test_address_that_is_none_is_refused_at_once(shell, base):
    with pytest.raises(ValueError, match="address"):
        shell(FakeApi(), base=base)


def test_address_with_a_password_is_refused_unseen(shell):
    """It would go out in the token's place."""
    with pytest.raises(ValueError, match="password") as caught:
        shell(FakeApi(), base="https://ada:hunter2@api.test/base/")
    assert "hunter2" not in str(caught.value)


def test_address_is_named_when_nobody_is_there(shell):
    api = FakeApi()
    api.misdeeds = [breaks(httpx.ConnectError)] * 9
    with pytest.raises(Unreachable, match=r"^nothing answers at http://api\.test/base$"):
        shell(api, base=f" {BASE}/ ")("run", "r1")


def test_a_stop_of_a_chat_that_is_asked_again_never_hits_a_later_run(shell):
    """[30] The client stops the run that is active now, by its id."""
    api = FakeApi()
    api.misdeeds = [None, breaks(httpx.ReadError)]
    assert shell(api)("stop_chat", "c1").stopped
    assert [request.url.path for request in api.requests] == ["/base/chats/c1/run", *["/base/runs/r1/stop"] * 2]
    idle = FakeApi()
    assert shell(idle)("stop_chat", "none") == Stopped(stopped=False)
    assert [request.method for request in idle.requests] == ["GET"]


def test_any_number_of_seconds_may_be_waited(shell):
    """The API takes no more than three decimals."""
    api = FakeApi(STORY)
    shell(api)("events", "r1", wait=10 / 3)
    assert api.requests[0].url.params["wait"] == "3.333"


@pytest.mark.parametrize("ident", ["", ".", ".."])
def test_ids_never_lead_to_another_call(shell, ident):
    api = FakeApi()
    with pytest.raises(ValueError, match="id"):
        shell(api)("stop_run", ident)
    assert api.requests == []
    shell(api)("stop_run", "../x?y#z/%2e")
    assert api.requests[0].url.raw_path == b"/base/runs/..%2Fx%3Fy%23z%2F%252e/stop"


def test_what_has_no_json_form_is_refused_before_it_is_sent(shell):
    api = FakeApi()
    with pytest.raises(ValueError, match="JSON"):
        shell(api)("start", "c1", "Hi", metadata={"x": object()})
    with pytest.raises(ValueError, match="key"):
        shell(api)("start", "c1", "Hi", key="a\nb")
    assert api.requests == []


# ------------------------------------------------------------------ both


def test_both_clients_have_the_same_calls():
    """Same names, same arguments, and a docstring that leads from one to the other."""

    def calls(kind):
        return {
            name: inspect.signature(method).parameters
            for name, method in vars(kind).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    def shape(parameters):
        return [(one.name, one.kind, one.default, one.annotation) for one in parameters.values()]

    sync, awaited = calls(Outlive), calls(AsyncOutlive)
    assert sync.keys() == awaited.keys() >= {"start", "watch", "stop_run", "stop_chat", "messages", "runs"}
    for name, parameters in sync.items():
        assert shape(parameters) == shape(awaited[name]), name


def test_errors_can_be_carried_to_another_process():
    error = outlive_client.errors.problem_of(409, {"code": "run_already_active", "detail": "D", "active_run_id": "r9"})
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.active_run_id, str(again)) == (RunAlreadyActive, "r9", "D")


def test_everything_is_exported_once():
    assert outlive_client.__all__ == sorted(set(outlive_client.__all__), key=lambda name: (name == "message_of", name))
    assert problem(503, "x").status_code == 503


def test_content_that_an_answer_leaves_out_is_made_of_the_parts(shell):
    """A message may be too large for an answer with its text in it twice."""
    parts = [
        {"type": "step-start"}, {"type": "text", "text": "Let me "}, {"type": "reasoning", "text": "hm"},
        {"type": "tool-x", "toolCallId": "1"}, {"type": "text", "text": "see."},
    ]  # fmt: skip
    message = {
        "id": "m1", "chat_id": "c1", "run_id": "r1", "role": "assistant", "status": "completed", "content": "",
        "parts": parts, "content_omitted": True,
    }  # fmt: skip
    api = FakeApi()
    api.misdeeds = [says(200, json.dumps({"run": run_body(), "message": message}))]
    assert shell(api)("run", "r1").message.content == "Let me see."
