"""What each command sends, prints and returns, in this process against a fake API."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from outlive_client.address import VERSION
from outlive_client.command import exits, outlive

from .fake_api import BASE, TOKEN, FakeApi, network_fault, numbered, problem, response_fault, run_body
from .test_watch import STORY, STORY_IDS

ROOT = Path(__file__).parents[2]
ENDED = run_body(
    status="succeeded",
    step_count=2,
    finish_reason="stop",
    usage={
        "input_tokens": 1,
        "output_tokens": 2,
        "requests": 2,
        "cache_read_tokens": 3,
        "cache_write_tokens": 4,
        "cost_usd": 0.01,
    },
    finished_at="2026-11-21T09:11:05.250Z",
)
ANSWER = {
    "id": "r1-answer",
    "chat_id": "c1",
    "run_id": "r1",
    "role": "assistant",
    "status": "completed",
    "content": "Let me see.Done.",
    "parts": [
        {"type": "step-start"},
        {"type": "reasoning", "text": "Hm."},
        {"type": "text", "text": "Let me see."},
        {"type": "tool-clock", "toolCallId": "t1", "state": "output-available", "input": {}, "output": {"at": 1}},
        {"type": "tool-x", "toolCallId": "t2", "state": "output-error", "input": [1], "errorText": "No."},
        {"type": "step-start"},
        {"type": "text", "text": "Done."},
        {"type": "file", "mediaType": "image/png", "url": "https://files.test/a.png"},
    ],
    "metadata": {"error": None, "finish_reason": "stop", "usage": None},
    "created_at": "2026-11-21T09:10:00.000Z",
    "updated_at": "2026-11-21T09:11:00.000Z",
    "colour": "blue",
}
ESCAPES = "\x1b]0;owned\x07 \x1b[2J \x9b31m \x7f \x00 \u202etxet\u2066 \r gone \x1bP+q\x1b\\"


def api_with(*events, end="succeeded", **run):
    settled = {"type": "settled", "run": {**ENDED, "status": end, **run}}
    return FakeApi(numbered({"type": "run", "run": run_body()}, *events, settled))


# ------------------------------------------------------------------ start and watch


def test_start_shows_the_run_and_ends_with_it(command):
    done = command(FakeApi(STORY), "start", "c1", "Hi")
    assert done.code == 0
    assert done.out.splitlines() == [
        "(reasoning) Hm.",
        "Let me ",
        "↻ step 0 starts again (attempt 2): its output above is void",
        "Let me see.",
        "→ clock {}",
        "← clock 1",
        "",
        "Done.",
    ]
    assert done.err.splitlines() == [
        "run r1 in chat c1: pending",
        "run r1 in chat c1: running",
        "succeeded after 0 steps, 0 model requests",
    ]


def test_start_sends_its_options(command):
    api = FakeApi()
    done = command(
        api,
        "start",
        "c1",
        "Hi",
        "--detach",
        "--agent",
        "support",
        "--max-steps",
        "3",
        "--metadata",
        '{"a": [1]}',
        "--key",
        "k",
        "--json",
    )
    assert json.loads(api.requests[0].content) == {
        "prompt": "Hi", "agent": "support", "budget": {"max_steps": 3}, "metadata": {"a": [1]},
    }  # fmt: skip
    assert done.lines[0]["key"] == api.requests[0].headers["idempotency-key"] == "k"
    assert (done.code, done.lines[0]["replayed"], done.lines[0]["run"]["id"]) == (0, False, "r1")


def test_start_detached_prints_the_id_alone(command):
    done = command(FakeApi(), "start", "c1", "Hi", "--detach")
    assert (done.code, done.out, done.err) == (0, "r1\n", "")


@pytest.mark.parametrize(("sent", "prompt"), [(b"Hi\n", "Hi"), ("Gr\u00fc\u00dfe\n\n".encode(), "Gr\u00fc\u00dfe\n")])
def test_prompt_may_come_from_standard_input(command, monkeypatch, tmp_path, sent, prompt):
    file = tmp_path / "prompt"
    file.write_bytes(sent)
    api = FakeApi()
    with file.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert command(api, "start", "c1", "-", "--detach").code == 0
    assert json.loads(api.requests[0].content) == {"prompt": prompt}


@pytest.mark.parametrize(("end", "code"), [("succeeded", 0), ("failed", 1), ("aborted", 3)])
def test_exit_code_of_a_watched_run_is_its_end(command, end, code):
    error = {"code": "tool_failed", "message": "It\nbroke."} if end == "failed" else None
    done = command(api_with(end=end, error=error), "watch", "r1")
    assert done.code == code
    assert done.err.splitlines()[-1].startswith("failed: It broke. (tool_failed)" if error else f"{end} after 2 steps")
    assert command(api_with(end=end), "watch", "r1", "--json").code == code


def test_watching_an_ended_run_from_its_end_shows_how_it_ended(command):
    api = FakeApi(STORY)
    api.answer = lambda request, answer=api.answer: (
        answer(request) if request.url.path.endswith("/events") else httpx.Response(200, json={"run": ENDED})
    )
    done = command(api, "watch", "r1", "--after", STORY_IDS[-1])
    assert (done.code, done.out) == (0, "")
    assert done.err == "succeeded after 2 steps, 2 model requests, 1:05 min\n"


def test_watch_by_chat_watches_its_latest_run(command):
    api = FakeApi(STORY)
    assert command(api, "watch", "--chat", "c1").code == 0
    assert [request.url.path for request in api.requests] == ["/base/chats/c1/run", "/base/runs/r1/events"]
    done = command(FakeApi(), "watch", "--chat", "none")
    assert (done.code, done.out, done.err) == (4, "", "outlive: you have no run in chat none\n")


def test_watch_resumes_after_the_given_event(command):
    done = command(FakeApi(STORY), "watch", "r1", "--after", STORY_IDS[-4], "--json")
    assert [event["id"] for event in done.lines] == STORY_IDS[-3:]


def test_a_line_says_that_a_discarded_steps_output_is_void(command):
    done = command(
        api_with({"type": "text", "step": 0, "text": "Hal"}, {"type": "step", "step": 0, "state": "discarded"}),
        "watch",
        "r1",
    )
    assert done.out.splitlines() == ["Hal", "✗ step 0 was cut off: its output above is void"]


def test_resuming_in_a_restarted_step_says_that_its_output_is_void(command):
    """Its earlier output was shown by another command."""
    api = FakeApi(STORY)
    restart = next(event["id"] for event in STORY if event.get("attempt") == 2)
    done = command(api, "watch", "r1", "--after", STORY_IDS[STORY_IDS.index(restart) - 1])
    assert done.err.splitlines()[0] == "step 0 started: its earlier output is void"
    assert "void" not in command(api, "watch", "r1", "--after", STORY_IDS[1]).err


def test_a_step_that_restarts_before_any_output_shows_no_line(command):
    steps = [{"type": "step", "step": 0, "state": "started", "attempt": n} for n in (1, 2)]
    assert command(api_with(*steps, {"type": "text", "step": 0, "text": "Hi"}), "watch", "r1").out == "Hi\n"


def test_a_stop_request_is_shown(command):
    done = command(api_with({"type": "run", "run": run_body(stop_requested_at="2026-11-21T09:10:01Z")}), "watch", "r1")
    assert "run r1 in chat c1: running, stop requested" in done.err


def test_a_run_that_waits_for_its_provider_says_so(command):
    retrying = {"code": "model_rate_limited", "message": "Slow down.", "since": "2026-11-21T09:10:01Z"}
    done = command(api_with({"type": "run", "run": run_body(retrying=retrying)}), "watch", "r1")
    assert "run r1 in chat c1: running, waiting for the model's provider (model_rate_limited)" in done.err
    shown = command(listing(run=run_body(retrying=retrying), message=None), "show", "r1").out
    assert "waiting for the model's provider: model_rate_limited: Slow down." in shown


def test_a_watch_that_loses_the_api_says_how_to_resume(command):
    api = FakeApi(STORY, window_size=5)
    api.faults = [None] + [network_fault(httpx.ConnectError)] * 12
    done = command(api, "watch", "r1")
    assert done.code == 7
    assert (
        f"nothing answers at {BASE}; the run goes on, watch the rest: outlive watch r1 --after {STORY_IDS[3]}\n"
        in done.err
    )


def test_tool_calls_and_results_stay_lines(command):
    call = {"step": 0, "tool_call_id": "t", "tool_name": "x"}
    done = command(
        api_with(
            {"type": "tool-call", **call, "input": {"a": "b\nc"}},
            {"type": "tool-result", **call, "state": "output-available", "output": "one\ntwo"},
            {"type": "tool-result", **call, "state": "output-error", "error_text": "no\nway"},
            {"type": "part", "step": 0, "part": {"type": "source-url", "url": "https://x.test", "title": "X"}},
            {"type": "part", "step": 0, "part": {"type": "data-output", "data": {"name": "Ulm"}}},
        ),
        "watch",
        "r1",
    )
    assert done.out.splitlines() == [
        '→ x {"a": "b\\nc"}',
        "← x one two",
        "✗ x: no way",
        "+ source-url X",
        '= {"name": "Ulm"}',
    ]


# ------------------------------------------------------------------ stop, ls, show, messages


def test_stop_prints_its_result(command):
    done = command(FakeApi(), "stop", "r1")
    assert (done.code, done.out) == (0, "run r1 will be aborted\n")
    api = FakeApi()
    api.faults = [
        None,
        None,
        response_fault(200, json.dumps({"stopped": True, "run": run_body(status="aborted")})),
        response_fault(200, json.dumps({"stopped": False, "run": ENDED})),
    ]
    assert command(api, "stop", "--chat", "c1").out == "run r1 is aborted\n"
    done = command(api, "stop", "r1")
    assert (done.code, done.out) == (0, "run r1 had already ended: succeeded\n")
    done = command(api, "stop", "--chat", "none")
    assert (done.code, done.out, done.err) == (4, "", "outlive: no run is active in chat none\n")
    done = command(api, "stop", "--chat", "none", "--json")
    assert (done.code, done.lines, done.err) == (4, [{"stopped": False, "run": None}], "")


def listing(**pages):
    return lambda request: httpx.Response(200, json=pages)


def test_ls_separates_columns_by_tabs(command):
    failed = run_body(id="r2", status="failed", error={"code": "stale", "message": "?"})
    done = command(listing(runs=[ENDED, failed], cursor=None), "ls", "c1")
    assert [line.split("\t") for line in done.out.splitlines()] == [
        ["RUN", "STATUS", "STEPS", "STARTED", "TOOK", "WHY"],
        ["r1", "succeeded", "2", "2026-11-21T09:10:00.000Z", "1:05 min", "stop"],
        ["r2", "failed", "0", "2026-11-21T09:10:00.000Z", "", "stale"],
    ]
    assert len(command(listing(runs=[ENDED] * 30, cursor=None), "ls", "c1").out.splitlines()) == 21
    assert (
        len(command(listing(runs=[ENDED] * 30, cursor=None), "ls", "c1", "--limit", "2", "--json").lines[0]["runs"])
        == 2
    )
    done = command(listing(runs=[], cursor=None), "ls", "c1")
    assert (done.code, done.out, done.err) == (0, "", "you have no run in chat c1\n")


def test_show_and_messages_print_the_messages(command):
    message_lines = [
        "assistant  2026-11-21T09:10:00.000Z  completed",
        "(reasoning) Hm.",
        "Let me see.",
        "→ clock {}",
        '← clock {"at": 1}',
        "→ x [1]",
        "✗ x: No.",
        "Done.",
        "+ file https://files.test/a.png",
    ]
    assert command(listing(messages=[ANSWER], cursor=None), "messages", "c1").out.splitlines() == message_lines
    assert command(listing(run=ENDED, message=ANSWER), "show", "r1").out.splitlines() == [
        "run r1 in chat c1",
        "succeeded after 2 steps, 2 model requests, 1:05 min",
        "created 2026-11-21T09:10:00.000Z",
        "finished 2026-11-21T09:11:05.250Z",
        "",
        *message_lines,
    ]
    assert command(listing(run=run_body(), message=None), "show", "r1").code == 0


def test_json_is_what_the_api_sends(command):
    """The same names and time format; only fields that the client does not support are missing."""
    shown = command(listing(run=ENDED, message=ANSWER), "show", "r1", "--json").lines[0]
    expected = {name: value for name, value in ENDED.items() if name != "mood"}
    expected["budget"] = {"max_steps": 20}
    assert shown["run"] == expected
    assert shown["message"] == {name: value for name, value in ANSWER.items() if name != "colour"}
    assert command(listing(messages=[ANSWER], cursor=None), "messages", "c1", "--json").lines == [
        {"messages": [shown["message"]]}
    ]
    events = command(FakeApi(STORY), "start", "c1", "Hi", "--json")
    assert [event["type"] for event in events.lines[:4]] == ["run", "run", "step", "text"]
    assert (events.lines[3]["text"], events.lines[3]["at"]) == ("Hm.", "2026-11-21T09:10:01.500Z")
    assert events.err == ""


# ------------------------------------------------------------------ errors and exit codes


@pytest.mark.parametrize(
    ("status", "code", "fields", "exit_code", "sentence"),
    [
        (409, "run_already_active", {"active_run_id": "r9"}, 5, "the chat has an active run: outlive watch r9 shows it, outlive stop r9 ends it"),
        (409, "idempotency_key_reused", {}, 5, "this key belongs to another request; use a new key or none"),
        (404, "chat_not_found", {}, 4, "D"),
        (401, "unauthorized", {}, 6, "the API refused the token: D"),
        (422, "invalid_request", {"field": "prompt"}, 2, "D"),
        (413, "prompt_too_long", {}, 2, "D"),
        (403, "runs_disabled", {}, 8, "the API refused the call or failed: D (runs_disabled)"),
        (503, "model_not_configured", {}, 8, "the API refused the call or failed: D (model_not_configured)"),
        (503, "start_failed", {}, 8, "the API refused the call or failed: D (start_failed)"),
        (500, "internal_error", {}, 8, "the API refused the call or failed: D (internal_error)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_refusal_is_one_sentence_and_one_exit_code(command, status, code, fields, exit_code, sentence, form):
    done = command(lambda request: problem(status, code, **fields), "start", "c1", "Hi", *form)
    assert (done.code, done.out, done.err) == (exit_code, "", f"outlive: {sentence}\n")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (network_fault(httpx.ConnectError), f"nothing answers at {BASE}"),
        (network_fault(httpx.ReadTimeout), f"{BASE} did not answer in time"),
        (network_fault(httpx.RemoteProtocolError), f"the connection to {BASE} broke off"),
        (response_fault(200, "<html>"), "the answer does not have the API's format; is this the address of an Outlive API?"),
        (response_fault(404, '{"message": "Not Found"}'), "the answer is an HTTP 404 that is not the API's; is this the address of an Outlive API?"),
    ],
)  # fmt: skip
def test_an_api_out_of_reach_is_exit_code_7(command, fault, sentence):
    done = command(fault, "ls", "c1")
    assert (done.code, done.out, done.err) == (7, "", f"outlive: {sentence}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["start", "c1"],
        ["start", "c1", "Hi", "--max-steps", "0"],
        ["start", "c1", "Hi", "--metadata", "[1]"],
        ["start", "c1", "Hi", "--metadata", "{"],
        ["start", "c1", "Hi", "--key", "a\nb"],
        ["watch"],
        ["watch", "r1", "--chat", "c1"],
        ["watch", ".."],
        ["stop"],
        ["ls", "c1", "--limit", "0"],
        ["ls", "c1", "--nonsense"],
        ["nonsense"],
        ["--url", "nowhere", "ls", "c1"],
        ["ls", "c1", "--url", ""],
        ["ls", "c1", "--token", ""],
        ["ls", "c1", "--token", "two words"],
        ["completion", "tcsh"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_one_sentence_and_exit_code_2(command, arguments):
    api = FakeApi()
    done = command(api, *arguments)
    assert (done.code, done.out, api.requests) == (2, "", [])
    assert re.fullmatch(r"outlive: .+\n", done.err)


@pytest.mark.parametrize("name", ["OUTLIVE_URL", "OUTLIVE_TOKEN"])
def test_a_missing_setting_is_named(command, monkeypatch, name):
    monkeypatch.delenv(name)
    done = command(FakeApi(), "ls", "c1")
    assert (done.code, done.out) == (2, "")
    assert name in done.err


@pytest.mark.parametrize(
    "arguments",
    [["--url", "http://b.test", "ls", "c1"], ["ls", "c1", "--url", "http://b.test"], ["--url", "x", "ls", "c1", "--url", "http://b.test"]],
)  # fmt: skip
def test_options_may_come_before_or_after_the_name_and_override_the_environment(command, arguments):
    hosts = []

    def api(request):
        hosts.append(request.url.host)
        return httpx.Response(200, json={"runs": [], "cursor": None})

    assert command(api, *arguments, "--json").lines == [{"runs": []}]
    assert command(api, "--json", *arguments).lines == [{"runs": []}]
    assert set(hosts) == {"b.test"}


def test_an_unexpected_error_has_an_exit_code_of_its_own(command):
    def api(request):
        raise ZeroDivisionError("oh")

    done = command(api, "watch", "r1")
    assert (done.code, done.out) == (70, "")
    assert done.err == "outlive: this is a bug in the command: ZeroDivisionError: oh\n"


def test_an_interrupted_start_says_how_to_show_the_run(command):
    def api(request):
        raise KeyboardInterrupt

    done = command(api, "start", "c1", "Hi", "--key", "k1")
    assert (done.code, done.out) == (130, "")
    assert "--key k1" in done.err


def test_detaching_says_how_to_watch_again_and_how_to_stop(command):
    def leave(request):
        raise KeyboardInterrupt

    for form in ([], ["--json"]):
        api = FakeApi(STORY, window_size=5)
        api.faults = [None, None, leave]
        done = command(api, "start", "c1", "Hi", *form)
        assert done.code == 130
        assert done.err.splitlines()[-4:] == [
            "detached: run r1 goes on",
            "  watch it again:   outlive watch r1",
            f"  watch the rest:   outlive watch r1 --after {STORY_IDS[3]}",
            "  stop the run:     outlive stop r1",
        ]


# ------------------------------------------------------------------ control sequences

CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def hostile(where):
    """An API that puts control sequences into every text it sends."""
    call = {"step": 0, "tool_call_id": "t", "tool_name": f"x{ESCAPES}"}
    run = run_body(
        id=f"r{ESCAPES}", chat_id=f"c{ESCAPES}", error={"code": f"e{ESCAPES}", "message": ESCAPES}, status="failed"
    )
    parts = [
        {"type": "text", "text": ESCAPES},
        {"type": "reasoning", "text": ESCAPES},
        {"type": f"tool-x{ESCAPES}", "state": "output-available", "input": ESCAPES, "output": [ESCAPES]},
        {"type": "tool-y", "state": "output-error", "errorText": ESCAPES},
        {"type": f"file{ESCAPES}", "url": ESCAPES},
    ]
    message = {**ANSWER, "parts": parts, "role": f"assistant{ESCAPES}", "content": ESCAPES}
    if where == "refusal":
        return lambda request: httpx.Response(418, json={"code": f"c{ESCAPES}", "detail": ESCAPES})
    if where == "busy":
        return lambda request: problem(409, "run_already_active", active_run_id=ESCAPES)
    if where == "events":
        return FakeApi(
            numbered(
                {"type": "run", "run": run},
                *(
                    {"type": "text", "step": 0, "kind": kind, "text": ESCAPES}
                    for kind in ("text", "reasoning", ESCAPES)
                ),
                {"type": "tool-call", **call, "input": {ESCAPES: ESCAPES}},
                {"type": "tool-result", **call, "state": "output-available", "output": ESCAPES},
                {"type": "tool-result", **call, "state": "output-error", "error_text": ESCAPES},
                {"type": "part", "step": 0, "part": parts[-1]},
                {"type": "settled", "run": run},
            )
        )
    return listing(runs=[run], messages=[message], run=run, message=message, cursor=None, stopped=True)


@pytest.mark.parametrize(
    ("where", "arguments"),
    [
        ("events", ["watch", "r1"]),
        ("lists", ["show", "r1"]),
        ("lists", ["messages", "c1"]),
        ("lists", ["ls", "c1"]),
        ("lists", ["stop", "r1"]),
        ("refusal", ["ls", "c1"]),
        ("busy", ["start", "c1", "Hi"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_no_control_character_reaches_the_output(command, where, arguments, form):
    """Not from text, tools, errors, ids or names. JSON output still holds the original text."""
    done = command(hostile(where), *arguments, *form)
    assert CONTROL_CHARACTERS.findall(done.out + done.err) == []
    assert "\\u001b[2J" in done.out + done.err
    if form and where in {"events", "lists"}:
        assert any(ESCAPES in text for text in texts_in(done.lines))


def texts_in(value):
    match value:
        case dict():
            return [text for one in (*value, *value.values()) for text in texts_in(one)]
        case list():
            return [text for one in value for text in texts_in(one)]
    return [str(value)]


# ------------------------------------------------------------------ help, completion, package


@pytest.mark.parametrize("name", sorted(outlive.outlive.commands))
def test_help_of_every_command_has_examples(command, name):
    done = command(FakeApi(), name, "--help")
    assert done.code == 0
    assert f"Usage: outlive {name}" in done.out
    assert "Examples:" in done.out
    for example in re.findall(r"outlive (\S+)", done.out.partition("Examples:")[2]):
        assert example in outlive.outlive.commands or ".fish" in example or '"' in example


def test_help_lists_every_exit_code(command):
    listed = re.findall(r"^ +(\d+)  ", command(FakeApi(), "--help").out.partition("Exit codes:")[2], re.MULTILINE)
    assert [int(code) for code in listed] == sorted(exits.Exit)
    page = (ROOT / "docs" / "command-line.md").read_text()
    assert [int(code) for code in re.findall(r"^\| `(\d+)` \|", page, re.MULTILINE)] == sorted(exits.Exit)


def test_docs_list_every_command():
    page = (ROOT / "docs" / "command-line.md").read_text()
    assert set(re.findall(r"^\| `outlive (\w+)", page, re.MULTILINE)) == set(outlive.outlive.commands)


def test_token_of_the_environment_is_not_in_the_help(command):
    assert TOKEN not in command(FakeApi(), "--help").out + command(FakeApi(), "ls", "--help").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_every_shell(command, shell):
    done = command(FakeApi(), "completion", shell)
    assert done.code == 0
    assert f"_OUTLIVE_COMPLETE={shell}_complete" in done.out


def test_version_is_the_packages_own():
    assert f'version = "{VERSION}"' in (ROOT / "clients" / "python" / "pyproject.toml").read_text()


def test_the_client_alone_needs_neither_click_nor_rich_and_the_command_names_the_missing_extra():
    """The client imports without the extra's packages, and the command names the extra."""
    code = (
        "import sys; sys.modules.update(click=None, rich=None);"
        "import outlive_client; from outlive_client.command import main; sys.exit(main())"
    )
    env = {"PYTHONPATH": str(ROOT / "clients" / "python" / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr == "outlive: the command's packages are missing; install outlive-client[command]\n"


def test_a_start_may_wait_and_says_so(command):
    """[96] The place stands above what the run shows."""
    api = api_with()
    api.faults = [lambda _: httpx.Response(202, json={"run": run_body(status="queued", queue_position=2)})]
    done = command(api, "start", "c1", "x", "--on-busy", "enqueue")
    assert done.code == 0
    assert json.loads(api.requests[0].content) == {"prompt": "x", "on_busy": "enqueue"}
    assert "run r1 waits in chat c1, place 2" in done.err + done.out


def test_a_start_may_supersede_one_run(command):
    """[104] It names the run, and can't also say something else."""
    api = api_with()
    assert command(api, "start", "c1", "x", "--supersede", "r0").code == 0
    assert json.loads(api.requests[0].content) == {"prompt": "x", "on_busy": "supersede", "run_id": "r0"}
    assert command(api, "start", "c1", "x", "--supersede", "r0", "--on-busy", "steer").code == 2


def test_queue_lists_who_waits(command):
    """[96] With their prompts, as a table or as JSON."""
    api = FakeApi()
    assert "no run waits in chat c1" in command(api, "queue", "c1").err
    api.queue = [{"run": run_body(id="r2", status="queued"), "prompt": "and\nthen?"}]
    assert "r2" in command(api, "queue", "c1").out
    assert json.loads(command(api, "queue", "c1", "--json").out)["queue"][0]["prompt"] == "and\nthen?"
