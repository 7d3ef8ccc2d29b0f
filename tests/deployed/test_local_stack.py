"""The promises of the local stack itself."""

import json
import os
import signal
import socket
import subprocess

import pytest

from proof.stacks.deployed import PATIENCE, PYTHON, ROOT, Stack, until
from proof.stacks.ports import reserved


def test_a_run_goes_from_start_to_finish(stack, chat):
    started = stack.call("POST", f"/chats/{chat}/runs", {"prompt": "hello"})
    assert started.status == 202
    run = started.body["run"]
    seen = until(lambda: stack.call("GET", f"/runs/{run['id']}").body, lambda body: body["run"]["finished_at"])
    assert (seen["run"]["status"], seen["message"]["status"]) == ("succeeded", "completed")


def nothing_is_left(own: Stack) -> None:
    """Neither a worker nor a server on its port."""
    until(lambda: [pid for name in ("Step", "Start", "Read") for pid in own.workers(name)], lambda pids: not pids)
    with socket.socket() as probe:
        until(lambda: probe.connect_ex(("127.0.0.1", own.port)), lambda refused: refused != 0)


def test_a_stack_ends_as_a_whole_and_keeps_its_state(tmp_path, chat):
    """Nothing is left running after Ctrl-C, or after a runner that was killed. State and queued messages survive a clean
    stop."""
    own = Stack(tmp_path / "state")
    try:
        own.start()
        script = [{"text": "one", "tools": [["clock", {}]]}, {"text": "a long answer", "seconds": 600}]
        run = own.call("POST", f"/chats/{chat}/runs", {"prompt": f"#script {json.dumps(script)}"}).body["run"]
        until(lambda: own.row(run, "claimed_step")["claimed_step"], lambda step: step == "1")
        assert own.workers("Step")
        token, url = own.token(), own.url
        assert own.stop() == 0
        nothing_is_left(own)
        own.start()
        assert own.url == url
        kept = own.call("GET", f"/runs/{run['id']}", token=token)
        assert (kept.status, kept.body["run"]["step_count"]) == (200, 1)
        assert own.queued() == 1
        own.stop(signal.SIGKILL)
        nothing_is_left(own)
    finally:
        own.stop()


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
