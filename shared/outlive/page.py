"""The size of one answer."""

PAGE_BYTES = 4_600_000
"""Bytes of an answer's body.

Lambda takes 6,291,556 bytes from a function: its whole return value as JSON. Any body of this size fits in base64, with
status and headers, for any characters.
"""
