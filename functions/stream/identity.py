"""Checks of a token that the API's gateway makes: a function URL has no gateway in front of it."""

import http.client
import json
import math
import threading
import urllib.request
from collections.abc import Callable
from typing import Any

import jwt
from jwt.types import Options

from outlive.caller import Caller
from outlive.errors import Unauthorized
from outlive.http import caller_of

FETCH_SECONDS = 5
KEEP_SECONDS = 3600
"""How long a key is used before it is read again; a key that the issuer withdraws is refused after that time."""
CALM_SECONDS = 30
"""Tokens with unknown key ids make this function ask the issuer no more often than this."""


BAD_TOKEN = (jwt.PyJWTError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError)
"""The errors that reading a token raises: its sender can put any JSON into header and claims."""
BAD_KEYS = (OSError, http.client.HTTPException)
CHECKS: Options = {
    "require": ["exp", "iss"],
    "verify_aud": False,  # checked below, because `client_id` may stand in for it
    "verify_sub": False,  # the gateway does not check it either
    "verify_jti": False,  # not used
}


class Tokens:
    """Checks tokens of one issuer: signed by it with RS256, for one of the audiences, and not expired."""

    def __init__(
        self,
        issuer: str,
        audiences: list[str],
        workspace_claim: str,
        now: Callable[[], float],
        deps_claims: tuple[str, ...] = (),
        required_scope: str = "",
    ) -> None:
        self._issuer = issuer
        self._required_scope = required_scope
        self._audiences = audiences
        self._workspace_claim = workspace_claim
        self._deps_claims = deps_claims
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._lock = threading.Lock()

    def caller(self, authorization: str | None) -> Caller:
        """The caller that the token in this header names. Raises Unauthorized, also if the issuer's keys can't be read."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("a bearer token is missing")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = jwt.decode(token, self._key(kid), algorithms=["RS256"], issuer=self._issuer, options=CHECKS)
        except (*BAD_TOKEN, *BAD_KEYS):
            raise Unauthorized("the token is not valid") from None
        for name in ("exp", "nbf", "iat"):
            if name in claims and not _is_time(claims[name]):
                raise Unauthorized(f"the token's claim {name} must be a number")
        name = "aud" if "aud" in claims else "client_id"
        audiences = claims.get(name)
        if not isinstance(audiences, list):
            audiences = [audiences]
        if not all(isinstance(audience, str) for audience in audiences):
            raise Unauthorized(f"the token's claim {name} must be a string or a list of strings")
        if not set(audiences) & set(self._audiences):
            raise Unauthorized("the token is for another audience")
        if self._required_scope and self._required_scope not in _scopes(claims):
            raise Unauthorized("the token lacks the required scope")
        return caller_of(claims, self._workspace_claim, self._deps_claims)

    def _key(self, kid: object) -> jwt.PyJWK:
        if not isinstance(kid, str):
            raise jwt.InvalidTokenError("the token names no key")
        with self._lock:
            age = self._now() - self._fetched
            if age > KEEP_SECONDS or (kid not in self._keys and age > CALM_SECONDS):
                self._fetched = self._now()
                self._keys = self._fetch()
        if kid not in self._keys:
            raise jwt.InvalidTokenError("the issuer has no such key")
        return self._keys[kid]

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        configuration = _json(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        keys = jwt.PyJWKSet.from_dict(_json(configuration["jwks_uri"])).keys
        return {key.key_id: key for key in keys if key.key_id}


def _scopes(claims: dict[str, Any]) -> list[str]:
    """The scopes as the gateway reads them: `scope`, words in a string, and `scp`, the same or a list."""
    scopes: list[str] = []
    for value in (claims.get("scope"), claims.get("scp")):
        scopes += value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return scopes


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _json(url: str) -> dict[str, Any]:
    # The issuer's address is the operator's own setting, https or this machine.
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:  # noqa: S310
        document = json.load(answer)
    return dict(document)
