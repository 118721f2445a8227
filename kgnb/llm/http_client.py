"""The SDKs' HTTP client: proxies, certificates, bounded bodies, no redirects."""

from __future__ import annotations

import zlib
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

from kgnb.core.endpoint import proxy_of
from kgnb.core.model import Provider
from kgnb.llm.error_mapping import MAX_BODY, MAX_STREAM

if TYPE_CHECKING:
    import httpx2
else:  # openai 3 is made of httpx2, openai 2 (in notebook images) of httpx: alike in what is used
    (_base,) = (one for one in DefaultAsyncHttpxClient.__mro__ if one.__name__ == "AsyncClient")
    httpx2 = import_module(_base.__module__.partition(".")[0])

CONNECT_SECONDS = 10.0
"""Timeout for connecting."""
KEEP_SECONDS = 55.0
"""Idle connections are closed before servers and proxies close them (60 s and more)."""

trusted_certificates = cache(httpx2.create_ssl_context)
"""The certificates that this machine trusts, beside openai 2 certifi's; or SSL_CERT_FILE's. Read once."""


class BodyTooLong(Exception):
    """A response's body is longer than is read."""


def client_options(provider: Provider, base_url: str, connections: int) -> dict[str, Any]:
    """Return the arguments for the clients of both SDKs, for at most ``connections`` requests at a time; a
    provider without key gets "-".

    Raises SettingsError for a SOCKS proxy without the package for it.
    """
    key = provider.api_key.get_secret_value().strip()
    headers, query = provider.options.extra_headers, provider.options.default_query
    address = httpx2.URL(base_url)
    return {
        "api_key": key or "-",  # with none an SDK would read one from the environment
        # HTTP has one header for a login and a key.
        "base_url": address.copy_with(userinfo=b"") if key else address,
        "default_headers": {name: value.get_secret_value() for name, value in headers.items()},
        "default_query": {name: value.get_secret_value() for name, value in query.items()},
        "max_retries": 0,  # budget, pause and rate are asked before every request
        "timeout": None,  # the caller's: the SDKs' own ones refuse or cut long replies
        "http_client": _http_client(base_url, connections),
    }


def _http_client(base_url: str, connections: int) -> httpx2.AsyncClient:
    """Return a client for the address. Proxies are those of the environment (HTTPS_PROXY, ALL_PROXY,
    NO_PROXY) or of the system.
    """
    proxy = proxy_of(base_url)
    socks = proxy is not None and urlsplit(proxy).scheme not in ("http", "https")
    made = DefaultAsyncHttpxClient if socks else DefaultAioHttpClient
    return made(
        proxy=proxy,
        trust_env=False,  # the proxy is decided here; no .netrc takes the key's place
        verify=trusted_certificates(),
        follow_redirects=False,  # one would carry the key to another host
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_SECONDS
        ),
        headers={"Accept-Encoding": "identity"},  # replies are small; a compressed one hides its size
        event_hooks={"response": [_bound_body]},
    )


async def _bound_body(response: httpx2.Response) -> None:
    """Read a body, decompressed if the server packed it unasked; raise BodyTooLong beyond MAX_BODY bytes, of
    a stream of events beyond MAX_STREAM; zlib.error for a body that isn't packed as it says."""
    most = MAX_STREAM if "event-stream" in response.headers.get("content-type", "") else MAX_BODY
    packed = response.headers.pop("content-encoding", "identity") in ("gzip", "deflate")
    # 32: the format is seen from the data.
    inflate = zlib.decompressobj(32 + zlib.MAX_WBITS).decompress if packed else lambda piece, _: piece
    stream, body = response.stream, bytearray()
    assert isinstance(stream, httpx2.AsyncByteStream)
    async for piece in stream:
        body += inflate(piece, most + 1 - len(body))
        if len(body) > most:
            raise BodyTooLong
    await stream.aclose()
    response.stream = httpx2.ByteStream(bytes(body))
