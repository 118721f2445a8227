"""LLM client, one for each provider; every failure is a class of the error tree.

The SDKs (openai_api.py, anthropic_api.py) send single requests; retries are decided here. Neither SDK is
imported before the first request.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kgnb.core import errors
from kgnb.core.endpoint import checked_keys, checked_url, proxy_of
from kgnb.core.messages import say
from kgnb.core.model import Prompt, Provider, Usage
from kgnb.core.secret_mask import without_keys
from kgnb.llm.diagnosis import Diagnosis
from kgnb.llm.error_mapping import SILENCE, ErrorResponse, error_for
from kgnb.llm.presets import checked_interface, preset_for, preset_named
from kgnb.llm.request_form import LearntForm, RequestForm
from kgnb.llm.thoughts_and_loops import is_complete, is_looping, without_thoughts

if TYPE_CHECKING:
    from kgnb.llm.chat_api import ChatApi, ChatReply

log = logging.getLogger(__name__)

MAX_WAIT = 30.0
"""Longest wait between two tries; an endpoint that asks for more is treated as down."""
LIST_SECONDS = 6.0
"""Timeout for lists of models."""

_TEST_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
TEST_PROMPT = Prompt("Answer with a JSON object.", 'Answer {"ok": true}', "", _TEST_SCHEMA)
"""Shows whether a provider answers at all."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A complete reply and what the call cost, including failed tries."""

    text: str
    usage: Usage


@dataclass(slots=True)
class _Meter:
    """Admits one call's requests; sums the usage of those that ended, counts those given up unanswered."""

    admit: Callable[[], Awaitable[None]]
    usage: Usage = Usage()
    unanswered: int = 0


class LlmClient:
    """Client of ``provider``.

    ``timeout``: seconds for one whole request; ``tries``: attempts of one call on connection errors, timeouts
    and 5xx; ``connections``: size of the connection pool. The provider's options win over the first two.

    Bound to the event loop it is first used on. Raises SettingsError for a malformed base_url or key.
    """

    def __init__(self, provider: Provider, *, timeout: float, tries: int, connections: int) -> None:
        self.provider = provider
        self.busy = 0
        """Calls in flight."""
        self._sent_at: list[float] = []  # of requests in flight, the oldest first (time.monotonic())
        self._timeout = provider.options.timeout or timeout
        self._tries = max(1, provider.options.tries or tries)
        self._connections = connections
        address = provider.base_url or preset_named(provider.name).base_url
        self.url = checked_url(replace(provider, base_url=address))
        checked_keys(provider)
        checked_interface(provider)
        proxy_of(self.url)
        self._learnt: dict[str, LearntForm] = {}
        self.diagnosis = Diagnosis(provider, self.url, self.list_models)
        self._opening = asyncio.Lock()
        self._apis: list[ChatApi] = []  # one for each key
        self._in_turn: list[ChatApi] = []  # without those whose key was refused

    async def ask(
        self,
        prompt: Prompt,
        model: str,
        *,
        admit: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
        spent: Callable[[Usage, int], None] = lambda _usage, _unanswered: None,
    ) -> Completion:
        """Return the reply of ``model`` to ``prompt``, without its thoughts, the provider's keys masked.

        ``admit`` is awaited before each HTTP request; an error of its own ends the call. ``spent`` is called
        with the cost of the call and the number of its requests that were given up unanswered (timed out,
        cancelled), however it ends.

        Raises ProviderDown after ``tries`` attempts, RateLimited, AuthRejected, QuotaExhausted,
        RequestRejected (EndpointWrong where no LLM answers), PromptTooLong, or a ReplyError, each
        with the cost of the call as ``.usage``.
        """
        meter = _Meter(admit)
        self.busy += 1
        try:
            reply = await self._formed(prompt, model, meter)
            text = without_keys(without_thoughts(reply.text), self.provider)
            if (reply.cut or is_looping(text)) and not is_complete(text):
                key = "only_thoughts" if reply.thought and not text else "truncated"
                raise errors.ReplyTruncated(f"provider.{key}", provider=self.provider.name, reply=text)
            if not text:
                key = "only_thoughts" if reply.thought or reply.text.strip() else "blank"
                raise errors.ReplyUnparsable(f"provider.{key}", provider=self.provider.name)
            return Completion(text, meter.usage)
        except errors.ProviderError as error:
            error.usage = meter.usage
            raise
        finally:
            self.busy -= 1
            spent(meter.usage, meter.unanswered)

    @property
    def ages(self) -> list[float]:
        """Seconds since each request in flight was sent, the oldest first."""
        now = time.monotonic()
        return [now - sent_at for sent_at in self._sent_at]

    async def open(self) -> None:
        """Import the SDK now, so that the time of the first request is the endpoint's alone."""
        await self.opened()

    async def body(self, prompt: Prompt, model: str) -> dict[str, Any]:
        """Return the JSON body that would be sent for ``prompt``."""
        return (await self.opened())[0].body(prompt, model, self.form_of(model).form)

    async def models(self) -> list[str]:
        """Return the names of the models that the endpoint lists; [] for an endpoint without a list. No model
        is asked.

        Raises ProviderDown for an endpoint that doesn't answer at all.
        """
        found = await self.list_models()
        if isinstance(found, ErrorResponse) and not found.status:
            raise error_for(found, self.provider, self.url, "")
        return found if isinstance(found, list) else []  # many endpoints have no list

    async def close(self) -> None:
        """Close the connections."""
        for api in self._apis:
            await api.client.close()

    async def opened(self) -> list[ChatApi]:
        """Return the endpoint's interface with each key, opened on first use: to import an SDK takes most of
        a second.
        """
        async with self._opening:
            if not self._apis:
                self._apis = await asyncio.to_thread(self._open)
                self._in_turn = list(self._apis)
            return self._apis

    def _open(self) -> list[ChatApi]:
        """Return the endpoint's interface with each key; with an empty one for a provider without keys."""
        made, keys = interface_of(self.provider), self.provider.all_keys or (self.provider.api_key,)
        return [made(replace(self.provider, api_key=key), self.url, self._connections) for key in keys]

    def _next(self) -> ChatApi:
        """Return the endpoint with the next key, in turn."""
        self._in_turn.append(self._in_turn.pop(0))
        return self._in_turn[-1]

    def _drop(self, api: ChatApi, status: int) -> bool:
        """Stop using this endpoint's key; return whether other keys are left. After the last key all
        are tried again.
        """
        others = [one for one in self._in_turn if one is not api]
        if others and api in self._in_turn:  # not by another request before
            facts = {"number": self._apis.index(api) + 1, "keys": len(self._apis), "status": status}
            log.warning("%s", say("provider.key_dropped", provider=self.provider.name, **facts))
        self._in_turn = others or list(self._apis)
        return bool(others)

    async def list_models(self, below: str = "") -> list[str] | ErrorResponse:
        """Return the names of the models that the endpoint lists at its address + ``below``, or its
        refusal.
        """
        await self.opened()  # the SDK's import is not the endpoint's time
        try:
            async with asyncio.timeout(LIST_SECONDS):
                return await self._next().models(below)
        except TimeoutError:
            return SILENCE

    def form_of(self, model: str) -> LearntForm:
        """Return the form in which ``model`` is asked, the same object for the same model."""
        if model not in self._learnt:
            self._learnt[model] = LearntForm(RequestForm.first(self.provider, model))
        return self._learnt[model]

    async def _formed(self, prompt: Prompt, model: str, meter: _Meter) -> ChatReply:
        """Return the reply to a prompt in the richest form that the model accepts; what it refuses is left
        out from then on.
        """
        (api, *_), learnt = await self.opened(), self.form_of(model)
        await learnt.hold()
        try:
            tried = [learnt.form]
            while True:
                form = tried[-1]
                got = await self._tried(api.body(prompt, model, form), meter)
                if not isinstance(got, ErrorResponse):
                    learnt.accept(form, thought=got.thought)
                    return got
                other = learnt.after_refusal(tried, got, form.limit(prompt))
                if other is None:
                    error = error_for(got, self.provider, self.url, model)
                    raise await self.diagnosis.explained(error, model, got)
                tried.append(other)
        finally:
            learnt.release()

    async def _tried(self, body: dict[str, Any], meter: _Meter) -> ChatReply | ErrorResponse:
        """Send a request, again after failures that may pass (exponential backoff with jitter); return the
        reply or the last failure.
        """
        attempt = 1
        while True:
            await meter.admit()
            api = self._next()
            got = await self._sent(api, body, meter)
            if not isinstance(got, ErrorResponse):
                return got
            if got.meaning in ("auth", "quota") and self._drop(api, got.status):
                continue
            asked = got.retry_after()
            least = min(8.0, 0.5 * 2 ** (attempt - 1)) if asked is None else asked
            if attempt == self._tries or least > MAX_WAIT or not got.may_pass:
                return replace(got, tries=attempt)
            await asyncio.sleep(least * random.uniform(1.0, 1.5))  # noqa: S311 - spreads the slots, no secret
            attempt += 1

    async def _sent(self, api: ChatApi, body: dict[str, Any], meter: _Meter) -> ChatReply | ErrorResponse:
        """Make one HTTP request; return the reply or the failure, ``SILENCE`` for a time-out."""
        began = time.monotonic()
        self._sent_at.append(began)
        try:
            async with asyncio.timeout(self._timeout):
                got = await api.reply(body)
        except TimeoutError:
            meter.unanswered += 1
            return replace(SILENCE, waited=self._timeout)
        except asyncio.CancelledError:  # as of a cancelled task: it goes on, and costs, at the provider
            meter.unanswered += 1
            raise
        finally:
            self._sent_at.remove(began)
        meter.usage += got.usage
        return got


# --- the SDK of a provider ----------------------------------------------------------------------------------


def interface_of(provider: Provider) -> Callable[[Provider, str, int], ChatApi]:
    """Return the class for the provider's endpoint: OpenAIApi or AnthropicApi.

    Call it with provider, base_url and the size of the connection pool. Imports the SDK, which takes most of
    a second.
    """
    if preset_for(provider).api == "anthropic":
        from kgnb.llm.anthropic_api import AnthropicApi

        return AnthropicApi
    from kgnb.llm.openai_api import OpenAIApi

    return OpenAIApi


def preload(provider: Provider) -> None:
    """Import the provider's SDK in a thread, so that its first request needn't wait for that."""
    threading.Thread(target=interface_of, args=(provider,), name="kgnb-sdk", daemon=True).start()
