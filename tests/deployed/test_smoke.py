"""`make smoke`: proves a deployment from outside, or reports its fault in one sentence."""

import subprocess
import time
from typing import Any

import pytest

from local import smoke
from local.messages import UserError
from local.smoke import Answer, Deployment
from proof.stacks.deployed import PYTHON, ROOT

FROM_OUTSIDE = ["make", "-s", "smoke", f"PYTHON='{PYTHON}'"]


def test_a_deployment_that_works_is_proven_in_less_than_a_minute(stack):
    """With an address and a token, and nothing else."""
    made = subprocess.run(
        [*FROM_OUTSIDE, f"BASE={stack.url}", f"TOKEN={stack.token()}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert [line.split()[0] for line in made.stdout.splitlines()] == ["ok"] * 6 + [stack.url]
    assert made.stdout.endswith(" works\n")


def test_a_wrong_address_or_token_is_reported(stack, monkeypatch):
    """A wrong address, no server, a token that is none, without a workspace or of another issuer, and none at all."""
    for base, token, wrong in (
        (stack.url, "x", "TOKEN is refused"),
        (stack.url, stack.token(workspace_id=None), "claim workspace_id"),
        (stack.url, stack.token(aud="other"), "TOKEN is refused"),
        (f"{stack.endpoint}/nowhere", stack.token(), "not the address of an Outlive API"),
        ("http://127.0.0.1:1", stack.token(), "BASE does not answer"),
        ("", "x", "BASE must be"),
        (stack.url, "", "TOKEN must be"),
    ):
        monkeypatch.setenv("BASE", base)
        monkeypatch.setenv("TOKEN", token)
        assert wrong in sentence(smoke.main)


def sentence(what: Any) -> str:
    """The text that the user reads."""
    with pytest.raises(UserError) as found:
        what()
    said = str(found.value)
    assert "\n" not in said
    assert len(said) < 400
    return said


RUN = {"id": "r", "status": "pending", "error": None, "finished_at": None, "step_count": 0}
FAILED = {**RUN, "status": "failed", "error": {"code": "model_rejected", "message": "the key was refused"}}


@pytest.mark.parametrize(
    ("answers", "wrong"),
    [
        ({"start": Answer(202, {"run": RUN}, {})}, "without a valid token; take it off the network"),
        ({"POST": Answer(503, {"detail": "try again"}, {})}, "could not be started: status 503, try again; the log of the start"),
        ({"POST": Answer(403, {"message": "Forbidden"}, {})}, "a required scope is missing"),
        ({"files": Answer(500, None, {})}, "no file could be uploaded: status 500; the log of the file function"),
        ({"events": Answer(200, {"cursor": "c", "events": [{"run": RUN}]}, {})}, "no worker began it"),
        ({"events": Answer(500, None, {})}, "could not be followed: status 500"),
        ({"ended": {"run": FAILED}}, "ended failed: model_rejected, the key was refused"),
        ({"stop": Answer(500, None, {})}, "could not be stopped: status 500; the log of the stop"),
        ({"messages": Answer(200, {"messages": []}, {})}, "the answer of its run is not in it"),
    ],
)  # fmt: skip
def test_a_fault_inside_is_reported_with_where_to_look(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], wrong: str
) -> None:
    """Of a deployment that answers, but not as it should."""
    done = {**RUN, "status": "succeeded", "finished_at": "now", "step_count": 1}
    asked: list[str] = []

    def call(self: Deployment, method: str, path: str, body: object = None, token: str | None = None) -> Answer:
        asked.append(path)
        if len(asked) == 1:
            return answers.get("start", Answer(401, None, {}))
        if path.endswith("/files"):
            return answers.get("files", Answer(422, {}, {}))
        if path.endswith("/stop"):
            return answers.get("stop", Answer(200, {"stopped": True}, {}))
        if method == "POST":
            return answers.get("POST", Answer(202, {"run": RUN}, {}))
        if "/events" in path:
            if "events" in answers:
                self.deadline -= 30  # as if it had waited
                return answers["events"]
            run = answers.get("ended", {"run": done})
            return Answer(204, None, {}) if "after" in path else Answer(200, {"cursor": "c", "events": [run]}, {})
        if path.endswith("/messages"):
            return answers["messages"] if "messages" in answers else Answer(200, {"messages": []}, {})
        return Answer(200, {"run": {**done, "status": "aborted"}}, {})

    monkeypatch.setattr(Deployment, "call", call)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert wrong in sentence(lambda: smoke.check("https://api", "token"))
