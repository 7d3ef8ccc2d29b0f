"""A run's usage as a client reads it."""

from typing import Any


def used(input_tokens: int = 0, output_tokens: int = 0, requests: int = 0) -> dict[str, Any]:
    """So much, nothing of it cached, at no known price."""
    counts = {"input_tokens": input_tokens, "output_tokens": output_tokens, "requests": requests}
    return {**counts, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_usd": None}
