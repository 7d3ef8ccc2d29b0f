"""The model that AGENT_MODEL names, made when a step first needs it.

It is not made at import, so that a missing key fails a run with a plain message and not the function with a traceback.
The provider's client does not retry: the run retries a failed step, counts the attempts, and can be stopped between them.
"""

from collections.abc import Callable
from typing import Any, cast

from pydantic_ai import RunContext
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.providers import Provider, infer_provider
from pydantic_ai.settings import ModelSettings

from engine.errors import UnusableModel

LONGEST_CONNECT = 5.0
LONGEST_SILENCE = 300.0
SHORTEST_REQUEST = 1.0


def model_named(name: str) -> Model:
    """The model of that name, such as `bedrock:...`. Raises UnusableModel if it is unknown or lacks its key."""
    try:
        return infer_model(name, provider_factory=_provider) if name.startswith("bedrock:") else infer_model(name)
    except (UserError, ValueError, ImportError) as error:
        raise UnusableModel(f"AGENT_MODEL {name!r} cannot be used: {error}") from error


def _provider(name: str) -> Provider[Any]:
    if name != "bedrock":
        return infer_provider(name)
    # This client takes neither retries nor a timeout with a request, and by default it retries four times.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from pydantic_ai.providers.bedrock import BedrockProvider

    config = Config(retries={"total_max_attempts": 1}, connect_timeout=LONGEST_CONNECT, read_timeout=LONGEST_SILENCE)
    try:
        return BedrockProvider(bedrock_client=boto3.client("bedrock-runtime", config=config))
    except BotoCoreError as error:
        raise UnusableModel(f"Bedrock cannot be used: {error}") from error


def step_settings(model: Model, seconds: float, *, text_only: bool) -> Callable[[RunContext[Any]], ModelSettings]:
    """The settings of one step's request: the agent's own settings, completed and bounded by `seconds`."""

    def settings(ctx: RunContext[Any]) -> ModelSettings:
        own = cast(ModelSettings, ctx.model_settings or {})
        longest = max(seconds, SHORTEST_REQUEST)
        chosen = ModelSettings(request_timeout=min(longest, own.get("request_timeout", longest)))
        if "timeout" not in own and "timeout" not in model.unsupported_settings:
            chosen["timeout"] = longest
        if "max_retries" not in own and "max_retries" not in model.unsupported_settings:
            chosen["max_retries"] = 0
        if text_only:
            chosen["tool_choice"] = "none"
        return chosen

    return settings
