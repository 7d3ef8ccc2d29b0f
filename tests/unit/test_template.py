"""What the template promises that no emulator shows: asserted on the template itself."""

import json
import os
import re
import subprocess
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.build import GROUP
from outlive.settings import BOUNDS, MODEL_NAME
from outlive.store.bucket import UNUSED
from outlive.store.rows import SHARDS
from proof.dynamodb.schema import BASE, INDEXES
from proof.engines.engines import declaration

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("Start", "Step", "Stop", "Answer", "File", "Read", "Tail", "Chat", "Sweep", "Console")


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they stand for: !Ref X as {"Ref": "X"}."""


def short_form(loader: Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        value = loader.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".")
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


Loader.add_multi_constructor("!", short_form)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(), Loader)
RESOURCES = TEMPLATE["Resources"]
PARAMETERS = TEMPLATE["Parameters"]
GLOBALS = TEMPLATE["Globals"]["Function"]


def of(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = RESOURCES[name]["Properties"]
    return properties


def statements(function: str) -> list[dict[str, Any]]:
    """Every statement of the function's role, also those under a condition."""
    policies = [policy.get("Fn::If", [None, policy])[1] for policy in of(f"{function}Role")["Policies"]]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return action if isinstance(action, list) else [action]


def on(function: str, resource: Any) -> set[str]:
    return {action for one in statements(function) if one["Resource"] == resource for action in actions(one)}


SECRETS = {"HasKey": ("ModelKeySecret", "KeyIsArn"), "HasOtlpHeaders": ("OtlpHeadersSecret", "OtlpHeadersIsArn")}
"""By the condition of its policy: the parameter that names the secret, and the condition that it is an ARN."""
OWN_TABLE = {"Fn::If": ["OwnsTable", {"Ref": "Table"}, {"Ref": "ExistingTableName"}]}


def table_arn(rest: str = "") -> dict[str, Any]:
    """The ARN of the stack's table, or of the one that was given."""
    arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Name}"
    return {"Fn::Sub": [arn + rest, {"Name": OWN_TABLE}]}


TABLE = table_arn()
QUEUE = {"Fn::GetAtt": ["Queue", "Arn"]}
OWN_BUCKET = {"Fn::If": ["OwnsBucket", {"Ref": "Bucket"}, {"Ref": "ExistingBucketName"}]}
FILES = {"Fn::Sub": ["arn:${AWS::Partition}:s3:::${Name}/*", {"Name": OWN_BUCKET}]}


def names_in(node: Any) -> set[str]:
    """Every name that `node` refers to."""
    match node:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]} | {"Condition": str(name)}:
            return {name}
        case {"Fn::FindInMap": [str(name), *rest]} | {"Fn::If": [str(name), *rest]}:
            return {name} | names_in(rest)
        case {"Fn::Sub": str(text)}:
            return set(re.findall(r"\$\{([\w:]+)", text))
        case {"Fn::Sub": [str(text), dict(given)]}:
            return (set(re.findall(r"\$\{([\w:]+)", text)) - set(given)) | names_in(given)
        case dict():
            return {name for value in node.values() for name in names_in(value)}
        case list():
            return {name for value in node for name in names_in(value)}
    return set()


def test_every_name_that_is_referred_to_exists():
    """The linter does not look into Globals, and the local AWS deploys a reference to nothing without a word."""
    there = {name for part in ("Parameters", "Mappings", "Conditions", "Resources") for name in TEMPLATE[part]}
    referred = names_in({part: TEMPLATE[part] for part in ("Conditions", "Globals", "Resources", "Outputs")})
    assert {name for name in referred if not name.startswith("AWS::")} <= there
    assert {"Table", "Queue", "StepTimeout", "UsesBedrock", "AgentModel"} <= referred


# --- the chain of steps


def test_lambda_does_not_take_a_run_for_a_recursive_loop():
    """Without this a run ends after about 16 steps, and no emulator shows it."""
    assert of("Step")["RecursiveLoop"] == "Allow"


def test_a_message_stays_hidden_for_longer_than_a_step_may_take():
    sums = TEMPLATE["Mappings"]["StepTimeout"]
    assert of("Step")["Timeout"] == {"Ref": "StepTimeoutSeconds"}
    assert of("Queue")["VisibilityTimeout"] == {
        "Fn::FindInMap": ["StepTimeout", {"Ref": "StepTimeoutSeconds"}, "VisibilitySeconds"]
    }
    assert set(sums) == set(PARAMETERS["StepTimeoutSeconds"]["AllowedValues"])
    assert all(int(timeout) < about["VisibilitySeconds"] <= 43200 for timeout, about in sums.items())
    assert PARAMETERS["StepTimeoutSeconds"]["Default"] == "300"


def test_a_step_is_delivered_alone_and_can_be_given_back():
    messages = of("Step")["Events"]["Messages"]["Properties"]
    assert messages["Queue"] == QUEUE
    assert messages["BatchSize"] == 1
    assert messages["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert messages["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}}
    concurrency = PARAMETERS["MaximumConcurrency"]
    assert (concurrency["MinValue"], concurrency["MaxValue"]) == (2, 1000)


def test_giving_back_does_not_lead_to_the_dead_letter_queue():
    """[28] The queue allows 1,000 receives of a message."""
    redrive = of("Queue")["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 1000
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert "FifoQueue" not in of("Queue")


def test_what_is_in_the_dead_letter_queue_is_kept_and_raises_an_alarm():
    assert of("DeadLetterQueue")["MessageRetentionPeriod"] == 14 * 24 * 3600
    alarm = of("DeadLetterAlarm")
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_a_sweep_is_due_every_minute_and_over_before_the_next():
    """[39] Its function times out in less than a minute."""
    schedule = of("Sweep")["Events"]["EveryMinute"]
    state = {"Fn::If": ["SweepsByShard", "DISABLED", "ENABLED"]}
    assert schedule == {"Type": "Schedule", "Properties": {"Schedule": "rate(1 minute)", "State": state}}


def test_every_shard_can_be_swept_by_an_invocation_of_its_own():
    """Of the two kinds of schedules one is on, and together they cover all shards."""
    events = of("Sweep")["Events"]
    shards = [one["Properties"] for name, one in events.items() if name.startswith("Shard")]
    assert [json.loads(one["Input"]) for one in shards] == [{"shard": number} for number in range(SHARDS)]
    assert all(one["State"] == {"Fn::If": ["SweepsByShard", "ENABLED", "DISABLED"]} for one in shards)
    assert len(events) == SHARDS + 1
    assert of("Sweep")["Timeout"] < 60


# --- the table


def test_the_table_is_on_demand_and_can_be_restored():
    """DynamoDB encrypts every table; a key to choose would only be a key to pay for."""
    table = of("Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "SSESpecification" not in table


def test_the_table_outlives_its_stack_but_not_a_first_deployment_that_failed():
    """[82] A protected table could not be removed after a failure, so protection is for later."""
    assert RESOURCES["Table"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES["Table"]["UpdateReplacePolicy"] == "Retain"
    assert of("Table")["DeletionProtectionEnabled"] == {"Ref": "ProtectTable"}
    assert PARAMETERS["ProtectTable"]["Default"] == "false"


def test_a_table_that_was_kept_or_restored_takes_the_place_of_the_stacks_own():
    """[82] Nothing names the stack's own table when another one is given."""
    assert RESOURCES["Table"]["Condition"] == "OwnsTable"
    assert TEMPLATE["Conditions"]["OwnsTable"] == {"Fn::Equals": [{"Ref": "ExistingTableName"}, ""]}
    assert GLOBALS["Environment"]["Variables"]["TABLE_NAME"] == OWN_TABLE
    parts = {part: TEMPLATE[part] for part in ("Globals", "Resources", "Outputs")}
    text = json.dumps(parts).replace(json.dumps(OWN_TABLE), "")
    assert '{"Ref": "Table"}' not in text
    assert '["Table", "Arn"]' not in text


def test_finished_rows_can_expire():
    assert of("Table")["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_table_in_memory_has_the_keys_and_indexes_of_this_one():
    """The proof and the tests of the handlers run on it."""
    table, deployed = declaration("outlive", BASE, INDEXES), of("Table")
    for name, key in (("AttributeDefinitions", "AttributeName"), ("GlobalSecondaryIndexes", "IndexName")):
        assert sorted(table[name], key=itemgetter(key)) == sorted(deployed[name], key=itemgetter(key))
    assert (table["KeySchema"], table["BillingMode"]) == (deployed["KeySchema"], deployed["BillingMode"])


def test_the_indexes_carry_keys_only():
    indexes = {index["IndexName"]: index for index in of("Table")["GlobalSecondaryIndexes"]}
    assert set(indexes) == {"active", "due", "by_chat"}
    assert all(index["Projection"] == {"ProjectionType": "KEYS_ONLY"} for index in indexes.values())
    keys = {name: [key["AttributeName"] for key in index["KeySchema"]] for name, index in indexes.items()}
    assert keys == {
        "active": ["active_shard", "created_at"],
        "due": ["due_shard", "due_at"],
        "by_chat": ["chat_key", "assistant_seq"],
    }


# --- the bucket


def test_the_bucket_is_private_encrypted_and_outlives_its_stack_as_the_table_does():
    """[128] No object can be public, and what is deleted is gone."""
    bucket = of("Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert "VersioningConfiguration" not in bucket
    kept = {name: RESOURCES["Bucket"][name] for name in ("DeletionPolicy", "UpdateReplacePolicy")}
    assert kept == {name: RESOURCES["Table"][name] for name in kept}


def test_a_bucket_that_was_kept_takes_the_place_of_the_stacks_own():
    """[82] Nothing names the stack's own bucket when another one is given."""
    assert RESOURCES["Bucket"]["Condition"] == "OwnsBucket"
    parts = {part: TEMPLATE[part] for part in ("Globals", "Resources", "Outputs")}
    text = json.dumps(parts).replace(json.dumps(OWN_BUCKET), "")
    assert '{"Ref": "Bucket"}' not in text
    assert '["Bucket", "' not in text


def test_the_lifecycle_deletes_unused_uploads_and_what_retention_no_longer_keeps():
    """[133] An upload carries the tag of the first rule until a start names it."""
    unused, incomplete, retention = of("Bucket")["LifecycleConfiguration"]["Rules"]
    (tag,) = unused["TagFilters"]
    assert f"{tag['Key']}={tag['Value']}" == UNUSED
    assert unused["ExpirationInDays"] == 1
    assert incomplete["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    expiring = {"Id": "retention", "Status": "Enabled", "ExpirationInDays": {"Ref": "RetentionDays"}}
    assert retention == {"Fn::If": ["FilesExpire", expiring, {"Ref": "AWS::NoValue"}]}


def test_each_function_may_do_with_files_what_it_does():
    """[128] None may list them, and only the one that makes addresses and the one that runs tools may write."""
    allowed = {name: on(name, FILES) for name in FUNCTIONS if on(name, FILES)}
    attach = {"s3:GetObject", "s3:DeleteObjectTagging"}
    assert allowed == {
        "Start": attach,
        "Chat": attach,
        "Step": {"s3:GetObject", "s3:PutObject"},
        "File": {"s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"},
    }
    (rule,) = of("Bucket")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == ["GET", "PUT"]


# --- the API


def test_every_call_of_the_contract_has_its_route_and_no_other_has_one():
    routes = {
        (event["Properties"]["Method"], event["Properties"]["Path"]): function
        for function in FUNCTIONS
        for event in of(function)["Events"].values()
        if event["Type"] == "HttpApi"
    }
    assert routes == {
        ("POST", "/chats/{chat_id}/runs"): "Start",
        ("GET", "/chats/{chat_id}/run"): "Read",
        ("GET", "/runs/{run_id}"): "Read",
        ("GET", "/chats/{chat_id}/messages"): "Read",
        ("GET", "/chats/{chat_id}/runs"): "Read",
        ("GET", "/chats/{chat_id}/queue"): "Read",
        ("GET", "/runs/{run_id}/events"): "Tail",
        ("POST", "/runs/{run_id}/ticket"): "Tail",
        ("GET", "/tickets/{ticket}/events"): "Tail",
        ("POST", "/api/chat"): "Chat",
        ("GET", "/api/chat/{chat_id}/stream"): "Chat",
        ("POST", "/chats/{chat_id}/files"): "File",
        ("GET", "/chats/{chat_id}/files/{file_id}"): "File",
        ("POST", "/chats/{chat_id}/stop"): "Stop",
        ("POST", "/runs/{run_id}/stop"): "Stop",
        ("POST", "/runs/{run_id}/answers"): "Answer",
        ("GET", "/console"): "Console",
        ("GET", "/console/{file}"): "Console",
    }


OPEN_ROUTES = {"GET /tickets/{ticket}/events", "GET /console", "GET /console/{file}"}


def test_no_call_goes_without_a_token_but_with_a_ticket():
    """[48] The console's files are no call: they are the same for everyone."""
    auth = of("Api")["Auth"]
    assert "DefaultAuthorizer" not in auth
    jwt = auth["Authorizers"]["Token"]["JwtConfiguration"]
    assert jwt == {"issuer": {"Ref": "JwtIssuer"}, "audience": {"Ref": "JwtAudience"}}
    authorizers = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}": event["Properties"].get("Auth")
        for function in FUNCTIONS
        for event in of(function)["Events"].values()
        if event["Type"] == "HttpApi"
    }
    assert {route for route, about in authorizers.items() if about is None} == OPEN_ROUTES
    assert [about for about in authorizers.values() if about not in (None, {"Authorizer": "Token"})] == []


def test_a_route_without_a_token_has_a_limit_of_its_own():
    """Lower than the API's, and a number: CloudFormation passes a parameter as text where it does not know the type."""
    api = of("Api")
    assert api["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "RequestsPerSecond"},
        "ThrottlingBurstLimit": {"Ref": "RequestBurst"},
    }
    assert set(api["RouteSettings"]) == OPEN_ROUTES
    for limits in api["RouteSettings"].values():
        assert 0 < limits["ThrottlingRateLimit"] < PARAMETERS["RequestsPerSecond"]["Default"]
        assert 0 < limits["ThrottlingBurstLimit"] < PARAMETERS["RequestBurst"]["Default"]


def test_nothing_is_reserved_of_an_account_unless_it_is_asked_for():
    """A new account has 10 executions, and none of them can be reserved. A sweep has as many as it is invoked with at once."""
    reserved = {name: of(name).get("ReservedConcurrentExecutions") for name in (*FUNCTIONS, "Stream")}
    no_value = {"Ref": "AWS::NoValue"}
    assert {name: about for name, about in reserved.items() if about is not None} == {
        "Step": {"Fn::If": ["Reserves", {"Ref": "MaximumConcurrency"}, no_value]},
        "Sweep": {"Fn::If": ["Reserves", {"Fn::If": ["SweepsByShard", SHARDS, 1]}, no_value]},
        "Tail": {"Fn::If": ["BoundsWaiting", {"Ref": "WaitingConcurrency"}, no_value]},
        "Chat": {"Fn::If": ["BoundsWaiting", {"Ref": "WaitingConcurrency"}, no_value]},
        "Stream": {"Fn::If": ["BoundsStreams", {"Ref": "StreamingConcurrency"}, no_value]},
    }
    assert PARAMETERS["ReserveConcurrency"]["Default"] == "false"
    assert PARAMETERS["WaitingConcurrency"]["Default"] == 0


def test_issuer_and_audience_have_no_default_to_forget():
    assert "Default" not in PARAMETERS["JwtIssuer"]
    assert "Default" not in PARAMETERS["JwtAudience"]


def test_the_access_log_says_who_was_refused_and_why_but_no_chat_and_no_run():
    """The user as the token names them, so that a flood or a refused token can be traced to a user."""
    logged = json.loads(of("Api")["AccessLogSettings"]["Format"])
    assert set(logged.values()) == {
        "$context.requestTime",
        "$context.requestId",
        "$context.routeKey",
        "$context.status",
        "$context.responseLatency",
        "$context.responseLength",
        "$context.identity.sourceIp",
        "$context.authorizer.claims.sub",
        "$context.authorizer.error",
        "$context.integrationStatus",
        "$context.integrationLatency",
        "$context.error.message",
        "$context.integrationErrorMessage",
    }


def test_the_access_log_needs_no_statement_of_its_own_in_the_accounts_log_policy():
    """That policy has 5,120 characters for all stacks; AWS adds no statement for a log group with this prefix."""
    assert of("ApiLogs")["LogGroupName"] == {"Fn::Sub": "/aws/vendedlogs/${AWS::StackName}/api"}


# --- roles


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_names_each_action_and_each_resource(function):
    for statement in statements(function):
        assert not [action for action in actions(statement) if "*" in action]
        if statement["Resource"] == "*":
            assert set(actions(statement)) == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
        elif statement["Resource"] == FILES:
            assert {action.partition(":")[0] for action in actions(statement)} == {"s3"}
        elif "*" in json.dumps(statement["Resource"]):
            # Whatever model stands behind it, but only through the one inference profile.
            assert function == "Step"
            assert list(statement["Condition"]["StringEquals"]) == ["bedrock:InferenceProfileArn"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_role_and_a_log_of_its_own(function):
    assert of(function)["Role"] == {"Fn::GetAtt": [f"{function}Role", "Arn"]}
    assert of(function)["LoggingConfig"] == {"LogGroup": {"Ref": f"{function}Logs"}}
    assert "Policies" not in of(function)
    assert "ManagedPolicyArns" not in of(f"{function}Role")
    (trusted,) = of(f"{function}Role")["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_nothing_of_the_streaming_function_is_deployed_by_default():
    """An address without a gateway before it, and a role that starts runs, are never the default."""
    assert PARAMETERS["StreamingFunction"]["Default"] == "false"
    named = {name for name in RESOURCES if name.startswith("Stream")}
    assert named == {
        "Stream", "StreamRole", "StreamLogs", "StreamUrl", "StreamMayBeCalled", "StreamMayBeInvoked", "StreamFaults",
    }  # fmt: skip
    assert {RESOURCES[name].get("Condition") for name in named} == {"Streams"}
    assert TEMPLATE["Outputs"]["StreamUrl"]["Condition"] == "Streams"
    assert not names_in({name: about for name, about in RESOURCES.items() if name not in named}) & named


def test_a_stream_may_do_what_the_same_calls_of_the_api_may():
    """It starts and follows runs as chat does, and reads tickets."""
    everything = (TABLE, QUEUE, FILES)
    assert [on("Stream", resource) for resource in everything] == [on("Chat", resource) for resource in everything]
    assert of("Stream")["Role"] == {"Fn::GetAtt": ["StreamRole", "Arn"]}
    assert of("Stream")["LoggingConfig"] == {"LogGroup": {"Ref": "StreamLogs"}}
    assert of("StreamUrl")["InvokeMode"] == "RESPONSE_STREAM"
    asked = of("StreamUrl")["Cors"]["Fn::If"][1]
    given = of("Api")["CorsConfiguration"]["Fn::If"][1]
    assert asked == given
    start = ROOT / "functions" / "stream" / of("Stream")["Handler"]
    assert os.access(start, os.X_OK)


def test_a_streams_address_can_be_called_and_the_guided_deployment_does_not_ask_about_it():
    """[81] The SAM CLI asks about each FunctionUrlConfig without authentication, also about one under a false condition."""
    assert not [name for name in RESOURCES if "FunctionUrlConfig" in RESOURCES[name].get("Properties", {})]
    granted = [of("StreamMayBeCalled"), of("StreamMayBeInvoked")]
    assert [one["Action"] for one in granted] == ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]
    assert of("StreamMayBeInvoked")["InvokedViaFunctionUrl"] is True


def test_the_read_function_can_write_nothing():
    allowed = {action for statement in statements("Read") for action in actions(statement)}
    writes = re.compile(r"Put|Update|Delete|Write|Send|ConditionCheck")
    assert {action for action in allowed if writes.search(action)} == {"logs:PutLogEvents"}


def test_the_console_may_do_nothing_but_log():
    allowed = {action for statement in statements("Console") for action in actions(statement)}
    assert {action.partition(":")[0] for action in allowed} == {"logs"}


def test_what_readers_ask_every_second_is_not_traced():
    """A trace of each look would cost more than the run."""
    assert GLOBALS["Tracing"] == {"Ref": "Tracing"}
    untraced = {name for name in FUNCTIONS if of(name).get("Tracing") == "PassThrough"}
    assert untraced == {"File", "Read", "Tail", "Sweep", "Console"}
    tracing = {name for name in FUNCTIONS if any("xray:" in one for s in statements(name) for one in actions(s))}
    assert tracing == set(FUNCTIONS) - untraced


def test_an_index_may_be_queried_only_by_the_function_that_needs_it():
    for index, function in (("active", "Sweep"), ("due", "Sweep"), ("by_chat", "Read")):
        arn = table_arn(f"/index/{index}")
        assert {name: on(name, arn) for name in FUNCTIONS if on(name, arn)} == {function: {"dynamodb:Query"}}


def test_no_role_may_list_or_delete_rows():
    allowed = {action for name in FUNCTIONS for statement in statements(name) for action in actions(statement)}
    assert not allowed & {"dynamodb:Scan", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}


def test_only_the_step_function_reaches_a_model_and_only_if_it_is_bedrocks():
    asking = [name for name in FUNCTIONS if any("bedrock:" in one for s in statements(name) for one in actions(s))]
    assert asking == ["Step"]
    guards = [policy["Fn::If"][0] for policy in of("StepRole")["Policies"] if "Fn::If" in policy]
    assert guards == ["HasKey", "HasOtlpHeaders", "UsesBedrock"]
    assert TEMPLATE["Conditions"]["UsesBedrock"] == {
        "Fn::Equals": [{"Fn::Select": [0, {"Fn::Split": [":", {"Ref": "AgentModel"}]}]}, "bedrock"]
    }


def test_the_models_key_is_in_no_configuration_and_the_step_function_alone_may_read_it():
    """[86] Its environment has the name of the secret, and its role that one secret."""
    assert "resolve:secretsmanager" not in (ROOT / "template.yaml").read_text()
    for name in FUNCTIONS:
        variables = {**GLOBALS["Environment"]["Variables"], **of(name).get("Environment", {}).get("Variables", {})}
        assert not {variable for variable in variables if variable.endswith("API_KEY")}
        assert ("MODEL_KEY_SECRET" in variables) == (name == "Step")
        reads = [one for one in statements(name) if "secretsmanager:GetSecretValue" in actions(one)]
        assert len(reads) == (len(SECRETS) if name == "Step" else 0)
    for guard, (parameter, is_arn) in SECRETS.items():
        policy = next(one for one in of("StepRole")["Policies"] if one.get("Fn::If", [""])[0] == guard)["Fn::If"][1]
        (statement,) = policy["PolicyDocument"]["Statement"]
        arn = f"arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:${{{parameter}}}-??????"
        assert statement["Resource"] == {"Fn::If": [is_arn, {"Ref": parameter}, {"Fn::Sub": arn}]}


def test_spans_go_nowhere_and_hold_nothing_unless_a_parameter_says_so():
    """[92] [94] The step function alone knows of them."""
    assert [PARAMETERS[name]["Default"] for name in ("OtlpEndpoint", "OtlpHeadersSecret", "OtlpContent")] == [
        "",
        "",
        "false",
    ]
    given = {name: of(name).get("Environment", {}).get("Variables", {}) for name in FUNCTIONS}
    assert {name for name, variables in given.items() if any("OTLP" in variable for variable in variables)} == {"Step"}
    assert not [variable for variable in GLOBALS["Environment"]["Variables"] if "OTLP" in variable]


def test_every_role_has_the_permissions_boundary_of_the_parameter():
    """An account that allows no role without one refuses the whole deployment over a single role."""
    roles = {name: about["Properties"] for name, about in RESOURCES.items() if about["Type"] == "AWS::IAM::Role"}
    assert set(roles) == {f"{name}Role" for name in (*FUNCTIONS, "Stream")}
    boundary = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    assert [name for name, about in roles.items() if about.get("PermissionsBoundary") != boundary] == []
    assert PARAMETERS["PermissionsBoundary"]["Default"] == ""
    # SAM makes a role of its own for a function or a schedule that names none.
    functions = [about["Properties"] for about in RESOURCES.values() if about["Type"] == "AWS::Serverless::Function"]
    assert all("Role" in about for about in functions)


# --- functions


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_built_by_its_make_target(function):
    assert of(function)["CodeUri"] == f"functions/{function.lower()}"
    assert RESOURCES[function]["Metadata"] == {"BuildMethod": "makefile", "ContextPath": ".", "WorkingDirectory": "."}
    assert function.lower() in GROUP
    command = ["make", "--dry-run", f"build-{function}", "ARTIFACTS_DIR=folder of artifacts"]
    recipe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f'-m local.build {function} "folder of artifacts"' in recipe


def test_every_setting_of_the_functions_comes_from_a_parameter():
    given = GLOBALS["Environment"]["Variables"]
    settings = {name for name in given if not name.startswith("POWERTOOLS_")} - {
        "TABLE_NAME",
        "QUEUE_URL",
        "FILES_BUCKET",
    }
    for name in settings:
        assert given[name] == {"Ref": name.title().replace("_", "")}
    made = {"TABLE_NAME": OWN_TABLE, "QUEUE_URL": {"Ref": "Queue"}, "FILES_BUCKET": OWN_BUCKET}
    assert {name: given[name] for name in made} == made


def test_every_setting_the_code_reads_is_given():
    code = (ROOT / "shared" / "outlive" / "settings.py").read_text()
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', code))
    assert read == {name for name in GLOBALS["Environment"]["Variables"] if not name.startswith("POWERTOOLS_")}


def test_the_bounds_of_a_parameter_are_those_of_its_setting():
    """A value that the deployment accepts is one with which the functions start, and the other way round."""
    given = {
        name: (PARAMETERS[parameter["Ref"]]["MinValue"], PARAMETERS[parameter["Ref"]]["MaxValue"])
        for name, parameter in GLOBALS["Environment"]["Variables"].items()
        if "Ref" in parameter and PARAMETERS.get(parameter["Ref"], {}).get("Type") == "Number"
    }
    assert given == BOUNDS
    assert PARAMETERS["AgentModel"]["AllowedPattern"] == f"^({MODEL_NAME.pattern})$"


def test_the_defaults_are_those_of_the_contract():
    defaults = {
        "AgentModel": "offline",
        "LeaseSeconds": 30,
        "StaleSeconds": 600,
        "PendingSeconds": 3600,
        "SweepResendLimit": 3,
        "MaxSteps": 20,
        "StepAttempts": 3,
        "StopPollSeconds": 1,
        "RetentionDays": 0,
        "RunsEnabled": "true",
        "LiveText": "true",
        "WorkspaceClaim": "workspace_id",
        "DepsClaims": "",
    }
    assert {name: PARAMETERS[name]["Default"] for name in defaults} == defaults


def test_every_parameter_is_described_used_and_listed():
    text = json.dumps({key: TEMPLATE[key] for key in ("Conditions", "Globals", "Resources")})
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    listed = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(listed) == sorted(PARAMETERS)
    for name, about in PARAMETERS.items():
        assert about["Description"].strip()
        assert f'"{name}"' in text or f"${{{name}}}" in text


def test_lambda_runs_what_the_project_says():
    assert (GLOBALS["Runtime"], GLOBALS["Architectures"]) == ("python3.13", ["arm64"])
    assert of("Shared")["ContentUri"] == "shared"


@pytest.mark.parametrize("logs", [*(f"{name}Logs" for name in FUNCTIONS), "ApiLogs"])
def test_logs_are_kept_as_long_as_the_parameter_says(logs):
    assert of(logs)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_an_operator_learns_the_names_of_everything():
    assert set(TEMPLATE["Outputs"]) == {
        "ApiUrl",
        "ConsoleUrl",
        "StreamUrl",
        "DashboardUrl",
        "TableName",
        "BucketName",
        "QueueUrl",
        "DeadLetterQueueUrl",
        *(f"{name}Function" for name in FUNCTIONS),
    }


# --- events


@pytest.mark.parametrize("name", [name.lower() for name in FUNCTIONS])
def test_each_function_has_an_event_to_try_it_with(name):
    event = json.loads((ROOT / "events" / f"{name}.json").read_text())
    assert "123456789012" in json.dumps(event)
    if name == "step":
        (record,) = event["Records"]
        assert set(json.loads(record["body"])) == {"workspace_id", "run_id", "step"}
    elif name != "sweep":
        needs_token = name != "console"
        assert ("authorizer" in event["requestContext"]) == needs_token
        method, path = event["routeKey"].split()
        routes = [one["Properties"] for one in of(name.title())["Events"].values()]
        assert (method, path) in {(one["Method"], one["Path"]) for one in routes}
        if needs_token:
            assert {"iss", "aud", "sub", "workspace_id"} <= set(event["requestContext"]["authorizer"]["jwt"]["claims"])
