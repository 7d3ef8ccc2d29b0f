"""The project's stack in the local AWS: create it, or bring it up to date."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import identity
from local.aws import Aws
from local.build import GROUP, ROOT, layer, own_code, packages
from local.said import Trouble
from local.template import parameters, read, translated, type_of_function, type_of_layer
from local.zips import zipped

NAME = "outlive"
CODE = "outlive-code"
DEPLOY_SECONDS = 120

# Each step worker is a process with the whole agent library in it. A laptop is not Lambda.
HERE = {"MaximumConcurrency": "10"}


def deploy(aws: Aws, state: Path) -> dict[str, str]:
    """The template is deployed as it stands now, under the settings of the environment. Returns the stack's outputs.

    Raises `Trouble` if the template is broken or the local AWS refuses it.
    """
    try:
        return _deploy(aws, state)
    except (BotoCoreError, ClientError) as error:
        why = str(error).splitlines()[0]
        raise Trouble(f"the local AWS failed while template.yaml was deployed: {why}; see {aws.log}") from error


def _deploy(aws: Aws, state: Path) -> dict[str, str]:
    template = read(ROOT / "template.yaml")
    given = {"JwtIssuer": identity.issuer(aws.port), "JwtAudience": identity.AUDIENCE}
    values = parameters(template, given, HERE)
    s3 = aws.client("s3")
    identity.publish(s3, state, aws.port)
    s3.create_bucket(Bucket=CODE)
    for resource in template["Resources"].values():
        if resource["Type"] == type_of_function:
            _ship_function(s3, resource["Properties"])
        elif resource["Type"] == type_of_layer:
            _ship_layer(s3, resource["Properties"])
    plain = translated(template, values)
    cloudformation = aws.client("cloudformation")
    _create_or_update(cloudformation, plain, values)
    _add_what_is_ignored(aws, cloudformation, plain)
    (stack,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _ship_function(s3: Any, properties: dict[str, Any]) -> None:
    name = Path(properties["CodeUri"]).name
    with tempfile.TemporaryDirectory() as folder:
        own_code(name, Path(folder), "here")
        properties["CodeUri"] = _uploaded(s3, Path(folder))
    # On Lambda the packages are in the zip. Here every worker would unpack it for itself, a hundred megabytes for one
    # step, so all workers of a function share one unpacked copy. `sam build` makes the real zips from the same files.
    variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
    variables["PYTHONPATH"] = str(packages(GROUP[name], "here"))


def _ship_layer(s3: Any, properties: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        layer(Path(folder), "here")
        properties["ContentUri"] = _uploaded(s3, Path(folder))


def _uploaded(s3: Any, folder: Path) -> dict[str, str]:
    body, key = zipped(folder)
    s3.put_object(Bucket=CODE, Key=key, Body=body)
    return {"Bucket": CODE, "Key": key}


def _create_or_update(cloudformation: Any, template: dict[str, Any], values: dict[str, str]) -> None:
    request = {
        "StackName": NAME,
        "TemplateBody": json.dumps(template),
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": values[name]} for name in template["Parameters"]
        ],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        cloudformation.create_stack(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise _refused(error) from error
        try:
            cloudformation.update_stack(**request)
        except ClientError as refused:
            if "No updates are to be performed" in str(refused):
                return
            raise _refused(refused) from refused
    _wait(cloudformation)


def _refused(error: ClientError) -> Trouble:
    return Trouble(f"the local AWS refused template.yaml: {error.response['Error'].get('Message', error)}")


def _wait(cloudformation: Any) -> None:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while time.monotonic() < deadline:
        (stack,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        status = stack["StackStatus"]
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            return
        if not status.endswith("_IN_PROGRESS") or "ROLLBACK" in status:
            raise Trouble(f"template.yaml could not be deployed: {_first_failure(cloudformation) or status}")
        time.sleep(0.1)
    raise Trouble(f"template.yaml was not deployed within {DEPLOY_SECONDS} seconds")


def _first_failure(cloudformation: Any) -> str | None:
    events = cloudformation.describe_stack_events(StackName=NAME)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    reasons = [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason given')}" for one in failed]
    return reasons[-1] if reasons else None


def _add_what_is_ignored(aws: Aws, cloudformation: Any, template: dict[str, Any]) -> None:
    """What the template says and MiniStack's CloudFormation passes over."""
    found = cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
    physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if recursive := properties.get("RecursiveLoop"):
            aws.client("lambda").put_function_recursion_config(FunctionName=physical[name], RecursiveLoop=recursive)
        if expiry := properties.get("TimeToLiveSpecification"):
            aws.client("dynamodb").update_time_to_live(TableName=physical[name], TimeToLiveSpecification=expiry)
