"""The template of docs/edge, which is offered for copying. `make check` lints it as it does the other one."""

from pathlib import Path
from typing import Any

import yaml

from tests.unit.test_template import PARAMETERS, RESOURCES, Loader

TEMPLATE = yaml.load((Path(__file__).parents[2] / "docs" / "edge" / "template.yaml").read_text(), Loader)


def of(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = TEMPLATE["Resources"][name]["Properties"]
    return properties


def test_requests_pass_the_firewall_and_nothing_is_kept() -> None:
    """Answers are a user's own; and API Gateway finds the API by the Host that it gave it."""
    distribution = of("Distribution")["DistributionConfig"]
    assert distribution["WebACLId"] == {"Fn::GetAtt": ["Firewall", "Arn"]}
    behaviour = distribution["DefaultCacheBehavior"]
    assert behaviour["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behaviour["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert "CacheBehaviors" not in distribution
    methods = set(RESOURCES["Api"]["Properties"]["CorsConfiguration"]["Fn::If"][1]["AllowMethods"]) | {"OPTIONS"}
    assert methods <= set(behaviour["AllowedMethods"])


def test_a_read_that_waits_is_not_cut_off() -> None:
    """The gateway answers within 30 seconds."""
    (origin,) = of("Distribution")["DistributionConfig"]["Origins"]
    longest = max(RESOURCES[name]["Properties"]["Timeout"] for name in ("Start", "Tail", "Chat"))
    assert origin["CustomOriginConfig"]["OriginReadTimeout"] > longest


def test_the_firewall_bounds_an_address_and_refuses_what_is_beyond() -> None:
    """For a page that asks every second, the default leaves room for several behind one address."""
    rates = [rule for rule in of("Firewall")["Rules"] if "RateBasedStatement" in rule["Statement"]]
    assert [rule["Action"] for rule in rates] == [{"Block": {}}]
    assert rates[0]["Statement"]["RateBasedStatement"]["Limit"] == {"Ref": "RequestsPerAddress"}
    assert TEMPLATE["Parameters"]["RequestsPerAddress"]["Default"] >= 10 * 300


def test_the_firewalls_log_has_no_token_no_ticket_and_an_end() -> None:
    redacted = of("FirewallLogging")["RedactedFields"]
    assert redacted == [{"SingleHeader": {"Name": "authorization"}}, {"UriPath": {}}, {"QueryString": {}}]
    assert of("FirewallLogs")["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert TEMPLATE["Parameters"]["LogRetentionDays"] == {
        **PARAMETERS["LogRetentionDays"], "Description": TEMPLATE["Parameters"]["LogRetentionDays"]["Description"],
    }  # fmt: skip
