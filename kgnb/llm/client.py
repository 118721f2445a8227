"""LLM client, one for each provider; every failure is a class of the error tree.

Endpoints differ by their dialect (dialect.py) only; retries are decided here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kgnb.core import errors
from kgnb.core.addresses import redacted_url
from kgnb.core.model import Provider, Usage
from kgnb.extract.prompt import Prompt
from kgnb.llm.dialect import Form, ParsedResponse, dialect_of
from kgnb.llm.error_mapping import ErrorResponse, HttpRejected, error_for
from kgnb.llm.http import CONNECT_SECONDS, HttpClient, NoAnswer, Unreadable

MAX_WAIT = 30.0
"""Longest wait between two tries; an endpoint that asks for more is treated as down."""

TEST_PROMPT = Prompt("Answer with a JSON object.", 'Answer {"ok": true}', "", {"type": "object"})
"""Shows whether a provider answers at all."""

DEFAULT_URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "claude": "https://api.anthropic.com",
}


@dataclass(frozen=True, slots=True)
class Completion:
    """A complete reply and what the call cost, including failed tries."""

    text: str
    usage: Usage


async def _freely() -> None:
    """Admits every request."""


class LlmClient:
    """Client of ``provider``.

    ``timeout``: seconds for one whole request; ``tries``: attempts of one call on connection errors, timeouts
    and 5xx; ``connections``: size of the connection pool.

    Bound to the event loop it is first used on. Raises SettingsError for a malformed base_url or key.
    """

    def __init__(self, provider: Provider, *, timeout: float, tries: int, connections: int) -> None:
        self.provider = provider
        self.usage = Usage()
        """Cost of all calls so far, including failed and cancelled ones."""
        self.busy = 0
        """Calls in flight."""
        self._timeout = timeout
        self._tries = max(1, tries)
        base_url = checked_url(provider)
        self._dialect = dialect_of(provider, base_url)
        self._forms: dict[str, Form] = {}
        self._host = urlsplit(base_url).hostname or ""
        self._path = self._dialect.path(base_url)
        self._models_url = f"{base_url}/models"
        self._http = HttpClient(base_url, self._dialect.headers(checked_key(provider)), connections)

    async def ask(
        self,
        prompt: Prompt,
        model: str,
        *,
        admit: Callable[[], Awaitable[None]] = _freely,
        spent: Callable[[Usage, int], None] = lambda _usage, _timeouts: None,
    ) -> Completion:
        """Return the reply of ``model`` to ``prompt``.

        ``admit`` is awaited before each HTTP request; an error of its own ends the call. ``spent`` is called
        with the cost of the call and the number of its requests that timed out, however it ends.

        Raises ProviderDown after ``tries`` attempts, RateLimited, AuthRejected, QuotaExhausted,
        RequestRejected (also where no LLM answers), PromptTooLong, ReplyTruncated or ReplyRefused, each
        with the cost of the call as ``.usage``.
        """
        meter = _Meter(admit)
        self.busy += 1
        try:
            answer = await self._formed(prompt, model, meter)
            if answer.end == "refused":
                raise errors.ReplyRefused("provider.refused", provider=self.provider.name)
            if answer.end == "length":
                raise errors.ReplyTruncated("provider.truncated", provider=self.provider.name)
            return Completion(answer.text, meter.usage)
        except errors.ProviderError as error:
            error.usage = meter.usage
            raise
        finally:
            self.busy -= 1
            self.usage += meter.usage
            spent(meter.usage, meter.timeouts)

    async def reachable(self) -> None:
        """Raise ProviderDown unless the endpoint answers, with whatever status. Asks no model."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._http.get(self._models_url)
                return
        except TimeoutError:
            down = self._down("provider.timeout", seconds=round(CONNECT_SECONDS), tries=1)
        except NoAnswer:
            down = self._down("provider.unreachable", host=self._host, tries=1)
        except Unreadable:
            return  # an odd body, but an answer
        raise down  # here, so that its __context__ doesn't keep the HTTP library's error

    async def models(self) -> list[str]:
        """Names of the models that the endpoint lists; empty where it has no list. Asks no model."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                answer = await self._http.get(self._models_url)
        except (TimeoutError, NoAnswer, Unreadable):
            return []  # many endpoints have no list
        found = answer.data if answer.status < 300 else None
        items = found.get("data") if isinstance(found, dict) else None
        if not isinstance(items, list):
            return []
        names = (item.get("id") for item in items if isinstance(item, dict))
        return [name for name in names if isinstance(name, str)]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _formed(self, prompt: Prompt, model: str, meter: _Meter) -> ParsedResponse:
        """Ask in the richest form that the model accepts.

        After a 400, simpler forms are tried; one that succeeds is remembered for the model. A request that
        fails in every form changes nothing.
        """
        form = self._forms.get(model, self._dialect.first)
        while True:
            body = self._dialect.body(prompt, model, form)
            try:
                answer = await self._tried(body, model, meter)
            except HttpRejected as no:
                other = self._other_form(model, form, no)
                if other is None:
                    raise
                form = other
            else:
                self._forms[model] = form
                return answer

    def _other_form(self, model: str, form: Form, no: HttpRejected) -> Form | None:
        if no.status not in (400, 422):
            return None
        known = self._forms.get(model)
        if known is None:
            return form.without(no.param)
        return known if known != form else None

    async def _tried(self, body: dict[str, Any], model: str, meter: _Meter) -> ParsedResponse:
        """Ask once, and again after failures that may be transient (exponential backoff with jitter)."""
        for attempt in range(1, self._tries + 1):
            await meter.admit()
            outcome, wait = await self._once(body, model, meter, attempt)
            if isinstance(outcome, ParsedResponse):
                return outcome
            wait = _backoff(attempt) if wait is None else wait * random.uniform(1.0, 1.2)  # noqa: S311
            gives_up = attempt == self._tries or wait > MAX_WAIT * 1.2
            if gives_up or not isinstance(outcome, errors.ProviderDown):
                raise outcome
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(
        self, body: dict[str, Any], model: str, meter: _Meter, attempt: int
    ) -> tuple[ParsedResponse | errors.ProviderError, float | None]:
        """Make one HTTP request; return its answer or error, and the wait that the endpoint asks for."""
        try:
            async with asyncio.timeout(self._timeout):
                got = await self._http.post(self._path, body)
        except TimeoutError:
            meter.timeouts += 1
            return self._down("provider.timeout", seconds=round(self._timeout), tries=attempt), None
        except NoAnswer:
            return self._down("provider.unreachable", host=self._host, tries=attempt), None
        except Unreadable:
            meter.finished()
            return self._garbled(), None
        if got.status < 300:
            answer = self._dialect.answer(got.data)
            if answer is not None and answer.end != "failed":
                meter.finished(answer.usage)
                return answer, None
            refusal = _hidden_refusal(got.data) if answer is None else ErrorResponse(502)
        else:
            refusal = ErrorResponse(got.status, got.data, got.headers)
        meter.finished()
        if refusal is None:
            return self._garbled(), None
        return error_for(refusal, self.provider, model, attempt), refusal.retry_after()

    def _down(self, key: str, **facts: object) -> errors.ProviderDown:
        return errors.ProviderDown(key, provider=self.provider.name, **facts)

    def _garbled(self) -> errors.RequestRejected:
        return errors.RequestRejected("provider.garbled", provider=self.provider.name)


class _Meter:
    """Admits one call's requests; sums the usage of the finished ones, counts those that timed out."""

    def __init__(self, admit: Callable[[], Awaitable[None]]) -> None:
        self.admit = admit
        self.usage = Usage()
        self.timeouts = 0

    def finished(self, usage: Usage | None = None) -> None:
        self.usage += usage or Usage(requests=1)


def _hidden_refusal(data: Any) -> ErrorResponse | None:
    """The error in a body of status 200, as some gateways send it; None without one."""
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return None
    code = error.get("code")
    return ErrorResponse(code if isinstance(code, int) and 400 <= code < 600 else 502, data)


def _backoff(attempt: int) -> float:
    step: float = min(8.0, 0.5 * 2 ** (attempt - 1))
    return step * random.uniform(0.5, 1.5)  # noqa: S311 - spreads the slots, no secret


# --- settings of a provider ---------------------------------------------------------------------------------


def checked_url(provider: Provider) -> str:
    """The provider's address without a trailing slash; raise SettingsError for a malformed one."""
    url = (provider.base_url or DEFAULT_URLS.get(provider.key, "")).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(c.isspace() for c in url):
        raise errors.SettingsError("provider.bad_url", provider=provider.name, url=redacted_url(url))
    return url


def checked_key(provider: Provider) -> str:
    """The provider's key; raise SettingsError for one that can't be sent in a header."""
    key = provider.api_key.get_secret_value().strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        # The HTTP library's error would quote it.
        raise errors.SettingsError("provider.bad_key", provider=provider.name)
    return key
