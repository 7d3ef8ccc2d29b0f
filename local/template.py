"""Translate `template.yaml` into CloudFormation that the local AWS understands.

SAM turns an HTTP API into one OpenAPI document, which MiniStack does not read. This module turns the document's routes,
integrations, authorizers and CORS rules into resources. All of them come from the template; nothing is added.
"""

import contextlib
import hashlib
import io
import os
import re
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from local.aws import REGION
from local.build import ROOT
from local.messages import UserError

SERVERLESS_FUNCTION = "AWS::Serverless::Function"
SERVERLESS_LAYER = "AWS::Serverless::LayerVersion"


def read(file: Path) -> dict[str, Any]:
    """The parsed template. Raises `UserError` with the first error that the linter reports.

    The linter runs first because the local AWS deploys a reference to a missing resource without an error.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file.name} can't be read: {error}") from error
    _lint(file.name, text)
    parsed = yaml_parse(text)
    assert isinstance(parsed, dict)
    return parsed


def _lint(name: str, text: str) -> None:
    """Raise `UserError` with the first error of the template.

    A text that passed is not linted again: linting takes longer than the rest of a start.
    """
    good = ROOT / ".build" / "linted" / hashlib.sha256(f"{version('cfn-lint')} {text}".encode()).hexdigest()
    if good.exists():
        return
    from cfnlint.api import lint as cfn_lint  # noqa: PLC0415  # a second of its own, and seldom needed
    from cfnlint.config import ManualArgs  # noqa: PLC0415

    errors = [match for match in cfn_lint(text, config=ManualArgs(regions=[REGION])) if match.rule.id.startswith("E")]
    # A reference to a missing name (E1…) comes first: it causes many of the other errors.
    errors.sort(key=lambda match: (not match.rule.id.startswith("E1"), match.linenumber, match.rule.id))
    if errors:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise UserError(
            f"{name}:{first.linenumber}: {textwrap.shorten(first.message, 160, placeholder=' …')} [{first.rule.id}]{more}"
        )
    good.parent.mkdir(parents=True, exist_ok=True)
    good.touch()


def parameters(template: dict[str, Any], fixed: dict[str, str], defaults: dict[str, str]) -> dict[str, str]:
    """Every parameter's value: `fixed`, else the environment's (`LEASE_SECONDS` for `LeaseSeconds`), else `defaults`,
    else the template's default.

    Raises `UserError` for a value that is not one of the template's AllowedValues. Other bounds are not checked here: a
    test may set a lease of one second, and the functions check their settings themselves.
    """
    values = {}
    for name, declaration in template["Parameters"].items():
        variable = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
        if name in fixed:
            value = fixed[name]
        elif variable in os.environ:
            value = os.environ[variable]
            allowed = [str(one) for one in declaration.get("AllowedValues", [])]
            if allowed and value not in allowed:
                raise UserError(f"{variable} must be one of {', '.join(allowed)}, not {value!r}")
        else:
            value = defaults.get(name, str(declaration["Default"]))
        values[name] = value
    return values


def translated(template: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """Plain CloudFormation: the SAM transform applied, and the API's routes as resources. Changes `template`."""
    # The translator reads the region from the environment.
    os.environ["AWS_DEFAULT_REGION"] = REGION
    try:
        # The translator prints messages about metrics and regions.
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            plain = transform(template, dict(values), _NoManagedPolicies())
    except InvalidDocumentException as error:
        raise UserError(f"template.yaml: {' '.join(str(error.causes[0].message).split())}") from error
    assert isinstance(plain, dict)
    _require_names(plain)
    for name, resource in list(plain["Resources"].items()):
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            _add_api_resources(name, plain["Resources"])
        elif resource["Type"] == "AWS::Lambda::EventSourceMapping":
            # MiniStack leaves a parameter's number as text, but its poller compares this one as a number.
            scaling = resource["Properties"]["ScalingConfig"]
            scaling["MaximumConcurrency"] = int(values[scaling["MaximumConcurrency"]["Ref"]])
    plain["Conditions"] = _with_splits_resolved(plain.get("Conditions", {}), values)
    return plain


def _require_names(plain: dict[str, Any]) -> None:
    """Raise `UserError` if the template refers to a missing name. The linter does not check Globals."""
    names = {*plain["Parameters"], *plain["Resources"]}
    for name, path in _references(plain["Resources"], "") + _references(plain.get("Outputs", {}), ""):
        if name not in names and not name.startswith("AWS::"):
            raise UserError(f"template.yaml: {path} refers to {name}, which is neither a parameter nor a resource")


def _references(node: Any, path: str) -> list[tuple[str, str]]:
    """Every name that `node` refers to, with the path of the reference."""
    match node:
        case {"Ref": str(name)}:
            return [(name, path)]
        case {"Fn::GetAtt": [str(name), *_]}:
            return [(name, path)]
        case {"Fn::Sub": str(text)}:
            return [(name, path) for name in _SUBSTITUTED.findall(text)]
        case {"Fn::Sub": [str(text), dict(values)]}:
            outer = [(name, path) for name in _SUBSTITUTED.findall(text) if name not in values]
            return outer + _references(values, path)
        case dict():
            return [pair for name, value in node.items() for pair in _references(value, f"{path}.{name}".strip("."))]
        case list():
            return [pair for value in node for pair in _references(value, path)]
    return []


_SUBSTITUTED = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")


def _with_splits_resolved(node: Any, values: dict[str, str]) -> Any:
    """Resolve Fn::Split of a parameter in a condition, where MiniStack does not support it."""
    match node:
        case {"Fn::Split": [str(separator), {"Ref": str(parameter)}]}:
            return values[parameter].split(separator)
        case {"Fn::Split": [str(separator), {"Fn::Sub": str(text)}]}:
            return _SUBSTITUTED.sub(lambda name: values[name[1]], text).split(separator)
        case dict():
            return {name: _with_splits_resolved(value, values) for name, value in node.items()}
        case list():
            return [_with_splits_resolved(value, values) for value in node]
    return node


class _NoManagedPolicies:
    """The template uses no managed policies, so the translator never looks one up."""

    def load(self) -> dict[str, str]:
        return {}


def _add_api_resources(api: str, resources: dict[str, Any]) -> None:
    """Add a resource for each authorizer, integration and route of the API's OpenAPI document, and remove the document."""
    properties = resources[api]["Properties"]
    document = properties.pop("Body")
    properties.pop("FailOnWarnings", None)
    # A fixed id in place of a random one: every new state folder gets the same address.
    properties |= {"Name": "outlive", "ProtocolType": "HTTP", "Tags": {"ms-custom-id": "outlive"}}
    if cors := document.get("x-amazon-apigateway-cors"):
        properties["CorsConfiguration"] = cors
    for scheme, settings in document["components"]["securitySchemes"].items():
        resources[f"{api}{scheme}Authorizer"] = _authorizer(api, scheme, settings["x-amazon-apigateway-authorizer"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = re.sub(r"\W", "", f"{api}{method.title()}{path.title()}")
            resources[f"{name}Integration"] = _integration(api, operation["x-amazon-apigateway-integration"])
            (security,) = operation.get("security") or [{}]
            resources[f"{name}Route"] = _route(api, f"{method.upper()} {path}", f"{name}Integration", security)


def _authorizer(api: str, scheme: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGatewayV2::Authorizer",
        "Properties": {
            "ApiId": {"Ref": api},
            "Name": scheme,
            "AuthorizerType": settings["type"].upper(),
            "IdentitySource": [settings["identitySource"]],
            "JwtConfiguration": {
                "Issuer": settings["jwtConfiguration"]["issuer"],
                "Audience": settings["jwtConfiguration"]["audience"],
            },
        },
    }


def _integration(api: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {
            "ApiId": {"Ref": api},
            "IntegrationType": settings["type"].upper(),
            "IntegrationMethod": settings["httpMethod"],
            "IntegrationUri": settings["uri"],
            "PayloadFormatVersion": settings["payloadFormatVersion"],
        },
    }


def _route(api: str, key: str, integration: str, security: dict[str, Any]) -> dict[str, Any]:
    authorization: dict[str, Any] = {"AuthorizationType": "NONE"}
    for scheme, scopes in security.items():
        authorization = {
            "AuthorizationType": "JWT",
            "AuthorizerId": {"Ref": f"{api}{scheme}Authorizer"},
            "AuthorizationScopes": scopes,
        }
    return {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            "ApiId": {"Ref": api},
            "RouteKey": key,
            "Target": {"Fn::Sub": f"integrations/${{{integration}}}"},
            **authorization,
        },
    }
