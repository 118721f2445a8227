"""The SDKs' HTTP client: proxies, certificates, bounded bodies, no redirects."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Collection
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

from kgnb.core.endpoint import proxy_of
from kgnb.core.model import Provider
from kgnb.llm.chat_api import CONNECT_SECONDS, Failure, get, model_names
from kgnb.llm.error_mapping import ErrorResponse

if TYPE_CHECKING:
    import ssl

    import httpx2
else:  # openai 3 is made of httpx2, openai 2 (in notebook images) of httpx: alike in what is used
    (_base,) = (one for one in DefaultAsyncHttpxClient.__mro__ if one.__name__ == "AsyncClient")
    httpx2 = import_module(_base.__module__.partition(".")[0])

R = TypeVar("R")

KEEP_SECONDS = 55.0
"""Idle connections are closed before servers and proxies close them (60 s and more)."""
MAX_BODY = 8_000_000
"""Most bytes of a response that are read: 1,000 times a usual one."""

NO_KEY = "-"
"""Given to an SDK for an endpoint without keys; with none it would read one from the environment."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""zlib's value for detecting the format from the data."""


def client_options(provider: Provider, base_url: str, connections: int) -> dict[str, Any]:
    """What both SDKs' clients are made with."""
    key = provider.api_key.get_secret_value().strip()
    headers, query = provider.options.extra_headers, provider.options.default_query
    address = httpx2.URL(base_url)
    return {
        "api_key": key or NO_KEY,
        # HTTP has one header for a login and a key.
        "base_url": address.copy_with(userinfo=b"") if key else address,
        "default_headers": {name: value.get_secret_value() for name, value in headers.items()},
        "default_query": {name: value.get_secret_value() for name, value in query.items()},
        "max_retries": 0,  # budget, pause and rate are asked before every request
        "timeout": None,  # the caller's: the SDKs' own ones refuse or cut long replies
        "http_client": http_client(base_url, connections),
    }


def create_options(body: dict[str, Any], typed: Collection[str]) -> dict[str, Any]:
    """A body as arguments of an SDK's ``create``: the parameters that it names, others as ``extra_body``."""
    extra = {name: value for name, value in body.items() if name not in typed}
    return {name: value for name, value in body.items() if name in typed} | {"extra_body": extra}


def http_client(base_url: str, connections: int) -> httpx2.AsyncClient:
    """A client for at most ``connections`` requests at a time; the caller sets the timeout.

    Proxies are those of the environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY) or of the system. Raises
    SettingsError for a SOCKS proxy without the package for it.
    """
    proxy = proxy_of(base_url)
    socks = proxy is not None and urlsplit(proxy).scheme not in ("http", "https")
    made = DefaultAsyncHttpxClient if socks else DefaultAioHttpClient
    return made(
        proxy=proxy,
        trust_env=False,  # the proxy is decided here; no .netrc takes the key's place
        verify=_trusted(),
        follow_redirects=False,  # one would carry the key to another host
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_SECONDS
        ),
        headers={"Accept-Encoding": "identity"},  # replies are small; a compressed one hides its size
        event_hooks={"response": [_bound_body]},
    )


async def _bound_body(response: httpx2.Response) -> None:
    packed = response.headers.pop("content-encoding", "identity") in ("gzip", "deflate")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _BoundedStream(response.stream, packed=packed)


class _BoundedStream(httpx2.AsyncByteStream):
    """A body that raises BodyTooLong beyond MAX_BODY bytes, decompressed if the server packed it unasked."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, packed: bool) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB) if packed else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_BODY
        async for piece in self._stream:
            plain = piece if self._inflate is None else self._inflated(piece, left + 1)
            left -= len(plain)
            if left < 0:
                raise BodyTooLong
            yield plain

    def _inflated(self, piece: bytes, most: int) -> bytes:
        assert self._inflate is not None
        try:
            return self._inflate.decompress(piece, most)
        except zlib.error:
            raise BodyTooLong from None

    async def aclose(self) -> None:
        await self._stream.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts (or SSL_CERT_FILE, SSL_CERT_DIR), read once."""
    return httpx2.create_ssl_context()


class BodyTooLong(Exception):
    """A response's body is longer than is read."""


async def outcome(call: Awaitable[R], sdk: ModuleType) -> R | ErrorResponse | Failure:
    """The result of a call of ``sdk`` (openai or anthropic), its error as a value."""
    try:
        return await call
    except sdk.APIStatusError as error:
        return ErrorResponse(error.status_code, error.body, error.response.headers)
    except UnicodeDecodeError:  # an answer, but not in UTF-8
        return Failure.UNREADABLE
    except (sdk.APIConnectionError, httpx2.HTTPError, OSError, UnicodeError):
        return Failure.SILENCE  # UnicodeError: a host that is no name
    except (sdk.APIError, BodyTooLong, ValueError, RecursionError):
        return Failure.UNREADABLE
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "aiohttp":  # what the SDK's transport doesn't map
            return Failure.SILENCE
        raise


async def listed_models(call: Awaitable[object], sdk: ModuleType) -> list[str] | ErrorResponse | Failure:
    """The names in the page of models that a call of ``sdk`` gives."""
    try:
        page = await outcome(call, sdk)
    except AttributeError:  # the SDK takes any JSON for a page
        return Failure.UNREADABLE
    return page if isinstance(page, ErrorResponse | Failure) else model_names(get(page, "data"))
