"""Files with both clients: two requests each, and the token goes to the API alone."""

import json

import httpx
import pytest

from outlive_client import BadAnswer, File, FileNotFound, Unreachable

from .fake_api import BASE, TOKEN, network_fault, problem, run_body

ID = "0" * 32
FILE = {"id": ID, "name": "map.png", "media_type": "image/png", "size": 5, "url": f"/chats/c1/files/{ID}", "more": 1}
OFFER = {
    "url": "http://bucket.test/key?signed=1",
    "headers": {"If-None-Match": "*"},
    "expires_at": "2026-11-21T09:25:00.000Z",
}


class Service:
    """The API and its bucket; each request to the bucket takes the next of `faults`."""

    def __init__(self, *faults) -> None:
        self.faults = list(faults)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host == "bucket.test":
            assert "authorization" not in request.headers
            fault = self.faults.pop(0) if self.faults else None
            return fault(request) if fault else httpx.Response(200, content=b"hello")
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        if request.method == "POST" and request.url.path.endswith("/files"):
            return httpx.Response(201, json={"file": FILE, "upload": OFFER})
        if request.url.path.endswith(ID):
            return httpx.Response(200, json={"file": FILE, "download": {"url": OFFER["url"], "expires_at": "x"}})
        if request.url.path.endswith("/runs"):
            return httpx.Response(202, json={"run": run_body()})
        return problem(404, "file_not_found")


def status(code):
    return lambda request: httpx.Response(code, content=b"<Error/>")


def test_a_file_is_uploaded_and_named_by_a_start(make_client):
    service = Service()
    client = make_client(service)
    file = client("upload", "c1", "map.png", b"hello", "image/png")
    assert file == File(ID, "map.png", "image/png", 5, f"/chats/c1/files/{ID}")
    client("start", "c1", "Hi", files=[file.id])
    made, put, start = service.requests
    assert str(made.url) == f"{BASE}/chats/c1/files"
    assert json.loads(made.content) == {"name": "map.png", "media_type": "image/png", "size": 5}
    assert (put.method, str(put.url), put.content) == ("PUT", OFFER["url"], b"hello")
    assert (put.headers["if-none-match"], put.headers["content-length"]) == ("*", "5")
    assert json.loads(start.content)["files"] == [ID]


@pytest.mark.parametrize(
    "faults", [[network_fault(httpx.ReadTimeout), status(412)], [status(503), None], [status(412)]]
)
def test_an_upload_whose_answer_is_lost_is_sent_again(make_client, faults):
    """The bucket's 412 says that it was stored."""
    assert make_client(Service(*faults))("upload", "c1", "map.png", b"hello", "image/png").id == ID


def test_an_upload_that_is_refused_or_never_answered_is_an_error(make_client):
    with pytest.raises(BadAnswer, match="HTTP 403"):
        make_client(Service(status(403)))("upload", "c1", "map.png", b"hello", "image/png")
    with pytest.raises(Unreachable):
        make_client(Service(*[network_fault(httpx.ConnectError)] * 4))("upload", "c1", "map.png", b"hello", "image/png")


def test_a_file_is_downloaded(make_client):
    assert make_client(Service(status(500)))("download", "c1", ID) == b"hello"
    with pytest.raises(FileNotFound):
        make_client(Service())("download", "c1", "other")


def test_the_command_uploads_the_files_before_it_starts(command, tmp_path):
    """Their types come from their names."""
    (tmp_path / "map.png").write_bytes(b"hello")
    (tmp_path / "notes.txt").write_bytes(b"five!")
    service = Service()
    given = ["--file", str(tmp_path / "map.png"), "--file", str(tmp_path / "notes.txt")]
    done = command(service, "start", "c1", "Hi", *given, "--detach")
    assert (done.code, done.out) == (0, "r1\n")
    bodies = [json.loads(request.content) for request in service.requests if request.url.host != "bucket.test"]
    assert [body.get("media_type") for body in bodies] == ["image/png", "text/plain", None]
    assert bodies[-1]["files"] == [ID, ID]


def test_the_command_names_a_file_that_is_missing_or_refused(command, tmp_path):
    missing = command(Service(), "start", "c1", "Hi", "--file", str(tmp_path / "none.png"))
    assert missing.code == 2
    assert "none.png" in missing.err
    (tmp_path / "page.html").write_text("<html>")

    def refuses(request):
        return problem(422, "invalid_request", field="media_type")

    refused = command(refuses, "start", "c1", "Hi", "--file", str(tmp_path / "page.html"))
    assert refused.code == 2
    assert "page.html" in refused.err
