"""Which errors of a model or a tool are worth another attempt, and what may be shown of them.

    permanent   model_not_configured     no such model, no key, no region: see AGENT_MODEL
                model_rejected           the request was refused: 400, 401, 403, 404, 413, 422
                model_context_exceeded   the conversation is longer than the model can take
                model_quota              no credit left
                model_output_limit       the token limit was reached before any answer
                model_content_filter     a filter suppressed the answer
                tool_failed              a tool raised
                output_invalid           the output does not fit the agent's output type, and the tries are used up
                agent_failed             anything else, probably a bug
    busy        model_unavailable        503, 529, 409; the secret with the key cannot be read now
                model_rate_limited       429; `retry_after` is what the provider asked for
                model_connection         no connection, or one that broke before anything was answered
    transient   worker_exhausted         no thread, file descriptor or memory left in this process
                model_server_error       500 and above, also in the middle of a stream
                model_timeout            no answer in time
                model_connection         dropped in mid-stream: what was answered until then is paid for
                model_bad_answer         the stream could not be understood

A message contains no key, token or account number, also if the provider repeats one in its error.
"""

import os
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from botocore.exceptions import NoCredentialsError
from pydantic_ai.exceptions import (
    ContentFilterError,
    FallbackExceptionGroup,
    ModelAPIError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    OutputTokenLimitExceeded,
)

from outlive.agent import AgentError
from outlive.text import clean
from outlive.worker import EXHAUSTED, exhausted

LONGEST_MESSAGE = 2000
Kind: TypeAlias = Literal["transient", "permanent", "busy"]


class UnusableModel(Exception):
    """The model's name is unknown, or its key or region is missing."""


class OutputInvalid(Exception):
    """The model gave no output of the agent's output type, and it may not try again."""


class KeyUnavailable(Exception):
    """The model's key can't be read now."""


class ToolBroke(Exception):
    """A tool raised an exception that it should not raise: `error`, which is also the `__cause__`."""

    def __init__(self, tool_name: str, tool_call_id: str, error: BaseException) -> None:
        super().__init__(f"The tool {tool_name} failed: {full_message(error)}")
        self.tool_call_id = tool_call_id
        self.error = error


# The first match counts: rejected and quota errors are HTTP errors as well. An error that matches nothing is a bug.
KINDS: tuple[tuple[type[BaseException], Kind, str], ...] = (
    (UnusableModel, "permanent", "model_not_configured"),
    (KeyUnavailable, "busy", "model_unavailable"),
    (NoCredentialsError, "permanent", "model_not_configured"),
    (ToolBroke, "permanent", "tool_failed"),
    (OutputInvalid, "permanent", "output_invalid"),
    (ModelContextWindowExceededError, "permanent", "model_context_exceeded"),
    (ModelRequestRejectedError, "permanent", "model_rejected"),
    (ModelQuotaExceededError, "permanent", "model_quota"),
    (OutputTokenLimitExceeded, "permanent", "model_output_limit"),
    (ContentFilterError, "permanent", "model_content_filter"),
    (ModelRateLimitError, "busy", "model_rate_limited"),
    (ModelUnavailableError, "busy", "model_unavailable"),
    (ModelServerError, "transient", "model_server_error"),
    (ModelRequestTimeout, "transient", "model_timeout"),
)
STATUSES: dict[int, tuple[Kind, str]] = {
    408: ("transient", "model_timeout"),
    409: ("busy", "model_unavailable"),
    424: ("transient", "model_server_error"),  # Bedrock: the model failed while it streamed
    425: ("busy", "model_unavailable"),
    429: ("busy", "model_rate_limited"),
    503: ("busy", "model_unavailable"),
    529: ("busy", "model_unavailable"),
}


def agent_error(error: BaseException, *, answered: bool = False) -> AgentError:
    """The error as a run stores it: kind, code, and a message of at most 2,000 characters without secrets.

    With `answered`, the model had begun to answer: a connection that breaks then costs an attempt, as it costs money.
    """
    if isinstance(error, FallbackExceptionGroup):
        each = [agent_error(inner) for inner in error.exceptions]
        return next((inner for inner in each if inner.kind != "permanent"), each[0])
    kind, code = _kind_and_code(error)
    if answered and code == "model_connection":
        kind = "transient"
    retry_after = error.retry_after if isinstance(error, ModelAPIError) and kind != "permanent" else None
    return AgentError(kind, code, public_message(error), retry_after)


def _kind_and_code(error: BaseException) -> tuple[Kind, str]:
    # This is checked first, because anything may fail in an exhausted process, also a tool.
    broken = error.error if isinstance(error, ToolBroke) else error
    if exhausted(broken, of_a_tool=isinstance(error, ToolBroke)):
        return "transient", EXHAUSTED
    for error_class, kind, code in KINDS:
        if isinstance(error, error_class):
            return kind, code
    if isinstance(error, ModelConnectionError):
        return _of_connection(error)
    if isinstance(error, ModelHTTPError):
        other: tuple[Kind, str] = ("permanent", "model_rejected")
        return STATUSES.get(
            error.status_code, ("transient", "model_server_error") if error.status_code >= 500 else other
        )
    return ("transient", "model_bad_answer") if isinstance(error, ModelAPIError) else ("permanent", "agent_failed")


def _of_connection(error: ModelConnectionError) -> tuple[Kind, str]:
    """A provider that can't be reached is busy. One that was silent for too long has the request."""
    if isinstance(error, ModelTimeoutError) and error.phase not in ("pool", "connect"):
        return "transient", "model_timeout"
    return "busy", "model_connection"


def public_message(error: BaseException) -> str:
    """The error's message as it may be stored and shown."""
    # Shortened before redaction as well: the message of a tool's exception may hold megabytes.
    return redacted(full_message(error)[: 4 * LONGEST_MESSAGE])[:LONGEST_MESSAGE]


def full_message(error: BaseException) -> str:
    """The error's whole message. It may be long and contain secrets."""
    if isinstance(error, ModelHTTPError):
        message = _provider_message(error.body)
        return f"The model {error.model_name} answered {error.status_code}{': ' + message if message else ''}"
    if isinstance(error, ModelAPIError | UnusableModel | KeyUnavailable | OutputInvalid | ToolBroke):
        return str(error)
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _provider_message(body: object) -> str:
    """The message in the body of a provider's error, which is `{"message"}` or `{"error": {"message"}}` in most cases."""
    while isinstance(body, Mapping):
        inner = body.get("error") or body.get("message") or body.get("Message") or body.get("Error")
        if inner is None:
            return str(dict(body))
        body = inner
    return "" if body is None else str(body)


SECRET = re.compile(
    r"""
      \b(?:sk|pk|rk|gsk|xai|hf|ghp|gho|ghs|github_pat|xox[abprs])[-_][\w*.\-]{6,}   # provider keys, masked or not
    | \b(?:AKIA|ASIA|ABSK|AIza)[\w\-+/=]{8,}                      # AWS and Google keys
    | \beyJ[\w\-]{8,}(?:\.[\w\-]+)*                              # JSON Web Tokens
    | (?<=\bBearer\s)[^\s"',}]+
    | (?<=\bBasic\s)[A-Za-z0-9+/=]{8,}
    | (?:(?:api|access|secret)[-_ ]?key|token|secret|password|authorization)["']?\s*[:=]\s*["']?[^\s"',}]+
    | \barn:aws[^\s"',}]*                                        # carries the account's number
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Anything else that looks random: long, with a letter and a digit. Each run of such characters is searched once; a
# lookahead would read the rest of the run again at each character.
LONG_RUN = re.compile(r"[\w+/]{32,}={0,2}")
RANDOM = re.compile(r"[A-Za-z0-9+/_]{32,}={0,2}")
SECRET_SETTING = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
HIDDEN = "[hidden]"


_KEYS: set[str] = set()


def hide(key: str) -> None:
    """Have this key hidden in every message from now on."""
    _KEYS.add(key)


def redacted(text: str) -> str:
    """`text` with this process's secrets hidden, and everything that looks like a key, a token or an ARN."""
    text = clean(text)
    own = {value for name, value in os.environ.items() if SECRET_SETTING.search(name)} | _KEYS
    for value in sorted((value for value in own if len(value) >= 8), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return LONG_RUN.sub(_random_hidden, SECRET.sub(HIDDEN, text))


def _random_hidden(run: re.Match[str]) -> str:
    """The run of characters with its long random parts hidden."""
    text = run[0]
    if re.search(r"\d", text) is None or re.search(r"[A-Za-z]", text) is None:
        return text
    return RANDOM.sub(HIDDEN, text)
