"""The provider's key: from Secrets Manager, while the function runs."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from engine import errors, secret
from engine.key import model_key
from engine.secret import Secret
from tests.providers.provider_doubles import Anthropic, Double, OpenAIChat, OpenAIResponses, Reply, Wire
from tests.providers.test_providers import agent_for, answer, disconnect, text

OLD, NEW = "sk-old-1234567890", "sk-new-1234567890"


class Guarded(Double):
    """A provider that takes one key and answers 401 to every other."""

    takes = OLD

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire
        self.keys: list[str] = []

    def answer(self, handler: Any) -> None:
        given = handler.headers.get("X-Api-Key") or handler.headers.get("Authorization", "").removeprefix("Bearer ")
        self.keys.append(given)
        right: Reply = self.wire.said("Hi.")
        self.replies.append(right if given == self.takes else self.wire.failed(401, f"{given} is no key of ours."))
        super().answer(handler)


@pytest.fixture(params=[OpenAIChat, OpenAIResponses, Anthropic], ids=lambda wire: wire.__name__)
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param()
    return made


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager with the old key, and a function that has its address."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODEL_KEY_SECRET", "the-key")
    monkeypatch.setattr(errors, "_KEYS", set())
    model_key.cache_clear()
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="the-key", SecretString=OLD + "\n")
        yield client
    model_key.cache_clear()


@pytest.fixture
def provider(wire: Wire, secrets: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    server = Guarded(wire)
    monkeypatch.setenv(wire.url_setting, server.url + wire.url_path)
    yield server
    server.close()


def test_a_rotated_key_is_in_use_at_once_when_the_old_one_is_refused(
    wire: Wire, provider: Guarded, secrets: Any
) -> None:
    """[86] One 401, one look into the secret, and the step succeeds."""
    made = agent_for(wire)
    assert text(answer(made)) == "Hi."
    secrets.put_secret_value(SecretId="the-key", SecretString=NEW)
    provider.takes = NEW
    assert text(answer(made)) == "Hi."
    assert text(answer(made)) == "Hi."
    assert provider.keys == [OLD, OLD, NEW, NEW]
    disconnect(made)


def test_a_rotated_key_is_in_use_within_minutes_while_both_are_good(
    wire: Wire, provider: Guarded, secrets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[86] The secret is read again when its copy is too old."""
    monkeypatch.setattr(secret, "MAX_AGE_S", 0)
    made = agent_for(wire)
    answer(made)
    secrets.put_secret_value(SecretId="the-key", SecretString=NEW)
    answer(made)
    assert provider.keys == [OLD, NEW]
    disconnect(made)


def test_the_secret_is_not_read_with_every_step(
    wire: Wire, provider: Guarded, secrets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[86] Its copy serves for five minutes."""
    made = agent_for(wire)
    answer(made)
    secrets.delete_secret(SecretId="the-key", ForceDeleteWithoutRecovery=True)
    assert text(answer(made)) == "Hi."
    disconnect(made)


def test_a_key_that_is_wrong_is_asked_for_once_more_and_fails_the_run(wire: Wire, provider: Guarded) -> None:
    """[86] A second 401 is permanent, and no message shows the key."""
    provider.takes = "another"
    made = agent_for(wire)
    error = answer(made).error
    assert error is not None
    assert (error.kind, error.code) == ("permanent", "model_rejected")
    assert OLD not in error.message
    assert provider.keys == [OLD]
    disconnect(made)


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "?"}}, "G"), "permanent", "model_not_configured"),
        (ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "?"}}, "G"), "permanent", "model_not_configured"),
        (ClientError({"Error": {"Code": "InternalServiceError", "Message": "?"}}, "G"), "busy", "model_unavailable"),
        (EndpointConnectionError(endpoint_url="http://secrets"), "busy", "model_unavailable"),
    ],
)  # fmt: skip
def test_a_secret_that_cannot_be_read_fails_the_run_or_makes_it_wait(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: str, code: str
) -> None:
    """[86] By whether another attempt may read it."""
    _failing(monkeypatch, raised)
    error = answer(agent_for(wire)).error
    assert error is not None
    assert (error.kind, error.code) == (kind, code)


def test_an_outage_of_secrets_manager_keeps_the_newest_key_in_use(
    wire: Wire, provider: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[86] Runs go on with the key that was read last."""
    monkeypatch.setattr(secret, "MAX_AGE_S", 0)
    made = agent_for(wire)
    answer(made)
    _failing(monkeypatch, EndpointConnectionError(endpoint_url="http://secrets"))
    assert text(answer(made)) == "Hi."
    disconnect(made)


def _failing(monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    found = model_key()
    assert isinstance(found, Secret)

    def fail(*_: Any, **__: Any) -> str:
        raise raised

    monkeypatch.setattr(found._provider, "_get", fail)
