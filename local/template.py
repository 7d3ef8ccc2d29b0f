"""`template.yaml` as CloudFormation that the local AWS understands.

SAM turns an HTTP API into one OpenAPI document. MiniStack does not read that document, so its routes, integrations,
authorizers and CORS rules are taken out of it here and become resources of their own. Nothing is written twice: what the
template doesn't say isn't there.
"""

import contextlib
import io
import os
import re
import textwrap
from pathlib import Path
from typing import Any

from cfnlint.api import lint as cfn_lint
from cfnlint.config import ManualArgs
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from local.aws import REGION
from local.said import Trouble

SERVERLESS_FUNCTION = "AWS::Serverless::Function"
SERVERLESS_LAYER = "AWS::Serverless::LayerVersion"
NO_AUTHORIZER = "NONE"


def read(file: Path) -> dict[str, Any]:
    """The template as written. Raises `Trouble` with the first thing that is wrong with it.

    The local AWS deploys a reference to nothing without a word, so a template is linted before it gets there.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"{file.name} can't be read: {error}") from error
    found = [one for one in cfn_lint(text, config=ManualArgs(regions=[REGION])) if one.rule.id.startswith("E")]
    # A name that nothing bears (E1…) is the cause of much that is wrong elsewhere.
    problems = sorted(found, key=lambda one: (not one.rule.id.startswith("E1"), one.linenumber, one.rule.id))
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise Trouble(
            f"{file.name}:{first.linenumber}: {textwrap.shorten(first.message, 160, placeholder=' …')} [{first.rule.id}]{more}"
        )
    parsed = yaml_parse(text)
    assert isinstance(parsed, dict)
    return parsed


def parameters(template: dict[str, Any], given: dict[str, str], defaults: dict[str, str]) -> dict[str, str]:
    """Every parameter's value: `given`, else what the environment says under its name (`LEASE_SECONDS` for
    `LeaseSeconds`), else `defaults`, else the template's default.

    Raises `Trouble` for a value that the template's list of values does not hold. Its other bounds are not checked
    here: a test may want a lease of one second, and the functions check their settings themselves.
    """
    values = {}
    for name, about in template["Parameters"].items():
        variable = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
        if name in given:
            value = given[name]
        elif variable in os.environ:
            value = os.environ[variable]
            allowed = [str(one) for one in about.get("AllowedValues", [])]
            if allowed and value not in allowed:
                raise Trouble(f"{variable} must be one of {', '.join(allowed)}, not {value!r}")
        else:
            value = defaults.get(name, str(about["Default"]))
        values[name] = value
    return values


def translated(template: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """Plain CloudFormation: the SAM transform, and the API's routes as resources. `template` is used up."""
    # The translator asks the environment where it is.
    os.environ["AWS_DEFAULT_REGION"] = REGION
    try:
        # The translator prints about its metrics and its regions.
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            plain = transform(template, dict(values), _NoManagedPolicies())
    except InvalidDocumentException as error:
        raise Trouble(f"template.yaml: {' '.join(str(error.causes[0].message).split())}") from error
    assert isinstance(plain, dict)
    _require_names(plain)
    for name, resource in list(plain["Resources"].items()):
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            _spell_out(name, plain["Resources"])
        elif resource["Type"] == "AWS::Lambda::EventSourceMapping":
            # A number that comes from a parameter stays text in MiniStack, and its poller compares this one.
            scaling = resource["Properties"]["ScalingConfig"]
            scaling["MaximumConcurrency"] = int(values[scaling["MaximumConcurrency"]["Ref"]])
    plain["Conditions"] = _split(plain.get("Conditions", {}), values)
    return plain


def _require_names(plain: dict[str, Any]) -> None:
    """Raise `Trouble` if the template refers to something it doesn't hold. The linter does not look into Globals."""
    known = {*plain["Parameters"], *plain["Resources"]}
    for name, refers in _references(plain["Resources"], "") + _references(plain.get("Outputs", {}), ""):
        if name not in known and not name.startswith("AWS::"):
            raise Trouble(f"template.yaml: {refers} refers to {name}, which is neither a parameter nor a resource")


def _references(node: Any, where: str) -> list[tuple[str, str]]:
    """Every name that is referred to in `node`, with the path to where."""
    match node:
        case {"Ref": str(name)}:
            return [(name, where)]
        case {"Fn::GetAtt": [str(name), *_]}:
            return [(name, where)]
        case {"Fn::Sub": str(text)}:
            return [(name, where) for name in _SUBSTITUTED.findall(text)]
        case {"Fn::Sub": [str(text), dict(given)]}:
            outer = [(name, where) for name in _SUBSTITUTED.findall(text) if name not in given]
            return outer + _references(given, where)
        case dict():
            return [found for name, value in node.items() for found in _references(value, f"{where}.{name}".strip("."))]
        case list():
            return [found for value in node for found in _references(value, where)]
    return []


_SUBSTITUTED = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")


def _split(node: Any, values: dict[str, str]) -> Any:
    """MiniStack knows Fn::Split in a resource but not in a condition, where it only ever sees parameters."""
    match node:
        case {"Fn::Split": [str(by), {"Ref": str(parameter)}]}:
            return values[parameter].split(by)
        case dict():
            return {name: _split(value, values) for name, value in node.items()}
        case list():
            return [_split(value, values) for value in node]
    return node


class _NoManagedPolicies:
    """Roles are written out in the template, so no name of a managed policy is ever looked up."""

    def load(self) -> dict[str, str]:
        return {}


def _spell_out(api: str, resources: dict[str, Any]) -> None:
    properties = resources[api]["Properties"]
    body = properties.pop("Body")
    properties.pop("FailOnWarnings", None)
    # A name of ours in place of a random one: the address stays the same over every new state folder.
    properties |= {"Name": "outlive", "ProtocolType": "HTTP", "Tags": {"ms-custom-id": "outlive"}}
    if cors := body.get("x-amazon-apigateway-cors"):
        properties["CorsConfiguration"] = cors
    reference = {"ApiId": {"Ref": api}}
    for scheme, about in body["components"]["securitySchemes"].items():
        authorizer = about["x-amazon-apigateway-authorizer"]
        resources[f"{api}{scheme}Authorizer"] = {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                **reference,
                "Name": scheme,
                "AuthorizerType": authorizer["type"].upper(),
                "IdentitySource": [authorizer["identitySource"]],
                "JwtConfiguration": {
                    "Issuer": authorizer["jwtConfiguration"]["issuer"],
                    "Audience": authorizer["jwtConfiguration"]["audience"],
                },
            },
        }
    for path, methods in body["paths"].items():
        for method, about in methods.items():
            name = re.sub(r"\W", "", f"{api}{method.title()}{path.title()}")
            integration = about["x-amazon-apigateway-integration"]
            resources[f"{name}Integration"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    **reference,
                    "IntegrationType": integration["type"].upper(),
                    "IntegrationMethod": integration["httpMethod"],
                    "IntegrationUri": integration["uri"],
                    "PayloadFormatVersion": integration["payloadFormatVersion"],
                },
            }
            (security,) = about.get("security") or [{NO_AUTHORIZER: []}]
            (scheme,) = security
            allowed = {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": f"{api}{scheme}Authorizer"}}
            if scheme == NO_AUTHORIZER:
                allowed = {"AuthorizationType": "NONE"}
            resources[f"{name}Route"] = {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    **reference,
                    "RouteKey": f"{method.upper()} {path}",
                    "Target": {"Fn::Sub": f"integrations/${{{name}Integration}}"},
                    **allowed,
                },
            }
