"""`template.yaml` as the documents need it: its routes, and its parameters in their groups."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it carries no types

ROOT = Path(__file__).resolve().parents[2]
MANY = 6
"""How many values a table names one by one."""


class Drift(Exception):
    """Template, code and documents do not fit together; the message says where."""


class Loader(yaml.SafeLoader):  # type: ignore[misc]  # so its classes have none either
    """Reads CloudFormation's short forms as the bare value behind them."""


def _bare(loader: Loader, _name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_scalar(node)


Loader.add_multi_constructor("!", _bare)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as its reader sees it."""

    name: str
    default: str | None
    values: str
    """Which values it takes, in a few words; empty where its description says it all."""
    description: str

    @property
    def variable(self) -> str:
        """What it is called in the environment: `LEASE_SECONDS` for `LeaseSeconds`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).upper()


@cache
def read() -> dict[str, Any]:
    """The template."""
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Loader)  # noqa: S506  # a safe loader
    return loaded


def routes(template: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Method and path of each route, and the folder of the function behind it. The console's page is no call of the API."""
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"]): Path(resource["Properties"]["CodeUri"]).name
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function" and resource["Properties"]["CodeUri"] != "functions/console"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }


def without_token(template: dict[str, Any]) -> set[tuple[str, str]]:
    """Method and path of each route that asks for no token."""
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Properties"].get("Auth", {}).get("Authorizer") == "NONE"
    }


def parameters(template: dict[str, Any]) -> dict[str, list[Parameter]]:
    """The parameters by the title of their group."""
    return {
        group["Label"]["default"]: [_parameter(name, template["Parameters"][name]) for name in group["Parameters"]]
        for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    }


def _parameter(name: str, about: dict[str, Any]) -> Parameter:
    values = ""
    if "AllowedValues" in about:
        allowed = [str(value) for value in about["AllowedValues"]]
        values = ", ".join(allowed if len(allowed) <= MANY else [*allowed[:3], "…", allowed[-1]])
    elif "MinValue" in about:
        values = f"{about['MinValue']} to {about['MaxValue']}"
    default = about.get("Default")
    return Parameter(name, None if default is None else str(default), values, " ".join(about["Description"].split()))
