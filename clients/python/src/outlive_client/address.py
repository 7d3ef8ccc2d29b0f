"""The API's base address, and the HTTP requests that are sent to it."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx

from outlive_client.plans import Request

Token: TypeAlias = str | Callable[[], str]
AsyncToken: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]

CONNECT_TIMEOUT_SECONDS = 5.0
VERSION = "0.1.0"


class Address:
    """A base address; `url` is its text without a slash at the end. Raises ValueError if it is not an HTTP address."""

    def __init__(self, base_url: str) -> None:
        try:
            url = httpx.URL(base_url.strip())
            # urlsplit also refuses an incomplete IPv6 address.
            urlsplit(base_url)
        except (httpx.InvalidURL, ValueError):
            raise ValueError("the address of the API is not a URL") from None
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("the address of the API must begin with http:// or https:// and name a host")
        if url.query or url.fragment:
            raise ValueError("the address of the API must have no query and no fragment")
        if url.userinfo:
            # httpx would send them in place of the token, and errors would show them.
            raise ValueError("the address of the API must have no user and no password; the API takes a token")
        self.url = str(url).rstrip("/")

    def http_request(self, client: httpx.Client | httpx.AsyncClient, request: Request, token: str) -> httpx.Request:
        """`request` as an httpx request to this address, with the token, or to one outside of the API, without it.

        Raises ValueError if the token can't be a header.
        """
        own = {"Accept": "application/json", "Authorization": f"Bearer {_header_value(token)}"}
        return client.build_request(
            request.method,
            request.path if request.is_whole else self.url + request.path,
            params=dict(request.query) or None,
            headers={
                **request.headers,
                **({} if request.is_whole else own),
                "User-Agent": f"outlive-client/{VERSION}",
            },
            content=request.body,
            timeout=httpx.Timeout(request.timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS),
        )

    def describe_failure(self, error: httpx.HTTPError) -> str:
        """Why no answer arrived. The sentence contains no secret."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return f"nothing answers at {self.url}"
        if isinstance(error, httpx.TimeoutException):
            return f"{self.url} did not answer in time"
        return f"the connection to {self.url} broke off"


def _header_value(token: str) -> str:
    token = token.strip()
    # Checked here because httpx would show the token in its error.
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("the token is empty or contains a character that a token can't contain")
    return token
