"""What a user does with the SAM CLI, played with the real one against the local AWS: `make test-deploy`.

`sam build` runs as it is. Its artifacts are for Lambda's processor, so before they are deployed each is replaced by the
same build for this machine.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import smoke
from proof.stacks.deployed import Stack, until
from proof.stacks.ports import reserved

pytestmark = [
    pytest.mark.deployed,
    pytest.mark.skipif(not os.environ.get("SAM_DEPLOY"), reason="takes some minutes; make test-deploy runs it"),
]

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / ".envs" / "local" / "bin" / "python"
FRONT = Path(__file__).parent / "cloudformation_front.py"
SECONDS = 600
BUILD_HERE = """
import shutil, sys
from pathlib import Path
from local.build import GROUP, LAYER, function, layer
for name in GROUP:
    folder = Path(".aws-sam/build", name.title())
    shutil.rmtree(folder)
    folder.mkdir()
    function(name, folder, "here")
layer(Path(".aws-sam/build", LAYER), "here")
"""
ENTER = "\n" * 100
"""To every question that is still to come."""


@dataclass(frozen=True)
class Account:
    """A checkout of the project, the SAM CLI in it, and an account that has one stack already: `outlive`."""

    tree: Path
    aws: Stack
    endpoint: str
    files: dict[str, bytes]
    """What the checkout held before anything was built in it."""

    def sam(self, *command: str, answers: str = "") -> tuple[int, str]:
        """The exit code and the output of `sam …`, with these answers typed."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "1",
        }
        made = subprocess.run(
            [self.tree / ".envs" / "sam" / "bin" / "sam", *command],
            cwd=self.tree,
            env=env,
            input=answers,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        lines = made.stdout.replace("\r", "\n").splitlines()
        return made.returncode, "\n".join(line for line in lines if "Uploading to" not in line)

    def outputs(self, name: str) -> dict[str, str]:
        """The outputs of a stack."""
        (found,) = self.aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}

    def resources(self, name: str) -> dict[str, str]:
        """The physical ids of a stack's resources."""
        listed = self.aws.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}

    def base(self, name: str) -> str:
        """The address of a stack's API on this machine."""
        return f"{self.aws.endpoint}/_aws/execute-api/{self.resources(name)['Api']}"

    def left_of(self, name: str) -> dict[str, list[str]]:
        """What is there whose name begins with the stack's, by kind."""
        client = self.aws.client
        found = {
            "functions": [one["FunctionName"] for one in client("lambda").list_functions()["Functions"]],
            "tables": client("dynamodb").list_tables()["TableNames"],
            "queues": [url.rpartition("/")[2] for url in client("sqs").list_queues().get("QueueUrls", [])],
            "roles": [one["RoleName"] for one in client("iam").list_roles()["Roles"]],
            "logs": [one["logGroupName"] for one in client("logs").describe_log_groups()["logGroups"]],
            "alarms": [one["AlarmName"] for one in client("cloudwatch").describe_alarms()["MetricAlarms"]],
            "rules": [one["Name"] for one in client("events").list_rules()["Rules"]],
        }
        own = {
            kind: [one for one in names if one.startswith((name, f"/aws/vendedlogs/{name}/"))]
            for kind, names in found.items()
        }
        return {kind: names for kind, names in own.items() if names}

    def smoke(self, name: str, capsys: pytest.CaptureFixture[str]) -> float:
        """Check the stack as `make smoke` does; returns how long it took."""
        began = time.monotonic()
        smoke.check(self.base(name), self.aws.token())
        capsys.readouterr()
        return time.monotonic() - began


def contents(tree: Path) -> dict[str, bytes]:
    """Every file of the checkout, without what is built and without the answers."""
    made = (".aws-sam", ".envs", ".build", "samconfig.toml")
    files = [file for top in tree.iterdir() if top.name not in made for file in (top, *top.rglob("*"))]
    return {str(file): file.read_bytes() for file in files if file.is_file() and "__pycache__" not in file.parts}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A fresh checkout, built by `sam build`, and the local AWS with a stack of its own in it."""
    folder = tmp_path_factory.mktemp("sam")
    tree = folder / "a checkout"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    for name in (".envs", ".build"):
        (tree / name).symlink_to(ROOT / name)
    with ExitStack() as stack:
        aws = Stack(folder / "state")
        stack.callback(aws.stop)
        aws.start()
        port = stack.enter_context(reserved())
        front = subprocess.Popen([LOCAL, FRONT, str(port), str(aws.port)])
        stack.callback(front.wait)
        stack.callback(front.terminate)
        made = Account(tree, aws, f"http://127.0.0.1:{port}", contents(tree))
        code, output = made.sam("build")
        assert code == 0, output
        subprocess.run([LOCAL, "-c", BUILD_HERE], cwd=tree, check=True)
        yield made


@pytest.fixture(scope="module")
def first(account: Account) -> str:
    """The output of the first guided deployment, in which Enter was pressed at every question but two."""
    issuer = f"{account.aws.endpoint}/outlive-issuer"
    code, output = account.sam("deploy", "--guided", answers=f"\n\n{issuer}\noutlive\n{ENTER}")
    assert code == 0, output
    return output


def test_enter_at_every_question_ends_in_a_working_stack(
    account: Account, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """[81] Beside another stack. `make smoke` takes less than a minute, and no question asks about authentication."""
    assert "Successfully created/updated stack - sam-app" in first
    assert "authentication" not in first
    assert account.smoke("sam-app", capsys) < smoke.LIMIT_SECONDS


def test_no_file_of_the_project_holds_the_answers(account: Account, first: str) -> None:
    """They are in samconfig.toml, which git overlooks since the build."""
    assert "JwtIssuer" in (account.tree / "samconfig.toml").read_text()
    assert account.files == contents(account.tree)


def test_the_stacks_of_an_account_do_not_watch_each_others_metrics(account: Account, first: str) -> None:
    """[80] Alarms and functions name their own stack."""
    for name in ("outlive", "sam-app"):
        ids = account.resources(name)
        found = account.aws.client("cloudwatch").describe_alarms(AlarmNames=[ids["SettleAlarm"]])["MetricAlarms"]
        assert [one["Dimensions"] for one in found] == [[{"Name": "service", "Value": name}]]
        about = account.aws.client("lambda").get_function_configuration(FunctionName=ids["Step"])
        assert about["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == name


def test_an_update_changes_a_setting_and_keeps_everything(
    account: Account, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """[81] A second `sam deploy` asks nothing, and one without a change is no error."""
    before = account.outputs("sam-app")
    config = account.tree / "samconfig.toml"
    config.write_text(config.read_text().replace('MaxSteps=\\"20\\"', 'MaxSteps=\\"7\\"'))
    code, output = account.sam("deploy")
    assert code == 0, output
    assert account.outputs("sam-app") == before
    about = account.aws.client("lambda").get_function_configuration(FunctionName=before["StartFunction"])
    assert about["Environment"]["Variables"]["MAX_STEPS"] == "7"
    account.smoke("sam-app", capsys)
    code, output = account.sam("deploy", "--no-fail-on-empty-changeset")
    assert code == 0, output


def test_a_deployment_that_fails_leaves_nothing_behind(account: Account, first: str) -> None:
    """[82] No table, no role, no log group, no alarm: the next try finds a clean account."""
    built = account.tree / ".aws-sam" / "build" / "template.yaml"
    good = built.read_text()
    broken = """
  Broken:
    Type: AWS::Logs::MetricFilter
    DependsOn: [Table, Sweep, Queue, SettleAlarm]
    Properties:
      LogGroupName: no-such-group
      FilterPattern: x
      MetricTransformations: [{MetricNamespace: N, MetricName: M, MetricValue: "1"}]
"""
    built.write_text(good.replace("\nResources:\n", f"\nResources:{broken}", 1))
    try:
        code, output = account.sam("deploy", "--stack-name", "broken", "--s3-prefix", "broken")
    finally:
        built.write_text(good)
    assert code != 0
    assert "Broken" in output
    assert account.left_of("broken") == {}


def test_a_deleted_stack_leaves_its_table_and_another_stack_can_use_it(
    account: Account, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """[82] The chat that was in it is there again. The table that a stack gives up for it is kept as well."""
    table = account.outputs("sam-app")["TableName"]
    call(account, "sam-app", "POST", "/chats/kept/runs", {"prompt": '#script [{"text": "It is still here."}]'})
    until(lambda: call(account, "sam-app", "GET", "/chats/kept/run")["run"], lambda run: run["status"] == "succeeded")
    code, output = account.sam("delete", "--stack-name", "sam-app", "--no-prompts", "--region", "us-east-1")
    assert code == 0, output
    assert account.left_of("sam-app") == {"tables": [table]}
    code, output = account.sam("deploy", "--stack-name", "second", "--s3-prefix", "second")
    assert code == 0, output
    own = account.outputs("second")["TableName"]
    config = account.tree / "samconfig.toml"
    config.write_text(config.read_text().replace('ExistingTableName=\\"\\"', f'ExistingTableName=\\"{table}\\"'))
    code, output = account.sam("deploy", "--stack-name", "second", "--s3-prefix", "second")
    assert code == 0, output
    assert account.outputs("second")["TableName"] == table
    assert account.left_of("second")["tables"] == [own]
    assert call(account, "second", "GET", "/chats/kept/run")["message"]["content"] == "It is still here."
    account.smoke("second", capsys)


def call(account: Account, name: str, method: str, path: str, body: object = None) -> Any:
    """The body of the stack's answer."""
    return smoke.Deployment(account.base(name), account.aws.token()).call(method, path, body).body
