"""What goes into a zip, and that the same content is the same zip."""

import io
import os
import re
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import build, identity, state
from local.build import GROUP, own_code
from local.messages import UserError, run_main
from local.zips import zipped

ROOT = Path(__file__).parents[2]


def required(group):
    return set(re.findall(r"^([a-z0-9_.-]+)==", (ROOT / "requirements" / f"{group}.txt").read_text(), re.MULTILINE))


def test_all_functions_but_three_are_light():
    assert [name for name, group in GROUP.items() if group == "step"] == ["step"]
    assert [name for name, group in GROUP.items() if group is None] == ["console"]
    assert [name for name, group in GROUP.items() if group == "stream"] == ["stream"]
    assert {group for group in GROUP.values() if group} == {"light", "step", "stream"}
    assert {path.name for path in (ROOT / "functions").iterdir() if path.is_dir()} >= set(GROUP)


def test_the_light_functions_carry_neither_the_agent_library_nor_what_it_brings():
    assert not {name for name in required("light") if name.startswith(("pydantic", "openai", "anthropic", "boto3"))}
    assert required("step") >= required("light")


def git(tree, *arguments):
    who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    done = subprocess.run(["git", "-C", tree, *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_no_commit_holds_the_answers_of_a_guided_deployment(tmp_path):
    """[81] `sam deploy --guided` writes them into samconfig.toml after the build, also where there is no git."""
    committed = (ROOT / "samconfig.toml").read_text()
    assert "default.deploy" not in committed
    subprocess.run(["make", "-s", "-f", ROOT / "Makefile", "answers-stay"], cwd=tmp_path, check=True)
    git(tmp_path, "init")
    (tmp_path / "samconfig.toml").write_text(committed)
    git(tmp_path, "add", "samconfig.toml")
    git(tmp_path, "commit", "-m", "as it comes")
    subprocess.run(["make", "-s", "-f", ROOT / "Makefile", "answers-stay"], cwd=tmp_path, check=True)
    with (tmp_path / "samconfig.toml").open("a") as config:
        config.write('[default.deploy.parameters]\nparameter_overrides = "JwtIssuer=https://login.example.com/"\n')
    (tmp_path / "more").write_text("more")
    git(tmp_path, "add", "--all")
    assert git(tmp_path, "status", "--porcelain") == "A  more\n"


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "requirements").glob("*.txt")))
def test_requirements_are_pinned_by_hash_and_name_no_address(file):
    text = (ROOT / "requirements" / file).read_text()
    pins = re.findall(r"^[a-z0-9_.-]+(?:\[[a-z0-9_,-]+\])?==\S+", text, re.MULTILINE)
    assert pins
    assert len(pins) == len(re.findall(r"==[^\n]*\\\n    --hash=sha256:", text))
    assert not re.search(r"https?:|--(?:index|extra-index|find-links)", text)


def test_a_rebuilt_file_makes_the_same_zip(tmp_path):
    (tmp_path / "app.py").write_text("handler = 1\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "data").write_bytes(b"\0")
    first = zipped(tmp_path)
    os.utime(tmp_path / "app.py", (1_000_000_000, 1_000_000_000))
    assert zipped(tmp_path) == first
    (tmp_path / "app.py").write_text("handler = 2\n")
    assert zipped(tmp_path)[1] != first[1]
    assert zipfile.ZipFile(io.BytesIO(first[0])).namelist() == ["app.py", "inner/data"]


@pytest.mark.parametrize(("name", "file"), [("Console", "app.py"), ("Shared", "python/outlive/step.py")])
def test_sam_build_names_a_function_or_the_layer_as_the_template_does(tmp_path, monkeypatch, capsys, name, file):
    monkeypatch.setattr(sys, "argv", ["build.py", name, str(tmp_path)])
    assert build.main() == 0
    assert (tmp_path / file).is_file()
    assert capsys.readouterr().out.startswith(f"{name}: ")


def test_a_build_of_an_unknown_function_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["build.py", "Nothing", str(tmp_path)])
    with pytest.raises(UserError, match="no function or layer Nothing"):
        build.main()


def test_what_tools_leave_behind_is_not_shipped(tmp_path):
    own_code("start", tmp_path, "here")
    shipped = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert "app.py" in shipped
    assert not [name for name in shipped if name.startswith(".") or "_cache/" in name]


def test_the_zip_of_the_step_function_and_no_other_has_the_agents(tmp_path):
    own_code("step", tmp_path / "step", "here")
    own_code("start", tmp_path / "start", "here")
    assert (tmp_path / "step" / "agents" / "assistant.py").is_file()
    assert not (tmp_path / "start" / "agents").exists()


def test_the_packages_of_the_agents_are_part_of_the_step_functions(tmp_path, monkeypatch):
    """A package added to agents/requirements.txt makes another folder of packages, of which both files are installed."""
    calls = []
    (tmp_path / "agents").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "step.txt").write_text("a==1\n")
    (tmp_path / "agents" / "requirements.txt").write_text("")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "AGENTS", tmp_path / "agents")
    monkeypatch.setattr(build, "_compile", lambda *_, **__: None)
    monkeypatch.setattr(build, "_install", lambda files, to, _: (calls.append(files), to.mkdir(parents=True)))
    before = build.packages("step", "here")
    assert build.packages("step", "here") == before
    (tmp_path / "agents" / "requirements.txt").write_text("b==2\n")
    assert build.packages("step", "here") != before
    assert calls == [[tmp_path / "requirements" / "step.txt", tmp_path / "agents" / "requirements.txt"]] * 2


def test_two_builds_at_once_install_the_packages_once(tmp_path, monkeypatch):
    """The second waits for the first, also where each test process builds on its own."""
    calls = []
    second = threading.Event()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "light.txt").write_text("a==1\n")

    def install(_files, to, _platform):
        calls.append(to)
        if len(calls) == 2:
            second.set()
        second.wait(0.5)
        to.mkdir(parents=True)

    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "_install", install)
    monkeypatch.setattr(build, "_compile", lambda *_, **__: None)
    monkeypatch.setattr(build, "_drop_unused_services", lambda _: None)
    with ThreadPoolExecutor() as pool:
        folders = set(pool.map(lambda _: build.packages("light", "here"), range(2)))
    assert len(folders) == len(calls) == 1


def test_a_key_is_made_once_and_is_for_its_owner_alone(tmp_path):
    first = identity.key(tmp_path / "state").private_numbers()
    assert identity.key(tmp_path / "state").private_numbers() == first
    assert (tmp_path / "state" / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_state_folder_belongs_to_one_stack_and_one_port(tmp_path):
    lock = state.claim(tmp_path, 4566)
    with pytest.raises(UserError, match="already runs"):
        state.claim(tmp_path, 4566)
    lock.close()
    state.claim(tmp_path, 4567).close()
    state.bind(tmp_path, 4566)
    with pytest.raises(UserError, match="made on port 4566"):
        state.claim(tmp_path, 4567)


@pytest.mark.parametrize("value", ["0", "65536", "-1", "4566 ", "¼", "x"])
def test_a_port_is_a_port(value, monkeypatch):
    monkeypatch.setenv("PORT", value)
    with pytest.raises(UserError, match="PORT must be a number"):
        state.port()


def test_a_build_without_byte_code_says_so(tmp_path, monkeypatch, capsys):
    """And how to get it; with a Python 3.13 it says nothing."""
    monkeypatch.setattr(sys, "argv", ["build.py", "Console", str(tmp_path)])
    for python, lines in ((None, 2), (sys.executable, 1)):
        monkeypatch.setattr(build, "_python_313", lambda python=python: python)
        assert build.main() == 0
        out = capsys.readouterr().out
        assert out.count("\n") == lines
        assert (build.NO_BYTE_CODE in out) == (python is None)


def test_an_error_is_one_line_and_no_traceback(capsys):
    def fail():
        raise UserError("the sun is down")

    assert run_main(fail) == 1
    assert capsys.readouterr().err == "outlive: the sun is down\n"
    assert run_main(lambda: 1 // 0) == 1
    assert capsys.readouterr().err.count("\n") == 1
