"""Which errors are worth another attempt, and what of them is shown."""

import time
import timeit
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from pydantic_ai.exceptions import (
    ContentFilterError,
    FallbackExceptionGroup,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    OutputTokenLimitExceeded,
    UnexpectedModelBehavior,
)

from engine.errors import HIDDEN, LONGEST_MESSAGE, ToolBroke, UnusableModel, agent_error, redacted


def http(category: Any, status: int, body: object = None) -> ModelHTTPError:
    return ModelHTTPError.for_category(category, status_code=status, model_name="m", body=body)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (UnusableModel("no key"), "permanent", "model_not_configured"),
        (NoCredentialsError(), "permanent", "model_not_configured"),
        (http(ModelRequestRejectedError, 400), "permanent", "model_rejected"),
        (http(ModelAuthenticationError, 401), "permanent", "model_rejected"),
        (http(ModelNotFoundError, 404), "permanent", "model_rejected"),
        (http(ModelContextWindowExceededError, 400), "permanent", "model_context_exceeded"),
        (http(ModelQuotaExceededError, 402), "permanent", "model_quota"),
        (http(ModelQuotaExceededError, 429), "permanent", "model_quota"),
        (ModelHTTPError(413, "m"), "permanent", "model_rejected"),
        (http(ModelRateLimitError, 429), "busy", "model_rate_limited"),
        (http(ModelOverloadedError, 529), "busy", "model_unavailable"),
        (http(ModelServerError, 500), "transient", "model_server_error"),
        (ModelHTTPError(599, "m"), "transient", "model_server_error"),
        (ModelHTTPError(408, "m"), "transient", "model_timeout"),
        (ModelHTTPError(409, "m"), "busy", "model_unavailable"),
        (ModelHTTPError(424, "m"), "transient", "model_server_error"),
        (ModelConnectionError("m", "refused"), "busy", "model_connection"),
        (ModelConnectionError("m", "reset", phase="read"), "busy", "model_connection"),
        (ModelTimeoutError("m", "too slow"), "transient", "model_timeout"),
        (ModelTimeoutError("m", "no connection", phase="connect"), "busy", "model_connection"),
        (ModelHTTPError(503, "m"), "busy", "model_unavailable"),
        (ModelRequestTimeout("m", 3), "transient", "model_timeout"),
        (ModelAPIError("m", "garbage"), "transient", "model_bad_answer"),
        (OutputTokenLimitExceeded("too long"), "permanent", "model_output_limit"),
        (ContentFilterError("no"), "permanent", "model_content_filter"),
        (UnexpectedModelBehavior("odd"), "permanent", "agent_failed"),
        (ToolBroke("clock", "1", ValueError("x")), "permanent", "tool_failed"),
        (ToolBroke("clock", "1", http(ModelRateLimitError, 429)), "permanent", "tool_failed"),
        (ZeroDivisionError("x"), "permanent", "agent_failed"),
    ],
)
def test_transient_errors_are_worth_another_attempt_and_permanent_ones_never(
    error: BaseException, kind: str, code: str
) -> None:
    """[22] Each error of a provider has one kind and one code."""
    made = agent_error(error)
    assert (made.kind, made.code) == (kind, code)
    assert made.message


def test_the_providers_own_wish_is_passed_on() -> None:
    """[22] `Retry-After` becomes the delay of the retry."""
    error = ModelHTTPError.for_category(
        ModelRateLimitError, status_code=429, model_name="m", headers={"Retry-After": "7"}
    )
    assert agent_error(error).retry_after == 7


def test_of_several_models_one_transient_error_is_enough_for_another_attempt() -> None:
    """[22] The other models may have failed for good."""
    group = FallbackExceptionGroup("all failed", [http(ModelRequestRejectedError, 400), http(ModelServerError, 500)])
    assert agent_error(group).kind == "transient"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "Too much."}}, "The model m answered 400: Too much."),
        ({"message": "Too much."}, "The model m answered 400: Too much."),
        ("Too much.", "The model m answered 400: Too much."),
        (None, "The model m answered 400"),
    ],
)
def test_an_error_message_contains_the_providers_message(body: object, message: str) -> None:
    assert agent_error(http(ModelRequestRejectedError, 400, body)).message == message


def test_a_message_has_at_most_2000_characters() -> None:
    """[4] Longer messages are cut."""
    assert len(agent_error(ValueError("word " * 5000)).message) == LONGEST_MESSAGE == 2000


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "sk-ant-api03-abc*********xyz",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_ghi",
        "Bearer abc.def",
        "api_key=hunter2",
        'x-api-key: "hunter2"',
        "Authorization: hunter2",
        "arn:aws:sts::123456789012:assumed-role/step/x",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_a_message_never_shows_what_looks_like_a_secret(secret: str) -> None:
    """Guarantee 10: an error never shows a key."""
    shown = agent_error(
        http(ModelAuthenticationError, 401, {"message": f"Incorrect key provided: {secret} (try again)"})
    )
    assert secret not in shown.message
    assert "hunter2" not in shown.message
    assert HIDDEN in shown.message
    assert shown.message.startswith("The model m answered 401: Incorrect key provided: ")


@pytest.mark.parametrize(
    "unit", ["a+", "a/", "ab_", "token ", "token: ", "x-api-key", "eyJ", "sk-", "Bearer ", "é1", "1", "a"]
)
def test_hiding_secrets_takes_time_in_proportion_to_the_text(unit: str) -> None:
    """Anybody may make a provider or a tool echo a text of theirs: eight times as much must not take 64 times as long."""

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        return min(timeit.repeat(lambda: redacted(text), number=1, repeat=5, timer=time.process_time_ns))

    assert seconds(64_000) < 32 * max(seconds(8_000), 1)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 40 + "1",
        "1" + "+a" * 40,
        "/" + "a" * 40 + "/1",
        "a" * 32 + "é1",
        "a" * 40 + "1==",
        "a" * 40 + "_token=hunter2",
        "/" * 40 + "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_what_looks_random_and_long_is_hidden_wherever_it_stands(text: str) -> None:
    hidden = redacted(f"before {text} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert HIDDEN in hidden
    assert "hunter2" not in hidden
    assert "AKIA" not in hidden


def test_long_words_without_digits_and_other_scripts_are_shown() -> None:
    for text in (
        "a" * 100,
        "1" * 100,
        "=" * 100,
        "第三次请求失败因为输入太长请把文本缩短到2000个字符以内然后再试一次谢谢合作",
    ):
        assert redacted(text) == text


def test_an_error_that_cant_be_put_in_words_is_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert agent_error(ToolBroke("clock", "1", Mute())).message == "The tool clock failed: Mute"


def test_a_message_never_shows_one_of_our_own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "quite ordinary words")
    assert "ordinary" not in agent_error(ValueError("got quite ordinary words")).message


def test_ordinary_words_are_shown_as_they_are() -> None:
    text = "prompt is too long: 200128 tokens > 200000 maximum for us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert agent_error(http(ModelRequestRejectedError, 400, text)).message.endswith(text)


def test_text_that_breaks_stores_is_mended() -> None:
    """[27] NUL and lone surrogates become U+FFFD."""
    assert agent_error(ValueError("a\0\ud800")).message == "ValueError: a\ufffd\ufffd"
