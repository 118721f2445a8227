"""The HTTP client of an LLM endpoint: proxies, certificates, bounded bodies, no redirects."""

from __future__ import annotations

import json
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

import kgnb
from kgnb.core.endpoint import proxy_of
from kgnb.llm.error_mapping import MAX_BODY, MAX_STREAM

CONNECT_SECONDS = 10.0
"""Timeout for connecting."""
KEEP_SECONDS = 55.0
"""Idle connections are closed before servers and proxies close them (60 s and more)."""
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # replies are small; a compressed one hides its size
    "User-Agent": f"kgnb/{kgnb.__version__}",
}


class BodyTooLong(Exception):
    """A response's body is longer than is read."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response, of whatever status."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the certificates that this machine trusts, or SSL_CERT_FILE's. Read once."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return ssl.create_default_context()
    import truststore  # OpenSSL was built without a place for them, as in Python's installer for macOS

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class HttpClient:
    """Client of the address ``base_url``, for at most ``connections`` requests at a time.

    The proxy is that of the environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY) or of the system. Bound to the
    event loop it is first used on. Raises SettingsError for a SOCKS proxy without the package for it.
    """

    def __init__(
        self, base_url: str, headers: Mapping[str, str], query: Mapping[str, str], connections: int
    ) -> None:
        self._base_url, self._query, self._connections = base_url, query, connections
        self._headers = CIMultiDict(_HEADERS)
        self._headers.update(headers)
        self._proxy = proxy_of(base_url)
        self._certificates = trusted_certificates()

    async def request(self, method: str, path: str, body: Any = None) -> Response:
        """Return the response to one request with a JSON ``body``, if any, to base_url + ``path``.

        Raises BodyTooLong for a body of more than MAX_BODY bytes, of a stream of events MAX_STREAM;
        zlib.error for one that isn't packed as it says; what aiohttp raises.
        """
        data, headers = None, {}
        if body is not None:
            data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            headers = {"Content-Type": "application/json"}
        url = URL(self._base_url + path)
        async with self._session.request(
            method, url, data=data, headers=headers, params=self._query, allow_redirects=False
        ) as response:  # a redirect would carry the key to another host
            return Response(response.status, response.headers, await _bounded_body(response))

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        """Return the session, made on first use: it belongs to the running loop."""
        socks = self._proxy is not None and urlsplit(self._proxy).scheme not in ("http", "https")
        return aiohttp.ClientSession(
            connector=self._connector(self._proxy if socks else ""),
            proxy=None if socks else self._proxy,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # the proxy is decided here; no .netrc takes the key's place
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )

    def _connector(self, socks: str | None) -> aiohttp.BaseConnector:
        """Return the connector, through the SOCKS proxy ``socks`` if any, which then resolves the name."""
        options: dict[str, Any] = {
            "limit": self._connections,
            "keepalive_timeout": KEEP_SECONDS,
            "ssl": self._certificates,
        }
        if not socks:
            return aiohttp.TCPConnector(**options)
        from aiohttp_socks import ProxyConnector

        return ProxyConnector.from_url(socks.replace("socks5h:", "socks5:", 1), rdns=True, **options)

    async def close(self) -> None:
        """Close the connections."""
        if "_session" in self.__dict__:
            await self._session.close()


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    """Return a body, decompressed if the server packed it unasked. Raises as :meth:`HttpClient.request`."""
    most = MAX_STREAM if "event-stream" in response.headers.get("content-type", "") else MAX_BODY
    packed = response.headers.get("content-encoding", "identity") in ("gzip", "deflate")
    # 32: the format is seen from the data.
    inflate = zlib.decompressobj(32 + zlib.MAX_WBITS).decompress if packed else lambda piece, _: piece
    body = bytearray()
    async for piece in response.content.iter_any():
        body += inflate(piece, most + 1 - len(body))
        if len(body) > most:
            raise BodyTooLong
    return bytes(body)
