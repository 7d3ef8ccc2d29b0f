"""A request over HTTP, and its answer."""

import gzip
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

PATIENCE = 600
"""Seconds after which a wait fails. Long on a busy machine: no promise depends on how long it takes."""


@dataclass
class Answer:
    """An HTTP answer of the API. Header names are in lower case."""

    status: int
    body: Any
    headers: dict[str, str]


def exchange(
    method: str, url: str, body: object, token: str | None, headers: dict[str, str] | None, raw: bytes | None
) -> Answer:
    """One request to an address, and its answer."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data)
    request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return _answer(response.status, response.read(), response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.read(), error.headers)


def _answer(status: int, body: bytes, headers: Any) -> Answer:
    if headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    content: Any = body.decode()
    if "json" in headers.get("Content-Type", "json"):
        content = json.loads(body) if body else None
    return Answer(status, content, {name.lower(): value for name, value in headers.items()})
