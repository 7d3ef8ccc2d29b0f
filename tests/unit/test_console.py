"""The console's files, as its function hands them out of its zip."""

import base64
import gzip
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from local.build import own_code
from outlive import agent_names

ROOT = Path(__file__).parents[2]
CONSOLE = ROOT / "console"
FILES = sorted(path.name for path in CONSOLE.iterdir())
SCRIPTS = [name for name in FILES if name.endswith(".js")]
MOST_SENT = 49_000
"""Bytes of everything a first visit loads. A seventh of it are the forms in which a person answers an agent, a twentieth is
for files, and a fortieth for the messages that wait."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """What is in the function's zip."""
    folder = tmp_path_factory.mktemp("zip")
    own_code("console", folder, "here")
    return folder


@pytest.fixture
def app(unpacked, monkeypatch):
    """The function as it starts: `app(NAME="value")` says what its environment holds, and returns its module."""

    def start(**environment):
        for name in ("CONSOLE_ENABLED", "WORKSPACE_CLAIM", "FILES_ORIGIN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("console_app", unpacked / "app.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "console_app", module)
        spec.loader.exec_module(module)
        return module

    return start


def asked(file=None, **headers):
    event = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}
    return event if file is None else {**event, "pathParameters": {"file": file}}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_handed_out_as_what_it_is(app, name):
    answer = app().handler(asked(name), None)
    assert answer["statusCode"] == 200
    assert answer["body"] == (CONSOLE / name).read_text()
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert answer["headers"]["content-type"] == f"{kinds[Path(name).suffix]}; charset=utf-8"


def test_the_page_is_what_an_address_without_a_file_shows(app):
    assert app().handler(asked(), None)["body"] == (CONSOLE / "index.html").read_text()


def test_an_address_with_a_slash_at_its_end_leads_to_the_page(app):
    """What the page refers to would be looked for a folder too deep."""
    answer = app().handler({**asked(), "rawPath": "/stage/console/"}, None)
    assert (answer["statusCode"], answer["headers"]["location"]) == (308, "../console")


@pytest.mark.parametrize("name", ["index.html", "main.js", "nothing.js"])
def test_no_answer_lets_a_page_load_or_become_anything_else(app, name):
    headers = app().handler(asked(name), None)["headers"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = dict(one.split(" ", 1) for one in headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert {name: value for name, value in policy.items() if name.endswith("-src")} == {
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self'",
    }
    rest = ("base-uri", "form-action", "frame-ancestors", "trusted-types")
    assert {policy[name] for name in rest} == {"'none'"}
    assert policy["require-trusted-types-for"] == "'script'"


def test_a_page_gets_files_from_the_bucket_alone(app):
    """[128] Pictures are shown from there, and files are sent there."""
    origin = "https://files.s3.eu-central-1.amazonaws.com"
    policy = app(FILES_ORIGIN=origin).handler(asked(), None)["headers"]["content-security-policy"]
    assert f"img-src 'self' {origin} blob:; connect-src 'self' {origin}; " in policy
    assert policy.count(origin) == 2


def test_a_cached_file_is_not_sent_again(app):
    console = app()
    first = console.handler(asked("main.js"), None)
    tag = first["headers"]["etag"]
    assert first["headers"]["cache-control"] == "no-cache"
    again = console.handler(asked("main.js", if_none_match=f'"other", {tag}'), None)
    assert (again["statusCode"], again["body"], again["headers"]["etag"]) == (304, "", tag)
    assert console.handler(asked("style.css", if_none_match=tag), None)["statusCode"] == 200


def test_who_takes_gzip_gets_the_same_in_less(app):
    answer = app().handler(asked("main.js", accept_encoding="br, gzip"), None)
    assert (answer["isBase64Encoded"], answer["headers"]["content-encoding"]) == (True, "gzip")
    assert gzip.decompress(base64.b64decode(answer["body"])).decode() == (CONSOLE / "main.js").read_text()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "app.py", "../app.py", "..%2fapp.py", "page/index.html", "/etc/passwd", "main.js/", "MAIN.JS"],
)
def test_nothing_but_the_consoles_files_can_be_had(app, name):
    answer = app().handler(asked(name), None)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"


def test_a_console_that_is_off_hands_out_nothing(app):
    console = app(CONSOLE_ENABLED="false")
    for event in (asked(), asked("main.js")):
        answer = console.handler(event, None)
        assert answer["statusCode"] == 404
        assert "switched off" in json.loads(answer["body"])["detail"]


def test_the_page_learns_the_agents_the_default_one_first(app, monkeypatch):
    monkeypatch.setattr(agent_names, "agent_names", lambda: ("accounting", "assistant", "support"))
    page = app().handler(asked(), None)["body"]
    assert '<meta name="agents" content="assistant accounting support">' in page


def test_the_page_learns_which_claim_is_the_workspace(app):
    page = app(WORKSPACE_CLAIM='https://x/"><b').handler(asked(), None)["body"]
    assert '<meta name="workspace-claim" content="https://x/&quot;&gt;&lt;b">' in page


def test_the_function_needs_nothing_but_python_and_the_list_of_agents(unpacked):
    imported = set(re.findall(r"^(?:from|import) ([\w.]+)", (unpacked / "app.py").read_text(), re.MULTILINE))
    assert imported - sys.stdlib_module_names == {"outlive.agent_names"}


# --- the files themselves


def test_a_visit_is_small():
    sent = sum(len(gzip.compress((CONSOLE / name).read_bytes())) for name in FILES)
    assert sent < MOST_SENT


def test_the_page_leads_to_its_own_files_alone_and_to_all_of_them():
    """Relative to `/console`, so that it works under any base path."""
    page = (CONSOLE / "index.html").read_text()
    led = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert led == {f"console/{name}" for name in FILES if name != "index.html"}
    assert not re.search(r"<style|style=|<script>|\son\w+=", page)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_its_neighbours_and_no_text_becomes_markup(name):
    text = (CONSOLE / name).read_text()
    assert {one.removeprefix("./") for one in re.findall(r'from "([^"]+)"', text)} <= set(SCRIPTS)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|import\(", text)


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_no_other_host(name):
    text = (CONSOLE / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://\w", text)
