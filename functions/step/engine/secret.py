"""Secrets, read from Secrets Manager when they are needed."""

import os

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from engine.errors import KeyUnavailable, UnusableModel, hide

MAX_AGE_S = 300
"""How long a secret is used before it is read again: a rotated one is in use within this time."""
PASSING = frozenset({"InternalServiceError", "ThrottlingException", "ServiceUnavailable"})
"""Errors of Secrets Manager after which another attempt may succeed. All others are permanent."""


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


def secret_named(setting: str, content: str) -> Secret | None:
    """The secret whose name or ARN this setting holds, None if it is empty."""
    name = os.environ.get(setting, "").strip()
    return Secret(name, content) if name else None
