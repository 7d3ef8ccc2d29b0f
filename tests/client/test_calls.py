"""The client's calls: idempotency keys, retries, errors, and tokens that are never shown."""

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
    response_body,
)
from outlive_client.errors import PROBLEMS

from .fake_api import BASE, TOKEN, FakeApi, body_of, network_fault, problem, problem_fault, response_fault, run_body
from .test_watch import STORY

ROOT = Path(__file__).parents[2]
HTML = "<html><body>Bad gateway</body></html>"

RETRYABLE_FAULTS = {
    "no connection": network_fault(httpx.ConnectError),
    "lost answer": network_fault(httpx.ReadTimeout),
    "half an answer": network_fault(httpx.RemoteProtocolError),
    "html 502": response_fault(502, HTML),
    "gateway 503": response_fault(503, '{"message": "Service Unavailable"}'),
    "throttled": response_fault(429, '{"message": "Too Many Requests"}'),
    "html 200": response_fault(200, HTML),
    "broken json": response_fault(200, '{"run": {"id": "r1", "chat'),
    "json of something else": response_fault(200, '[{"hello": "world"}]'),
    "not utf-8": response_fault(200, b'{"run": "\xff\xfe"}'),
    "nested without end": response_fault(200, "[" * 100_000),
    "empty": response_fault(200, ""),
}


def test_start_sends_its_arguments_and_nothing_else(make_client):
    api = FakeApi()
    started = make_client(api)("start", "c1", "Hi", agent="support", max_steps=3, metadata={"page": [1]}, key="my key")
    sent = {"prompt": "Hi", "agent": "support", "budget": {"max_steps": 3}, "metadata": {"page": [1]}}
    assert body_of(api.requests[0]) == sent
    assert (api.requests[0].method, str(api.requests[0].url)) == ("POST", f"{BASE}/chats/c1/runs")
    assert (started.run.id, started.run.status, started.replayed, started.key) == ("r1", "running", False, "my key")
    make_client(api)("start", "c1", "Hi")
    assert body_of(api.requests[1]) == {"prompt": "Hi"}


@pytest.mark.parametrize("fault", RETRYABLE_FAULTS.values(), ids=RETRYABLE_FAULTS)
def test_a_start_whose_answer_is_lost_is_retried_with_the_same_key(make_client, fault):
    """There is one run, and the caller gets it."""
    api = FakeApi()

    def accepted_with_a_lost_answer(request):
        api.answer(request)
        return fault(request)

    api.faults = [accepted_with_a_lost_answer]
    client = make_client(api)
    started = client("start", "c1", "Hi")
    assert len(api.starts) == 1
    assert (started.run.id, started.replayed, [started.key]) == ("r1", True, list(api.starts))
    assert len(client.pauses) == 1


def test_two_starts_have_different_keys(make_client):
    api = FakeApi()
    client = make_client(api)
    assert client("start", "c1", "Hi").key != client("start", "c1", "Hi").key
    assert len(api.starts) == 2


@pytest.mark.parametrize(
    ("call", "code"),
    [("start", "start_failed"), ("stop_run", "stop_failed"), ("latest", "read_failed"), ("run", "read_failed")],
)
def test_a_retryable_error_is_retried_and_then_raised(make_client, call, code):
    api = FakeApi()
    api.faults = [problem_fault(503, code)] * 2
    arguments = ("c1", "Hi") if call == "start" else ("c1",)
    client = make_client(api)
    client(call, *arguments)
    assert len(api.requests) == 3
    api.faults = [problem_fault(503, code)] * 9
    with pytest.raises(PROBLEMS[code]):
        client(call, *arguments)
    assert len(api.requests) == 3 + 4


@pytest.mark.parametrize("code", ["model_not_configured", "runs_disabled", "invalid_request", "internal_error"])
def test_an_error_that_is_not_retryable_is_raised_at_once(make_client, code):
    api = FakeApi()
    api.faults = [problem_fault(503, code)]
    with pytest.raises(PROBLEMS[code]):
        make_client(api)("start", "c1", "Hi")
    assert len(api.requests) == 1


def test_pauses_grow_and_honour_retry_after_up_to_a_limit(make_client):
    api = FakeApi()
    api.faults = [
        network_fault(httpx.ConnectError),
        network_fault(httpx.ConnectError),
        network_fault(httpx.ConnectError),
    ]
    client = make_client(api)
    client("run", "r1")
    assert 0 < client.pauses[0] < client.pauses[2] <= 5
    api.faults = [response_fault(503, "", **{"Retry-After": "2"}), response_fault(503, "", **{"Retry-After": "86400"})]
    client("run", "r1")
    assert client.pauses[3] >= 2
    assert client.pauses[4] == 5


def test_every_code_of_the_api_has_its_error(make_client):
    """The test fails when the API has a code without a class in the client."""
    document = (ROOT / "docs" / "openapi.json").read_text()
    codes = {
        code
        for path in json.loads(document)["paths"].values()
        for call in path.values()
        if isinstance(call, dict)
        for answer in call["responses"].values()
        for code in _codes(answer)
    }
    assert {"run_already_active", "stop_failed"} <= codes
    assert codes <= set(PROBLEMS)
    for code, kind in PROBLEMS.items():
        api = FakeApi()
        api.faults = [problem_fault(418, code, more="x")] * 4
        with pytest.raises(kind) as caught:
            make_client(api)("run", "r1")
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


def test_the_error_of_a_busy_chat_has_the_id_of_its_run(make_client):
    api = FakeApi()
    api.faults = [problem_fault(409, "run_already_active", active_run_id="r9")]
    with pytest.raises(RunAlreadyActive) as caught:
        make_client(api)("start", "c1", "Hi")
    assert caught.value.active_run_id == "r9"


def test_an_unknown_code_is_a_problem(make_client):
    api = FakeApi()
    api.faults = [problem_fault(409, "chat_is_asleep", until="noon")]
    with pytest.raises(Problem) as caught:
        make_client(api)("start", "c1", "Hi")
    assert (caught.value.code, caught.value.fields) == ("chat_is_asleep", {"until": "noon"})


def test_the_gateways_own_refusals_are_distinguished(make_client):
    api = FakeApi()
    api.faults = [response_fault(401, '{"message": "Unauthorized"}')]
    with pytest.raises(Unauthorized):
        make_client(api)("run", "r1")
    api.faults = [response_fault(404, '{"message": "Not Found"}')]
    with pytest.raises(BadAnswer, match="404"):
        make_client(api)("run", "r1")
    api.faults = [response_fault(302, "", Location="http://elsewhere.test/")]
    with pytest.raises(BadAnswer, match="302"):
        make_client(api)("run", "r1")
    assert {request.url.host for request in api.requests} == {"api.test"}


@pytest.mark.parametrize("fault", RETRYABLE_FAULTS.values(), ids=RETRYABLE_FAULTS)
def test_a_call_whose_retries_all_fail_is_one_of_two_errors(make_client, fault):
    api = FakeApi()
    api.faults = [fault] * 9
    with pytest.raises((Unreachable, BadAnswer)):
        make_client(api)("run", "r1")
    assert len(api.requests) == 4


class Drip(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An endless body in small chunks, each well within the read timeout. Each chunk advances `clock` by a second."""

    def __init__(self, clock, chunk):
        self.clock, self.chunk = clock, chunk

    def __iter__(self):
        while True:
            self.clock.now += 1
            yield self.chunk

    async def __aiter__(self):
        for chunk in self:
            yield chunk


class Time:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize("chunk", [b" ", b" " * 5_000_000], ids=["slow", "large"])
def test_endless_answers_end_with_an_error(make_client, monkeypatch, chunk):
    """Neither a slow nor a large body blocks the caller for ever or fills its memory."""
    clock = Time()
    monkeypatch.setattr(response_body, "time", clock)
    with pytest.raises(Unreachable):
        make_client(lambda request: httpx.Response(200, stream=Drip(clock, chunk)))("run", "r1")
    assert clock.now <= 4 * (30 + 1)


def test_the_latest_run_of_a_chat_without_runs_is_none(make_client):
    assert make_client(FakeApi())("latest", "none").run is None
    assert make_client(FakeApi())("latest", "c1").run.id == "r1"


def test_lists_are_read_page_by_page_to_their_end(make_client):
    pages = {None: (["a", "b"], "p2"), "p2": ([], "p3"), "p3": (["c"], None)}
    cursors = []

    def api(request):
        cursor = request.url.params.get("cursor")
        cursors.append(cursor)
        ids, after = pages[cursor]
        return httpx.Response(200, json={"runs": [run_body(id=one) for one in ids], "cursor": after})

    assert [run.id for run in make_client(api)("runs", "c1")] == ["a", "b", "c"]
    assert cursors == [None, "p2", "p3"]


def test_lists_end_at_their_limit_and_request_no_more(make_client):
    limits = []

    def api(request):
        limits.append(request.url.params["limit"])
        return httpx.Response(200, json={"runs": [run_body()] * 60, "cursor": f"p{len(limits)}"})

    client = make_client(api)
    assert len(client("runs", "c1", limit=130)) == 130
    assert limits == ["100", "70", "10"]
    assert client("runs", "c1", limit=0) == []


def test_a_list_that_repeats_a_cursor_is_an_error(make_client):
    with pytest.raises(BadAnswer):
        make_client(lambda request: httpx.Response(200, json={"messages": [], "cursor": "again"}))("messages", "c1")


def test_runs_are_read_with_their_times(make_client):
    run = make_client(FakeApi())("run", "r1").run
    assert run.created_at.isoformat() == "2026-11-21T09:10:00+00:00"
    assert (run.ended, run.usage.requests, run.budget.max_steps) == (False, 0, 20)


# ------------------------------------------------------------------ tokens and addresses


def test_a_token_function_is_called_again_when_its_token_has_expired(make_client):
    tokens = []

    def token():
        tokens.append(f"token-{len(tokens)}")
        return tokens[-1]

    def api(request):
        if request.headers["authorization"] != "Bearer token-1":
            return httpx.Response(401, json={"message": "Unauthorized"})
        return httpx.Response(200, json={"run": run_body(), "message": None})

    assert make_client(api, token)("run", "r1").run.id == "r1"
    assert tokens == ["token-0", "token-1"]


def test_a_refused_token_is_not_sent_again(make_client):
    api = FakeApi()
    api.faults = [response_fault(401, '{"message": "Unauthorized"}')] * 2
    with pytest.raises(Unauthorized):
        make_client(api, lambda: TOKEN)("run", "r1")
    assert len(api.requests) == 1


def test_token_may_be_an_async_function():
    import asyncio

    async def token():
        return TOKEN

    async def call():
        async with AsyncOutlive(BASE, token, transport=httpx.MockTransport(FakeApi())) as client:
            return await client.run("r1")

    assert asyncio.run(call()).run.id == "r1"


def test_the_token_is_shown_nowhere(make_client, caplog):
    """Not in the client's repr, in errors and their causes, or in logs of any level."""
    caplog.set_level(1)
    logging.getLogger("httpcore").setLevel(1)
    shown = []
    for fault in [*RETRYABLE_FAULTS.values(), problem_fault(401, "unauthorized"), problem_fault(503, "start_failed")]:
        api = FakeApi()
        api.faults = [fault] * 9
        client = make_client(api)
        shown.append(repr(client.client))
        try:
            client("start", "c1", "Hi")
        except outlive_client.OutliveError as error:
            shown += [repr(error), "".join(traceback.format_exception(error))]
    assert len(shown) > 20
    assert TOKEN not in "".join(shown) + caplog.text


@pytest.mark.parametrize("token", ["", " ", "two words", "new\nline", "t\u00f6ken", "nul\0"])
def test_a_token_that_can_not_be_a_header_is_refused_and_not_shown(make_client, token):
    api = FakeApi()
    with pytest.raises(ValueError, match="token") as caught:
        make_client(api, token)("run", "r1")
    assert not token.strip() or token not in str(caught.value)
    assert api.requests == []


def test_a_token_may_end_with_a_newline(make_client):
    assert make_client(FakeApi(), f"{TOKEN}\n")("run", "r1").run.id == "r1"


@pytest.mark.parametrize("base", ["", "api.test", "ftp://api.test", "http://", "http://[", "http://a.test/?x=1"])
def test_an_invalid_address_is_refused_at_once(make_client, base):
    with pytest.raises(ValueError, match="address"):
        make_client(FakeApi(), base=base)


def test_an_address_with_a_password_is_refused_and_not_shown(make_client):
    """httpx would send it in place of the token."""
    with pytest.raises(ValueError, match="password") as caught:
        make_client(FakeApi(), base="https://ada:hunter2@api.test/base/")
    assert "hunter2" not in str(caught.value)


def test_the_error_names_the_address_when_nothing_answers(make_client):
    api = FakeApi()
    api.faults = [network_fault(httpx.ConnectError)] * 9
    with pytest.raises(Unreachable, match=r"^nothing answers at http://api\.test/base$"):
        make_client(api, base=f" {BASE}/ ")("run", "r1")


def test_a_retried_stop_of_a_chat_never_stops_a_later_run(make_client):
    """[30] The client stops the run that is active now, by its id."""
    api = FakeApi()
    api.faults = [None, None, network_fault(httpx.ReadError)]
    assert make_client(api)("stop_chat", "c1").stopped
    paths = ["/base/chats/c1/queue", "/base/chats/c1/run", *["/base/runs/r1/stop"] * 2]
    assert [request.url.path for request in api.requests] == paths
    idle = FakeApi()
    assert make_client(idle)("stop_chat", "none") == Stopped(stopped=False)
    assert [request.method for request in idle.requests] == ["GET"] * 2


def test_a_stop_of_a_chat_takes_its_queue_back_from_the_end(make_client):
    """[100] None of the runs begins because another one was stopped."""
    api = FakeApi()
    api.queue = [{"run": run_body(id=run_id, status="queued"), "prompt": "x"} for run_id in ("r2", "r3")]
    assert make_client(api)("stop_chat", "c1").run.id == "r1"
    stops = [request.url.path for request in api.requests if request.method == "POST"]
    assert stops == [f"/base/runs/{run_id}/stop" for run_id in ("r3", "r2", "r1")]


def test_a_queue_is_read_with_its_prompts(make_client):
    """[96] In the order in which the runs begin."""
    api = FakeApi()
    api.queue = [{"run": run_body(id="r2", status="queued", queue_position=1), "prompt": "and then?", "new": 1}]
    (queued,) = make_client(api)("queue", "c1")
    assert (queued.run.status, queued.run.queue_position, queued.prompt) == ("queued", 1, "and then?")


def test_a_start_says_what_becomes_of_it_in_a_busy_chat(make_client):
    """[96] [104] And nothing, unless the caller does."""
    api = FakeApi()
    client = make_client(api)
    client("start", "c1", "x", on_busy="enqueue")
    client("start", "c1", "x", on_busy="supersede", supersedes="r1")
    client("start", "c1", "x")
    assert [body_of(request) for request in api.requests] == [
        {"prompt": "x", "on_busy": "enqueue"}, {"prompt": "x", "on_busy": "supersede", "run_id": "r1"}, {"prompt": "x"},
    ]  # fmt: skip


def test_a_wait_of_any_number_of_seconds_is_accepted(make_client):
    """The client rounds it: the API accepts at most three decimals."""
    api = FakeApi(STORY)
    make_client(api)("events", "r1", wait=10 / 3)
    assert api.requests[0].url.params["wait"] == "3.333"


@pytest.mark.parametrize("ident", ["", ".", ".."])
def test_ids_never_lead_to_another_call(make_client, ident):
    api = FakeApi()
    with pytest.raises(ValueError, match="id"):
        make_client(api)("stop_run", ident)
    assert api.requests == []
    make_client(api)("stop_run", "../x?y#z/%2e")
    assert api.requests[0].url.raw_path == b"/base/runs/..%2Fx%3Fy%23z%2F%252e/stop"


def test_an_argument_without_a_json_form_is_refused_before_it_is_sent(make_client):
    api = FakeApi()
    with pytest.raises(ValueError, match="JSON"):
        make_client(api)("start", "c1", "Hi", metadata={"x": object()})
    with pytest.raises(ValueError, match="key"):
        make_client(api)("start", "c1", "Hi", key="a\nb")
    assert api.requests == []


# ------------------------------------------------------------------ both


def test_both_clients_have_the_same_calls():
    """The same names and the same arguments."""

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


def test_errors_can_be_pickled():
    error = outlive_client.errors.problem_from(
        409, {"code": "run_already_active", "detail": "D", "active_run_id": "r9"}
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.active_run_id, str(copy)) == (RunAlreadyActive, "r9", "D")


def test_everything_is_exported_once():
    assert outlive_client.__all__ == sorted(set(outlive_client.__all__), key=lambda name: (name == "message_of", name))
    assert problem(503, "x").status_code == 503


def test_content_that_an_answer_leaves_out_is_made_of_the_parts(make_client):
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
    api.faults = [response_fault(200, json.dumps({"run": run_body(), "message": message}))]
    assert make_client(api)("run", "r1").message.content == "Let me see."
