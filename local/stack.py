"""Deploy template.yaml into the local AWS: create the stack or update it."""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import identity
from local.aws import Aws
from local.build import GROUP, ROOT, layer, own_code, packages
from local.messages import UserError
from local.template import SERVERLESS_FUNCTION, SERVERLESS_LAYER, parameters, read, translated
from local.zips import zipped

NAME = "outlive"
CODE = "outlive-code"
TEMPLATE = "template.json"
DEPLOY_SECONDS = 120

# Each step worker is a process that has the whole agent library in memory.
LOCAL_DEFAULTS = {"MaximumConcurrency": "10"}


@dataclass(frozen=True)
class Prepared:
    """A template that the local AWS understands, and its zips by their names in the bucket `CODE`."""

    template: dict[str, Any]
    values: dict[str, str]
    zips: dict[str, bytes]


def prepare(port: int) -> Prepared:
    """Translate template.yaml with the settings of the environment, and zip its code. Needs no AWS.

    Raises `UserError` if the template is invalid.
    """
    template = read(ROOT / "template.yaml")
    values = parameters(
        template, {"JwtIssuer": identity.issuer(port), "JwtAudience": identity.AUDIENCE}, LOCAL_DEFAULTS
    )
    # The streaming function needs a layer that only AWS has. `streaming.py` serves its app without the layer.
    for part in ("Resources", "Outputs"):
        template[part] = {
            name: resource for name, resource in template[part].items() if resource.get("Condition") != "Streams"
        }
    zips: dict[str, bytes] = {}
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == SERVERLESS_FUNCTION:
            name = Path(properties["CodeUri"]).name
            properties["CodeUri"] = _add_zip(zips, partial(own_code, name, platform="here"))
            # On Lambda the packages are in the zip. Here every worker would unpack its own hundred megabytes, so all
            # workers of a function share one unpacked copy. `sam build` makes the real zips from the same files.
            if group := GROUP[name]:
                variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
                variables["PYTHONPATH"] = str(packages(group, "here"))
        elif resource["Type"] == SERVERLESS_LAYER:
            properties["ContentUri"] = _add_zip(zips, partial(layer, platform="here"))
    return Prepared(translated(template, values), values, zips)


def _add_zip(zips: dict[str, bytes], fill: Callable[[Path], None]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        body, key = zipped(Path(folder))
    zips[key] = body
    return {"Bucket": CODE, "Key": key}


def deploy(aws: Aws, state: Path, prepared: Prepared) -> dict[str, str]:
    """Upload the zips and deploy the template. Returns the stack's outputs. Raises `UserError` if the local AWS fails."""
    try:
        s3 = aws.client("s3")
        identity.publish(s3, state, aws.port)
        s3.create_bucket(Bucket=CODE)
        for key, body in prepared.zips.items():
            s3.put_object(Bucket=CODE, Key=key, Body=body)
        # Deployed from a bucket, as `sam deploy` does: a request can hold at most 51,200 bytes of template.
        s3.put_object(Bucket=CODE, Key=TEMPLATE, Body=json.dumps(prepared.template).encode())
        cloudformation = aws.client("cloudformation")
        _create_or_update(cloudformation, f"{aws.url}/{CODE}/{TEMPLATE}", prepared.values)
        _apply_ignored_properties(aws, cloudformation, prepared.template)
        (stack,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the local AWS failed while it deployed template.yaml: {reason}; see {aws.log}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _create_or_update(cloudformation: Any, template: str, values: dict[str, str]) -> None:
    request = {
        "StackName": NAME,
        "TemplateURL": template,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    _delete_failed_stack(cloudformation)
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


def _delete_failed_stack(cloudformation: Any) -> None:
    """Delete a stack whose creation failed: it can't be updated. Its table stays, but holds nothing."""
    try:
        (stack,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    except ClientError:
        return
    if stack["StackStatus"] in {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}:
        cloudformation.delete_stack(StackName=NAME)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": DEPLOY_SECONDS}
        )


def _refused(error: ClientError) -> UserError:
    return UserError(f"the local AWS refused template.yaml: {error.response['Error'].get('Message', error)}")


def _wait(cloudformation: Any) -> None:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while time.monotonic() < deadline:
        (stack,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        status = stack["StackStatus"]
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            return
        if not status.endswith("_IN_PROGRESS") or "ROLLBACK" in status:
            raise UserError(f"template.yaml could not be deployed: {_first_failure(cloudformation) or status}")
        time.sleep(0.1)
    raise UserError(f"template.yaml was not deployed within {DEPLOY_SECONDS} seconds")


def _first_failure(cloudformation: Any) -> str | None:
    events = cloudformation.describe_stack_events(StackName=NAME)["StackEvents"]
    failures = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    reasons = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}" for event in failures
    ]
    return reasons[-1] if reasons else None


def _apply_ignored_properties(aws: Aws, cloudformation: Any, template: dict[str, Any]) -> None:
    """Set the properties that MiniStack's CloudFormation ignores."""
    resources = cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
    physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if recursive := properties.get("RecursiveLoop"):
            aws.client("lambda").put_function_recursion_config(FunctionName=physical[name], RecursiveLoop=recursive)
        if expiry := properties.get("TimeToLiveSpecification"):
            aws.client("dynamodb").update_time_to_live(TableName=physical[name], TimeToLiveSpecification=expiry)
