"""Addresses: what identifies a provider's, how it is shown without the secrets it may hold, and checks of the
services' in settings, whose errors say what is wanted and never quote what was given."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from kgnb.core.messages import say

_NO_HOST = re.compile(r"[\s/\\@?#:\[\]%\x00-\x1f]")
_BOLT_SCHEMES = {f"{scheme}{tls}" for scheme in ("bolt", "neo4j") for tls in ("", "+s", "+ssc")}
_REDIS_NUMBERS = {
    *("db", "protocol", "port", "socket_timeout", "socket_connect_timeout", "health_check_interval"),
}
_REDIS_OPTIONS = {
    *("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"),
    *("client_name", "username", "password", "cluster", "sentinel", "master", "sentinel_password"),
}
"""Options of redis-py and of RedisConnection that a URL may carry."""


def origin(base_url: str) -> str:
    """Return scheme, host and port of an address, the host in lower case: "https://api.x.com:443" for
    "https://API.x.com/v1"; "" for an invalid address.
    """
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def holds_secret(url: str) -> bool:
    """Return whether the URL has a login, a query or a fragment (@, ? or #): places where people put keys."""
    return any(mark in url.strip() for mark in "@?#")


def redacted_url(url: str) -> str:
    """Return the URL without login, query and fragment, which may hold a secret, at most 200 characters:
    "https://x.com/v1" for "https://me:pw@x.com/v1?key=1".
    """
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        scheme, rest = "", url
    bare = re.split("[?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(bare) :]:  # login or query? ambiguous, so hide it
        bare = "***"
    return f"{scheme}{slashes}{bare.rpartition('@')[2]}"[:200]


# --- of services


def check_host(text: str) -> str:
    """Return the host: a name, an IP address without brackets, or "". Raises ValueError for anything else."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    try:
        fits = not _NO_HOST.search(text) and len(text.encode("idna")) <= 253
    except UnicodeError:  # an empty or too long label
        fits = False
    if not fits:
        raise ValueError(say("rule.host"))
    return text


def in_url(host: str) -> str:
    """Return the host as it stands in a URL: "[::1]" for "::1", any name unchanged."""
    return f"[{host}]" if ":" in host else host


def check_redis_host(text: str) -> str:
    """Return ``text`` if it is a host, or a redis://, rediss:// or unix:// URL. Raises ValueError for
    anything else.
    """
    if "://" not in text:
        return check_host(text)
    try:
        url = urlsplit(text)
        unix = url.scheme == "unix"
        fits = bool(url.path) if unix else url.scheme in ("redis", "rediss") and _names_server(url)
        fits = fits and (unix or re.fullmatch(r"/?|/\d{1,9}", url.path) is not None)
        fits = fits and all(_is_option(name, value) for name, value in parse_qsl(url.query, True))
    except ValueError:  # its message would quote a part of the password
        fits = False
    if not fits:
        raise ValueError(say("rule.redis"))
    return text


def _names_server(url: SplitResult) -> bool:
    """Return whether a URL has a host and no port 0. Raises ValueError for an impossible host or port."""
    return bool(url.hostname and check_host(url.hostname)) and url.port != 0


def _is_option(name: str, value: str) -> bool:
    """Return whether a Redis URL may have this option."""
    return name in _REDIS_OPTIONS or (name in _REDIS_NUMBERS and re.fullmatch(r"\d{1,9}", value) is not None)


def check_bolt_uri(uri: str) -> str:
    """Return ``uri`` if it is "" or the neo4j driver takes it. Raises ValueError for anything else, and for a
    login in it.
    """
    if not uri:
        return uri
    scheme, _, rest = uri.partition("://")
    if scheme not in _BOLT_SCHEMES:
        raise ValueError(say("rule.bolt_scheme"))
    if "@" in rest:  # the driver refuses it, and its address is in messages
        raise ValueError(say("rule.bolt_login"))
    try:
        url = urlsplit(uri)
        fits = _names_server(url) and url.path in ("", "/") and not url.fragment
        fits = fits and not (url.query and scheme.startswith("bolt"))
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(say("rule.bolt"))
    return uri


def check_sentinels(text: str) -> str:
    """Return the addresses without blanks and empty parts, as ``host:port,host:port``; "" for none. Raises
    ValueError for anything else.
    """
    addresses = [one.strip() for one in text.split(",") if one.strip()]
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            fits = bool(check_host(host)) and port.isascii() and port.isdecimal() and 0 < int(port) < 65536
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(say("rule.sentinels"))
    return ",".join(addresses)
