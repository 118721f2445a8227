"""JSON over HTTP to an LLM's endpoint, with bounded bodies and without retries.

aiohttp's errors hold the request with its key: none leaves this module, not even as the cause or context of
another error.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from kgnb import __version__
from kgnb.core.errors import SettingsError

CONNECT_SECONDS = 10.0
"""Timeout for connecting."""
KEEP_SECONDS = 55.0
"""Idle connections are closed before servers and proxies close them (60 s and more)."""
MAX_BODY = 8_000_000
"""Most bytes of a response that are read: 1,000 times a usual one."""

_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one for each request
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""zlib's value for detecting the format from the data."""


class NoAnswer(Exception):
    """No answer: no connection, or one that ended before the response did."""


class Unreadable(Exception):
    """A response beyond :data:`MAX_BODY`, or a success that is not JSON."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response of any status; ``data``: its JSON, or the text of an error without JSON."""

    status: int
    data: Any
    headers: Mapping[str, str]


class HttpClient:
    """Requests with the headers ``auth``, at most ``connections`` at a time. The caller sets the timeout.

    Bound to the event loop it is first used on.

    Proxies are those of the environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY) or of the system. Raises
    SettingsError where that is a SOCKS proxy.
    """

    def __init__(self, base_url: str, auth: Mapping[str, str], connections: int) -> None:
        self._headers = {
            **auth,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # replies are small; a compressed one hides its size
            "User-Agent": f"kgnb/{__version__}",
        }
        self._connections = connections
        self._proxy = proxy_of(base_url)
        self._tls = _trusted() if base_url.startswith("https:") else True
        self._opened: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> HttpResponse:
        """Raises NoAnswer, Unreadable."""
        return await self._request("GET", url, None)

    async def post(self, url: str, body: Mapping[str, Any]) -> HttpResponse:
        """Post ``body`` as JSON; a lone surrogate, which UTF-8 can't hold, becomes "?".

        Raises NoAnswer, Unreadable.
        """
        return await self._request("POST", url, _ENCODER.encode(body).encode(errors="replace"))

    async def close(self) -> None:
        """Closes the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def _request(self, method: str, url: str, data: bytes | None) -> HttpResponse:
        try:
            # A redirect would carry the key to another host.
            async with self._session().request(
                method, self._url(url), data=data, proxy=self._proxy, allow_redirects=False
            ) as got:
                raw = await _read(got)
                status, headers = got.status, {k.lower(): v for k, v in got.headers.items()}
        except (aiohttp.ClientError, OSError, UnicodeError):  # the last: a host that is no name
            raw = None
        if raw is None:
            raise NoAnswer
        return HttpResponse(status, _parsed(_inflated(raw, headers), status), headers)

    def _url(self, url: str) -> URL:
        """The URL, without its login where there is a key: HTTP has one header for both."""
        found = URL(url, encoded=True)
        return found.with_user(None) if found.user and "Authorization" in self._headers else found

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, keepalive_timeout=KEEP_SECONDS, ssl=self._tls
                ),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            )
        return self._opened


async def _read(got: aiohttp.ClientResponse) -> bytes:
    """The body; one byte more than allowed when it is too long."""
    body = bytearray()
    async for piece in got.content.iter_any():
        body += piece
        if len(body) > MAX_BODY:
            got.close()
            return bytes(MAX_BODY + 1)
    return bytes(body)


def _inflated(raw: bytes, headers: Mapping[str, str]) -> bytes:
    """The body, decompressed if the server compressed it unasked."""
    if headers.get("content-encoding", "identity") not in ("gzip", "deflate"):
        return raw
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(raw, MAX_BODY + 1)
    except zlib.error:
        return b""


def _parsed(raw: bytes, status: int) -> Any:
    if len(raw) > MAX_BODY:
        raise Unreadable
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        if status < 300:
            raise Unreadable from None
    return raw.decode("utf-8", "replace")


# --- proxy and certificates ---------------------------------------------------------------------------------


def proxy_of(url: str) -> str | None:
    """The environment's or the system's proxy for ``url``; None for this machine itself.

    Raises SettingsError for a SOCKS proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_here(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise SettingsError("provider.socks")
    return proxy


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts, read once."""
    paths = ssl.get_default_verify_paths()  # SSL_CERT_FILE and SSL_CERT_DIR, else OpenSSL's own
    if sys.platform == "darwin" and not (paths.cafile or paths.capath):
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context()
