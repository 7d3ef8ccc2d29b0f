"""The model that AGENT_MODEL names, made when a step first needs it.

It is not made at import, so that a missing key fails a run with a plain message and not the function with a traceback.
The provider's client does not retry: the run retries a failed step, counts the attempts, and can be stopped between them.
"""

import socket
from collections.abc import Callable
from typing import Any, cast
from urllib.request import getproxies

import httpx2
from pydantic_ai import RunContext
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class
from pydantic_ai.settings import ModelSettings

from engine.errors import UnusableModel
from engine.key import KeyAuth, SetKey, bearer, model_key, x_api_key

LONGEST_CONNECT = 5.0
LONGEST_SILENCE = 90.0
"""A provider that sends nothing for so many seconds is given up; an agent's own `timeout` goes before this."""
SHORTEST_REQUEST = 1.0
KEEPALIVE: tuple[tuple[int, int, int], ...] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""A connection that was lost while the function was frozen is noticed within a minute. In seconds."""
OVER_HTTP: dict[str, SetKey] = {
    "openai": bearer,
    "openai-chat": bearer,
    "openai-responses": bearer,
    "ollama": bearer,
    "anthropic": x_api_key,
}
"""The providers that get an HTTP client and a key from this module, and how each takes the key."""


def model_named(name: str) -> Model:
    """The model of that name, such as `bedrock:...`. Raises UnusableModel if it is unknown or lacks its key."""
    try:
        uses_provider = name.partition(":")[0] in {"bedrock", *OVER_HTTP}
        return infer_model(name, provider_factory=_provider) if uses_provider else infer_model(name)
    except (UserError, ValueError, ImportError) as error:
        raise UnusableModel(f"AGENT_MODEL {name!r} cannot be used: {error}") from error


def _provider(name: str) -> Provider[Any]:
    if name in OVER_HTTP:
        return _over_http(name)
    if name != "bedrock":
        return infer_provider(name)
    # This client takes neither retries nor a timeout with a request, and by default it retries four times.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from pydantic_ai.providers.bedrock import BedrockProvider

    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=LONGEST_CONNECT,
        read_timeout=LONGEST_SILENCE,
        tcp_keepalive=True,
    )
    try:
        return BedrockProvider(bedrock_client=boto3.client("bedrock-runtime", config=config))
    except BotoCoreError as error:
        raise UnusableModel(f"Bedrock cannot be used: {error}") from error


def _over_http(name: str) -> Provider[Any]:
    key, make = model_key(), cast(Any, infer_provider_class(name))
    if key is None:
        return cast(Provider[Any], make(http_client=_client(None)))
    return cast(
        Provider[Any], make(api_key=key.newest or key.value(), http_client=_client(KeyAuth(key, OVER_HTTP[name])))
    )


def _client(auth: httpx2.Auth | None) -> httpx2.AsyncClient:
    # A client with its own transport would ignore the environment's proxies, which keep a connection alive themselves.
    transport = None if getproxies() else httpx2.AsyncHTTPTransport(socket_options=KEEPALIVE)
    return httpx2.AsyncClient(auth=auth, transport=transport, timeout=_timeout(LONGEST_SILENCE))


def _timeout(longest: float) -> httpx2.Timeout:
    """For a request that may take `longest` seconds: how long it may wait for a connection, and for the next byte."""
    connect, silence = min(LONGEST_CONNECT, longest), min(LONGEST_SILENCE, longest)
    return httpx2.Timeout(connect=connect, read=silence, write=silence, pool=connect)


def step_settings(
    model: Model, seconds: float, *, text_only: bool, caching: bool
) -> Callable[[RunContext[Any]], ModelSettings]:
    """The settings of one step's request: the agent's own settings, completed and bounded by `seconds`."""

    def settings(ctx: RunContext[Any]) -> ModelSettings:
        own = cast(ModelSettings, ctx.model_settings or {})
        longest = max(seconds, SHORTEST_REQUEST)
        chosen = ModelSettings(request_timeout=min(longest, own.get("request_timeout", longest)))
        if "timeout" not in own and "timeout" not in model.unsupported_settings:
            chosen["timeout"] = cast(Any, _timeout(longest))  # typed for the legacy client alone
        if "max_retries" not in own and "max_retries" not in model.unsupported_settings:
            chosen["max_retries"] = 0
        if caching and "cache" not in own and "cache" not in model.unsupported_settings:
            # A run's history only grows at its end, so the whole request of the step before is in the cache.
            chosen["cache"] = True
        if text_only:
            chosen["tool_choice"] = "none"
        return chosen

    return settings
