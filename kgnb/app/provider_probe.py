"""Ask a provider once for real: one that is known, or one that isn't saved yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from kgnb.app.condition import BUDGETS
from kgnb.app.context import App
from kgnb.book.reader import story_path
from kgnb.core.addresses import origin, redacted_url
from kgnb.core.errors import ProviderError, ReplyError, ServiceDown, SettingsError
from kgnb.core.messages import language
from kgnb.core.model import Provider
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.client import LIST_SECONDS, TEST_PROMPT, LlmClient
from kgnb.worker.budget import Budget, SpendingTracker
from kgnb.worker.provider_sources import check_name, check_url

SAMPLE_CHARS = 600
"""Characters of the text in a request that is only shown."""
DRAFT_SECONDS = 30.0
"""Timeout of requests to a provider that is being typed in: a person waits."""
NO_TEXT = ("provider.only_thoughts", "provider.blank")
"""Replies that no chapter could use, whatever it asks for."""


@dataclass(frozen=True, slots=True)
class ProviderProbe:
    """Outcome of one real request; ``error`` is empty when it worked, ``kind`` the key of its text."""

    name: str
    model: str
    seconds: float
    models: list[str]
    error: str
    reached: bool
    kind: str = ""


async def probe_provider(app: App, name: str) -> ProviderProbe:
    """Send the provider's first model one short request, ignoring limits and pauses; return whether and how
    fast it answered. The cost is counted.

    An endpoint that doesn't list its models either is given up after LIST_SECONDS (6). Raises SettingsError
    for an unknown or unusable provider, ServiceDown.
    """
    provider = app.providers.requested(name)
    client = _client(provider, app.settings.llm_timeout)
    return await _probe(app, client, await app.router.model_for(provider))


async def check_provider(app: App, name: str) -> ProviderProbe:
    """Like :func:`probe_provider`, with the outcome stored for all nodes; success ends a pause that a node
    set.
    """
    probe = await probe_provider(app, name)
    await note_outcome(app, probe)
    return probe


async def note_outcome(app: App, probe: ProviderProbe) -> None:
    """Note a probe's outcome for everybody; success ends a pause that a node set, except for a budget."""
    breaker = app.breaker
    if probe.error:
        if probe.kind != "provider.rate":
            await breaker.record_refusal(probe.name, probe.error, probe.kind)
        return
    state = await breaker.state(probe.name)
    if state.paused and state.reason and not state.by_hand and state.kind not in BUDGETS:
        await breaker.resume(probe.name)
    await breaker.record_success(probe.name, probe.seconds)


async def probe_draft(app: App, draft: Provider) -> ProviderProbe:
    """Send one short request to the model of a provider that is being typed; return whether it answered.
    Nothing is saved.

    Without a key that of the known provider of the same name and host is used. Raises SettingsError for
    invalid values.
    """
    return await _probe(app, _draft_client(app, draft), draft.models[0])


async def draft_models(app: App, draft: Provider) -> list[str]:
    """Return the models that the draft's endpoint lists, sorted by name; [] where it lists none.

    Raises SettingsError for invalid values, ProviderDown when it doesn't answer.
    """
    client = _draft_client(app, draft)
    try:
        return sorted(await client.models())
    finally:
        await client.close()


def _client(provider: Provider, timeout: float) -> LlmClient:
    """Return a client for one request: a second try would only make a person wait."""
    once = provider.options.model_copy(update={"tries": 1})
    return LlmClient(replace(provider, options=once), timeout=timeout, tries=1, connections=2)


def _draft_client(app: App, draft: Provider) -> LlmClient:
    """Return a client for a provider that is being typed. Raises SettingsError for invalid values."""
    check_name(draft.name)
    provider = replace(draft, base_url=draft.base_url.strip().rstrip("/") or "-")
    check_url(provider)
    known = app.providers.find(provider.lower_name)
    if not draft.api_key and known is not None and origin(known.base_url) == origin(provider.base_url):
        provider = replace(provider, api_key=known.api_key)
    provider, problem = app.providers.with_options(provider, typed=True)
    if problem is not None:
        raise SettingsError(problem.key, **problem.facts)
    if draft.api_key:  # another key's answer would say nothing of it
        provider = replace(provider, options=provider.options.model_copy(update={"api_keys": ()}))
    return _client(provider, min(DRAFT_SECONDS, app.settings.llm_timeout))


async def _probe(app: App, client: LlmClient, model: str) -> ProviderProbe:
    """Send one request, close the client and note the cost."""
    provider, spending = client.provider, SpendingTracker(app.ledger, Budget())
    await client.open()
    asking = asyncio.create_task(
        _failure(
            client.ask(TEST_PROMPT, model, spent=lambda usage, _: spending.record(provider, model, usage))
        )
    )
    models: list[str] | None = None
    started = time.monotonic()
    try:
        models = await client.models()
        failed, ended = await asking  # the endpoint is there: a slow model gets its whole time
    except ProviderError as silent:
        await asyncio.wait([asking], timeout=max(0.0, started + LIST_SECONDS - time.monotonic()))
        failed, ended = asking.result() if asking.done() else (silent, time.monotonic())
    finally:
        asking.cancel()
        await asyncio.wait([asking])
        await client.close()
    with suppress(ServiceDown):
        await spending.flush()
    return ProviderProbe(
        name=provider.name,
        model=model,
        seconds=ended - started,
        models=models or [],
        error=str(failed or ""),
        reached=failed is None or models is not None,
        kind=failed.key if failed else "",
    )


async def _failure(request: Awaitable[object]) -> tuple[ProviderError | None, float]:
    """Return (how the request failed or None, when it ended by time.monotonic()). Of reply errors only an
    empty one counts as failure.
    """
    failed: ProviderError | None = None
    try:
        await request
    except ReplyError as error:
        failed = error if error.key in NO_TEXT else None  # truncated or declined: it answered
    except ProviderError as error:
        failed = error
    return failed, time.monotonic()


async def preview_request(app: App, name: str) -> dict[str, Any]:
    """Return what a request for a chapter would send, without its secrets. Nothing is sent.

    Raises SettingsError for an unknown or unusable provider, ServiceDown.
    """
    provider = app.providers.requested(name)
    model = await app.router.model_for(provider)
    config = await app.ledger.providers.default_config()
    text = story_path(language()).read_text("utf-8")[:SAMPLE_CHARS]
    prompt = PromptBuilder(language(), (), config).prompt(text)
    options = provider.options
    return {
        "provider": provider.name,
        "base_url": redacted_url(provider.base_url),
        "keys": ["***" for _ in provider.all_keys],
        "headers": dict.fromkeys(options.extra_headers, "***"),
        "query": dict.fromkeys(options.default_query, "***"),
        "timeout": options.timeout or app.settings.llm_timeout,
        "body": await app.providers.client(provider).body(prompt, model),
    }
