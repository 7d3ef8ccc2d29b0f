"""The promises of the local stack itself."""

import json
import os
import signal
import socket
import subprocess

import pytest

from proof.stacks.deployed import PATIENCE, PYTHON, ROOT, Stack, until
from proof.stacks.ports import reserved


@pytest.fixture
def own(tmp_path):
    """A stack for one test alone."""
    stack = Stack(tmp_path / "state")
    yield stack
    stack.stop()


def test_a_run_goes_from_start_to_finish(stack, chat):
    started = stack.call("POST", f"/chats/{chat}/runs", {"prompt": "hello"})
    assert started.status == 202
    run = started.body["run"]
    seen = until(lambda: stack.call("GET", f"/runs/{run['id']}").body, lambda body: body["run"]["finished_at"])
    assert (seen["run"]["status"], seen["message"]["status"]) == ("succeeded", "completed")


def test_state_and_queued_messages_survive_a_clean_stop(own, chat):
    own.start()
    script = [{"text": "one", "tools": [["clock", {}]]}, {"text": "a long answer", "seconds": 600}]
    run = own.call("POST", f"/chats/{chat}/runs", {"prompt": f"#script {json.dumps(script)}"}).body["run"]
    until(lambda: own.call("GET", f"/runs/{run['id']}").body["run"]["step_count"], lambda steps: steps == 1)
    token, url = own.token(), own.url
    assert own.stop(signal.SIGTERM) == 0
    own.start()
    assert own.url == url
    kept = own.call("GET", f"/runs/{run['id']}", token=token)
    assert (kept.status, kept.body["run"]["step_count"]) == (200, 1)
    assert own.queued() == 1


def test_nothing_is_left_running_after_ctrl_c(own, chat):
    own.start()
    script = [{"text": "a long answer", "seconds": 600}]
    run = own.call("POST", f"/chats/{chat}/runs", {"prompt": f"#script {json.dumps(script)}"}).body["run"]
    until(lambda: own.call("GET", f"/runs/{run['id']}").body["run"]["status"], lambda status: status == "running")
    assert own.workers("Step")
    own.stop()
    until(lambda: own.workers("Step") + own.workers("Start") + own.workers("Read"), lambda pids: not pids)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", own.port)) != 0


def test_a_runner_that_is_killed_takes_everything_with_it(own):
    own.start()
    own.stop(signal.SIGKILL)
    with socket.socket() as probe:
        until(lambda: probe.connect_ex(("127.0.0.1", own.port)), lambda refused: refused != 0)
    until(lambda: own.workers("Step") + own.workers("Start"), lambda pids: not pids)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PORT": "{taken}"}, "port {taken} is not free"),
        ({"PORT": "many"}, "PORT must be a number"),
        ({"STATE": "{state}"}, "another local stack already runs on"),
        ({"RUNS_ENABLED": "maybe"}, "RUNS_ENABLED must be one of true, false"),
    ],
)
def test_an_error_is_one_sentence(stack, tmp_path, settings, sentence):
    known = {"taken": str(stack.port), "state": str(stack.state)}
    env = os.environ | {"STATE": str(tmp_path)}
    with reserved() as free:
        env |= {"PORT": str(free)} | {name: value.format(**known) for name, value in settings.items()}
        done = subprocess.run(
            [PYTHON, "-m", "local.serve"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if not line.endswith("…")]
    assert sentence.format(**known) in line


def test_make_token_prints_a_token_and_nothing_else(stack):
    env = os.environ | {"STATE": str(stack.state), "PORT": str(stack.port), "WORKSPACE": "acme", "USER": "ada"}
    done = subprocess.run(
        [PYTHON, "-m", "local.token"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stderr == ""
    assert len(done.stdout.split()) == 1
    assert stack.call("GET", "/chats/any/run", token=done.stdout.strip()).status == 200


def test_a_page_of_an_allowed_origin_may_call(stack):
    answer = stack.call("OPTIONS", "/chats/any/runs", token=None, headers={"Origin": "https://app.example"})
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]


def test_what_the_emulator_passes_over_is_set_all_the_same(stack):
    function = stack.outputs["StepFunction"]
    assert stack.client("lambda").get_function_recursion_config(FunctionName=function)["RecursiveLoop"] == "Allow"
    ttl = stack.client("dynamodb").describe_time_to_live(TableName=stack.outputs["TableName"])
    assert ttl["TimeToLiveDescription"] == {"AttributeName": "expires_at", "TimeToLiveStatus": "ENABLED"}
