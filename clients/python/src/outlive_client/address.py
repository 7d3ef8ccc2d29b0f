"""Where the API is, and what opens it."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx

from outlive_client.asking import Ask

Token: TypeAlias = str | Callable[[], str]
AsyncToken: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]

CONNECT_SECONDS = 5.0
VERSION = "0.1.0"


class Address:
    """The base address, `shown` as it is. Raises ValueError if it is none."""

    def __init__(self, base_url: str) -> None:
        try:
            url = httpx.URL(base_url.strip())
            # It also sees half an IPv6 address.
            urlsplit(base_url)
        except (httpx.InvalidURL, ValueError):
            raise ValueError("the address of the API is not a URL") from None
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("the address of the API must begin with http:// or https:// and name a host")
        if url.query or url.fragment:
            raise ValueError("the address of the API has no question mark and no fragment")
        if url.userinfo:
            # They would take the token's place, and would be shown with the address.
            raise ValueError("the address of the API has no user and no password; a token opens it")
        self.shown = str(url).rstrip("/")

    def request(self, client: httpx.Client | httpx.AsyncClient, ask: Ask, token: str) -> httpx.Request:
        """What goes over the wire."""
        return client.build_request(
            ask.method,
            self.shown + ask.path,
            params=dict(ask.query),
            headers={
                **ask.headers,
                "Accept": "application/json",
                "Authorization": f"Bearer {_usable(token)}",
                "User-Agent": f"outlive-client/{VERSION}",
            },
            content=ask.body,
            timeout=httpx.Timeout(ask.seconds, connect=CONNECT_SECONDS),
        )

    def lost(self, error: httpx.HTTPError) -> str:
        """Why no answer came, in words that hold no secret."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return f"nothing answers at {self.shown}"
        if isinstance(error, httpx.TimeoutException):
            return f"{self.shown} did not answer in time"
        return f"the connection to {self.shown} broke off"


def _usable(token: str) -> str:
    token = token.strip()
    # Checked here because the library below would show the token in its own complaint.
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("the token is empty, or holds what no token holds")
    return token
