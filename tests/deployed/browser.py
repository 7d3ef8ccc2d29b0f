"""The system's Chromium, driven through the console's pages.

What drives it lives in an environment of its own, `.envs/browser`; the browser is `CHROMIUM`, or the first of the usual
names on PATH.
"""

import os
import shutil
import site
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from proof.stacks.deployed import ROOT, Stack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 600_000
"""Milliseconds after which waiting for something to appear is in vain."""

# Without animations: the browser would draw sixty frames a second without a graphics card, and nothing here looks at them.
STILL = {"reduced_motion": "reduce"}
DESKTOP = {"viewport": {"width": 1440, "height": 900}, **STILL}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, **STILL}


class Absent(Exception):
    """The browser or its driver is missing; the message says what to install."""


def chromium() -> str:
    """The browser's path. Raises Absent."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise Absent("there is no Chromium on PATH: install it (apt-get install chromium), or say CHROMIUM=…")
    return found


@contextmanager
def running() -> "Iterator[Browser]":
    """The browser, until the block ends. Raises Absent."""
    path = chromium()
    for folder in (ROOT / ".envs" / "browser" / "lib").glob("python3*/site-packages"):
        site.addsitedir(str(folder))
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise Absent("the browser's driver is not set up: make .envs/browser/.done") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """A browser profile: what one of its pages stores, the next page reads."""

    stack: Stack
    context: "BrowserContext"
    complaints: list[str] = field(default_factory=list)
    """What the pages wrote to their consoles, and every exception that was not caught."""
    strays: list[str] = field(default_factory=list)
    """Requests to anywhere but the console's own origin."""

    def __post_init__(self) -> None:
        self.context.set_default_timeout(PATIENCE)
        self.context.on("request", lambda request: self._is_own(request.url) or self.strays.append(request.url))
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _is_own(self, url: str) -> bool:
        """True for an address of the console's origin, and of a file that the page itself holds."""
        return url.startswith("blob:") or urlsplit(url).netloc == urlsplit(self.stack.url).netloc

    def _heard(self, message: Any) -> None:
        # The browser itself notes every answer that isn't 2xx and every lost connection; the page tells its reader.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def address(self, chat: str = "", token: str | None = "", run: str = "") -> str:
        """Of the console, or of a chat or run in it. `token` empty: one of ada at acme; None: none."""
        said = [] if token is None else [f"token={token or self.stack.token()}"]
        said += [f"chat={chat}"] if chat else []
        said += [f"run={run}"] if run else []
        return f"{self.stack.url}/console" + (f"#{'&'.join(said)}" if said else "")

    def leave(self) -> None:
        """Close all pages. A request that a test's own route still holds then ends with them, and fails no other test."""
        for routed in (*self.context.pages, self.context):
            routed.unroute_all(behavior="ignoreErrors")
        self.context.close()

    def open(self, chat: str = "", token: str | None = "", run: str = "") -> "Page":
        """A new tab at that address."""
        page = self.context.new_page()
        page.goto(self.address(chat, token, run))
        return page


def send(page: "Page", prompt: str) -> None:
    """Write the prompt and send it with the button."""
    page.locator("#prompt").fill(prompt)
    page.locator("#send").click()


def chat_of(page: "Page") -> str:
    """The chat that a page's address leads to."""
    return page.url.partition("#chat=")[2]


def run_in(page: "Page", status: str = "", number: int = 0) -> Any:
    """The chat's run of this number, once it is there and, if one is given, has this status."""
    run = page.locator("article").nth(number)
    run.locator(f"xpath=self::*[@data-status='{status}']" if status else "xpath=self::*").wait_for()
    return run


def said(run: Any) -> str:
    """The agent's text in a run, as the page shows it now."""
    return "".join(run.locator(".prose").all_text_contents())


def axe(page: "Page") -> list[str]:
    """The violations that axe rates serious or critical, one line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def pictures() -> Path:
    """Where the screenshots of the documents are."""
    return ROOT / "docs"
