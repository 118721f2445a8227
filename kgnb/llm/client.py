"""LLM client, one for each provider; every failure is a class of the error tree.

The SDKs (openai_api.py, anthropic_api.py) send single requests; retries are decided here. Neither SDK is
imported before the first request.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from kgnb.core import errors
from kgnb.core.endpoint import checked_key, checked_url, proxy_of
from kgnb.core.model import Provider, Usage
from kgnb.extract.prompt import Prompt
from kgnb.extract.repetition import is_looping
from kgnb.extract.reply import is_complete, without_thoughts
from kgnb.llm.chat_api import CONNECT_SECONDS, ChatApi, ChatReply, Failure, KeysInTurn
from kgnb.llm.diagnosis import Diagnosis
from kgnb.llm.error_mapping import ErrorResponse, error_for
from kgnb.llm.presets import preset_for
from kgnb.llm.request_form import LearntForm, RequestForm

MAX_WAIT = 30.0
"""Longest wait between two tries; an endpoint that asks for more is treated as down."""

_OK_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
TEST_PROMPT = Prompt("Answer with a JSON object.", 'Answer {"ok": true}', "", _OK_SCHEMA)
"""Shows whether a provider answers at all."""


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
    and 5xx; ``connections``: size of the connection pool. The provider's options win over the first two.

    Bound to the event loop it is first used on. Raises SettingsError for a malformed base_url or key.
    """

    def __init__(self, provider: Provider, *, timeout: float, tries: int, connections: int) -> None:
        self.provider = provider
        self.usage = Usage()
        """Cost of all calls so far, including failed and cancelled ones."""
        self.busy = 0
        """Calls in flight."""
        self._timeout = provider.options.timeout or timeout
        self._tries = max(1, provider.options.tries or tries)
        self._base_url = checked_url(provider)
        for key in (provider.api_key, *provider.all_keys):
            checked_key(replace(provider, api_key=key))
        checked_interface(provider)
        proxy_of(self._base_url)
        self._host = urlsplit(self._base_url).hostname or ""
        self._connections = connections
        self._learnt: dict[str, LearntForm] = {}
        self._diagnosis = Diagnosis(provider, self._base_url, self._list_models)
        self._opened: ChatApi | None = None

    async def ask(
        self,
        prompt: Prompt,
        model: str,
        *,
        admit: Callable[[], Awaitable[None]] = _freely,
        spent: Callable[[Usage, int], None] = lambda _usage, _timeouts: None,
    ) -> Completion:
        """Return the reply of ``model`` to ``prompt``, without its thoughts.

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
            text = without_thoughts(answer.text)
            if (answer.end == "length" or is_looping(text)) and not is_complete(text):
                raise errors.ReplyTruncated("provider.truncated", provider=self.provider.name)
            return Completion(text, meter.usage)
        except errors.ProviderError as error:
            error.usage = meter.usage
            raise
        finally:
            self.busy -= 1
            self.usage += meter.usage
            spent(meter.usage, meter.timeouts)

    async def body(self, prompt: Prompt, model: str) -> dict[str, Any]:
        """The JSON that would be sent for ``prompt``."""
        return (await self._api()).body(prompt, model, self._form_of(model).form)

    async def reachable(self) -> None:
        """Raise ProviderDown unless the endpoint answers, with whatever status. Asks no model."""
        if await self._list_models(self._base_url) is Failure.SILENCE:
            raise self._down("provider.unreachable", host=self._host, tries=1)

    async def models(self) -> list[str]:
        """Names of the models that the endpoint lists; empty where it has no list. Asks no model."""
        found = await self._list_models(self._base_url)
        return found if isinstance(found, list) else []  # many endpoints have no list

    async def close(self) -> None:
        """Close the connections."""
        for learnt in self._learnt.values():
            learnt.release()
        if self._opened is not None:
            await self._opened.close()

    async def _api(self) -> ChatApi:
        """The endpoint, opened on first use: the SDK takes most of a second to import."""
        opener = await asyncio.to_thread(interface_of, self.provider) if self._opened is None else None
        if self._opened is None and opener is not None:
            keyed = [replace(self.provider, api_key=key) for key in self.provider.all_keys] or [self.provider]
            self._opened = KeysInTurn([opener(p, self._base_url, self._connections) for p in keyed])
        assert self._opened is not None
        return self._opened

    async def _list_models(self, base_url: str) -> list[str] | ErrorResponse | Failure:
        """The models that the endpoint lists, at another address of the same host if need be."""
        api = await self._api()
        if base_url != self._base_url:
            api = interface_of(self.provider)(self.provider, base_url, 1)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await api.models()
        except TimeoutError:
            return Failure.SILENCE
        finally:
            if api is not self._opened:
                await api.close()

    def _form_of(self, model: str) -> LearntForm:
        if model not in self._learnt:
            self._learnt[model] = LearntForm(RequestForm.first(self.provider, model))
        return self._learnt[model]

    async def _formed(self, prompt: Prompt, model: str, meter: _Meter) -> ChatReply:
        """Ask in the richest form that the model accepts; what it refuses is left out from then on."""
        api, learnt = await self._api(), self._form_of(model)
        await learnt.hold(api.models)
        try:
            tried = [learnt.form]
            while True:
                form = tried[-1]
                got = await self._tried(api.body(prompt, model, form), meter)
                if isinstance(got, ChatReply):
                    learnt.accept(form, thought=got.thought)
                    return got
                error, refusal = got
                other = None
                if refusal is not None and refusal.status in (400, 422):
                    other = learnt.after_refusal(tried, refusal, form.limit(prompt))
                if other is None:
                    raise await self._diagnosis.explained(error, model)
                tried.append(other)
        finally:
            learnt.release()

    async def _tried(self, body: dict[str, Any], meter: _Meter) -> ChatReply | _Rejection:
        """Ask once, and again after failures that may be transient (exponential backoff with jitter)."""
        for attempt in range(1, self._tries + 1):
            await meter.admit()
            got = await self._once(body, attempt, meter)
            if isinstance(got, ChatReply):
                return got
            error, refusal = got
            if isinstance(error, errors.RequestRejected):
                return error, refusal
            asked = refusal.retry_after() if refusal is not None else None
            wait = _backoff(attempt) if asked is None else asked * random.uniform(1.0, 1.2)  # noqa: S311
            gives_up = attempt == self._tries or wait > MAX_WAIT * 1.2
            if gives_up or not isinstance(error, errors.ProviderDown):
                raise error
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(self, body: dict[str, Any], attempt: int, meter: _Meter) -> ChatReply | _Rejection:
        """Make one HTTP request; return its reply, or an error and the response that it stands for."""
        api = await self._api()
        try:
            async with asyncio.timeout(self._timeout):
                got = await api.reply(body)
        except TimeoutError:
            meter.timeouts += 1
            return self._down("provider.timeout", seconds=round(self._timeout), tries=attempt), None
        if got is Failure.SILENCE:
            return self._down("provider.unreachable", host=self._host, tries=attempt), None
        meter.finished(got.usage if isinstance(got, ChatReply) else None)
        if isinstance(got, Failure):
            return errors.RequestRejected("provider.garbled", provider=self.provider.name), None
        if isinstance(got, ChatReply):
            if got.end != "failed":
                return got
            got = ErrorResponse(502)
        return error_for(got, self.provider, body["model"], attempt), got

    def _down(self, key: str, **facts: object) -> errors.ProviderDown:
        return errors.ProviderDown(key, provider=self.provider.name, **facts)


_Rejection = tuple[errors.ProviderError, ErrorResponse | None]
"""An error, and the response that it stands for: inside the client only, it may repeat the key."""


class _Meter:
    """Admits one call's requests; sums the usage of the finished ones, counts those that timed out."""

    def __init__(self, admit: Callable[[], Awaitable[None]]) -> None:
        self.admit = admit
        self.usage = Usage()
        self.timeouts = 0

    def finished(self, usage: Usage | None = None) -> None:
        self.usage += usage or Usage(requests=1)


def _backoff(attempt: int) -> float:
    step: float = min(8.0, 0.5 * 2 ** (attempt - 1))
    return step * random.uniform(0.5, 1.5)  # noqa: S311 - spreads the slots, no secret


# --- the SDK of a provider ----------------------------------------------------------------------------------


def checked_interface(provider: Provider) -> None:
    """Raise SettingsError when the provider's SDK isn't installed."""
    if _is_anthropic(provider) and find_spec("anthropic") is None:
        raise errors.SettingsError("provider.no_sdk", provider=provider.name)


def interface_of(provider: Provider) -> Callable[[Provider, str, int], ChatApi]:
    """Opens an endpoint of the provider's kind: provider, base_url, size of the connection pool.

    Imports its SDK, which takes most of a second of processor time.
    """
    if _is_anthropic(provider):
        from kgnb.llm.anthropic_api import AnthropicApi

        return AnthropicApi
    from kgnb.llm.openai_api import OpenAIApi

    return OpenAIApi


def preload(provider: Provider) -> None:
    """Import the provider's SDK in a thread, so that its first request needn't wait for that."""
    threading.Thread(target=interface_of, args=(provider,), name="kgnb-sdk", daemon=True).start()


def _is_anthropic(provider: Provider) -> bool:
    return preset_for(provider).api == "anthropic"
