"""What the step function may invoke in Bedrock, by the name of its model."""

from typing import Any

import pytest

from tests.operators import resolved_with
from tests.unit.test_template import of

ACCOUNT = {"AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123"


def allowed(model: str) -> tuple[list[str], str] | None:
    """The resources that may be invoked, and the profile through which any model may; None if there is no policy."""
    policies = resolved_with(of("StepRole")["Policies"], AgentModel=model, **ACCOUNT)
    policy = next((one for one in policies if one is not None and one["PolicyName"] == "model"), None)
    if policy is None:
        return None
    direct, through = policy["PolicyDocument"]["Statement"]
    resources: Any = direct["Resource"]
    assert through["Resource"] == "arn:aws:bedrock:*::foundation-model/*"
    profile: str = through["Condition"]["StringEquals"]["bedrock:InferenceProfileArn"]
    return ([resources] if isinstance(resources, str) else resources), profile


@pytest.mark.parametrize("model", ["amazon.nova-pro-v1:0", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"])
def test_a_model_or_a_profile_is_named_by_its_id(model: str) -> None:
    profile = f"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{model}"
    assert allowed(f"bedrock:{model}") == (
        [f"arn:aws:bedrock:eu-central-1::foundation-model/{model}", profile],
        profile,
    )


def test_an_application_inference_profile_is_named_by_its_arn() -> None:
    """And nothing else may be invoked."""
    assert allowed(f"bedrock:{PROFILE}") == ([PROFILE], PROFILE)


@pytest.mark.parametrize("model", ["offline", "openai:gpt-5", "anthropic:arn"])
def test_another_providers_model_opens_nothing_in_bedrock(model: str) -> None:
    assert allowed(model) is None
