"""Files of a chat: uploaded by address, attached by id, given to the agent, and given out to their owner alone."""

import pytest

from outlive.agent import Outcome
from outlive.chat_files import ChatFiles, delete_files, prefix_of
from outlive.clock import Clock
from outlive.errors import StoreError
from outlive.store.bucket import Bucket
from outlive.usage import Usage
from proof.stacks.handlers import Stack

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
JSON = {"Accept": "application/json"}


def file_message(url, message_id="m-1", text="What is this?"):
    parts = [{"type": "text", "text": text}, {"type": "file", "mediaType": "image/png", "filename": "x", "url": url}]
    return {"id": "chat-1", "messages": [{"id": message_id, "role": "user", "parts": parts}]}


def download(stack: Stack, file_id: str, chat: str = "chat-1", **who):
    return stack.call("GET", f"/chats/{chat}/files/{file_id}", headers=JSON, **who)


def test_an_upload_is_bound_to_its_type_length_and_name_and_stores_one_object_once(stack):
    """[125] The address is signed for one PUT with these headers; a second PUT changes nothing."""
    body = {"name": "Plan für B.png", "media_type": "image/png", "size": len(PNG)}
    answer = stack.call("POST", "/chats/chat-1/files", body)
    assert answer.status == 201
    file, upload = answer.body["file"], answer.body["upload"]
    assert file == {"id": file["id"], **body, "url": f"/chats/chat-1/files/{file['id']}"}
    assert answer.headers["location"] == file["url"]
    signed = "content-length%3Bcontent-type%3Bhost%3Bif-none-match%3Bx-amz-meta-name%3Bx-amz-tagging"
    assert f"X-Amz-SignedHeaders={signed}" in upload["url"]
    assert stack.bucket.put(upload["url"], {}, PNG) == 403
    assert stack.bucket.put(upload["url"], upload["headers"], PNG) == 200
    assert stack.bucket.put(upload["url"], upload["headers"], b"other") == 412
    ((key, stored),) = stack.bucket.objects.items()
    assert (stored.content, stored.tags) == (PNG, {"unused": "true"})
    assert "acme" not in key
    assert "chat-1" not in key
    assert stack.items() == []


def test_a_prompt_refers_to_its_files_and_the_agent_gets_their_content(stack):
    """[126] The message has a file part with an address of this API, and no content."""
    file_id = stack.upload(PNG, name="map.png")
    asks = stack.answer_with(Outcome("final", [{"type": "text", "text": "A map."}], "[]", Usage(), "stop"))
    run = stack.begin(prompt="What is this?", files=[file_id]).body["run"]
    stack.work()
    url = f"/chats/chat-1/files/{file_id}"
    part = {"type": "file", "mediaType": "image/png", "filename": "map.png", "url": url}
    question, _ = stack.transcript()
    assert question["parts"] == [{"type": "text", "text": "What is this?"}, part]
    assert question["content"] == "What is this?"
    (ask,) = asks
    assert [(file.name, file.media_type, file.size) for file in ask.history[0].files] == [
        ("map.png", "image/png", len(PNG))
    ]
    assert ask.files.read(url) == PNG
    assert next(iter(stack.bucket.objects.values())).tags == {}
    assert stack.run_of(run["id"])["status"] == "succeeded"


def test_a_run_that_waits_keeps_the_files_of_its_prompt(stack):
    """[96] [126] They are shown while it waits, and stand in its message once it has the slot; taken back, they leave its row."""
    stack.begin()
    file_id = stack.upload(PNG)
    kept, back = (
        stack.begin(prompt=prompt, files=[file_id], on_busy="enqueue").body["run"]["id"] for prompt in ("keep", "back")
    )
    queue = stack.call("GET", "/chats/chat-1/queue").body["queue"]
    assert [[part["filename"] for part in entry["files"]] for entry in queue] == [["map.png"], ["map.png"]]
    stack.call("POST", f"/runs/{back}/stop")
    stack.work()
    question = next(
        message for message in stack.transcript() if message["run_id"] == kept and message["role"] == "user"
    )
    assert question["parts"] == [{"type": "text", "text": "keep"}, *queue[0]["files"]]
    assert stack.run_of(kept)["status"] == "succeeded"
    assert not [item for item in stack.items() if "input_files" in item]


def test_a_chat_client_attaches_a_file_by_its_address(stack):
    """[126] A file part of a chat client names a file of this chat; any other address is refused by its field."""
    file_id = stack.upload(PNG)
    url = f"/chats/chat-1/files/{file_id}"
    for wrong in (
        "data:image/png;base64,AAAA",
        "https://example.com/x.png",
        url.replace("chat-1", "chat-2"),
        url + "0",
    ):
        refused = stack.call("POST", "/api/chat", file_message(wrong), query={"wait": "0"})
        assert (refused.status, refused.body["field"]) == (422, "messages[0].parts[1].url")
    whole = f"https://api.example.com/v1{url}"
    assert stack.call("POST", "/api/chat", file_message(whole), query={"wait": "0"}).status == 200
    (question, _) = stack.transcript()
    assert [part["type"] for part in question["parts"]] == ["text", "file"]


def test_a_start_that_is_repeated_with_its_files_is_the_same_start(stack):
    file_id = stack.upload(PNG)
    headers = {"Idempotency-Key": "k"}
    first = stack.begin(files=[file_id], headers=headers)
    stack.bucket.objects.clear()
    again = stack.begin(files=[file_id], headers=headers)
    assert (again.status, again.body["run"]["id"]) == (202, first.body["run"]["id"])
    assert stack.begin(headers=headers).body["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"media_type": "image/svg+xml"}, "media_type"),
        ({"media_type": "text/html"}, "media_type"),
        ({"size": 0}, "size"),
        ({"size": 10_000_001}, "size"),
        ({"size": "1"}, "size"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "ß" * 251}, "name"),
        ({"owner": "eve"}, "owner"),
    ],
)
def test_an_upload_that_may_not_be_is_refused_by_its_field(stack, fields, field):
    """[127] Type, size and name are checked before there is an address."""
    refused = stack.call(
        "POST", "/chats/chat-1/files", {"name": "a.png", "media_type": "image/png", "size": 9, **fields}
    )
    assert (refused.status, refused.body["code"], refused.body["field"]) == (422, "invalid_request", field)


@pytest.mark.parametrize("environment", [{"FILE_TYPES": "image/png", "MAX_FILE_MB": "1"}])
def test_the_deployment_decides_which_files_there_may_be(stack):
    file = {"name": "a", "media_type": "image/png", "size": 1_000_000}
    assert stack.call("POST", "/chats/chat-1/files", file).status == 201
    for wrong in ({"size": 1_000_001}, {"media_type": "image/gif"}):
        assert stack.call("POST", "/chats/chat-1/files", {**file, **wrong}).status == 422


def test_a_start_checks_each_file_as_it_is_stored(stack):
    """[127] A file that is missing, empty, of another type or too large is refused by its field, and nothing is stored."""
    good = stack.upload(PNG)
    html = stack.upload(b"<html><script>alert(1)</script>", name="not.png")
    missing = stack.call("POST", "/chats/chat-1/files", {"name": "a.png", "media_type": "image/png", "size": 9}).body[
        "file"
    ]["id"]
    empty, large, svg = stack.upload(PNG), stack.upload(PNG), stack.upload(PNG)
    stack.bucket.objects[key_of(empty)].content = b""
    stack.bucket.objects[key_of(large)].content = PNG * 300_000
    stack.bucket.objects[key_of(svg)].media_type = "image/svg+xml"
    for wrong in (html, missing, empty, large, svg):
        refused = stack.begin(files=[good, wrong])
        assert (refused.status, refused.body["field"]) == (422, "files[1]"), refused.body
    assert stack.begin(files=[good, good]).body["field"] == "files"
    assert stack.begin(files=[good] * 11).body["field"] == "files"
    assert stack.begin(files=["../x"]).body["field"] == "files[0]"
    assert stack.items() == []


def test_the_files_of_one_message_have_a_bound_together(stack):
    """[127] A model's provider takes only so much with one request."""
    ids = [stack.upload(PNG) for _ in range(3)]
    for one in ids:
        stack.bucket.objects[key_of(one)].content = PNG + b"0" * 8_000_000
    refused = stack.begin(files=ids)
    assert (refused.status, refused.body["field"]) == (422, "files")
    assert stack.begin(files=ids[:2]).status == 202


def test_a_file_is_given_out_to_its_owner_alone(stack):
    """[128] For another user, another workspace and another chat there is no such file, to read or to attach."""
    file_id = stack.upload(PNG)
    assert stack.begin(files=[file_id]).status == 202
    assert download(stack, file_id).status == 200
    for who in ({"user": "eve"}, {"workspace": "other"}, {"chat": "chat-2"}):
        answer = download(stack, file_id, **who)
        assert (answer.status, answer.body["code"]) == (404, "file_not_found")
    others = {"workspace": "other"}
    assert stack.begin("chat-1", files=[file_id], **others).body["field"] == "files[0]"
    assert stack.begin("chat-2", files=[file_id]).body["field"] == "files[0]"
    assert stack.begin("chat-1", files=[file_id], user="eve").body["code"] == "chat_not_found"
    body = {"name": "a.png", "media_type": "image/png", "size": 9}
    assert stack.call("POST", "/chats/chat-1/files", body, user="eve").body["code"] == "chat_not_found"
    assert stack.call("GET", "/chats/chat-1/files/..%2F..", headers=JSON).body["code"] == "file_not_found"


def test_files_that_were_uploaded_to_a_chat_before_it_had_an_owner_stay_their_uploaders(stack):
    """[128] Who starts the first run of a chat gets the chat, and no file of another."""
    file_id = stack.upload(PNG, user="eve")
    assert stack.begin(files=[file_id]).body["field"] == "files[0]"
    assert stack.begin().status == 202
    assert download(stack, file_id).status == 404


def test_a_download_is_a_redirect_that_a_browser_shows_only_if_it_is_a_picture(stack):
    """[129] Anything that could run a script is a download of unnamed bytes, also if it calls itself a picture's type."""
    as_curl = {"Accept": "*/*"}
    shown = stack.call("GET", f"/chats/chat-1/files/{stack.upload(PNG)}", headers=as_curl)
    assert shown.status == 302
    assert shown.headers["location"] == shown.body["download"]["url"]
    assert "response-content-type=image%2Fpng" in shown.headers["location"]
    assert "response-content-disposition=inline" in shown.headers["location"]
    files = ChatFiles(Bucket(lambda: stack.file.files.bucket._s3, "files"), Clock(), "acme", "chat-1", "ada")
    for media_type in ("image/svg+xml", "text/html", "application/pdf", "text/plain"):
        address = files.store(b"<svg onload=alert(1)>", "x.svg", media_type)
        location = stack.call("GET", address, headers=as_curl).headers["location"]
        assert "response-content-type=application%2Foctet-stream" in location
        assert "response-content-disposition=attachment" in location


def test_deleting_a_chats_files_goes_on_after_a_failure_and_touches_no_other_chat(stack):
    """[132] Files of the chat that another user uploaded before it had an owner go, too."""
    for _ in range(3):
        stack.upload(PNG)
    stack.upload(PNG, user="eve")
    other = stack.upload(PNG, chat="chat-2")
    bucket = Bucket(lambda: stack.file.files.bucket._s3, "files")
    assert not delete_files(bucket, "acme", "chat-1", most_pages=1)
    assert delete_files(bucket, "acme", "chat-1")
    assert delete_files(bucket, "acme", "chat-1")
    assert list(stack.bucket.objects) == [key_of(other, "chat-2")]


@pytest.mark.parametrize("operation", ["ListObjectsV2", "DeleteObjects"])
@pytest.mark.parametrize("fate", ["lose", "twice", "refuse"])
def test_deleting_a_chats_files_can_be_repeated_whatever_became_of_a_call(stack, operation, fate):
    """[132] An error is the store's, and the next call goes on."""
    stack.upload(PNG)
    bucket = Bucket(lambda: stack.file.files.bucket._s3, "files")
    plan = getattr(stack.file_faults, fate)
    plan(operation, "SlowDown") if fate == "refuse" else plan(operation)
    try:
        delete_files(bucket, "acme", "chat-1")
    except StoreError:
        assert fate != "twice"
    assert delete_files(bucket, "acme", "chat-1")
    assert stack.bucket.objects == {}


def key_of(file_id: str, chat: str = "chat-1", user: str = "ada") -> str:
    key = ChatFiles(None, Clock(), "acme", chat, user).key(file_id)
    assert key.startswith(prefix_of("acme", chat))
    return key
