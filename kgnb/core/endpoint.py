"""Where a provider's requests go: its address, key and proxy, checked before anything is sent."""

from __future__ import annotations

import errno
import os
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import urlsplit

from kgnb.core.addresses import redacted_url
from kgnb.core.errors import SettingsError
from kgnb.core.messages import say
from kgnb.core.model import Provider


def checked_url(provider: Provider) -> str:
    """Return the provider's address without white space and slash at its end. Raises SettingsError for a
    malformed one.
    """
    url = provider.base_url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(c.isspace() for c in url):
        raise SettingsError("provider.bad_url", provider=provider.name, url=redacted_url(url))
    return url


def checked_keys(provider: Provider) -> None:
    """Raise SettingsError for a key that can't be sent in a header."""
    for secret in provider.all_keys:
        key = secret.get_secret_value().strip()
        if not (key.isascii() and key.isprintable()) or any(c in key for c in " '\""):
            # The HTTP library's error would quote it.
            raise SettingsError("provider.bad_key", provider=provider.name)


def proxy_of(url: str) -> str | None:
    """Return the URL of the environment's or the system's proxy for ``url``; None without one, and for this
    machine itself.

    Raises SettingsError for a SOCKS proxy without the package for it.
    """
    import urllib.request  # slow, and the rules ask nobody

    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_here(host) or urllib.request.proxy_bypass(_place(url)):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme = urlsplit(proxy).scheme
    if scheme in ("socks", "socks5", "socks5h") and find_spec("socksio"):
        return proxy.replace("socks://", "socks5://", 1)
    if scheme not in ("http", "https"):
        raise SettingsError("provider.socks")
    return proxy


def unreached(url: str, reason: str) -> str:
    """Return the text on an address that can't be reached: host, ``reason`` if any, and whether it is behind
    a proxy or on this machine.
    """
    proxy, told = proxy_of(url), f"{_place(url)}: {reason}".removesuffix(": ")
    if proxy:
        return told + say("provider.by_proxy", proxy=_place(proxy))
    silent = reason in ("", os.strerror(errno.ECONNREFUSED))
    return told + (say("provider.in_place") if silent and is_here(urlsplit(url).hostname or "") else "")


def _place(url: str) -> str:
    """Return host and port of a URL without a login."""
    return urlsplit(url).netloc.rpartition("@")[2]


def is_here(host: str) -> bool:
    """Return whether a host is this machine: "localhost" or a loopback address; other names are not
    resolved.
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
