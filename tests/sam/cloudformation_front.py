"""A door in front of the local AWS that applies the SAM transform, as CloudFormation does: what `sam deploy` talks to.

    cloudformation_front.py <port> <port of the local AWS>

MiniStack applies it too, but does not read the OpenAPI document that SAM makes of an HTTP API. Every other request is
passed on as it is.
"""

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import boto3  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

from local.aws import REGION  # noqa: E402
from local.template import translated  # noqa: E402

OURS, AWS = int(sys.argv[1]), int(sys.argv[2])


def client() -> Any:
    """A client of the local AWS's buckets."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{AWS}",
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def pass_on(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """The local AWS's answer."""
    connection = http.client.HTTPConnection("127.0.0.1", AWS, timeout=600)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        if name.lower() not in {"content-length", "transfer-encoding", "connection", "expect"}:
            connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, answer.getheaders(), read


def with_plain_template(body: bytes) -> bytes:
    """A CreateChangeSet whose template, if it is Outlive's, is plain CloudFormation."""
    fields = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
    if "TemplateURL" not in fields:
        return body
    bucket, _, key = urlsplit(fields["TemplateURL"]).path.strip("/").partition("/")
    s3 = client()
    template = yaml_parse(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    values = {name: str(about.get("Default", "")) for name, about in template["Parameters"].items()}
    for field, name in fields.items():
        if field.endswith(".ParameterKey"):
            number = field.removesuffix("ParameterKey")
            values[name] = fields.get(f"{number}ParameterValue", values[name])
    values["AWS::Region"] = REGION
    plain = translated(template, values)
    for resource in plain["Resources"].values():
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            del resource["Properties"]["Tags"]["ms-custom-id"]  # each stack gets an address of its own
    s3.put_object(Bucket=bucket, Key=f"{key}.plain", Body=json.dumps(plain).encode())
    fields["TemplateURL"] = f"http://127.0.0.1:{AWS}/{bucket}/{key}.plain"
    return urlencode(fields).encode()


class Front(BaseHTTPRequestHandler):
    """Answers every method alike."""

    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        """Pass the request on, and its answer back."""
        body = self._body()
        if self.command == "POST" and b"Action=CreateChangeSet" in body[:20_000]:
            body = with_plain_template(body)
        status, headers, answer = pass_on(self.command, self.path, dict(self.headers), body)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        if status != http.HTTPStatus.NO_CONTENT:
            length = {name.lower(): value for name, value in headers}.get("content-length")
            self.send_header("Content-Length", str(length) if self.command == "HEAD" and length else str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(http.HTTPStatus.CONTINUE)
            self.end_headers()
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", OURS), Front).serve_forever()
