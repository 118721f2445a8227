"""Addresses of providers: what identifies one, and how one is shown without the secrets it may hold."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def origin(base_url: str) -> str:
    """Scheme, host and port of an address, normalized; empty if it isn't a valid one."""
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def holds_secret(url: str) -> bool:
    """Whether the URL has a login, a query or a fragment: places where people put keys."""
    return any(mark in url.strip() for mark in "@?#")


def redacted_url(url: str) -> str:
    """The URL without login, query and fragment, which may hold a secret."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        scheme, rest = "", url
    bare = re.split("[?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(bare) :]:  # login or query? ambiguous, so hide it
        bare = "***"
    return f"{scheme}{slashes}{bare.rpartition('@')[2]}"[:200]
