"""The pipeline and the policy that docs/pipeline offers for copying."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.unit.test_template import RESOURCES

FOLDER = Path(__file__).parents[2] / "docs" / "pipeline"
TEXT = (FOLDER / "deploy.yml").read_text()
PIPELINE: dict[Any, Any] = yaml.safe_load(TEXT)
POLICY = json.loads((FOLDER / "deployer-policy.json").read_text())
SERVICE = {
    "AWS::Serverless::HttpApi": "apigateway",
    "AWS::Serverless::Function": "lambda",
    "AWS::Serverless::LayerVersion": "lambda",
    "AWS::Lambda::Url": "lambda",
    "AWS::Lambda::Permission": "lambda",
    "AWS::Logs::LogGroup": "logs",
    "AWS::Logs::MetricFilter": "logs",
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::S3::Bucket": "s3",
    "AWS::SQS::Queue": "sqs",
    "AWS::IAM::Role": "iam",
    "AWS::CloudWatch::Alarm": "cloudwatch",
    "AWS::CloudWatch::Dashboard": "cloudwatch",
}


def test_the_pipeline_needs_no_key() -> None:
    """It assumes a role by OpenID Connect, and may do nothing else in the repository than read it."""
    assert PIPELINE["permissions"] == {"contents": "read", "id-token": "write"}
    assert "aws-access-key-id" not in TEXT
    assert "role-to-assume: ${{ vars.DEPLOYER_ROLE }}" in TEXT


def test_what_was_proven_on_dev_is_what_goes_to_prod() -> None:
    """One build; dev, its proof, the change set for prod, prod: in this order."""
    jobs = PIPELINE["jobs"]
    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("build", None), ("dev", "build"), ("change-set", "dev"), ("prod", "change-set"),
    ]  # fmt: skip
    runs = {name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    assert [name for name, script in runs.items() if "make build" in script] == ["build"]
    assert [name for name, script in runs.items() if "make smoke" in script] == ["dev", "prod"]
    assert [name for name, script in runs.items() if "--no-execute-changeset" in script] == ["change-set"]
    assert jobs["prod"]["environment"] == "prod"


def test_the_deployers_policy_knows_every_service_of_the_template() -> None:
    """A role can be given to functions only, and every resource that has a name is one of these stacks'."""
    services = {SERVICE[one["Type"]] for one in RESOURCES.values()} | {"cloudformation", "s3", "events"}
    allowed = {
        action.partition(":")[0]
        for one in POLICY["Statement"]
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert allowed == services
    assert {one["Sid"] for one in POLICY["Statement"] if one["Resource"] == "*"} == {"EventSourceMappings", "AccessLog"}
    (passing,) = [one for one in POLICY["Statement"] if one["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
