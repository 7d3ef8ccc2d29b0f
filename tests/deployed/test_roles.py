"""A function's role has the actions that it needs and no others: each granted action is taken away in turn, and something breaks.

The functions run under their own roles here. What the platform itself does with a role (logs, traces, reading the queue
for the step function, the model of a deployment) can't be seen in an emulator; it is compared with what AWS asks for.
"""

import base64
import copy
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from outlive.chat_files import ChatFiles
from outlive.clock import Clock
from outlive.file_ref import address_of
from outlive.store.bucket import UNUSED
from outlive.store.short_lived import Live
from proof.stacks.deployed import PATIENCE, ROOT, Stack, until
from tests.deployed.runs import new_chat
from tests.unit.test_template import FUNCTIONS, actions, statements

from .runs import complaints

MAPPING = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
PLATFORM = {
    *("logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "secretsmanager:GetSecretValue"),
}
UNCHECKED = {("File", "s3:PutObjectTagging")}
"""AWS asks for it where a PUT has the header x-amz-tagging, and the emulator does not."""
CONDITIONAL = {("Tail", "dynamodb:UpdateItem")}
"""Granted only with a setting that this stack does not have."""


def kind_of(resource: Any) -> str:
    """How the deployed resource's ARN ends: `:queue`, `/index/active` or `` for the table."""
    named = json.dumps(resource)
    kinds = ("/index/active", "/index/due", "/index/by_chat", "Queue", "s3:::")
    return next((one for one in kinds if one in named), "Table")


GRANTED = [
    (function, action, kind_of(statement["Resource"]))
    for function in FUNCTIONS
    for statement in statements(function)
    for action in actions(statement)
    if action not in PLATFORM
    and not (function == "Step" and action in MAPPING)
    and (function, action) not in CONDITIONAL | UNCHECKED
]


# --- one job for each function that asks for all of its role


@dataclass
class Job:
    """`prepare` builds the rows with every right; `do` has the function act, and returns what failed."""

    prepare: Callable[[Stack], Any]
    do: Callable[[Stack, Any], str]


def upload(stack: Stack, chat: str) -> str:
    """A file of the chat that is uploaded with every right; returns its id."""
    file_id = uuid.uuid4().hex
    stack.client("s3").put_object(
        Bucket=stack.outputs["BucketName"],
        Key=ChatFiles(None, Clock(), "acme", chat, "ada").key(file_id),
        Body=b"hello",
        ContentType="text/plain",
        Tagging=UNUSED,
    )
    return file_id


def tags(stack: Stack, chat: str, file_id: str) -> list[Any]:
    key = ChatFiles(None, Clock(), "acme", chat, "ada").key(file_id)
    found = stack.client("s3").get_object_tagging(Bucket=stack.outputs["BucketName"], Key=key)
    return list(found["TagSet"])


def begin(stack: Stack, prompt: str = "hello", chat: str = "", **fields: Any) -> dict[str, Any]:
    answer = stack.call("POST", f"/chats/{chat or new_chat()}/runs", {"prompt": prompt, **fields})
    assert answer.status == 202
    run: dict[str, Any] = answer.body["run"]
    return run


def change(stack: Stack, run: dict[str, Any], **values: dict[str, str]) -> None:
    row = stack.run_row(run["id"])
    stack.client("dynamodb").put_item(TableName=stack.outputs["TableName"], Item={**row, **values})


def lose(stack: Stack, run: dict[str, Any], what: str) -> None:
    """Delete the run's chat or its answer: then ending it has to make sure that there is none."""
    number = int(stack.run_row(run["id"])["assistant_seq"]["N"])
    sk = {"chat": "CHAT", "answer": f"MSG#{number:012d}"}[what]
    key = {"pk": {"S": f"acme#{run['chat_id']}"}, "sk": {"S": sk}}
    gone = stack.client("dynamodb").delete_item(TableName=stack.outputs["TableName"], Key=key, ReturnValues="ALL_OLD")
    assert gone["Attributes"]


def ago(**time: float) -> dict[str, str]:
    return {"S": (datetime.now(UTC) - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%S.000Z")}


def left_alone(stack: Stack) -> dict[str, Any]:
    """A run that was asked to stop, whose worker is gone, and whose answer was lost."""
    run = begin(stack)
    claimed = {"status": {"S": "running"}, "claimed_step": {"N": "0"}}
    change(stack, run, **claimed, stop_requested_at=ago(seconds=1), created_at=ago(minutes=5))
    lose(stack, run, "answer")
    return run


def left_and_stale(stack: Stack) -> tuple[dict[str, Any], dict[str, Any]]:
    """Besides, a run that no worker moves, whose message was sent again in vain."""
    left, stale = left_alone(stack), begin(stack)
    held = {"status": {"S": "running"}, "claimed_step": {"N": "0"}, "resends": {"N": "3"}}
    change(stack, stale, **held, progress_at=ago(minutes=20), created_at=ago(minutes=30))
    return left, stale


def status_of(stack: Stack, run: dict[str, Any]) -> str:
    return str(stack.run_row(run["id"])["status"]["S"])


def start_over_it(stack: Stack, runs: tuple[dict[str, Any], dict[str, Any]]) -> str:
    left, stale = runs
    answer = stack.call("POST", f"/chats/{stale['chat_id']}/runs", {"prompt": "hello"})
    if answer.status != 202:
        return f"answered {answer} over the stale run"
    before = stack.queued()
    file_id = upload(stack, left["chat_id"])
    answer = stack.call("POST", f"/chats/{left['chat_id']}/runs", {"prompt": "hello", "files": [file_id]})
    if answer.status != 202:
        return f"answered {answer}"
    if tags(stack, left["chat_id"], file_id):
        return "the file is still marked as unused"
    if status_of(stack, left) != "aborted":
        return "the run that was left alone still stands"
    return "" if stack.queued() == before + 1 else "nothing was sent"


def left_and_busy(stack: Stack) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Besides a run that was left alone, one that another run waits for."""
    left, active = left_alone(stack), begin(stack)
    answer = stack.call("POST", f"/chats/{active['chat_id']}/runs", {"prompt": "and then?", "on_busy": "enqueue"})
    assert answer.body["run"]["status"] == "queued"
    return left, active, answer.body["run"]


def stop_them(stack: Stack, runs: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> str:
    left, active, queued = runs
    answer = stack.call("POST", f"/chats/{left['chat_id']}/stop")
    if answer.status != 200 or not answer.body["stopped"]:
        return f"answered {answer}"
    if status_of(stack, left) != "aborted":
        return "it still stands"
    before = stack.queued()
    answer = stack.call("POST", f"/runs/{active['id']}/stop")
    if answer.status != 200 or status_of(stack, queued) != "pending":
        return f"answered {answer}, and the run behind it is {status_of(stack, queued)}"
    return "" if stack.queued() == before + 1 else "nothing was sent"


def read_everything(stack: Stack, run: dict[str, Any]) -> str:
    chat = f"/chats/{run['chat_id']}"
    answers = [
        stack.call("GET", path) for path in (f"{chat}/run", f"/runs/{run['id']}", f"{chat}/messages", f"{chat}/runs")
    ]
    if {answer.status for answer in answers} != {200}:
        return f"answered {answers}"
    latest, one, messages, runs = (answer.body for answer in answers)
    if latest != one or len(messages["messages"]) != 2 or [found["id"] for found in runs["runs"]] != [run["id"]]:
        return f"read {answers}"
    return ""


def live(stack: Stack) -> dict[str, Any]:
    """A run that a worker holds, with live text."""
    run = begin(stack)
    change(stack, run, status={"S": "running"}, claimed_step={"N": "0"}, attempt={"N": "1"})
    piece = Live(
        f"acme#{run['id']}", Live.sort_key(0, 1, 0), created_at=0, passages='[{"kind":"text","text":"Hello"}]'
    )  # fmt: skip
    stack.client("dynamodb").put_item(TableName=stack.outputs["TableName"], Item=piece.serialize())
    return run


def follow_it(stack: Stack, run: dict[str, Any]) -> str:
    answer = stack.call("GET", f"/runs/{run['id']}/events")
    made = stack.call("POST", f"/runs/{run['id']}/ticket")
    if (answer.status, made.status) != (200, 201):
        return f"answered {answer} and {made}"
    again = stack.call("GET", made.body["url"], token=None)
    told = [event["type"] for event in answer.body["events"]]
    return "" if told == ["run", "step", "text"] and again.body == answer.body else f"told {answer} and {again}"


def chat_over_it(stack: Stack, runs: tuple[dict[str, Any], dict[str, Any]]) -> str:
    left, stale = runs
    message = {"id": stale["id"], "role": "user", "parts": [{"type": "text", "text": "hello"}]}
    answer = stack.call("POST", "/api/chat?wait=0", {"id": stale["chat_id"], "messages": [message]})
    if answer.status != 200:
        return f"answered {answer} over the stale run"
    before = stack.queued()
    file_id = upload(stack, left["chat_id"])
    file = {"type": "file", "url": address_of(left["chat_id"], file_id), "mediaType": "text/plain"}
    message = {"id": left["id"], "role": "user", "parts": [{"type": "text", "text": "hello"}, file]}
    answer = stack.call("POST", "/api/chat?wait=0", {"id": left["chat_id"], "messages": [message]})
    if answer.status != 200 or '"type":"start"' not in answer.body:
        return f"answered {answer}"
    if tags(stack, left["chat_id"], file_id):
        return "the file is still marked as unused"
    if status_of(stack, left) != "aborted":
        return "the run that was left alone still stands"
    return "" if stack.queued() == before + 1 else "nothing was sent"


def lost_and_left(stack: Stack) -> tuple[dict[str, Any], dict[str, Any]]:
    lost, left = begin(stack), left_alone(stack)
    change(stack, lost, created_at=ago(minutes=5))
    return lost, left


def sweep_them(stack: Stack, runs: tuple[dict[str, Any], dict[str, Any]]) -> str:
    lost, left = runs
    before = stack.queued()
    counts = stack.sweep()
    if counts["failed"]:
        return f"counted {counts}"
    if status_of(stack, left) != "aborted":
        return "the run that was left alone still stands"
    sent = stack.queued() > before and stack.run_row(lost["id"])["resends"] == {"N": "1"}
    return "" if sent else "the lost message was not sent again"


def two_steps(stack: Stack) -> dict[str, Any]:
    stack.client("sqs").purge_queue(QueueUrl=stack.outputs["QueueUrl"])
    script = [{"text": "one", "tools": [["draw_chart", {"values": [1, 2]}]]}, {"text": "two"}]
    run = begin(stack, f"#script {json.dumps(script)}")
    lose(stack, run, "chat")
    return run


def work_on_them(stack: Stack, run: dict[str, Any]) -> str:
    """A run that makes a file, and one that reads one; of two steps each."""
    chat = new_chat()
    file_id = upload(stack, chat)
    failed = deliver(stack, run) or deliver(stack, run)
    if failed or status_of(stack, run) != "succeeded":
        return failed or f"it is {status_of(stack, run)}"
    reader = begin(stack, chat=chat, files=[file_id])
    failed = deliver(stack, reader) or deliver(stack, reader)
    answer = stack.call("GET", f"/runs/{reader['id']}").body
    content = (answer["message"] or {}).get("content", "")
    return failed or ("" if "(5 characters)" in content else f"answered {answer}")


def deliver(stack: Stack, run: dict[str, Any]) -> str:
    """Hand the run's next message to the step function, as its mapping would. Those of other tests' runs are skipped."""
    sqs, queue = stack.client("sqs"), stack.outputs["QueueUrl"]
    while True:
        messages = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=300).get("Messages")
        if not messages:
            return "nothing was sent"
        (message,) = messages
        if run["id"] in message["Body"]:
            break
    event = json.loads((ROOT / "events" / "step.json").read_text())
    event["Records"][0] |= {"receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
    got = stack.client("lambda").invoke(
        FunctionName=stack.outputs["StepFunction"], Payload=json.dumps(event).encode(), LogType="Tail"
    )
    answer, logged = json.load(got["Payload"]), base64.b64decode(got.get("LogResult", "")).decode()
    if answer != {"batchItemFailures": []} or "hide_failed" in logged:
        return f"answered {answer} and logged {logged}"
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return ""


def waiting(stack: Stack) -> dict[str, Any]:
    """A run that waits for an approval."""
    stack.client("sqs").purge_queue(QueueUrl=stack.outputs["QueueUrl"])
    run = begin(stack, f"#script {json.dumps([{'text': 'one', 'tools': [['announce', {'text': 'hello'}]]}])}")
    assert deliver(stack, run) == ""
    return run


def approve_it(stack: Stack, run: dict[str, Any]) -> str:
    (call,) = stack.call("GET", f"/runs/{run['id']}").body["run"]["asked"]["open"]
    before = stack.queued()
    answer = stack.call("POST", f"/runs/{run['id']}/answers", {"answers": {call["tool_call_id"]: {"approved": True}}})
    if answer.status != 200 or answer.body["run"]["status"] != "running":
        return f"answered {answer}"
    return "" if stack.queued() == before + 1 else "nothing was sent"


def exchange_files(stack: Stack, run: dict[str, Any]) -> str:
    """An upload to its address, and a download from its own, both under the function's role."""
    about = {"name": "a.txt", "media_type": "text/plain", "size": 5}
    made = stack.call("POST", f"/chats/{run['chat_id']}/files", about)
    if made.status != 201:
        return f"answered {made}"
    offer = made.body["upload"]
    put = urllib.request.Request(offer["url"], b"hello", offer["headers"], method="PUT")
    try:
        with urllib.request.urlopen(put, timeout=PATIENCE):
            pass
        found = stack.call("GET", made.body["file"]["url"], headers={"Accept": "application/json"})
        if found.status != 200:
            return f"answered {found}"
        with urllib.request.urlopen(found.body["download"]["url"], timeout=PATIENCE) as got:
            return "" if got.read() == b"hello" else "another content"
    except urllib.error.HTTPError as refused:
        return f"answered {refused.code}"


def nothing(_stack: Stack) -> None:
    """The console needs no rows."""


def hand_out_the_page(stack: Stack, _nothing: None) -> str:
    with urllib.request.urlopen(f"{stack.url}/console", timeout=PATIENCE) as answer:
        return (
            "" if answer.status == 200 and b"<title>Outlive</title>" in answer.read() else f"answered {answer.status}"
        )


JOBS = {
    "Console": Job(nothing, hand_out_the_page),
    "Start": Job(left_and_stale, start_over_it),
    "Step": Job(two_steps, work_on_them),
    "Stop": Job(left_and_busy, stop_them),
    "Answer": Job(waiting, approve_it),
    "File": Job(begin, exchange_files),
    "Read": Job(begin, read_everything),
    "Tail": Job(live, follow_it),
    "Chat": Job(left_and_stale, chat_over_it),
    "Sweep": Job(lost_and_left, sweep_them),
}


@pytest.fixture(scope="module")
def quiet(stack: Stack) -> Iterator[Stack]:
    """The stack, with nothing in it that acts by itself: no deliveries, no schedule, no step of a test before.

    What the functions complain about here, they were made to.
    """
    mappings, events = stack.client("lambda"), stack.client("events")
    (mapping,) = mappings.list_event_source_mappings()["EventSourceMappings"]
    rules = [rule["Name"] for rule in events.list_rules()["Rules"] if rule["State"] == "ENABLED"]
    assert len(rules) == 1, "the schedules of single shards are off by default"
    mappings.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    events.disable_rule(Name=rules[0])
    until(lambda: mappings.get_event_source_mapping(UUID=mapping["UUID"])["State"], lambda state: state == "Disabled")
    stack.kill_workers()
    before = set(complaints(stack))
    yield stack
    stack.expected_complaints |= set(complaints(stack)) - before
    mappings.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    events.enable_rule(Name=rules[0])


@pytest.fixture
def still(quiet: Stack) -> Iterator[Stack]:
    """The quiet stack with an empty queue."""
    purge = partial(quiet.client("sqs").purge_queue, QueueUrl=quiet.outputs["QueueUrl"])
    purge()
    yield quiet
    purge()


@contextmanager
def without(stack: Stack, function: str, action: str, kind: str) -> Iterator[None]:
    """The function's role lacks one action on one resource."""
    config = stack.client("lambda").get_function_configuration(FunctionName=stack.outputs[f"{function}Function"])
    role, iam = config["Role"].rsplit("/", 1)[-1], stack.client("iam")
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    whole = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    less = copy.deepcopy(whole)
    taken = 0
    for statement in less["Statement"]:
        if action in actions(statement) and ending(kind) in arn_kind(statement["Resource"]):
            statement["Action"] = [one for one in actions(statement) if one != action] or ["sts:GetCallerIdentity"]
            taken += 1
    assert taken == 1
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(less))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(whole))


def arn_kind(arn: str) -> str:
    """The part of a deployed ARN that tells its kind."""
    return arn if "/index/" in arn else f"{arn}/table" if ":dynamodb:" in arn else arn


def ending(kind: str) -> str:
    return {"Table": "/table", "Queue": ":sqs:", "s3:::": ":s3:"}.get(kind, kind)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_its_role_suffices(still, function):
    job = JOBS[function]
    assert job.do(still, job.prepare(still)) == ""


@pytest.mark.parametrize(("function", "action", "kind"), GRANTED, ids=["-".join(one) for one in GRANTED])
def test_no_granted_action_is_idle(still, function, action, kind):
    job = JOBS[function]
    stage = job.prepare(still)
    with without(still, function, action, kind):
        assert job.do(still, stage) != ""


def test_the_mapping_has_what_lambda_asks_for_and_no_more():
    """Lambda refuses to make the mapping without these three."""
    granted = {action for statement in statements("Step") for action in actions(statement)}
    assert granted >= MAPPING
    asked = {"sqs:SendMessage", "sqs:ChangeMessageVisibility", *MAPPING}
    assert {action for action in granted if action.startswith("sqs:")} == asked
