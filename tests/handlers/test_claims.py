"""What a token may claim, at both doors: behind the API's gateway, and at the streaming function's own address."""

import asyncio
import base64
import importlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from outlive.errors import Unauthorized
from proof.stacks.handlers import ROOT, Answer, Stack

ISSUER, AUDIENCE = "https://issuer.test", "outlive"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k", "use": "sig", "alg": "RS256"}
MISSING = object()

WRONG: dict[str, Any] = {
    "missing": MISSING, "null": None, "infinity": float("inf"),
    "not a number": float("nan"), "a long number": 10**400, "true": True, "false": False, "an empty list": [],
    "a list": ["ada"], "two groups": ["staff", "admins"], "a list of objects": [{"a": 1}], "a list of lists": [["ada"]], "an object": {"a": 1},
    "an object with a name": {"sub": "ada"}, "empty": "", "10 KB": "x" * 10_000, "NUL": "a\x00", "only NUL": "\x00",
    "half a character": "\ud800", "the other half": "a\udfff", "the text of a list": "[ada]", "the text of an object": "map[a:1]",
}  # fmt: skip
NUMBERS = {"zero": 0, "a number": 7, "a negative number": -7, "a fraction": 7.5, "a large number": 2**53}
FINE = NUMBERS | {
    "brackets inside": "a[b]",
    "map": "map",
    "#": "a#b",
    "a space": " ",
    "script": "<script>",
    "another alphabet": "Ада",
    "256 characters": "x" * 256,
}


def at_the_gateway(value: Any) -> Any:
    """A claim as an HTTP API hands it to a function: always a text, a list as `[a b]` and an object as `map[a:b]`."""
    match value:
        case bool() | int() | float() | None:
            return json.dumps(value)
        case list():
            return f"[{' '.join(map(str, map(at_the_gateway, value)))}]"
        case dict():
            return f"map[{' '.join(f'{name}:{at_the_gateway(one)}' for name, one in value.items())}]"
    return value


class Door:
    """The streaming function, without a server."""

    def __init__(self) -> None:
        self.app = importlib.import_module("stream_app").app

    def get(self, path: str, token: str | None) -> Answer:
        """Its answer; a stream ends with its first window, as if the client had hung up."""
        return asyncio.run(self._get(path, token))

    async def _get(self, path: str, token: str | None) -> Answer:
        sent: list[dict[str, Any]] = []
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode("latin-1", "replace"))]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message["body"] for message in sent[1:]).decode()
        return Answer(sent[0]["status"], json.loads(body) if "json" in found.get("content-type", "") else body, found)


@pytest.fixture
def door(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Its keys come from the issuer's documents, which are here."""
    monkeypatch.setenv("JWT_ISSUER", ISSUER)
    monkeypatch.setenv("JWT_AUDIENCE", f"other,{AUDIENCE}")
    monkeypatch.syspath_prepend(str(ROOT / "functions" / "stream"))
    names = ("stream_app", "asgi", "identity")
    spec = importlib.util.spec_from_file_location("stream_app", ROOT / "functions" / "stream" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["stream_app"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    documents = {f"{ISSUER}/.well-known/openid-configuration": {"jwks_uri": "keys"}, "keys": {"keys": [PUBLIC]}}
    monkeypatch.setattr(sys.modules["identity"], "_json", documents.__getitem__)
    yield Door()
    for name in names:
        del sys.modules[name]


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    content = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "workspace_id": "acme", "iat": now - 1, "exp": now + 3600,
        **other,
    }  # fmt: skip
    return {name: value for name, value in content.items() if value is not MISSING}


def token(content: dict[str, Any] | str, **header: Any) -> str:
    """Signed like any other token, with any claims."""
    payload = (content if isinstance(content, str) else json.dumps(content)).encode()
    return jwt.api_jws.encode(payload, KEY, "RS256", {"kid": "k", **header})


def both(stack: Stack, door: Door, content: dict[str, Any]) -> list[tuple[int, Any]]:
    """What either door answers."""
    handed_over = {name: at_the_gateway(value) for name, value in content.items()}
    answers = [
        stack.call("GET", "/runs/never/events", claims=handed_over, query={"wait": "0"}),
        door.get("/runs/never/events", token(content)),
    ]
    return [(answer.status, answer.body) for answer in answers]


@pytest.mark.parametrize("name", ["sub", "workspace_id"])
def test_the_claims_of_a_caller_must_be_usable_strings(stack: Stack, door: Door, name: str) -> None:
    """[48] For a claim of any kind: 401 that names it, the same at gateway and streaming function."""
    for kind, value in WRONG.items():
        gateway, own = both(stack, door, claims(**{name: value}))
        assert gateway == own, kind
        assert (own[0], own[1]["code"], own[1]["status"]) == (401, "unauthorized", 401), kind
        assert f"claim {name} must be a string" in own[1]["detail"], kind
        assert len(json.dumps(own[1])) < 500, kind
    for kind, value in FINE.items():
        gateway, own = both(stack, door, claims(**{name: value}))
        assert gateway == own, kind
        assert (own[0], own[1]["code"]) == (404, "run_not_found"), kind


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "nbf", "iat", "client_id", "scope", "jti", "email"])
def test_no_claim_breaks_a_door(stack: Stack, door: Door, name: str) -> None:
    """[48] What the gateway checks, the streaming function checks by itself: 401 for anything that is not as it must be."""
    checked = {"iss", "aud", "exp", "nbf", "iat"}
    now = int(time.time())
    more = {
        "the past": now - 60,
        "the future": now + 3600,
        "digits": str(now + 3600),
        "a list with ours": [AUDIENCE, {"a": 1}],
    }
    right = {
        "exp": {"the future", "a large number"}, "nbf": {"missing", "the past", *NUMBERS} - {"a large number"},
        "iat": {"missing", "the past", *NUMBERS} - {"a large number"},
    }  # fmt: skip
    for kind, value in {**WRONG, **NUMBERS, **more}.items():
        if name == "exp" and kind == "a long number":
            continue  # a time that is yet to come
        gateway, own = both(stack, door, claims(**{name: value}))
        assert gateway[0] == 404, kind
        wanted = 404 if name not in checked or kind in right.get(name, ()) else 401
        assert own[0] == wanted, (kind, own)
        assert own[1]["code"] == ("unauthorized" if wanted == 401 else "run_not_found"), kind
        assert len(json.dumps(own[1])) < 500, kind


def test_a_number_is_the_same_workspace_at_both_doors_and_a_list_is_none(stack: Stack, door: Door) -> None:
    """[48] The gateway writes 42 as "42": the run that one door started is found at the other."""
    handed_over = {name: at_the_gateway(value) for name, value in claims(workspace_id=42).items()}
    begun = stack.call("POST", "/chats/c/runs", {"prompt": "hello"}, claims=handed_over)
    assert begun.status == 202
    path = f"/runs/{begun.body['run']['id']}/events"
    assert door.get(path, token(claims(workspace_id=42))).status == 200
    assert door.get(path, token(claims(workspace_id="42"))).status == 200
    assert door.get(path, token(claims(workspace_id=[42]))).status == 401
    groups = {**handed_over, "workspace_id": "[staff admins]"}
    assert stack.call("POST", "/chats/d/runs", {"prompt": "hello"}, claims=groups).status == 401


def test_a_required_scope_is_required_at_the_streaming_door_too(door: Door) -> None:
    """In `scope` or `scp`, as at the gateway: an ID token of the same audience has neither."""
    tokens = sys.modules["identity"].Tokens
    strict = tokens(ISSUER, [AUDIENCE], "workspace_id", time.monotonic, required_scope="outlive/chat")
    for content, fine in (
        ({}, False), ({"scope": "openid"}, False), ({"scope": "openid outlive/chat"}, True), ({"scp": ["outlive/chat"]}, True),
        ({"scp": "outlive/chat"}, True), ({"scope": "outlive/chats"}, False), ({"scope": 7, "scp": [None]}, False),
    ):  # fmt: skip
        header = f"Bearer {token(claims(**content))}"
        if fine:
            assert strict.caller(header).user == "ada"
        else:
            with pytest.raises(Unauthorized, match="scope"):
                strict.caller(header)


def test_an_audience_may_be_one_of_several(door: Door) -> None:
    """`aud` counts; `client_id`, where there is none. Each must be a string, or a list of them."""
    for content, status in (
        ({"aud": ["x", AUDIENCE]}, 404), ({"aud": "other"}, 404), ({"aud": MISSING, "client_id": AUDIENCE}, 404),
        ({"aud": None, "client_id": AUDIENCE}, 401), ({"aud": "x", "client_id": AUDIENCE}, 401), ({"aud": ["x"]}, 401),
        ({"aud": MISSING, "client_id": [{"a": 1}]}, 401), ({"aud": MISSING}, 401), ({"aud": [AUDIENCE, None]}, 401),
    ):  # fmt: skip
        assert door.get("/runs/never/events", token(claims(**content))).status == status, content


@pytest.mark.parametrize("levels", [100, 500, 700, 950, 1_000, 5_000, 100_000])
def test_a_token_nested_deep_is_401(stack: Stack, door: Door, levels: int) -> None:
    """Signed or not: in its header, which is read before anything is checked, or among its claims."""
    deep = '{"a":' * levels + "1" + "}" * levels
    content = json.dumps(claims())
    _, payload, signature = token(content).split(".")
    header = base64.urlsafe_b64encode(f'{{"alg":"RS256","kid":"k","x":{deep}}}'.encode()).decode().rstrip("=")
    for sent in (
        f"{header}.{payload}.{signature}",
        token(content[:-1] + f', "sub": {deep}}}'),
        token(content[:-1] + f', "aud": [{deep}]}}'),
        token("[" * levels + "]" * levels),
    ):
        answer = door.get("/runs/never/events", sent)
        assert (answer.status, answer.body["code"]) == (401, "unauthorized"), sent[:40]
    if levels <= 950:  # more than that, no event can hold either
        value = json.loads(deep)
        for name in ("sub", "workspace_id"):
            assert stack.call("GET", "/runs/never/events", claims=claims(**{name: value})).status == 401


@pytest.mark.parametrize("found", [None, "text", 7, [], [1], {}, {"jwt": None}, {"jwt": "x"}, {"jwt": []}, {"jwt": {"claims": "x"}}, {"jwt": {"claims": ["sub"]}}])  # fmt: skip
def test_an_event_without_claims_is_401(stack: Stack, found: Any) -> None:
    """Without the gateway's authorizer, or with another form of its claims, no caller is let in."""
    from proof.stacks.handlers import event

    asked = event("read")
    asked["requestContext"]["authorizer"] = found
    answer = stack.read.handler(asked, stack.context)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("header", [{"kid": None}, {"kid": 7}, {"kid": ["k"]}, {"kid": {"a": 1}}, {"kid": "x" * 10_000}, {"kid": "\ud800"}, {"crit": ["x"]}, {"crit": "x"}, {"typ": 7}])  # fmt: skip
def test_no_header_of_a_token_breaks_the_door(door: Door, header: dict[str, Any]) -> None:
    """A token's header is read before it is known who wrote it."""
    content = json.dumps({"alg": "RS256", "kid": "k", **header}).encode()
    _, payload, signature = token(claims()).split(".")
    sent = f"{base64.urlsafe_b64encode(content).decode().rstrip('=')}.{payload}.{signature}"
    assert door.get("/runs/never/events", sent).status == 401


@pytest.mark.parametrize("sent", [None, "", ".", "..", "a.b.c", "я.я.я", "=.=.=", "a" * 10_000, "e30.e30.e30", "W10.W10.W10", "MQ.MQ.MQ", "bnVsbA.bnVsbA.bnVsbA"])  # fmt: skip
def test_what_is_no_token_is_401(door: Door, sent: str | None) -> None:
    assert door.get("/runs/never/events", sent).status == 401
