"""Files over HTTP: the signed address is all that a client needs, and it is good for exactly one file."""

import urllib.error
import urllib.request

import pytest

from proof.stacks.deployed import PATIENCE

from .runs import ended, new_chat

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 1000
FILE = {"name": "Plan für B.png", "media_type": "image/png", "size": len(PNG)}
JSON = {"Accept": "application/json"}


def exchange(method, url, headers=None, body=None):
    """One request to the bucket: status, headers, content. A redirect is an answer."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as got:
            return got.status, got.headers, got.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


def upload(stack, chat, content=PNG, **file):
    made = stack.call("POST", f"/chats/{chat}/files", {**FILE, **file})
    assert made.status == 201, made
    offer = made.body["upload"]
    assert exchange("PUT", offer["url"], offer["headers"], content)[0] == 200
    return made.body["file"]


@pytest.mark.together
def test_a_file_goes_with_a_prompt_and_comes_back_as_it_was(stack):
    """[126] [129] Upload, start, answer, download: the content passes through no function on its way of the client."""
    chat = new_chat()
    file = upload(stack, chat)
    started = stack.call("POST", f"/chats/{chat}/runs", {"prompt": "Look.", "files": [file["id"]]})
    assert started.status == 202, started
    done = ended(stack, started.body["run"])
    assert f"You attached {FILE['name']} (image/png, 1,008 bytes)" in done["message"]["content"]
    messages = stack.call("GET", f"/chats/{chat}/messages").body["messages"]
    assert messages[0]["parts"][1] == {
        "type": "file", "mediaType": "image/png", "filename": FILE["name"], "url": file["url"],
    }  # fmt: skip
    found = stack.call("GET", file["url"], headers=JSON)
    assert (found.status, found.body["file"]) == (200, file)
    status, headers, content = exchange("GET", found.body["download"]["url"])
    assert (status, content, headers["Content-Type"]) == (200, PNG, "image/png")
    assert headers["Content-Disposition"].startswith("inline; filename*=UTF-8''Plan%20f%C3%BCr%20B.png")
    status, _, content = exchange("GET", stack.url + file["url"], {"Authorization": f"Bearer {stack.token()}"})
    assert (status, content) == (200, PNG)


@pytest.mark.together
def test_an_upload_address_is_good_for_one_file_of_this_size_and_type(stack):
    """[125] Another length, type or name, a tag that is left out, another method, and a second file are refused."""
    offer = stack.call("POST", f"/chats/{new_chat()}/files", FILE).body["upload"]
    url, headers = offer["url"], offer["headers"]
    assert exchange("PUT", url, headers, PNG + b"0")[0] == 403
    assert exchange("PUT", url, {**headers, "Content-Type": "text/html"}, PNG)[0] == 403
    assert exchange("PUT", url, {**headers, "x-amz-meta-name": "other"}, PNG)[0] == 403
    for name in headers:
        less = {key: value for key, value in headers.items() if key != name}
        assert exchange("PUT", url, less, PNG)[0] == 403, name
    assert exchange("GET", url)[0] == 403
    assert exchange("PUT", url, headers, PNG)[0] == 200
    assert exchange("PUT", url, headers, PNG[:-1] + b"1")[0] == 412


@pytest.mark.together
def test_a_file_of_another_user_workspace_or_chat_does_not_exist(stack):
    """[128] Neither to read nor to attach; and no object can be read without a signed address."""
    chat = new_chat()
    file = upload(stack, chat)
    others = [stack.token(user="eve"), stack.token(workspace="other")]
    answers = [stack.call("GET", file["url"], headers=JSON, token=token) for token in others]
    answers.append(stack.call("GET", file["url"].replace(chat, new_chat()), headers=JSON))
    assert {(answer.status, answer.body["code"]) for answer in answers} == {(404, "file_not_found")}
    body = {"prompt": "Look.", "files": [file["id"]]}
    for path, token in ((chat, others[1]), (new_chat(), "")):
        refused = stack.call("POST", f"/chats/{path}/runs", body, token=token)
        assert (refused.status, refused.body["field"]) == (422, "files[0]")
    bare = stack.call("GET", file["url"], headers=JSON).body["download"]["url"].partition("?")[0]
    assert exchange("GET", bare)[0] == 403
    assert stack.call("GET", file["url"], token=None).status == 401
