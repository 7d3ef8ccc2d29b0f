"""The web console: serves one page and its files from this function's zip. It reads no table and needs no token."""

import base64
import gzip
import hashlib
import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlive.agent_names import agent_names, default_agent

PAGE = "index.html"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

OWN = " ".join(filter(None, ("'self'", os.environ.get("FILES_ORIGIN"))))
# Nothing from elsewhere, nothing to elsewhere but the bucket of files, no script or style inside the page, and no text that
# becomes markup. A picture that is not sent yet has a blob: address.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    f"img-src {OWN} blob:; connect-src {OWN}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    # A browser may cache files, but asks before it uses one: it gets a new deployment with its next visit.
    "cache-control": "no-cache",
    "vary": "accept-encoding",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent: `body` as it is, `packed` for clients that accept gzip. `tag` changes with the content."""

    body: str
    packed: str
    kind: str
    tag: str


def read_all(folder: Path, workspace_claim: str, agents: tuple[str, ...]) -> dict[str, File]:
    """Every file of the console by its name: no path leads to any other file.

    The page learns which claim of a token is the workspace, so that it can keep apart what it remembers, and the names
    of the agents, the default one first.
    """
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in TYPES:
            body = path.read_text(encoding="utf-8")
            if path.name == PAGE:
                body = body.replace('content="workspace_id"', f'content="{html.escape(workspace_claim)}"')
                body = body.replace('content="assistant"', f'content="{html.escape(" ".join(agents))}"')
            packed = base64.b64encode(gzip.compress(body.encode(), mtime=0)).decode()
            tag = hashlib.sha256(body.encode()).hexdigest()[:32]
            files[path.name] = File(body, packed, f"{TYPES[path.suffix]}; charset=utf-8", f'W/"{tag}"')
    return files


ENABLED = os.environ.get("CONSOLE_ENABLED", "true") == "true"
NAMES = agent_names()
AGENTS = tuple(sorted(NAMES, key=lambda name: (name != default_agent(NAMES), name)))
WORKSPACE_CLAIM = os.environ.get("WORKSPACE_CLAIM", "workspace_id")
FILES = read_all(Path(__file__).parent / "page", WORKSPACE_CLAIM, AGENTS) if ENABLED else {}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """What the platform calls: the file, 304 if the caller has it, 404 if there is none or the console is off."""
    if event.get("rawPath", "").endswith("/console/"):
        # What the page refers to is relative to its address, which must not end in a slash.
        return {"statusCode": 308, "headers": {**HEADERS, "location": "../console"}, "body": ""}
    name = (event.get("pathParameters") or {}).get("file", PAGE)
    file = FILES.get(name)
    if file is None:
        return not_found()
    headers = {**HEADERS, "content-type": file.kind, "etag": file.tag}
    if file.tag in _listed(event, "if-none-match"):
        return {"statusCode": 304, "headers": headers, "body": ""}
    if "gzip" in _listed(event, "accept-encoding"):
        packed = {"isBase64Encoded": True, "body": file.packed}
        return {"statusCode": 200, "headers": {**headers, "content-encoding": "gzip"}, **packed}
    return {"statusCode": 200, "headers": headers, "body": file.body}


def not_found() -> dict[str, Any]:
    """The answer for a file that isn't there, in the form of all problems."""
    problem = {
        "type": "urn:outlive:problem:not_found",
        "title": "There is nothing here",
        "status": 404,
        "detail": "the console has no such file" if ENABLED else "the console is switched off",
        "code": "not_found",
    }
    headers = {**HEADERS, "content-type": "application/problem+json"}
    return {"statusCode": 404, "headers": headers, "body": json.dumps(problem)}


def _listed(event: dict[str, Any], header: str) -> list[str]:
    """The values in a header's list. The gateway passes header names in lower case."""
    return [one.strip() for one in (event.get("headers") or {}).get(header, "").split(",")]
