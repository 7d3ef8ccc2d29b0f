"""Secrets, read from Secrets Manager when they are needed: above all the key of the model's provider.

Without MODEL_KEY_SECRET the provider's own variable, such as OPENAI_API_KEY, holds the key, or the provider needs none.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from functools import cache, partial

import httpx2
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from engine.errors import KeyUnavailable, UnusableModel, hide

MAX_AGE_S = 300
"""How long a key is used before it is read again: a rotated key is in use within this time."""
PASSING = frozenset({"InternalServiceError", "ThrottlingException", "ServiceUnavailable"})
"""Errors of Secrets Manager after which another attempt may succeed. All others are permanent."""
UNAUTHORIZED = 401

SetKey = Callable[[httpx2.Request, str], None]
"""Puts the key into a request."""


class Secret:
    """The text of the secret of this name or ARN; `content` says what it is, such as `the model's key`."""

    def __init__(self, secret: str, content: str) -> None:
        # Imported here: without a secret it is not needed, and it would load boto3 in every cold start.
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        config = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"})
        self._secret = secret
        self._content = content
        self._provider = SecretsProvider(boto_config=config)
        self.newest = ""

    def value(self, *, fresh: bool = False) -> str:
        """The text, at most `MAX_AGE_S` old; with `fresh`, as it is now.

        While Secrets Manager does not answer, the newest text that was read stays in use. Raises UnusableModel if the secret
        can't be read, KeyUnavailable if it may be later.
        """
        from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

        try:
            text = self._provider.get(self._secret, max_age=MAX_AGE_S, force_fetch=fresh)
        except GetParameterError as error:
            self._explain(error.__context__)
            return self.newest
        self.newest = str(text).strip()
        hide(self.newest)
        return self.newest

    def _explain(self, error: BaseException | None) -> None:
        """Raise what `error` of Secrets Manager means, unless the newest text can stay in use."""
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if not isinstance(error, BotoCoreError) and code not in PASSING:
            raise UnusableModel(f"The secret with {self._content} cannot be read: {code}") from error
        if not self.newest:
            raise KeyUnavailable(f"Secrets Manager did not answer: {code}") from error


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


def secret_named(setting: str, content: str) -> Secret | None:
    """The secret whose name or ARN this setting holds, None if it is empty."""
    name = os.environ.get(setting, "").strip()
    return Secret(name, content) if name else None


def renew() -> None:
    """Read the newest key, if there is a secret. Raises as `ModelKey.value` does."""
    key = model_key()
    if key is not None:
        key.value()
