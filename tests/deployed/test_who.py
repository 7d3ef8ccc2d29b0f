"""Access with real tokens: workspace and user come from the token alone."""

import base64
import json
import time
from typing import Any
from urllib.parse import unquote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local import identity
from proof.stacks.deployed import Stack

from .runs import begin, ended, new_chat, outcome, running, script, seen, shape, stop, transcript

CALLS = [
    ("POST", "/chats/{chat}/runs"),
    ("POST", "/chats/{chat}/stop"),
    ("POST", "/runs/{run}/stop"),
    ("GET", "/chats/{chat}/run"),
    ("GET", "/runs/{run}"),
    ("GET", "/chats/{chat}/messages"),
    ("GET", "/chats/{chat}/runs"),
]
LONG = {"text": "and so on ", "repeat": 100, "seconds": 600}


def call(stack: Stack, which: tuple[str, str], chat: str, run: str, token: str | None) -> Any:
    method, path = which
    body = {"prompt": script({"text": "x"})} if path.endswith("/runs") and method == "POST" else None
    return stack.call(method, path.format(chat=chat, run=run), body, token=token)


def signed(
    stack: Stack, key: Any = None, algorithm: str = "RS256", kid: str | None = identity.KEY_ID, **claims: Any
) -> str:
    said = jwt.decode(stack.token(), options={"verify_signature": False}) | claims
    headers = {"kid": kid} if kid else None
    return jwt.encode(said, key if key is not None else identity.key(stack.state), algorithm=algorithm, headers=headers)


def changed(stack: Stack) -> str:
    """A valid token whose claims were changed after it was signed."""
    head, said, signature = stack.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(said + "==")) | {"workspace_id": "other"}
    return ".".join([head, base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), signature])


BAD_TOKENS = {
    "none": lambda stack: None,
    "garbage": lambda stack: "garbage",
    "three dots": lambda stack: "a.b.c",
    "expired": lambda stack: stack.token(exp=int(time.time()) - 60),
    "not yet valid": lambda stack: stack.token(nbf=int(time.time()) + 3600),
    "wrong audience": lambda stack: stack.token(aud="somebody else"),
    "no audience": lambda stack: stack.token(aud=None),
    "wrong issuer": lambda stack: stack.token(iss="https://issuer.example"),
    "no issuer": lambda stack: stack.token(iss=None),
    "alg none": lambda stack: signed(stack, "", "none"),
    "another key": lambda stack: signed(stack, rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "a shared secret": lambda stack: signed(stack, "x" * 32, "HS256"),
    "an unknown key's name": lambda stack: signed(stack, kid="other"),
    "changed after signing": changed,
    "cut": lambda stack: stack.token()[:-20],
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_bad_token_is_401_everywhere_and_does_nothing(stack, make):
    """[48] The gateway refuses it; no function is invoked."""
    chat, token = new_chat(), make(stack)
    for which in CALLS:
        answer = call(stack, which, chat, "any", token)
        assert answer.status == 401
        assert set(answer.body) == {"message"}
    assert stack.items(f"acme#{chat}") == []


@pytest.mark.parametrize(
    "claims",
    [{"workspace_id": None}, {"workspace_id": ""}, {"workspace_id": "w" * 257}, {"workspace_id": "a\0b"},
     {"sub": None}, {"sub": ""}, {"sub": "u" * 257}],
    ids=lambda claims: ascii(claims)[:40],
)  # fmt: skip
def test_a_valid_token_that_does_not_say_who_is_401(stack, claims):
    """[48] Workspace and user must be strings of 1 to 256 characters."""
    token = stack.token(**claims) if "sub" in claims else stack.token(claims["workspace_id"] or "w", **claims)
    for which in CALLS:
        answer = call(stack, which, "any", "any", signed(stack, **claims) if None not in claims.values() else token)
        assert (answer.status, answer.body.get("code", "unauthorized")) == (401, "unauthorized")


@pytest.mark.together
def test_another_user_and_another_workspace_see_and_change_nothing(stack):
    """[48] [49] Every call answers as for unknown ids, and no body contains the owner's ids."""
    chat = new_chat()
    run = begin(stack, LONG, chat=chat, headers={"Idempotency-Key": "hers"})
    running(stack, run)
    for token in (stack.token(user="bob"), stack.token("other", "bob")):
        for which in CALLS[1:]:
            foreign, never = call(stack, which, chat, run["id"], token), call(stack, which, "never", "never", token)
            assert (foreign.status, foreign.body) == (never.status, never.body)
            assert run["id"] not in json.dumps(foreign.body)
    headers = {"Idempotency-Key": "hers"}
    said = {"prompt": script(LONG)}
    foreign = stack.call("POST", f"/chats/{chat}/runs", said, token=stack.token(user="bob"), headers=headers)
    assert (foreign.status, foreign.body["code"]) == (404, "chat_not_found")
    assert (run["id"] in json.dumps(foreign.body), "ada" in json.dumps(foreign.body)) == (False, False)

    elsewhere = stack.token("other")
    theirs = stack.call("POST", f"/chats/{chat}/runs", said, token=elsewhere, headers=headers)
    assert (theirs.status, theirs.body["run"]["id"] == run["id"]) == (202, False)
    assert stack.call("POST", f"/chats/{chat}/stop", token=elsewhere).body["run"]["id"] == theirs.body["run"]["id"]
    now = seen(stack, run)["run"]
    assert (now["status"], now["stop_requested_at"]) == ("running", None)
    assert shape(transcript(stack, chat)) == [("user", "completed"), ("assistant", "streaming")]
    assert stop(stack, run)["stopped"]
    assert outcome(ended(stack, theirs.body["run"], "other", token=elsewhere)["run"])[0] == "aborted"


@pytest.mark.together
@pytest.mark.parametrize(
    "workspace",
    ["Мастерская", "東京 \U0001f5fc", "a#b/c?d=e&f", 'say "hi" \\ {$}', "ж" * 256],
)
def test_a_workspace_may_have_any_name(stack, workspace):
    """[48] A name that means something in a key or a group id works like any other."""
    token, chat = stack.token(workspace, workspace), new_chat()
    run = begin(stack, {"text": "a ", "tools": [["clock", {}]]}, {"text": "b"}, chat=chat, token=token)
    done = ended(stack, run, workspace, token=token)
    assert (outcome(done["run"]), done["message"]["content"]) == (("succeeded", "stop", None), "a b")
    assert done["run"]["created_by"] == workspace
    for name in ("runs", "messages"):
        page = stack.call("GET", f"/chats/{chat}/{name}?limit=1", token=token).body
        assert len(page[name]) == 1
    long = begin(stack, LONG, chat=chat, token=token)
    assert stop(stack, long, token=token)["stopped"]
    assert outcome(ended(stack, long, workspace, token=token)["run"]) == ("aborted", "aborted", None)


@pytest.mark.together
def test_no_id_reaches_into_another_workspace(stack):
    """[48] Keys are injective: workspaces and ids whose concatenations are equal stay apart."""
    outer, inner = "collide", "collide#chat"
    run = begin(stack, LONG, chat="x:y", token=stack.token(outer))
    for workspace, chat, run_id in (
        (inner, "x:y", run["id"]),
        ("collide#x:y", "CHAT", run["id"]),
        ("collide#x", "y", f"y%23{run['id']}"),
        ("collid", "e%23x:y", f"e%23{run['id']}"),
        ("", "collide%23x:y", f"collide%23{run['id']}"),
        ("collide", "x:y%23MSG", f"{run['id']}%23RUN"),
        ("collide", "x:y%00", f"{run['id']}%00"),
        ("collide", "x%3Ay%2F", f"..%2F{run['id']}"),
        ("collide", "X:Y", run["id"].upper()),
        ("collide ", "x:y", run["id"]),
        (" collide", "x:y", run["id"]),
        ("Collide", "x:y", run["id"]),
    ):
        token = stack.token(workspace)
        for which in CALLS[1:]:
            answer = call(stack, which, chat, run_id, token)
            assert answer.status in {200, 401, 404, 422}, answer
            assert run["id"] not in json.dumps(answer.body)
            assert answer.body.get("stopped") in {None, False}
    now = seen(stack, run, token=stack.token(outer))["run"]
    assert (now["status"] in {"pending", "running"}, now["stop_requested_at"]) == (True, None)
    twin = begin(stack, LONG, chat="x:y", token=stack.token(inner))
    assert twin["id"] != run["id"]
    for workspace, one in ((outer, run), (inner, twin)):
        assert stop(stack, one, token=stack.token(workspace))["run"]["id"] == one["id"]
        assert ended(stack, one, workspace, token=stack.token(workspace))["run"]["status"] == "aborted"


@pytest.mark.parametrize("run_id", ["a%23b", "%2523", "%00", "x" * 129, "%F0%9F%98%80", "..", "RUN", "a%20b"])
def test_what_is_no_run_id_is_no_run(stack, run_id):
    """[57] Reads answer 404, and a stop answers `false`."""
    assert stack.call("GET", f"/runs/{run_id}").status == 404
    answer = stack.call("POST", f"/runs/{run_id}/stop")
    assert (answer.status, answer.body) == (200, {"stopped": False, "run": None})


@pytest.mark.parametrize("chat", ["a:b", "a%3Ab", "A.b_c:d-e", "%41%2Eb%5Fc:d%2De"])
def test_a_chat_id_arrives_as_itself_however_it_is_encoded(stack: Stack, chat: str) -> None:
    """Every character that a chat id may hold means itself in an address, percent-encoded or not."""
    path = f"/chats/{chat}-{new_chat()}"
    answer = stack.call("POST", f"{path}/runs", {"prompt": "hello"})
    assert (answer.status, answer.body["run"]["chat_id"]) == (202, unquote(path.removeprefix("/chats/")))
    assert stack.call("GET", f"{path}/run").body["run"]["id"] == answer.body["run"]["id"]
    assert stack.call("POST", f"{path}/stop").status == 200
