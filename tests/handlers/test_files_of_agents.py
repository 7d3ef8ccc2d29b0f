"""Files on their way to a model and from a tool, with the engine as it is and a bucket that fails."""

from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import BinaryContent, ModelMessage, ToolReturn, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from engine.turn import PydanticAgent
from outlive.agents import StepDeps
from outlive.file_ref import MAX_FILES_BYTES
from proof.stacks.handlers import Stack
from tests.handlers.fates import FATES, Died, die

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
JSON = {"Accept": "application/json"}


class Model:
    """A model that calls the tool in its first step, and notes every request."""

    def __init__(self, calls: bool) -> None:
        self.calls = calls
        self.requests: list[list[ModelMessage]] = []

    async def stream(self, messages: list[ModelMessage], _info: AgentInfo) -> Any:
        self.requests.append(messages)
        if self.calls and not any(isinstance(part, ToolReturnPart) for one in messages for part in one.parts):
            yield {0: DeltaToolCall("draw", "{}", tool_call_id="call-1")}
        else:
            yield "There."

    def contents(self) -> list[Any]:
        """What the last request has of prompts and of results."""
        parts = [part for message in self.requests[-1] for part in message.parts]
        held: list[Any] = []
        for part in parts:
            if isinstance(part, UserPromptPart | ToolReturnPart):
                held += part.content if isinstance(part.content, list) else [part.content]
        return held


def equipped(stack: Stack, drawn: Any = None, *, requires_approval: bool = False) -> Model:
    """The stack's worker with an agent whose tool returns `drawn`."""
    model = Model(calls=drawn is not None)
    agent = Agent(FunctionModel(stream_function=model.stream), deps_type=StepDeps)

    @agent.tool_plain(requires_approval=requires_approval)
    def draw() -> Any:
        """Draw."""
        return drawn

    stack.equip(agent=PydanticAgent(agent, "offline"))
    return model


def worked(stack: Stack, run: dict[str, Any]) -> dict[str, Any]:
    """The run after its messages were delivered, those of dead workers again."""
    for _ in range(5):
        while (message := stack.take()) is not None:
            try:
                stack.deliver(message)
            except Died:
                stack.clock.forward(61)
        if stack.run_of(run["id"])["finished_at"] is not None:
            break
        stack.clock.forward(61)
        stack.sweep_now()
    return stack.run_of(run["id"])


def test_a_tools_file_is_stored_once_and_the_record_refers_to_it(stack):
    """[130] Neither the table nor an answer has the content; the model gets it with its next request."""
    large = PNG + b"0" * 1_000_000
    model = equipped(stack, ["drawn", {"map": BinaryContent(large, media_type="image/png")}])
    run = worked(stack, stack.begin().body["run"])
    assert run["status"] == "succeeded"
    (call,) = [part for part in stack.transcript()[1]["parts"] if part["type"] == "tool-draw"]
    text, shown = call["output"]
    assert text == "drawn"
    assert set(shown["map"]) == {"type", "mediaType", "url"}
    answer = stack.call("GET", shown["map"]["url"], headers=JSON)
    assert (answer.status, answer.body["file"]["size"]) == (200, len(large))
    assert answer.body["file"]["name"] == "file.png"
    assert sum(len(item["packed"]["B"]) for item in stack.records(run["id"])) < 2000
    *_, result = model.contents()
    assert result["map"].data == large
    assert len(stack.bucket.objects) == 1


def test_a_files_content_that_a_tool_shows_the_model_is_stored_too(stack):
    """[130] `ToolReturn.content` is sent beside the result."""
    model = equipped(stack, ToolReturn("drawn", content=["Look:", BinaryContent(PNG, media_type="image/png")]))
    run = worked(stack, stack.begin().body["run"])
    assert run["status"] == "succeeded"
    assert [each.data for each in model.contents() if isinstance(each, BinaryContent)] == [PNG]
    assert len(stack.bucket.objects) == 1


def test_an_approved_tools_file_is_stored_too(stack):
    """[130] Its step asks no model, and the next one has the content."""
    model = equipped(stack, BinaryContent(PNG, media_type="image/png"), requires_approval=True)
    run = stack.begin(files=[stack.upload(b"five!", "text/plain")]).body["run"]
    stack.work()
    stack.call("POST", f"/runs/{run['id']}/answers", {"answers": {"call-1": {"approved": True}}})
    assert worked(stack, run)["status"] == "succeeded"
    (call,) = [part for part in stack.transcript()[1]["parts"] if part["type"] == "tool-draw"]
    assert stack.call("GET", call["output"]["url"], headers=JSON).status == 200
    assert [each.data for each in model.contents() if isinstance(each, BinaryContent)] == [PNG]
    assert "five!" in model.contents()


@pytest.mark.parametrize("fate", FATES)
def test_a_tools_file_is_stored_whatever_becomes_of_the_write(stack, fate):
    """[130] [131] The write dies before or after it took effect, its answer is lost, it comes twice, it is throttled."""
    model = equipped(stack, BinaryContent(PNG, media_type="image/png"))
    run = stack.begin().body["run"]
    strike_bucket(stack, fate, "PutObject")
    assert worked(stack, run)["status"] == "succeeded"
    assert [each.data for each in model.contents() if isinstance(each, BinaryContent)] == [PNG]
    (stored,) = stack.bucket.objects.values()
    assert stored.content == PNG


@pytest.mark.parametrize("fate", FATES)
def test_a_prompts_file_reaches_the_model_whatever_becomes_of_the_read(stack, fate):
    """[131] A bucket that does not answer costs a repetition, at most an attempt."""
    model = equipped(stack)
    run = stack.begin(files=[stack.upload(PNG)]).body["run"]
    strike_bucket(stack, fate, "GetObject")
    assert worked(stack, run)["status"] == "succeeded"
    assert [each.data for each in model.contents() if isinstance(each, BinaryContent)] == [PNG]


def test_a_bucket_that_stays_away_fails_the_run_after_its_attempts(stack):
    """[131] Reading it costs attempts, and no money."""
    equipped(stack)
    run = stack.begin(files=[stack.upload(PNG)]).body["run"]
    stack.file_faults.refuse("GetObject", "SlowDown", times=100)
    ended = worked(stack, run)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "step_attempts")


@pytest.mark.parametrize("operation", ["GetObject", "DeleteObjectTagging"])
@pytest.mark.parametrize("fate", FATES)
def test_a_start_with_a_file_is_made_once_whatever_becomes_of_a_call(stack, fate, operation):
    """[127] [131] The file is checked and kept before the run is stored; both may be repeated."""
    file_id = stack.upload(PNG)
    strike_bucket(stack, fate, operation)
    headers = {"Idempotency-Key": "key"}
    try:
        answer = stack.begin(files=[file_id], headers=headers)
    except Died:
        assert stack.items() == []
        answer = stack.begin(files=[file_id], headers=headers)
    assert answer.status == 202
    (stored,) = stack.bucket.objects.values()
    assert stored.tags == {}
    assert len(stack.transcript()) == 2


def test_a_start_whose_files_cannot_be_looked_at_leaves_nothing_behind(stack):
    """[131] 503, and the same request may be sent again."""
    file_id = stack.upload(PNG)
    stack.file_faults.refuse("GetObject", "SlowDown", times=100)
    refused = stack.begin(files=[file_id])
    assert (refused.status, refused.body["code"]) == (503, "start_failed")
    assert stack.items() == []


def test_a_file_that_is_deleted_while_its_start_is_under_way_fails_no_start(stack):
    """[131] As one that is deleted a moment later."""
    model = equipped(stack)
    file_id = stack.upload(PNG)
    stack.file_faults.first("DeleteObjectTagging", stack.bucket.objects.clear)
    answer = stack.begin(files=[file_id])
    assert answer.status == 202
    assert worked(stack, answer.body["run"])["status"] == "succeeded"
    assert model.contents()[-1] == "(This file is not stored any more.)"


def test_a_start_without_files_makes_no_client_of_the_bucket(stack):
    """Nothing of S3 is called for it; its client is made with the first call."""
    assert stack.begin().status == 202
    stack.work()
    assert stack.file_faults.calls == []
    assert stack.begin("chat-2", files=[stack.upload(PNG, chat="chat-2")]).status == 202
    assert stack.file_faults.calls == ["GetObject", "DeleteObjectTagging"]


def test_a_file_that_is_gone_fails_no_run(stack):
    """[131] The model is told so in its place."""
    model = equipped(stack)
    run = stack.begin(files=[stack.upload(PNG)]).body["run"]
    stack.bucket.objects.clear()
    assert worked(stack, run)["status"] == "succeeded"
    assert model.contents() == ["hello", "File map.png:", "(This file is not stored any more.)"]


def test_a_text_reaches_the_model_as_text(stack):
    """[126] Every model takes text, and not every one takes a text file."""
    model = equipped(stack)
    file_id = stack.upload("größer\n".encode(), "text/plain", "notes.txt")
    worked(stack, stack.begin(files=[file_id]).body["run"])
    assert model.contents() == ["hello", "File notes.txt:", "größer\n"]


def test_older_files_are_left_out_where_the_newer_ones_take_all_the_room(stack):
    """[126] A provider takes only so much with one request: the newest files of the chat are sent."""
    model = equipped(stack)
    large = MAX_FILES_BYTES * 2 // 5
    for name in ("first", "second", "third"):
        file_id = stack.upload(PNG + name.encode() + b"0" * large, name=name)
        worked(stack, stack.begin(files=[file_id]).body["run"])
    sent = [each.data[len(PNG) :].rstrip(b"0") for each in model.contents() if isinstance(each, BinaryContent)]
    assert sent == [b"second", b"third"]
    assert "(This file is left out, because the newer files take all the room there is.)" in model.contents()


def test_a_file_of_another_chat_is_not_read_for_a_reference_that_a_tool_made_up(stack):
    """[128] A reference leads to files of its own chat alone."""
    secret = stack.upload(PNG, chat="chat-2")
    forged = BinaryContent(b"", media_type="image/png", identifier=f"/chats/chat-2/files/{secret}")
    model = equipped(stack, forged)
    assert worked(stack, stack.begin().body["run"])["status"] == "succeeded"
    assert "(This file is not stored any more.)" in model.contents()
    assert not any(isinstance(each, BinaryContent) for each in model.contents())


def strike_bucket(stack: Stack, fate: str, operation: str) -> None:
    """Have this happen to the next `operation` of the bucket's client."""
    faults = stack.file_faults
    if fate == "dies before":
        faults.first(operation, die)
    elif fate == "dies after":
        faults.then(operation, die)
    elif fate == "throttled":
        faults.refuse(operation, "SlowDown")
    else:
        {"lost": faults.lose, "twice": faults.twice}[fate](operation)
