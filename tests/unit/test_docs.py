"""What is written about the code stays true of it."""

import gzip
import json
import re
import shutil
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from docs.generator import answers, calls, openapi, template
from engine import errors as engine_errors
from engine import offline
from outlive.errors import Problem, RouteNotFound
from outlive.run_error import RunErrorCode
from outlive.settings import Settings
from tests.handlers import conftest as handlers

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
}
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "clients").glob("*/*.md"))]
PARAMETERS = {one.name: one for group in template.parameters(template.read()).values() for one in group}

# The handlers, as their own tests have them.
cloud, environment, started = handlers.cloud, handlers.environment, handlers.started
memory, stack = handlers.memory, handlers.stack


@pytest.fixture
def project(tmp_path):
    """A copy of what the documents are made of, to be changed."""
    for name in ("docs", "shared", "functions", "events", "local"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("template.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def generate(project, *arguments):
    """What docs/generator/generate.py says, and its exit code."""
    done = subprocess.run(
        [sys.executable, project / "docs" / "generator" / "generate.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_docs_are_as_the_code_says():
    assert generate(ROOT, "--check") == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("shared/outlive/lifecycle.py", '"extends the lease, progress"', '"extends it"', "docs/lifecycle.md"),
        ("shared/outlive/views.py", "    chat_id: str\n    status", "    chat: str\n    status", "docs/openapi.json"),
        ("shared/outlive/request.py", "MAX_LIMIT = 100", "MAX_LIMIT = 99", "docs/openapi.json"),
        ("functions/stop/app.py", "problems=[StopFailed]", "problems=[]", "docs/api.md"),
        ("template.yaml", "    Default: 600", "    Default: 601", "docs/settings.md"),
        ("shared/outlive/store/rows.py", "| TICKET#<hash>        |", "| TICKET#<token>       |", "docs/table.md"),
        ("docs/openapi.json", '"title": "Outlive"', '"title": "Inlive"', "docs/openapi.json"),
    ],
    ids=lambda value: value.rpartition("/")[2] if "/" in value or "." in value else "",
)
def test_docs_that_differ_from_the_code_are_one_sentence_and_a_failure(project, file, old, new, stale):
    change(project / file, old, new)
    if "views" in file:
        change(project / file, "        chat_id=run.chat_id,\n", "        chat=run.chat_id,\n")
    before = (project / stale).read_text()
    code, output = generate(project, "--check")
    assert code == 1
    assert output.startswith("outlive: ")
    assert output.count("\n") == 1
    assert stale in output
    assert (project / stale).read_text() == before


def test_docs_are_in_order_once_they_were_written_anew(project):
    change(project / "shared/outlive/lifecycle.py", '"extends the lease, progress"', '"extends it"')
    assert generate(project) == (0, "wrote docs/lifecycle.md\n")
    assert generate(project, "--check") == (0, "")
    assert "| extends it |" in (project / "docs" / "lifecycle.md").read_text()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("template.yaml", 'Method: GET, Path: "/runs/{run_id}"', 'Method: GET, Path: "/run/{run_id}"'),
        ("functions/read/app.py", '@api.get("/runs/<run_id>"', '@api.post("/runs/<run_id>"'),
        ("functions/read/app.py", "def one_run(", "def a_run("),
        ("docs/settings.md", "<!-- generated: settings -->", ""),
    ],
)
def test_docs_that_can_not_be_made_are_one_sentence_and_a_failure(project, file, old, new):
    change(project / file, old, new)
    code, output = generate(project, "--check")
    assert code == 1
    assert output.startswith("outlive: ")
    assert output.count("\n") == 1


def test_openapi_document_is_valid():
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate(DOCUMENT)


def test_every_problem_of_the_code_is_answered_by_some_call():
    """Each problem is declared by some route."""
    known = {kind for call in answers.calls() for kind in call.problems}
    # The gateway knows its routes: a function is never asked for one it doesn't have.
    assert known == set(calls.PROBLEMS.values()) - {Problem, RouteNotFound}


ANSWERS = {"run_not_found", "invalid_request", "not_waiting", "answered_otherwise", "answer_failed"}


def test_each_call_answers_with_the_problems_it_was_promised_to():
    """As they were agreed on, call by call; every call may also answer 401 and 500."""
    everywhere = {"unauthorized", "internal_error"}
    codes = {
        name: {
            code
            for answer in operation["responses"].values()
            for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
        }
        for name, operation in OPERATIONS.items()
    }
    assert codes == {
        "start_run": everywhere
        | {
            "run_already_active",
            "idempotency_key_reused",
            "chat_not_found",
            "runs_disabled",
            "model_not_configured",
            "queue_full",
        }
        | {"start_failed", "invalid_request", "unknown_agent", "prompt_too_long", "too_many_requests"},
        "latest_run": everywhere | {"invalid_request", "read_failed"},
        "one_run": everywhere | {"run_not_found", "read_failed"},
        "answer_calls": everywhere | ANSWERS,
        "stop_chat": everywhere | {"invalid_request", "stop_failed"},
        "stop_run": everywhere | {"stop_failed"},
        "list_messages": everywhere | {"invalid_request", "read_failed"},
        "chat_queue": everywhere | {"invalid_request", "read_failed"},
        "list_runs": everywhere | {"invalid_request", "read_failed"},
        "upload_file": everywhere | {"chat_not_found", "invalid_request", "read_failed"},
        "download_file": everywhere | {"file_not_found", "invalid_request", "read_failed"},
        "run_events": everywhere | {"run_not_found", "invalid_request", "read_failed", "too_many_requests"},
        "open_ticket": everywhere | {"run_not_found", "read_failed"},
        "ticket_events": {"ticket_expired", "internal_error", "run_not_found", "invalid_request", "read_failed"}
        | {"too_many_requests"},
        "send_message": everywhere
        | {
            "run_already_active",
            "idempotency_key_reused",
            "chat_not_found",
            "runs_disabled",
            "model_not_configured",
            "queue_full",
        }
        | {"start_failed", "invalid_request", "unknown_agent", "prompt_too_long", "too_many_requests"}
        | ANSWERS,
        "chat_stream": everywhere | {"invalid_request", "read_failed", "too_many_requests"},
    }


def strict(schema):
    """The schema with nothing let through that it doesn't name."""
    if isinstance(schema, list):
        return [strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(inner) for name, inner in schema.items()}
    return {**closed, "additionalProperties": False} if "properties" in schema and schema.get("type") else closed


COMPONENTS = strict(DOCUMENT["components"])


def fits(value, schema):
    """Assert that `value` is what `schema` says, times and all, with no field that the document doesn't name."""
    checker = Draft202012Validator.FORMAT_CHECKER
    assert "date-time" in checker.checkers
    # The components stand where the schema's references look for them.
    Draft202012Validator({**schema, "components": COMPONENTS}, format_checker=checker).validate(value)


def frames_fit(stream, schema):
    """Assert the same of each event of a stream, and of the JSON in it."""
    data = COMPONENTS["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]["data"]
    for frame in openapi.frames_of(stream):
        fits(frame, schema)
        if frame["data"] != "[DONE]":
            fits(json.loads(frame["data"]), data.get("anyOf", [data])[0]["contentSchema"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_openapi_examples_are_what_their_schemas_say(name):
    operation = OPERATIONS[name]
    contents = [answer["content"] for answer in operation["responses"].values() if "content" in answer]
    contents += [operation["requestBody"]["content"]] if "requestBody" in operation else []
    for content in contents:
        for about in content.values():
            values = [about["example"]] if "example" in about else [one["value"] for one in about["examples"].values()]
            assert values
            for value in values:
                fits(value, about["schema"])


def test_openapi_says_what_the_handlers_answer(stack):
    """Real answers, good and bad, have exactly the fields of the document, and its types."""

    def call(name, method, path, *arguments, **options):
        got = stack.call(method, path, *arguments, **options)
        if got.status == 204:
            assert "content" not in OPERATIONS[name]["responses"]["204"]
            return got
        kind = got.headers["content-type"]
        content = OPERATIONS[name]["responses"][str(got.status)]["content"][kind]
        if kind == "text/event-stream":
            frames_fit(got.body, content["schema"])
        else:
            fits(got.body, content["schema"])
        if "headers" in OPERATIONS[name]["responses"][str(got.status)]:
            for header, about in OPERATIONS[name]["responses"][str(got.status)]["headers"].items():
                if about.get("required") or header.lower() in got.headers:
                    fits(got.headers[header.lower()], about["schema"])
        return got

    runs, key = "/chats/chat-1/runs", {"Idempotency-Key": "key"}
    script = [
        {"reasoning": "Hm.", "text": "Let me see. ", "tools": [["clock", {}], ["calculate", {"expression": "1/0"}]]},
        {"text": "There."},
    ]
    asked = {"prompt": "#script " + json.dumps(script), "budget": {"max_steps": 5}, "metadata": {"page": [1, None]}}
    fits(asked, {"$ref": "#/components/schemas/Start"})
    run = call("start_run", "POST", runs, asked, headers=key).body["run"]
    assert call("start_run", "POST", runs, asked, headers=key).headers["idempotency-replayed"] == "true"
    assert call("start_run", "POST", runs, {"prompt": "other"}, headers=key).status == 409
    assert call("start_run", "POST", runs, {"prompt": "other"}).body["active_run_id"] == run["id"]
    assert call("start_run", "POST", runs, {"prompt": "mine"}, user="eve").status == 404
    assert call("start_run", "POST", runs, {"prompt": " "}).status == 422
    assert call("start_run", "POST", runs, {"prompt": "x" * 32_769}).status == 413
    assert call("start_run", "POST", runs, {"prompt": "x"}, claims={"sub": "ada"}).status == 401
    assert call("one_run", "GET", f"/runs/{run['id']}").body["run"]["status"] == "pending"
    stack.deliver(stack.take())
    assert call("latest_run", "GET", "/chats/chat-1/run").body["message"]["status"] == "streaming"
    stack.work()
    assert call("latest_run", "GET", "/chats/chat-1/run").body["run"]["status"] == "succeeded"
    assert call("latest_run", "GET", "/chats/none/run").body == {"run": None, "message": None}
    assert call("one_run", "GET", "/runs/none").status == 404
    upload = {"name": "a.txt", "media_type": "text/plain", "size": 5}
    fits(upload, {"$ref": "#/components/schemas/Upload"})
    assert call("upload_file", "POST", "/chats/chat-1/files", upload).status == 201
    assert call("upload_file", "POST", "/chats/chat-1/files", {**upload, "size": 0}).status == 422
    assert call("upload_file", "POST", "/chats/chat-1/files", upload, user="eve").status == 404
    file = f"/chats/chat-1/files/{stack.upload(b'hello', 'text/plain')}"
    assert call("download_file", "GET", file, headers={"Accept": "application/json"}).status == 200
    assert call("download_file", "GET", file, headers={"Accept": "*/*"}).status == 302
    assert call("download_file", "GET", "/chats/chat-1/files/none").status == 404
    assert call("stop_run", "POST", f"/runs/{run['id']}/stop").body["stopped"] is False
    events = call("run_events", "GET", f"/runs/{run['id']}/events").body
    assert {event["type"] for event in events["events"]} >= {
        "run",
        "step",
        "text",
        "tool-call",
        "tool-result",
        "settled",
    }
    assert call("run_events", "GET", f"/runs/{run['id']}/events", query={"after": events["cursor"]}).status == 204
    assert call("run_events", "GET", f"/runs/{run['id']}/events", query={"after": "x"}).status == 422
    assert call("run_events", "GET", "/runs/none/events").status == 404
    call("run_events", "GET", f"/runs/{run['id']}/events", headers={"Accept": "text/event-stream"})
    ticket = call("open_ticket", "POST", f"/runs/{run['id']}/ticket").body["ticket"]
    assert call("ticket_events", "GET", f"/tickets/{ticket}/events").body == events
    assert call("ticket_events", "GET", "/tickets/none/events").status == 401
    assert call("open_ticket", "POST", "/runs/none/ticket").status == 404
    output = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}
    sent = {"id": "chat-9", "messages": [output]}
    fits(sent, {"$ref": "#/components/schemas/ChatMessage"})
    assert call("send_message", "POST", "/api/chat", sent, query={"wait": "0"}).status == 200
    assert call("send_message", "POST", "/api/chat", {"id": "chat-9"}).status == 422
    assert call("chat_stream", "GET", "/api/chat/chat-9/stream", query={"wait": "0"}).status == 200
    assert call("chat_stream", "GET", "/api/chat/none/stream").status == 204
    stack.work()
    failing = stack.script("chat-1", {"error": "permanent"}).body["run"]
    stack.work()
    assert call("one_run", "GET", f"/runs/{failing['id']}").body["run"]["error"] is not None
    stack.begin("chat-1")
    assert call("stop_chat", "POST", "/chats/chat-1/stop").body["stopped"] is True
    assert call("stop_chat", "POST", "/chats/chat-1/stop").body == {"stopped": False, "run": None}
    page = call("list_messages", "GET", "/chats/chat-1/messages", query={"limit": "1"}).body
    assert call("list_messages", "GET", "/chats/chat-1/messages", query={"cursor": page["cursor"]}).body["messages"]
    assert call("list_messages", "GET", "/chats/chat-1/messages", query={"limit": "0"}).status == 422
    assert len(call("list_runs", "GET", runs).body["runs"]) == 3
    stack.faults.refuse("GetItem", times=20)
    assert call("latest_run", "GET", "/chats/chat-1/run").status == 503
    assert call("stop_chat", "POST", "/chats/chat-1/stop").status == 503
    assert call("start_run", "POST", runs, {"prompt": "other"}).status == 503


def test_every_setting_of_the_code_has_a_parameter_with_the_same_default():
    """What docs/settings.md says of a setting holds for the template and for the code alike."""
    variables = {one.variable: one for one in PARAMETERS.values()}
    # What the template or the build makes, not what its user chooses.
    made = {"table_name", "queue_url", "files_bucket", "agents"}
    for setting in fields(Settings):
        if setting.name in made:
            continue
        assert setting.name.upper() in variables, f"{setting.name} can't be set"
        default = variables[setting.name.upper()].default
        if setting.name != "agent_model":  # without one the code refuses starts; the template has the stand-in
            assert setting.default is not MISSING
            assert type(setting.default)(
                json.loads(default) if default and default[0] in "0123456789tf" else default
            ) == (setting.default)


def anchors(page):
    """Every anchor that a link can lead to in the page: its headings, and what it marks by hand."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(
        re.findall(r'<a id="([^"]+)">', text)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_lead_to_files_and_headings_that_exist(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("http"):
            file, _, anchor = target.partition("#")
            there = page.parent / file if file else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_name_only_commands_and_settings_that_exist(page):
    """Every `make …` is in the Makefile, every setting in capitals exists."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ |\()(?:[A-Z_]+=\S+ )*make (?:-s )?([a-z-]+)", page.read_text())) <= targets
    given = set(re.findall(r"\b([A-Z][A-Z_]{3,})=", page.read_text()))
    known = {one.variable for one in PARAMETERS.values()}
    runners = {
        "PORT",
        "STATE",
        "AUTH",
        "WORKSPACE",
        "USER",
        "ARGS",
        "PYTHON",
        "UPGRADE",
        "CHROMIUM",
        "SCRIPT",
        "PYTHONPATH",
    }
    assert given <= known | runners | {"BASE", "TOKEN", "OPENAI_API_KEY", "OUTLIVE_URL", "OUTLIVE_TOKEN", "PATH"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_refer_to_files_that_exist(page):
    """Paths in code type, such as `agents/assistant.py`."""
    for path in re.findall(
        r"`((?:agents|functions|shared|local|clients|tests|proof|events|docs|bench|console|requirements)/[^`]*)`",
        page.read_text(),
    ):
        if not re.search(r"[<*]", path):
            assert (ROOT / path).exists() or (ROOT / f"{path}.py").exists(), path


def test_readme_is_at_most_12_kb():
    """It is where a reader begins; everything else has a page of its own."""
    assert (ROOT / "README.md").stat().st_size <= 12 * 1024


def test_docs_state_how_large_the_console_is():
    """The figures of docs/console.md are those of the page, compressed as it is sent."""
    stated = re.search(r"some (\d+) KB as sent, in (\d+) scripts", (ROOT / "docs" / "console.md").read_text())
    assert stated is not None
    files = [file for file in (ROOT / "console").iterdir() if file.is_file()]
    assert int(stated[2]) == len([file for file in files if file.suffix == ".js"])
    sent = sum(len(gzip.compress(file.read_bytes())) for file in files) / 1000
    assert abs(int(stated[1]) - sent) < 3


def test_site_shows_every_page():
    shown = set(re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert shown == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_ci_runs_the_checks_and_every_test_without_a_secret():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"run: (make \w+)$", workflow, re.MULTILINE) == ["make check", "make test"]
    assert "secrets" not in workflow
    assert all(re.fullmatch(r"v[0-9]+", version) for version in re.findall(r"uses: [\w/-]+@(\S+)", workflow))


def test_dependencies_and_only_they_are_explained():
    """docs/decisions.md has a word on everything that requirements/*.in ask for."""
    asked = set()
    for file in (ROOT / "requirements").glob("*.in"):
        for line in file.read_text().splitlines():
            if line and not line.startswith(("#", "-r")):
                asked.add(re.split(r"[\[=<>]", line)[0])
    explained = re.findall(r"^\| `([a-z0-9-]+)`", (ROOT / "docs" / "decisions.md").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(asked)


def test_scripts_in_the_docs_can_be_played():
    """Each script in docs/offline.md is one the offline model obeys."""
    scripts = re.findall(r"```text\n(#script .*?)```", (ROOT / "docs" / "offline.md").read_text(), re.DOTALL)
    assert scripts
    for script in scripts:
        inner = offline.script_in(script)
        assert inner is not None
        assert offline.parse(inner, {"clock", "calculate", "wait"})


def test_docs_name_every_field_of_a_script():
    page = (ROOT / "docs" / "offline.md").read_text()
    # There is no `until` but where tests make room for it.
    known = {one.name for one in fields(offline.Entry)} - {"until"}
    assert set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)) == known


def test_docs_explain_every_code_a_run_may_end_with():
    """Their table is generated from the codes, so each permanent error of the agent must be one of them."""
    permanent = {code for _, kind, code in engine_errors.KINDS if kind == "permanent"}
    assert permanent <= set(RunErrorCode)
    page = (ROOT / "docs" / "api.md").read_text()
    assert {code for code in RunErrorCode if f"| `{code}` | " not in page} == set()
