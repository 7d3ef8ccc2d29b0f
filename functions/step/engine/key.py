"""The key of the model's provider, read from Secrets Manager when it is needed.

Without MODEL_KEY_SECRET the provider's own variable, such as OPENAI_API_KEY, holds the key, or the provider needs none.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import cache, partial

import httpx2

from engine.errors import KeyUnavailable, UnusableModel
from engine.secret import Secret, secret_named

UNAUTHORIZED = 401

SetKey = Callable[[httpx2.Request, str], None]
"""Puts the key into a request."""


class KeyAuth(httpx2.Auth):
    """Puts the newest key into each request, and once more a fresh one if the provider refuses it."""

    def __init__(self, key: Secret, set_key: SetKey) -> None:
        self._key = key
        self._set_key = set_key

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        used = self._key.newest
        self._set_key(request, used)
        response = yield request
        if response.status_code != UNAUTHORIZED:
            return
        try:
            fresh = await asyncio.to_thread(partial(self._key.value, fresh=True))
        except (UnusableModel, KeyUnavailable):
            return
        if fresh != used:
            self._set_key(request, fresh)
            yield request


def bearer(request: httpx2.Request, key: str) -> None:
    """As OpenAI and compatible servers take it."""
    request.headers["Authorization"] = f"Bearer {key}"


def x_api_key(request: httpx2.Request, key: str) -> None:
    """As Anthropic takes it."""
    request.headers["X-Api-Key"] = key


@cache
def model_key() -> Secret | None:
    """The key of this function's secret, None if it has no secret."""
    return secret_named("MODEL_KEY_SECRET", "the model's key")


def renew() -> None:
    """Read the newest key, if there is a secret. Raises as `Secret.value` does."""
    key = model_key()
    if key is not None:
        key.value()
